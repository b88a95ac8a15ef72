"""Events that the collector's journal lacks between others that came: how many, and when they must have been."""

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from perch.adapters.history.reader import HistoryReader
from perch.adapters.journal.codec import Kept
from perch.adapters.journal.reader import Entry, JournalReader, Stream
from perch.contract import AliveEvent, LostEvent, StateEvent
from perch.delivery.boots import Boots
from perch.delivery.placing import is_believable, place
from perch.delivery.watermark import SeqRange
from perch.errors import StorageError
from perch.history.gaps import Gap
from perch.history.source import EpochSpan
from perch.history.told import LostSpan
from perch.model import Clock

LOOK_S = 2.0
"""So old may be what is known of gaps."""

MOST_APART = 8
"""An epoch with more gaps than that is taken to have one, from the first to the last."""


class Gaps:
    """Gaps in a journal beside a history; any thread may ask. Where the journal cannot be read none are known."""

    def __init__(self, journal: Path, history: Callable[[], HistoryReader]) -> None:
        self._path = journal
        self._history = history
        self._turn = threading.Lock()
        self._looked_s = -math.inf
        self._missing: Mapping[Stream, Sequence[SeqRange]] = {}
        self._of: dict[str, Collection[Gap]] = {}

    def __repr__(self) -> str:
        return f"<Gaps in {self._path}>"

    def at(self, site: str) -> Collection[Gap]:
        """Give the gaps of a site; raises StorageError."""
        with self._turn:
            self._look()
            if site not in self._of:
                missing = {stream: ranges for stream, ranges in self._missing.items() if stream.site == site}
                self._of[site] = self._found(site, missing) if missing else ()
            return self._of[site]

    def lacking(self, from_ms: int, sites: Iterable[str]) -> Mapping[str, int]:
        """Count by site what is missing of epochs that lived at a moment or after it; raises StorageError."""
        count: Counter[str] = Counter()
        for site in sites:
            for gap in self.at(site):
                if gap.until_ms >= from_ms:
                    count[site] += gap.span.last_seq - gap.span.first_seq + 1
        return count

    def _look(self) -> None:
        if time.monotonic() - self._looked_s < LOOK_S:
            return
        missing: Mapping[Stream, Sequence[SeqRange]] = {}
        with suppress(StorageError), JournalReader(self._path) as journal:
            missing = journal.gaps()
        self._missing, self._of = missing, {}  # epochs live on, and their gaps with them
        self._looked_s = time.monotonic()

    def _found(self, site: str, missing: Mapping[Stream, Sequence[SeqRange]]) -> Collection[Gap]:
        history = self._history()
        lived = {(one.agent, one.epoch): one for one in history.epochs(site)}
        boots = {agent: history.boots(site, agent) for agent in {stream.agent for stream in missing}}
        found: list[Gap] = []
        with suppress(StorageError), JournalReader(self._path) as journal:
            for stream, ranges in missing.items():
                if (epoch := lived.get((stream.agent, stream.epoch))) is None:
                    continue
                until_ms = _until(epoch, lived.values())
                for first, last in _few(ranges):
                    before, after = journal.around(stream, first, last)
                    begun_ms = next(_times(reversed(before), boots[stream.agent]), epoch.first_ms)
                    ended_ms = next(_times(after, boots[stream.agent]), epoch.until_ms)
                    span = LostSpan(stream.epoch, first, last, min(begun_ms, ended_ms), max(begun_ms, ended_ms))
                    found.append(Gap(stream.agent, span, until_ms))
        return found


def _until(epoch: EpochSpan, lived: Iterable[EpochSpan]) -> int:
    """Say until when anything may hang on an epoch: to its end, and to those of others that began before that."""
    until_ms = epoch.until_ms
    for one in sorted(lived, key=lambda one: one.first_ms):
        if one.agent == epoch.agent and one.first_ms <= until_ms:
            until_ms = max(until_ms, one.until_ms)
    return until_ms


def _few(ranges: Sequence[SeqRange]) -> Sequence[SeqRange]:
    return ranges if len(ranges) <= MOST_APART else [(ranges[0][0], ranges[-1][1])]


def _times(entries: Iterable[Entry], boots: Boots) -> Iterator[int]:
    """Give when events were, of those of which that is known."""
    for entry in entries:
        moment = _moment(entry.event)
        if moment is None:
            continue
        wall_ms, mono_ms, clock = moment
        believable = clock is Clock.OK and is_believable(wall_ms, entry.received_ms)
        placed = place(boots.placement(entry.boot), wall_ms, mono_ms, believable=believable)
        if placed is not None:
            yield placed[0]


def _moment(event: Kept) -> tuple[int, int, Clock] | None:
    match event:
        case StateEvent() | AliveEvent():
            return event.wall_ms, event.mono_ms, event.clock
        case LostEvent():
            return event.to_ms, event.to_mono_ms, event.clock
        case _:
            return None
