"""Reads what a campaign left on its disks, for the checker."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from perch.adapters.journal import Journal, JournalReader
from perch.adapters.journal_reader import Stream
from perch.adapters.outbox import Outbox
from perch.chaos.checker import Found, Kept, LostSpan, Projection
from perch.chaos.corpus import visitors
from perch.chaos.stage import Stage
from perch.chaos.venue_files import SITE
from perch.chaos.witness import digest
from perch.contract import LostEvent, StateEvent, parse_up
from perch.delivery.lost import LossReason
from perch.delivery.watermark import Watermark

READ_AT_ONCE = 5_000


class Books:
    """The journal, read once: events of agents under test, in order, and what tombstones name."""

    def __init__(self, path: Path, agents: frozenset[str]) -> None:
        self.stored: list[tuple[Stream, int, str]] = []
        self.lost: list[LostSpan] = []
        self.stated: Counter[tuple[Stream, int]] = Counter()
        self.foreign = 0
        self.agents = agents
        with JournalReader(path) as reader:
            position = 0
            while entries := reader.read(position, READ_AT_ONCE):
                position = entries[-1].position
                for entry in entries:
                    if entry.agent not in agents:
                        self.foreign += 1
                        continue
                    stream = Stream(entry.site, entry.agent, entry.epoch)
                    event = entry.event
                    self.stored.append((stream, event.seq, digest(event)))
                    if isinstance(event, StateEvent):
                        self.stated[stream, event.seq] += 1
                    elif isinstance(event, LostEvent):
                        full = event.reason == LossReason.OUTBOX_FULL
                        self.lost.append(LostSpan(stream._replace(epoch=event.epoch), *event.lost, full))
        self.streams = {stream for stream, _, _ in self.stored} | {span.stream for span in self.lost}

    def __repr__(self) -> str:
        return f"<Books, {len(self.stored)} events and {self.foreign} of others>"


def books_of(stage: Stage) -> Books:
    """Read the journal of a stage."""
    return Books(stage.data / "journal.db", frozenset({*stage.agents, *(one.agent for one, _, _ in visitors(SITE))}))


def found(
    stage: Stage,
    books: Books,
    named: Mapping[str, Counter[tuple[Stream, int]]],
    projections: Mapping[str, Projection],
    unplaced: int,
) -> Found:
    """Put together all that the checker needs."""
    accepted: dict[Stream, dict[int, str]] = {}
    for stream, _, payload in visitors(SITE):
        events = (event for event in parse_up(payload).events if event.seq is not None)
        accepted[stream] = {event.seq or 0: digest(event) for event in events}  # type: ignore[arg-type]  # all are readable
    in_doubt: dict[Stream, dict[int, str]] = {}
    refused: dict[Stream, dict[int, str]] = {}
    for ledger in stage.ledgers.values():
        accepted |= ledger.accepted
        in_doubt |= ledger.in_doubt
        refused |= ledger.refused
    reader = stage.reader
    return Found(
        accepted,
        in_doubt,
        refused,
        books.stored,
        books.lost,
        _settled(stage.data / "journal.db", books.streams),
        _kept(stage),
        projections,
        books.stated,
        {name: _of(books.agents, rows) for name, rows in named.items()},
        unplaced,
        dict(reader.overdue_s),
        reader.judged,
    )


def _of(agents: frozenset[str], rows: Counter[tuple[Stream, int]]) -> Counter[tuple[Stream, int]]:
    return Counter({identity: times for identity, times in rows.items() if identity[0].agent in agents})


def _settled(path: Path, streams: set[Stream]) -> dict[Stream, Watermark]:
    with Journal.open(path) as journal:
        return {stream: journal.watermark(stream) for stream in streams}


def _kept(stage: Stage) -> dict[Stream, Kept]:
    """Ask every outbox, copies too, how far each of its epochs was acknowledged."""
    kept: dict[Stream, Kept] = {}
    folders = [(agent, stage.agent_data(agent)) for agent in stage.agents]
    for agent, folder in (*folders, *((agent, config.with_suffix("")) for agent, config in stage.clones)):
        with Outbox.open(folder / "outbox.db") as outbox:
            for lane in outbox.lanes():
                waiting = lane.settled.missing(1, lane.last)
                acknowledged = waiting[0][0] - 1 if waiting else max(lane.heard_upto, lane.last)
                stream = Stream(SITE, agent, lane.epoch)
                if stream not in kept or kept[stream].last <= lane.last:
                    kept[stream] = Kept(lane.last, acknowledged)
    return kept
