"""Invented journals of agents whose clocks are wrong: boots, epochs, syncs that come early, late, twice or never."""

from collections.abc import Collection, Iterator, Sequence

from hypothesis import strategies as st

from perch.adapters.journal.store import Entry
from perch.contract import AliveEvent, ClockEvent, Event, LostEvent, StateEvent
from perch.model import Clock, Reason
from tests.history_cases import AGENTS, EPOCHS, SPACES, STATEMENTS

BOOTS = ("b" * 16, "a" * 16, "c" * 16)
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
YEAR_2100_MS = 4_102_444_800_000

ERRORS_MS = (0, 0, 0, 0, 2_000, -4_000, 6_000, 3 * HOUR_MS, -3 * HOUR_MS, 30 * HOUR_MS)
"""By how much an agent's clock may be wrong."""

DELAYS_MS = (0, 0, 0, 40, 4_000, 20_000, 400_000, 5 * HOUR_MS, -HOUR_MS, -3 * DAY_MS, 2 * DAY_MS)
"""How late a message may come, as the collector's clock shows it, which may be wrong as well."""


class Entries:
    """A journal as a list, which can be asked for single epochs."""

    def __init__(self, entries: Sequence[Entry], journal: str = "0123456789abcdef") -> None:
        self.id = journal
        self.entries = list(entries)

    def end(self) -> int:
        return len(self.entries)

    def floor(self) -> int:
        return 0

    def read(self, after: int, limit: int) -> list[Entry]:
        return self.entries[after : after + limit]

    def epochs(self, site: str, agent: str, epochs: Collection[str], upto: int) -> Iterator[Entry]:
        return (
            entry
            for entry in self.entries[:upto]
            if (entry.site, entry.agent) == (site, agent) and entry.epoch in epochs
        )


@st.composite
def journals(
    draw: st.DrawFn, from_ms: int, to_ms: int, *, agents: Sequence[str] = (*AGENTS, AGENTS[0]), most: int = 10
) -> tuple[Entry, ...]:
    """Messages of agents over a time: each boot really began somewhere, all else may be wrong."""
    began = {(agent, boot): draw(st.integers(from_ms, to_ms)) for agent in AGENTS for boot in BOOTS}
    seqs: dict[tuple[str, str], int] = {}
    entries: list[Entry] = []
    for _ in range(draw(st.integers(1, most))):
        agent, boot = draw(st.sampled_from(agents)), draw(st.sampled_from(BOOTS))
        own = EPOCHS[BOOTS.index(boot) % 2 :][:2]
        epoch = draw(st.sampled_from((*own, *own, *EPOCHS)))
        wrong_ms = draw(st.sampled_from(ERRORS_MS))
        monos = sorted(draw(st.lists(st.sampled_from(MONOS_MS), min_size=1, max_size=3)))
        clock = Clock.OK if draw(st.booleans()) else Clock.UNSYNCED
        events = [
            draw(_event(_next(seqs, agent, epoch), epoch, boot, began[agent, boot] + wrong_ms, mono_ms, clock))
            for mono_ms in monos
        ]
        live = draw(st.sampled_from((True, True, False)))
        sent_mono_ms = max(monos) + draw(st.sampled_from((0, 100, 60_000))) if live else None
        received_ms = began[agent, boot] + max(monos) + draw(st.sampled_from(DELAYS_MS))
        if draw(st.integers(0, 15)) == 15:
            received_ms = 86_000
        for event in events:
            position = len(entries) + 1
            entries.append(Entry(position, "hq", agent, epoch, received_ms, event, boot, sent_mono_ms))
    return tuple(entries)


MONOS_MS = (-1, 0, 5_000, 5_000, 60_000, 700_000, 2 * HOUR_MS)


def _next(seqs: dict[tuple[str, str], int], agent: str, epoch: str) -> int:
    seqs[agent, epoch] = seqs.get((agent, epoch), 0) + 1
    return seqs[agent, epoch]


@st.composite
def _event(draw: st.DrawFn, seq: int, epoch: str, boot: str, offset_ms: int, mono_ms: int, clock: Clock) -> Event:
    wall_ms = offset_ms + mono_ms + draw(st.sampled_from((0, 0, 0, 0, 1_500, 7_000)))
    if draw(st.integers(0, 9)) == 0:
        wall_ms = draw(st.sampled_from((mono_ms, YEAR_2100_MS + mono_ms, -(2**53), 2**53)))
    kind = draw(st.integers(0, 11))
    if kind == 11:
        named, until_ms = draw(st.sampled_from((epoch, epoch, *EPOCHS))), draw(st.sampled_from((0, 1_000, HOUR_MS)))
        ends = (wall_ms, wall_ms + until_ms, mono_ms, mono_ms + until_ms if mono_ms >= 0 else mono_ms)
        return LostEvent(seq, named, (seq, seq + 1), *ends, clock, "outbox-full")
    if kind >= 9:
        told_ms = draw(st.sampled_from((offset_ms, offset_ms, offset_ms + 6_000, YEAR_2100_MS, 5_000)))
        return ClockEvent(seq, draw(st.sampled_from((boot, boot, boot, *BOOTS))), told_ms)
    if kind >= 7:
        return AliveEvent(seq, wall_ms, mono_ms, clock)
    state, reason = draw(st.sampled_from((*STATEMENTS, *STATEMENTS[:5])))
    if mono_ms < 0:
        reason = Reason.AGENT_OFFLINE
    space = draw(st.sampled_from((*SPACES, SPACES[0], SPACES[0])))
    return StateEvent(seq, space, state, draw(st.integers(0, 9)) / 10, None, reason, wall_ms, mono_ms, clock)
