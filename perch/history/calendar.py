"""A site's own time: local days of 23, 24 or 25 hours, opening hours, and the calendar's steps, as UTC milliseconds.

Where clocks are turned: a day begins at the first moment that its calendar shows. An opening or closing time that does
not exist is the moment of the jump. Where it happens twice, a site opens at the first and closes at the second, unless
the clocks are turned back to just that time: then it closes at the first. Hours are what the wall clock shows: the
repeated hour is two steps, the hour that is skipped is none.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np

from perch.history.question import Resolution
from perch.history.source import Integers
from perch.model import QUARTER_MS, OpenSpan

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
ONE_DAY = timedelta(days=1)
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_BEGINS: Mapping[Resolution, Callable[[date], bool]] = {
    Resolution.DAY: lambda _: True,
    Resolution.WEEK: lambda day: day.weekday() == 0,
    Resolution.MONTH: lambda day: day.day == 1,
}


def floor_quarter(ms: int) -> int:
    """Give the start of the quarter hour (UTC) in which a moment lies."""
    return ms - ms % QUARTER_MS


def ceil_quarter(ms: int) -> int:
    """Give the first full quarter hour (UTC) at or after a moment."""
    return -floor_quarter(-ms)


@dataclass(frozen=True)
class Calendar:
    """When a site is open: `hours[0]` are Monday's spans, `closed` holds the days on which they do not count.

    Raises `zoneinfo.ZoneInfoNotFoundError` at first use where the time zone does not exist.
    """

    time_zone: str
    hours: Sequence[Sequence[OpenSpan]]
    closed: Container[date] = field(default=frozenset())

    @cached_property
    def zone(self) -> ZoneInfo:
        """The time zone's rules."""
        return ZoneInfo(self.time_zone)

    def local(self, ms: int) -> datetime:
        """Give the local date and time of a moment, to the second."""
        return datetime.fromtimestamp(ms // 1000, UTC).astimezone(self.zone)

    def day_of(self, ms: int) -> date:
        """Give the local day in which a moment lies."""
        return self.local(ms).date()

    def day_start_ms(self, day: date) -> int:
        """Give the moment at which a local day begins."""
        start_ms = self._day_starts_ms.get(day)
        if start_ms is None:
            start_ms = self._day_starts_ms[day] = self._moment_ms(datetime.combine(day, time()), last=False)
        return start_ms

    @cached_property
    def _day_starts_ms(self) -> dict[date, int]:
        """Days that were asked for before; a window has many steps, and the same days are asked for again."""
        return {}

    def opening_ms(self, from_ms: int, to_ms: int) -> Integers:
        """Give the opening hours within [from_ms, to_ms) as rising pairs of start and end, which never touch."""
        bounds: list[int] = []
        for day in _days(self.day_of(from_ms), self.day_of(to_ms)):
            for start_ms, end_ms in self._open_on(day):
                start_ms, end_ms = max(start_ms, from_ms), min(end_ms, to_ms)
                if bounds and start_ms <= bounds[-1]:
                    bounds[-1] = max(bounds[-1], end_ms)
                elif start_ms < end_ms:
                    bounds += (start_ms, end_ms)
        return np.array(bounds, dtype=np.int64)

    def day_starts_ms(self, from_ms: int, to_ms: int) -> Integers:
        """Give the moments within (from_ms, to_ms) at which a local day begins."""
        days = [self.day_start_ms(day) for day in _days(self.day_of(from_ms), self.day_of(to_ms))]
        return np.array([ms for ms in days if from_ms < ms < to_ms], dtype=np.int64)

    def steps_ms(self, resolution: Resolution, from_ms: int, to_ms: int) -> Integers:
        """Cut [from_ms, to_ms) by the calendar: rising bounds, the first from_ms, the last to_ms.

        Quarter hours are UTC's, everything longer is the site's. Raises KeyError for `hour-of-week`, which is no cut.
        """
        if resolution is Resolution.TOTAL:
            inner = np.empty(0, dtype=np.int64)
        elif resolution is Resolution.QUARTER_HOUR:
            inner = np.arange(ceil_quarter(from_ms), to_ms, QUARTER_MS, dtype=np.int64)
        elif resolution is Resolution.HOUR:
            inner = self._hours_ms(from_ms, to_ms)
        else:
            begins = _BEGINS[resolution]
            days = filter(begins, _days(self.day_of(from_ms), self.day_of(to_ms)))
            inner = np.array([self.day_start_ms(day) for day in days], dtype=np.int64)
        inner = inner[(inner > from_ms) & (inner < to_ms)]
        return np.unique(np.concatenate(([from_ms], inner, [to_ms])))

    def _hours_ms(self, from_ms: int, to_ms: int) -> Integers:
        days = [self.day_start_ms(day) for day in _days(self.day_of(from_ms), self.day_of(to_ms) + ONE_DAY)]
        parts = [np.empty(0, dtype=np.int64)]
        for start_ms, end_ms in pairwise(days):
            if end_ms - start_ms == DAY_MS and self.local(start_ms).time() == time():
                parts.append(np.arange(start_ms, end_ms, HOUR_MS, dtype=np.int64))
            else:
                parts.append(np.array(list(self._turned_hours(start_ms, end_ms)), dtype=np.int64))
        return np.concatenate(parts)

    def _turned_hours(self, start_ms: int, end_ms: int) -> Iterator[int]:
        """Give the hours of a day on which clocks are turned: one begins where the hour shown or the offset changes."""
        shown: object = None
        for ms in range(start_ms, end_ms, QUARTER_MS):
            local = self.local(ms)
            if (local.hour, local.utcoffset()) != shown:
                shown = (local.hour, local.utcoffset())
                yield ms

    def _open_on(self, day: date) -> list[tuple[int, int]]:
        spans = self._open_spans.get(day)
        if spans is None:
            spans = self._open_spans[day] = self._opening_of(day)
        return spans

    @cached_property
    def _open_spans(self) -> dict[date, list[tuple[int, int]]]:
        """The opening hours of days that were asked for before."""
        return {}

    def _opening_of(self, day: date) -> list[tuple[int, int]]:
        if day in self.closed:
            return []
        return sorted(
            (
                self._moment_ms(datetime.combine(day, span.start), last=False),
                self.day_start_ms(day + ONE_DAY)
                if span.until is None
                else self._moment_ms(datetime.combine(day, span.until), last=True),
            )
            for span in self.hours[day.weekday()]
        )

    def _moment_ms(self, shown: datetime, *, last: bool) -> int:
        """Give the moment at which clocks show a time, the first or the last of two, or the jump that skips it."""
        before_ms, after_ms = _offset_ms(shown, self.zone, fold=0), _offset_ms(shown, self.zone, fold=1)
        wall_ms = _wall_ms(shown)
        if before_ms < after_ms:
            return self._jump_ms(wall_ms - after_ms, wall_ms - before_ms)
        if last and self._runs_into(wall_ms - after_ms):
            return wall_ms - after_ms
        return wall_ms - before_ms

    def _runs_into(self, ms: int) -> bool:
        """Tell whether clocks come to a moment by running, and are not just turned to what they show then."""
        return self.local(ms).utcoffset() == self.local(ms - 1000).utcoffset()

    def _jump_ms(self, before_ms: int, after_ms: int) -> int:
        """Find the first moment with the offset of `after_ms`; the offset changes once in between."""
        offset = self.local(after_ms).utcoffset()
        while after_ms - before_ms > 1000:
            middle_ms = (before_ms + after_ms) // 2000 * 1000
            if self.local(middle_ms).utcoffset() == offset:
                after_ms = middle_ms
            else:
                before_ms = middle_ms
        return after_ms


def _days(first: date, last: date) -> Iterator[date]:
    """Give each day from the first to the last, both included."""
    return (date.fromordinal(number) for number in range(first.toordinal(), last.toordinal() + 1))


def _wall_ms(shown: datetime) -> int:
    days = shown.toordinal() - _EPOCH_ORDINAL
    seconds = days * 86_400 + shown.hour * 3600 + shown.minute * 60 + shown.second
    return seconds * 1000 + shown.microsecond // 1000


def _offset_ms(shown: datetime, zone: ZoneInfo, *, fold: int) -> int:
    offset = shown.replace(tzinfo=zone, fold=fold).utcoffset()
    return 0 if offset is None else offset // timedelta(milliseconds=1)
