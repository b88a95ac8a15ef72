"""Many spaces over one window at once: what is said in `statements` and `timeline` of one, in arrays over all.

What is rare is left to those: statements of agents that lost spans, and epochs that speak of one millisecond. A
moment of a place becomes one number, its *key*, so that one search finds the moments of all places.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from perch.history.layout import Tenure
from perch.history.source import END_MS, Columns, HistorySource, Integers, Stretch, side_by_side
from perch.history.statements import counted
from perch.history.timeline import AGENT_OFFLINE, Held, Timeline, hold, timeline

_WIRE_MS = 2**53 + 1
_MOST_KEYS = 2**62

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Window:
    """The milliseconds [from_ms, to_ms), cut to those that the wire can name; what lies around is as its edges."""

    from_ms: int
    to_ms: int

    @classmethod
    def of(cls, from_ms: int, to_ms: int) -> "Window":
        """Cut a window."""
        return cls(max(from_ms, -_WIRE_MS), min(to_ms, _WIRE_MS))

    @property
    def most_places(self) -> int:
        """For how many places there are keys."""
        return _MOST_KEYS // self.stride

    @property
    def stride(self) -> int:
        """How far the keys of a place are from those of the next."""
        return self.to_ms - self.from_ms + 2

    def key(self, place: Integers, ms: Integers) -> Integers:
        """Give a number for a moment of a place: rising by place, then by time."""
        return place * self.stride + np.clip(ms - self.from_ms, -1, self.to_ms - self.from_ms) + 1


@dataclass(frozen=True, slots=True)
class Spans:
    """Spans of places, in order and apart from each other, to be found by moments within the window."""

    window: Window
    place: Integers
    from_ms: Integers
    to_ms: Integers

    @classmethod
    def of(cls, window: Window, spans: Iterable[tuple[int, int, int]]) -> "Spans":
        """Take spans as place, from and to, in order."""
        columns = np.array(list(spans), dtype=np.int64).reshape(-1, 3).T
        return cls(window, *columns)

    def find(self, place: Integers, ms: Integers) -> Integers:
        """Give for each moment which span it lies in; -1 for none."""
        if not len(self.place):
            return np.full(len(place), -1)
        keys = self.window.key(self.place, self.from_ms)
        found = np.searchsorted(keys, self.window.key(place, ms), side="right") - 1
        at = np.maximum(found, 0)
        return np.where((found >= 0) & (self.place[at] == place) & (ms < self.to_ms[at]), at, -1)


@dataclass(frozen=True, slots=True)
class HeldTogether:
    """Counted statements of many tenures in order, of which tenure each is, and until when it holds."""

    place: Integers
    rows: Columns
    until_ms: Integers

    def changes(self) -> Flags:
        """Say which are transitions, as `statements.changes` does."""
        first = _is_first(self.place)
        same = np.zeros(len(first), dtype=np.bool_)
        same[1:] = (self.rows.state[1:] == self.rows.state[:-1]) & (self.rows.count[1:] == self.rows.count[:-1])
        return first | ~same

    def timeline(self, window: Window) -> Timeline:
        """Give one timeline of all places, each in its keys, unknown between them."""
        shifted = replace(self.rows, time_ms=window.key(self.place, self.rows.time_ms))
        nobody = Tenure("", "", 0, 0)
        return timeline([Held(nobody, shifted, window.key(self.place, self.until_ms))])


def hold_together(site: str, asked: Sequence[tuple[Tenure, int, int]], source: HistorySource) -> HeldTogether:
    """Read tenures, each over its [from, to), and find until when each counted statement holds."""
    stretches = [
        Stretch(of.space, of.agent, max(from_ms, of.from_ms), min(to_ms, of.to_ms)) for of, from_ms, to_ms in asked
    ]
    together = source.read_together(site, stretches)
    rows, place = together.rows, together.place
    bounds = np.array([(of.from_ms, of.to_ms) for of, _, _ in asked], dtype=np.int64).reshape(-1, 2)
    odd = _odd(place, rows, together.lost, len(asked))
    counts = (rows.time_ms >= bounds[place, 0]) & (rows.time_ms < bounds[place, 1]) & ~odd[place]
    held = _held(place[counts], rows.take(counts), bounds[:, 1])
    return _with_odd(held, [(at, asked[at][0], stretches[at]) for at in np.flatnonzero(odd).tolist()], site, source)


def _is_first(place: Integers) -> Flags:
    first = np.ones(len(place), dtype=np.bool_)
    first[1:] = place[1:] != place[:-1]
    return first


def _odd(place: Integers, rows: Columns, lost: Iterable[int], places: int) -> Flags:
    """Say of which places two epochs speak of one millisecond, or spans were lost."""
    odd = np.zeros(places, dtype=np.bool_)
    tied = (rows.time_ms[1:] == rows.time_ms[:-1]) & (rows.epoch[1:] != rows.epoch[:-1]) & (place[1:] == place[:-1])
    odd[place[1:][tied]] = True
    odd[list(lost)] = True
    return odd


def _held(place: Integers, rows: Columns, ends_ms: Integers) -> HeldTogether:
    if not len(place):
        return HeldTogether(place, rows, rows.time_ms)
    vouched_ms = np.array([vouch.until_ms for vouch in rows.vouches], dtype=np.int64)[rows.epoch]
    last = np.append(_is_first(place)[1:], True)
    next_ms = np.where(last, ends_ms[place], np.append(rows.time_ms[1:], 0))
    offline = rows.reason == AGENT_OFFLINE
    if offline.any():
        vouched_ms[_before_offline(place, rows.time_ms, offline) & ~last] = END_MS
    return HeldTogether(place, rows, np.minimum(next_ms, vouched_ms))


def _before_offline(place: Integers, time_ms: Integers, offline: Flags) -> Flags:
    """Say after which rows the next one's millisecond has an `agent-offline` of the same place."""
    starts = _is_first(place)
    starts[1:] |= time_ms[1:] != time_ms[:-1]
    moment = np.cumsum(starts) - 1
    has = np.zeros(int(moment[-1]) + 1, dtype=np.bool_)
    has[moment[offline]] = True
    return np.append(has[moment[1:]], False)


def _with_odd(
    held: HeldTogether, odd: Sequence[tuple[int, Tenure, Stretch]], site: str, source: HistorySource
) -> HeldTogether:
    """Put in the places that are worked out one by one."""
    if not odd:
        return held
    answers = source.read(site, [stretch for _, _, stretch in odd])
    each = [hold(counted(rows, of), of) for rows, (_, of, _) in zip(answers, odd, strict=True)]
    joined = side_by_side([held.rows, *(replace(one.columns, lost=()) for one in each)]).rows
    at = np.repeat([place for place, _, _ in odd], [len(one.columns) for one in each])
    place = np.concatenate((held.place, at.astype(np.int64)))
    until_ms = np.concatenate([held.until_ms, *(one.until_ms for one in each)])
    order = np.argsort(place, kind="stable")
    return HeldTogether(place[order], joined.take(order), until_ms[order])
