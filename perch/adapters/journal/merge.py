"""A site moves to another collector: what one journal holds of it is put into another, each event once.

Events keep their identity and the facts of their arrival, so that history made of either journal is the same. What the
other journal has already is left; the agents send again what they keep, and that is left as well. What was let go of or
erased in either is so in both afterwards. Cut short, it can be done again.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from perch.adapters.journal.codec import ErasedEvent
from perch.adapters.journal.reader import Entry
from perch.adapters.journal.store import Journal, JournalReader, Run, Stream
from perch.delivery.watermark import Watermark
from perch.errors import PerchError

AT_ONCE = 20_000


class Merged(NamedTuple):
    """How many events were put in, and how many were there."""

    stored: int
    known: int


def merge(
    source: JournalReader, target: Journal, site: str, told: Callable[[int], object] = lambda _position: None
) -> Merged:
    """Put a site's events of one journal into another; `told` hears how far it has come in the first.

    Raises PerchError where the two hold different events of one identity, and StorageError.
    """
    position = stored = known = 0
    while entries := source.read(position, AT_ONCE):
        position = entries[-1].position
        mine = [entry for entry in entries if entry.site == site]
        fresh = [entry for entry in mine if not _is_known(target, entry)]
        runs = list(_runs(fresh))
        target.append(runs, _settled(target, runs))
        stored, known = stored + len(fresh), known + len(mine) - len(fresh)
        told(position)
    target.append([], {stream: _joined(target.watermark(stream), mark) for stream, mark in source.streams(site)})
    target.adopt(source.gone(site))
    for _, erasure in source.erasures():
        if erasure.site == site:
            target.erase(erasure)
    return Merged(stored, known)


def _is_known(target: Journal, entry: Entry) -> bool:
    stream = _stream(entry)
    if entry.event.seq not in target.watermark(stream):
        return False
    there = target.stored(stream, entry.event.seq)
    if there is None and target.is_gone(stream, entry.event.seq):
        return True
    erased = isinstance(there, ErasedEvent) or isinstance(entry.event, ErasedEvent)
    if there is not None and there != entry.event and not erased:
        what = f"event {entry.event.seq} of {'/'.join(stream)} is not the same in the two journals"
        raise PerchError(what, "they cannot both be true: keep the one, and move the other away")
    return there is not None


def _stream(entry: Entry) -> Stream:
    return Stream(entry.site, entry.agent, entry.epoch)


def _runs(entries: Iterable[Entry]) -> Iterator[Run]:
    """Cut entries into what arrived together and follows without a gap."""
    placed = enumerate(entries)
    for _, group in groupby(placed, lambda it: (_message(it[1]), it[1].event.seq - it[0])):
        run = [entry for _, entry in group]
        first = run[0]
        yield Run(_stream(first), first.boot, first.sent_mono_ms, first.received_ms, tuple(one.event for one in run))


def _message(entry: Entry) -> tuple[object, ...]:
    return _stream(entry), entry.boot, entry.sent_mono_ms, entry.received_ms


def _settled(target: Journal, runs: Iterable[Run]) -> dict[Stream, Watermark]:
    settled: dict[Stream, Watermark] = {}
    for run in runs:
        mark = settled.get(run.stream) or target.watermark(run.stream)
        settled[run.stream] = mark.add(run.first, run.last)
    return settled


def _joined(one: Watermark, other: Watermark) -> Watermark:
    return one.add_all([(1, other.upto), *other.have])
