"""A batch of events, sorted into what `history.db` keeps of them: statements in columns, the rest one by one."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeVar

import numpy as np

from perch.adapters.history import file
from perch.codes import DATING_CODES, REASON_CODES, STATE_CODES
from perch.history.source import NO_COUNT, Integers
from perch.history.told import Lost, Marked, Stated, Told, Unplaced
from perch.model import SENSIBLE_MS, Reason

Span = tuple[int, int]
Key = tuple[str, str, str]
"""A site, an agent, and a space or an epoch."""

T = TypeVar("T")
_OFFLINE = REASON_CODES[Reason.AGENT_OFFLINE]


@dataclass(slots=True)
class Lived:
    """When an epoch is known to have lived, and between which moments since 2000 it was heard (None: at none)."""

    first_ms: int
    until_ms: int
    heard: Span | None = None

    def add(self, time_ms: int, received_ms: int) -> None:
        """Take in evidence of the epoch; none counts as heard later than it was received."""
        if time_ms > self.until_ms:
            self.until_ms = time_ms
        elif time_ms < self.first_ms:
            self.first_ms = time_ms
        heard_ms = time_ms if time_ms < received_ms else received_ms
        if heard_ms >= SENSIBLE_MS and (self.heard is None or not self.heard[0] <= heard_ms <= self.heard[1]):
            self.heard = _joined(self.heard or (heard_ms, heard_ms), (heard_ms, heard_ms))

    def join(self, other: "Lived") -> None:
        """Take in what else is known of it."""
        self.first_ms = min(self.first_ms, other.first_ms)
        self.until_ms = max(self.until_ms, other.until_ms)
        if other.heard is not None:
            self.heard = other.heard if self.heard is None else _joined(self.heard, other.heard)


class Batch:
    """Statements by (site, agent, space), marks by (site, agent), lost and unplaced, lives of epochs."""

    def __init__(self, told: Iterable[Told]) -> None:
        self.marked: dict[tuple[str, str], list[Marked]] = {}
        self.lost: list[tuple[str, str, str, int, int, int, int, int]] = []
        self.unplaced: Counter[Key] = Counter()
        self.epochs: dict[Key, Lived] = {}
        stated: list[Stated] = []
        for one in told:
            if type(one) is Stated:
                stated.append(one)
            else:
                self._sort(one)
        self.stated = Statements(stated)
        for key, lived in self.stated.lives():
            self.epochs.setdefault(key, lived).join(lived)

    def __repr__(self) -> str:
        return f"<Batch for {len(self.stated.series)} spaces and {len(self.marked)} agents>"

    @property
    def horizons(self) -> dict[str, Span]:
        """First and last moment at which a site was heard."""
        spans: dict[str, Span] = {}
        for (site, _, _), lived in self.epochs.items():
            if lived.heard is not None:
                spans[site] = _joined(spans.get(site, lived.heard), lived.heard)
        return spans

    def _sort(self, one: Told) -> None:
        if isinstance(one, Marked):
            self.marked.setdefault((one.site, one.agent), []).append(one)
            self._lived((one.site, one.agent, one.epoch), one.time_ms, one.received_ms)
        elif isinstance(one, Lost):
            self.lost.append((one.site, one.agent, *one.span[:-1], DATING_CODES[one.span.clock]))
            self._lived((one.site, one.agent, one.span.epoch), one.span.to_ms, one.received_ms)
        elif isinstance(one, Unplaced):
            self.unplaced[one] += 1

    def _lived(self, key: Key, time_ms: int, received_ms: int) -> None:
        lived = self.epochs.get(key)
        if lived is None:
            lived = self.epochs[key] = Lived(time_ms, time_ms)
        lived.add(time_ms, received_ms)


class Statements:
    """Statements of a batch in columns: `series` are the spaces of which they are, `of_series` which each is of."""

    def __init__(self, stated: Sequence[Stated]) -> None:
        columns: Sequence[Any] = list(zip(*stated, strict=True)) or [()] * len(Stated._fields)
        sites, agents, epochs, seq, received_ms, spaces, time_ms, states, beliefs, people, reasons, clocks = columns
        self.series, self._of_series = _numbered(zip(sites, agents, spaces, strict=True))
        self._epochs, self._of_epoch = _numbered(zip(sites, agents, epochs, strict=True))
        self.time_ms = np.array(time_ms, dtype=np.int64)
        self._received_ms = np.array(received_ms, dtype=np.int64)
        self._reason = _coded(REASON_CODES, reasons)
        rows = np.empty(len(stated), dtype=file.STATE_ROW)
        rows["time"] = self.time_ms % file.WEEK_MS
        rows["seq"] = np.array(seq, dtype=np.int64)
        rows["thousandths"] = np.rint(np.array(beliefs, dtype=np.float64) * 1000)
        rows["count"] = [NO_COUNT if number is None else number for number in people]
        rows["code"] = file.codes_of(_coded(STATE_CODES, states), self._reason, _coded(DATING_CODES, clocks))
        self._rows = rows

    def __repr__(self) -> str:
        return f"<{len(self._rows)} Statements>"

    def lives(self) -> Iterator[tuple[Key, Lived]]:
        """Say how long epochs are known to have lived by what they stated."""
        if not len(self._rows):
            return
        order = np.argsort(self._of_epoch, kind="stable")
        first = np.flatnonzero(np.diff(self._of_epoch[order], prepend=-1))
        time_ms, heard_ms = self.time_ms[order], np.minimum(self.time_ms, self._received_ms)[order]
        sensible = heard_ms >= SENSIBLE_MS
        edges = (
            np.minimum.reduceat(time_ms, first),
            np.maximum.reduceat(time_ms, first),
            np.minimum.reduceat(np.where(sensible, heard_ms, _NEVER_MS), first),
            np.maximum.reduceat(np.where(sensible, heard_ms, -_NEVER_MS), first),
        )
        numbered = zip(self._of_epoch[order][first].tolist(), *(edge.tolist() for edge in edges), strict=True)
        for number, first_ms, until_ms, begun_ms, over_ms in numbered:
            heard = None if begun_ms == _NEVER_MS else (begun_ms, over_ms)
            yield self._epochs[number], Lived(first_ms, until_ms, heard)

    def sites_of_offline(self) -> set[str]:
        """Name the sites of which an agent stated that it had been offline."""
        return {self.series[number][0] for number in set(self._of_series[self._reason == _OFFLINE].tolist())}

    def packed(self, numbers: Mapping[Key, int]) -> Iterator[tuple[Key, int, bytes]]:
        """Give packed rows by series and the start of their week, in order; `numbers` are those of epochs."""
        if not len(self._rows):
            return
        self._rows["epoch"] = np.array([numbers[key] for key in self._epochs], dtype=np.int64)[self._of_epoch]
        week = self.time_ms // file.WEEK_MS
        order = np.lexsort((self._rows["seq"], self.time_ms, self._of_series))
        of, week, rows = self._of_series[order], week[order], self._rows[order]
        first = np.flatnonzero((np.diff(of, prepend=-1) != 0) | (np.diff(week, prepend=week[:1]) != 0))
        body, size = rows.tobytes(), file.STATE_ROW.itemsize
        edges = [*(first * size).tolist(), len(body)]
        for number, weeks, begin, end in zip(of[first].tolist(), week[first].tolist(), edges, edges[1:], strict=False):
            yield self.series[number], weeks * file.WEEK_MS, body[begin:end]


_NEVER_MS = 2**62


def _numbered(keys: Iterable[Key]) -> tuple[list[Key], Integers]:
    """Number keys in the order in which they come."""
    numbers: dict[Key, int] = defaultdict(count().__next__)
    of = np.array(list(map(numbers.__getitem__, keys)), dtype=np.int64)
    return list(numbers), of


def _coded(codes: Mapping[T, int], words: Sequence[T]) -> Integers:
    get: Callable[[T], int] = codes.__getitem__
    return np.array(list(map(get, words)), dtype=np.int64)


def _joined(span: Span, other: Span) -> Span:
    return min(span[0], other[0]), max(span[1], other[1])
