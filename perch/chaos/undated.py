"""Which events nobody can date by what a journal holds: worked out anew from the words of the docs.

It shares no rule with `perch.delivery`. An event whose agent knew the time is dated. Any other is dated if its boot, or
a later boot of the agent, ever gave evidence of the time: a `clock` event, an event whose agent knew it, or a message
that says when it was sent; one from before its boot if any boot of the agent did. The others, and only they, may be
absent from history.
"""

from collections.abc import Iterable

from perch.adapters.journal.reader import Entry, Stream
from perch.contract import AliveEvent, ClockEvent, StateEvent

YEAR_2000_MS = 946_684_800_000
DAY_MS = 86_400_000

Identity = tuple[Stream, int]


def undated(entries: Iterable[Entry]) -> frozenset[Identity]:
    """Name the state events that are in no history yet; entries come in the order of the journal."""
    agents: dict[tuple[str, str], _Agent] = {}
    for entry in entries:
        agents.setdefault((entry.site, entry.agent), _Agent()).take(entry)
    return frozenset(identity for agent in agents.values() for identity in agent.undated())


class _Agent:
    """What one agent told of the time, boot by boot in the order in which they appeared."""

    def __init__(self) -> None:
        self._boots: dict[str, bool] = {}
        self._waiting: list[tuple[Identity, str | None]] = []

    def take(self, entry: Entry) -> None:
        """Take in what an entry says of its boot, and remember it where it does not date itself."""
        event = entry.event
        sent = entry.sent_mono_ms is not None and entry.sent_mono_ms >= 0 and entry.received_ms >= YEAR_2000_MS
        self._saw(entry.boot, sent)
        if isinstance(event, ClockEvent) and _is_possible(event, entry):
            self._saw(event.boot, True)
        elif isinstance(event, StateEvent | AliveEvent):
            known = event.clock == "ok" and _is_possible_wall(event.wall_ms, entry.received_ms)
            self._saw(entry.boot, known and event.mono_ms >= 0)
            if not known and isinstance(event, StateEvent):
                identity = Stream(entry.site, entry.agent, entry.epoch), event.seq
                self._waiting.append((identity, entry.boot if event.mono_ms >= 0 else None))

    def undated(self) -> Iterable[Identity]:
        """Name what waits for a boot that never knew the time, nor was followed by one that did."""
        boots = list(self._boots)
        last = max((place for place, boot in enumerate(boots) if self._boots[boot]), default=-1)
        nowhere = frozenset(boots[last + 1 :])
        return (identity for identity, boot in self._waiting if (last < 0 if boot is None else boot in nowhere))

    def _saw(self, boot: str, evidence: bool) -> None:
        self._boots[boot] = self._boots.get(boot, False) or evidence


def _is_possible(event: ClockEvent, entry: Entry) -> bool:
    sent_ms = max(entry.sent_mono_ms or 0, 0) if event.boot == entry.boot else 0
    return event.offset_ms >= YEAR_2000_MS and _is_possible_wall(event.offset_ms + sent_ms, entry.received_ms)


def _is_possible_wall(wall_ms: int, received_ms: int) -> bool:
    return wall_ms >= YEAR_2000_MS and (received_ms < YEAR_2000_MS or wall_ms <= received_ms + DAY_MS)
