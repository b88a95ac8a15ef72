"""Reads what a campaign left on its disks, for the checker."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any, cast

from perch.adapters.journal.codec import ErasedEvent, ErasureEvent
from perch.adapters.journal.reader import Entry, Stream
from perch.adapters.journal.store import Journal, JournalReader
from perch.adapters.outbox.store import Outbox
from perch.adapters.sqlite import open_reader
from perch.chaos.checker import Found, Kept, LostSpan, Projection
from perch.chaos.corpus import visitors
from perch.chaos.stage import Stage
from perch.chaos.testimony import digest
from perch.chaos.transitions import Word, due, stored
from perch.chaos.undated import undated
from perch.chaos.venue_files import SITE, spaces_of
from perch.contract import Event, LostEvent, StateEvent, parse_up
from perch.delivery.lost import LossReason
from perch.delivery.watermark import Watermark
from perch.errors import PerchError
from perch.history.told import LostSpan as LostWords

READ_AT_ONCE = 5_000


class Books:
    """The journal, read once: events of agents under test, in order, and what tombstones name."""

    def __init__(self, path: Path, agents: frozenset[str]) -> None:
        self.stored: list[tuple[Stream, int, str]] = []
        self.lost: list[LostSpan] = []
        self.stated: Counter[tuple[Stream, int]] = Counter()
        self.words: dict[tuple[Stream, int], StateEvent] = {}
        self.foreign = 0
        self.agents = agents
        with JournalReader(path) as reader:
            if reader.floor():
                raise PerchError("the journal has let go of events", "nothing can be counted: set journal_days = 0")
            self.undated = undated(self._noted(_entries(reader)))

    def __repr__(self) -> str:
        return f"<Books, {len(self.stored)} events and {self.foreign} of others>"

    def _noted(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Write down the events of agents under test, and pass them on."""
        for entry in entries:
            if isinstance(entry.event, ErasedEvent | ErasureEvent):
                raise PerchError("something was erased in the journal", "nothing can be counted of it any more")
            if entry.agent in self.agents:
                self._note(Stream(entry.site, entry.agent, entry.epoch), entry.event)
                yield entry
            else:
                self.foreign += 1

    def _note(self, stream: Stream, event: Event) -> None:
        self.stored.append((stream, event.seq, digest(event)))
        if isinstance(event, StateEvent):
            self.stated[stream, event.seq] += 1
            self.words[stream, event.seq] = event
        elif isinstance(event, LostEvent):
            full = event.reason == LossReason.OUTBOX_FULL
            self.lost.append(LostSpan(stream._replace(epoch=event.epoch), *event.lost, full))


def _entries(reader: JournalReader) -> Iterator[Entry]:
    position = 0
    while entries := reader.read(position, READ_AT_ONCE):
        position = entries[-1].position
        yield from entries


def books_of(stage: Stage) -> Books:
    """Read the journal of a stage."""
    return Books(stage.data / "journal.db", frozenset({*stage.agents, *(one.agent for one, _, _ in visitors(SITE))}))


def found(
    stage: Stage,
    books: Books,
    named: Mapping[str, Counter[tuple[Stream, int]]],
    projections: Mapping[str, Projection],
) -> Found:
    """Put together all that the checker needs."""
    accepted: dict[Stream, dict[int, str]] = {}
    for stream, _, payload in visitors(SITE):
        events = (event for event in parse_up(payload).events if event.seq is not None)
        accepted[stream] = {event.seq or 0: digest(event) for event in events}  # type: ignore[arg-type]  # all are readable
    in_doubt: dict[Stream, dict[int, str]] = {}
    refused: dict[Stream, dict[int, str]] = {}
    for testimony in stage.testimonies.values():
        accepted |= testimony.accepted
        in_doubt |= testimony.in_doubt
        refused |= testimony.refused
    reader = stage.reader
    return Found(
        accepted,
        in_doubt,
        refused,
        books.stored,
        books.lost,
        _settled(stage.data / "journal.db", books.agents),
        _kept(stage),
        projections,
        books.stated,
        {name: _of(books.agents, rows) for name, rows in named.items()},
        books.undated,
        _transitions(stage, books, projections),
        dict(reader.overdue_s),
        reader.judged,
    )


def _transitions(stage: Stage, books: Books, projections: Mapping[str, Projection]) -> Projection | None:
    """Hold InfluxDB's transitions against the journal's words; when they were is taken from history's rows."""
    if "InfluxDB" not in projections:
        return None
    said: dict[tuple[str, str], list[Word]] = {}
    lost: dict[str, list[LostWords]] = {}
    for kind, *row in cast("Iterable[tuple[Any, ...]]", projections["history"].rows):
        if kind == "state":
            agent, space, epoch, seq, time_ms = row[:5]
            event = books.words.get((Stream(SITE, agent, epoch), seq))
            if event is not None and event.space == space:
                said.setdefault((agent, space), []).append(Word(time_ms, epoch, seq, event.state, event.count))
        elif kind == "lost":
            lost.setdefault(row[0], []).append(LostWords(*row[1:]))
    homes = ((agent, space) for agent in stage.agents for space in spaces_of(agent))
    points = (due(home[1], said.get(home, ()), lost.get(home[0], ())) for home in homes)
    return Projection(stored(projections["InfluxDB"].rows), Counter(chain.from_iterable(points)))


def _of(agents: frozenset[str], rows: Counter[tuple[Stream, int]]) -> Counter[tuple[Stream, int]]:
    return Counter({identity: times for identity, times in rows.items() if identity[0].agent in agents})


def _settled(path: Path, agents: frozenset[str]) -> dict[Stream, set[int]]:
    """Ask the journal which numbers it acknowledges of every epoch that it knows."""
    with closing(open_reader(path)) as db:
        known = [Stream(*row) for row in db.execute("SELECT site, agent, epoch FROM stream")]
    with Journal.open(path) as journal:
        return {stream: _numbers_in(journal.watermark(stream)) for stream in known if stream.agent in agents}


def _kept(stage: Stage) -> dict[Stream, Kept]:
    """Ask every outbox, copies too, which numbers of each of its epochs it takes for settled."""
    kept: dict[Stream, Kept] = {}
    folders = [(agent, stage.agent_data(agent)) for agent in stage.agents]
    for agent, folder in (*folders, *((agent, config.with_suffix("")) for agent, config in stage.clones)):
        with Outbox.open(folder / "outbox.db") as outbox:
            for lane in outbox.lanes():
                stream = Stream(SITE, agent, lane.epoch)
                if stream not in kept or kept[stream].last <= lane.last:
                    kept[stream] = Kept(lane.last, _numbers_in(lane.settled))
    return kept


def _numbers_in(mark: Watermark) -> set[int]:
    return {seq for first, last in ((1, mark.upto), *mark.have) for seq in range(first, last + 1)}
