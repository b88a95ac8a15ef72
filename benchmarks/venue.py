"""A venue's events in a journal, and a history that follows it, for benchmarks of what is made from them."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import time
from pathlib import Path
from random import Random

from collector.history.projection import HistoryProjection
from collector.projection import advance, resume
from perch.adapters.history.store import HistoryStore
from perch.adapters.journal.store import Journal, JournalReader, Run, Stream
from perch.contract import AliveEvent, Event, StateEvent
from perch.delivery.watermark import Watermark
from perch.model import QUARTER_MS, Clock, Floor, OpenSpan, Purpose, Reason, Site, Space, SpaceKind, State, Zone

SPACES_PER_AGENT = 16
SPACES_PER_ZONE = 50
START_MS = 1_790_000_000_000 // QUARTER_MS * QUARTER_MS
NOTHING_SAID: Mapping[int, int] = {}
EPOCH = "0123456789abcdef" * 2
SAID = ((State.FREE, Reason.QUIET), (State.OCCUPIED, Reason.MOTION), (State.UNKNOWN, Reason.SENSOR_SILENT))


def site_of(spaces: int) -> Site:
    """Lay a site out: 50 desks to a zone, 16 to an agent."""
    zones = tuple(Zone(f"z{n}", "f1", f"z{n}") for n in range(-(-spaces // SPACES_PER_ZONE)))
    agents = tuple(f"pi-{n}" for n in range(-(-spaces // SPACES_PER_AGENT)))
    return Site(
        id="hq",
        name="Bench",
        time_zone="Europe/Lisbon",
        country=None,
        closed=(),
        hours=((OpenSpan(time(8), time(20)),),) * 7,
        floors=(Floor("f1", "f1", None),),
        zones=zones,
        agents=agents,
        spaces=tuple(_desk(number) for number in range(spaces)),
    )


def _desk(number: int) -> Space:
    return Space(
        id=f"d{number}",
        name=f"Desk {number}",
        floor="f1",
        zone=f"z{number // SPACES_PER_ZONE}",
        kind=SpaceKind.DESK,
        capacity=1,
        purpose=Purpose.SHARED,
        features=frozenset(),
        agent=f"pi-{number // SPACES_PER_AGENT}",
    )


def messages(
    spaces: int,
    events: int,
    span_ms: int,
    *,
    each: int = 1,
    marks: bool = False,
    after: Mapping[int, int] = NOTHING_SAID,
) -> Iterator[Run]:
    """Make messages of `each` events in order of time, spread evenly over a span; with `marks`, also each quarter.

    `after` has how many events each agent told before.
    """
    dice = Random(7)  # noqa: S311 (nothing secret is drawn)
    agents = -(-spaces // SPACES_PER_AGENT)
    epoch, seqs = EPOCH, {**dict.fromkeys(range(agents), 0), **after}
    marked_ms = START_MS
    for place in range(0, events, each):
        wall_ms = START_MS + span_ms * place // events
        if marks and wall_ms >= marked_ms + QUARTER_MS:
            marked_ms += QUARTER_MS
            for agent in range(agents):
                seqs[agent] += 1
                yield _run(
                    agent, epoch, [AliveEvent(seqs[agent], marked_ms, marked_ms - START_MS, Clock.OK)], marked_ms
                )
        agent = dice.randrange(agents)
        several: list[Event] = []
        for _ in range(each):
            seqs[agent] += 1
            number = min(agent * SPACES_PER_AGENT + dice.randrange(SPACES_PER_AGENT), spaces - 1)
            state, reason = dice.choice(SAID)
            chance = round(dice.random(), 3)
            at = wall_ms, wall_ms - START_MS, Clock.OK
            several.append(StateEvent(seqs[agent], f"d{number}", state, chance, None, reason, *at))
        yield _run(agent, epoch, several, wall_ms)


def words_said_first(spaces: int) -> dict[int, int]:
    """Count the spaces of each agent."""
    firsts = range(0, spaces, SPACES_PER_AGENT)
    return {agent: min(SPACES_PER_AGENT, spaces - first) for agent, first in enumerate(firsts)}


def first_words(spaces: int) -> Iterator[Run]:
    """Make a message of each agent that states all its spaces, as it does when it starts."""
    for agent, words in words_said_first(spaces).items():
        named = range(agent * SPACES_PER_AGENT, agent * SPACES_PER_AGENT + words)
        at = START_MS - QUARTER_MS, 0, Clock.OK
        said = State.UNKNOWN, 0.5, None, Reason.STARTING
        events: list[Event] = [StateEvent(seq, f"d{n}", *said, *at) for seq, n in enumerate(named, 1)]
        yield _run(agent, EPOCH, events, START_MS - QUARTER_MS)


def _run(agent: int, epoch: str, events: list[Event], wall_ms: int) -> Run:
    return Run(Stream("hq", f"pi-{agent}", epoch), "0123456789abcdef", wall_ms - START_MS, wall_ms + 40, tuple(events))


def journal_of(path: Path, runs: Iterator[Run], group: int = 100) -> int:
    """Write runs into a new journal, so many to a transaction; give how many events it holds."""
    with Journal.open(path) as journal:
        waiting: list[Run] = []
        marks: dict[Stream, Watermark] = {}
        for run in runs:
            waiting.append(run)
            if run.stream not in marks:
                marks[run.stream] = journal.watermark(run.stream)
            marks[run.stream] = marks[run.stream].add(run.first, run.last)
            if len(waiting) == group:
                journal.append(waiting, {each.stream: marks[each.stream] for each in waiting})
                waiting = []
        if waiting:
            journal.append(waiting, {each.stream: marks[each.stream] for each in waiting})
        return journal.end


def follow_history(files: ExitStack, folder: Path) -> HistoryStore:
    """Bring history up to the journal's end."""
    store = files.enter_context(HistoryStore.open(folder / "history.db"))
    log = files.enter_context(JournalReader(folder / "journal.db"))
    projection = HistoryProjection(store, log)
    position, before = resume(log, projection), -1
    while position != before:
        before, position = position, advance(log, projection, position)
    return store
