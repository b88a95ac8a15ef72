"""History worked out moment by moment from the contract's sentences: slow, and built from nothing of the product's.

Time is cut into cells in which nothing can change (between neighbouring events, and each five minutes), and each cell
is asked alone: who serves the space, what was said last, is it still vouched for, is the site open.
"""

from bisect import bisect_right
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property, lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from perch.history.question import Resolution
from perch.history.told import Lost, Marked, Stated, Told
from perch.model import Reason, Site, Space, SpaceKind, State

MINUTE_MS = 60_000
CELL_MS = 5 * MINUTE_MS


@dataclass(frozen=True)
class Said:
    """A statement that may be in force, or the gap that a lost span leaves."""

    time_ms: int
    agent: str
    epoch: str
    seq: int
    state: State
    count: int | None
    reason: Reason


@dataclass
class Totals:
    """Milliseconds added up."""

    occupied: int = 0
    known: int = 0
    inventory: int = 0
    people: int = 0

    def add(self, other: "Totals") -> None:
        self.occupied += other.occupied
        self.known += other.known
        self.inventory += other.inventory
        self.people += other.people


@dataclass(frozen=True)
class Moment:
    """A space in a cell."""

    start: int
    end: int
    row: Space
    state: State
    count: int | None
    reason: Reason | None

    @property
    def out(self) -> bool:
        return self.state is State.UNKNOWN and self.reason is Reason.OUT_OF_SERVICE

    @property
    def people(self) -> int:
        if self.row.kind in (SpaceKind.DESK, SpaceKind.BOOTH):
            return int(self.state is State.OCCUPIED)
        return self.count or 0


@lru_cache(maxsize=1 << 16)
def _local(zone: str, minutes: int) -> datetime:
    return datetime.fromtimestamp(minutes * 60, ZoneInfo(zone))


@dataclass
class Oracle:
    """Answers about single moments of a site."""

    site: Site
    closed: frozenset[date]
    told: Sequence[Told]
    _days: dict[date, tuple[list[int], list[int], list[int]]] = field(default_factory=dict)

    def local(self, ms: int) -> datetime:
        return _local(self.site.time_zone, ms // MINUTE_MS)

    def standing(self, space: str, ms: int) -> Space | None:
        day = self.local(ms).date()
        return next((row for row in self.site.spaces if row.id == space and row.stands_on(day)), None)

    def agent(self, space: str, ms: int) -> str | None:
        row = self.standing(space, ms)
        return None if row is None else row.agent

    def serves_through(self, agent: str, space: str, from_ms: int, to_ms: int) -> bool:
        """Whether an agent serves a space on each local day from one moment to another."""
        day, last = self.local(from_ms).date(), self.local(to_ms).date()
        while day <= last:
            row = next((row for row in self.site.spaces if row.id == space and row.stands_on(day)), None)
            if row is None or row.agent != agent:
                return False
            day += timedelta(days=1)
        return True

    @cached_property
    def vouched(self) -> dict[tuple[str, str], int]:
        """The last evidence of each epoch."""
        last: dict[tuple[str, str], int] = {}
        for one in self.told:
            key, ms = None, 0
            if isinstance(one, Stated | Marked):
                key, ms = (one.agent, one.epoch), one.time_ms
            elif isinstance(one, Lost):
                key, ms = (one.agent, one.span.epoch), one.span.to_ms
            if key is not None:
                last[key] = max(last.get(key, ms), ms)
        return last

    def said(self, space: str) -> list[Said]:
        """What was said of a space by any agent, less what lies in a lost span of that agent, and the lost spans."""
        lost = [one for one in self.told if isinstance(one, Lost)]
        rows = [
            Said(one.time_ms, one.agent, one.epoch, one.seq, one.state, one.people, one.reason)
            for one in self.told
            if isinstance(one, Stated) and one.space == space and not any(_swallows(gap, one) for gap in lost)
        ]
        for gap in lost:
            span = gap.span
            rows.append(
                Said(span.from_ms, gap.agent, span.epoch, span.first_seq, State.UNKNOWN, None, Reason.EVENTS_LOST)
            )
        return rows

    def in_force(self, said: Iterable[Said], space: str, ms: int) -> Said | None:
        """The last statement up to and at a moment, made by whom the layout names ever since."""
        agent = self.agent(space, ms)
        past = [one for one in said if one.time_ms <= ms and one.agent == agent]
        past = [one for one in past if self.serves_through(one.agent, space, one.time_ms, ms)]
        if not past:
            return None
        latest = max(one.time_ms for one in past)
        last_words: dict[str, Said] = {}
        for one in past:
            if one.time_ms == latest and (one.epoch not in last_words or last_words[one.epoch].seq < one.seq):
                last_words[one.epoch] = one
        return max(last_words.values(), key=lambda one: (one.state is State.UNKNOWN, one.epoch))

    def remembered(self, said: Iterable[Said], space: str, last: Said, ms: int) -> bool:
        """Whether the agent's next word is that it lived until then."""
        later = [one for one in said if one.agent == last.agent and one.time_ms > ms]
        next_ms = min((one.time_ms for one in later), default=None)
        return (
            next_ms is not None
            and self.serves_through(last.agent, space, last.time_ms, next_ms)
            and any(one.time_ms == next_ms and one.reason is Reason.AGENT_OFFLINE for one in later)
        )

    def is_open(self, ms: int) -> bool:
        """Whether, on its day, the clock has shown the opening time already and will yet show one before closing."""
        day = self.local(ms).date()
        if day in self.closed:
            return False
        moments, most_so_far, least_to_come = self._clock_of(day)
        place = bisect_right(moments, ms) - 1
        return any(
            most_so_far[place] >= _minutes(span.start)
            and (span.until is None or least_to_come[place] < _minutes(span.until))
            for span in self.site.hours[day.weekday()]
        )

    def _clock_of(self, day: date) -> tuple[list[int], list[int], list[int]]:
        """The moments of a local day, each five minutes; the latest time shown so far, the earliest yet to be shown."""
        if day not in self._days:
            noon = datetime.combine(day, time(12), tzinfo=UTC)
            middle = int(noon.timestamp() * 1000)
            around = range(middle - 40 * 3_600_000, middle + 40 * 3_600_000, CELL_MS)
            moments = [ms for ms in around if self.local(ms).date() == day]
            shown = [self.local(ms).hour * 60 + self.local(ms).minute for ms in moments]
            so_far, to_come = list(shown), list(shown)
            for place in range(1, len(shown)):
                so_far[place] = max(so_far[place], so_far[place - 1])
                to_come[-place - 1] = min(to_come[-place - 1], to_come[-place])
            self._days[day] = (moments, so_far, to_come)
        return self._days[day]

    def cells(self, from_ms: int, to_ms: int, *also_ms: int) -> list[tuple[int, int]]:
        """Cut a window where anything may change."""
        bounds = {from_ms, to_ms, *also_ms, *range(from_ms - from_ms % CELL_MS + CELL_MS, to_ms, CELL_MS)}
        for one in self.told:
            if isinstance(one, Stated | Marked):
                bounds.add(one.time_ms)
            elif isinstance(one, Lost):
                bounds.update((one.span.from_ms, one.span.to_ms))
        inside = sorted(ms for ms in bounds if from_ms <= ms <= to_ms)
        return list(pairwise(inside))

    def pieces(
        self, said: Sequence[Said], space: str, cells: Sequence[tuple[int, int]]
    ) -> Iterator[tuple[int, int, Space, Said | None]]:
        """What stood and what was said last in each cell; asked anew only where something was said or a day began."""
        seen, last = None, None
        moments = sorted(one.time_ms for one in said)
        for start, end in cells:
            row = self.standing(space, start)
            if (now := (bisect_right(moments, start), self.local(start).date())) != seen:
                seen, last = now, self.in_force(said, space, start)
            if row is not None:
                yield start, end, row, last

    def states(self, space: str, cells: Sequence[tuple[int, int]]) -> Iterator["Moment"]:
        """What a space was in each cell in which it stood."""
        said = self.said(space)
        for start, end, row, last in self.pieces(said, space, cells):
            holds = last is not None and (
                self.vouched[last.agent, last.epoch] > start or self.remembered(said, space, last, start)
            )
            if last is None or not holds:
                yield Moment(start, end, row, State.UNKNOWN, None, None)
            else:
                yield Moment(start, end, row, last.state, last.count, last.reason)

    def spent(self, space: str, cells: Sequence[tuple[int, int]]) -> Iterator[tuple[int, Space, Totals]]:
        """What a space did in each cell in which it stood."""
        for of in self.states(space, cells):
            occupied, known = of.state is State.OCCUPIED, of.state is not State.UNKNOWN
            people = of.people if known else 0
            length = of.end - of.start
            totals = Totals(length * occupied, length * known, length * (not of.out), length * people)
            yield of.start, of.row, totals

    def step(self, resolution: Resolution, ms: int) -> Hashable:
        """Name the step of the calendar in which a moment lies."""
        local = self.local(ms)
        return {
            Resolution.TOTAL: lambda: 0,
            Resolution.QUARTER_HOUR: lambda: ms // 900_000,
            Resolution.HOUR: lambda: (local.date(), local.hour, local.utcoffset()),
            Resolution.DAY: lambda: local.date(),
            Resolution.WEEK: lambda: local.isocalendar()[:2],
            Resolution.MONTH: lambda: (local.year, local.month),
        }[resolution]()


def _minutes(of: time) -> int:
    return of.hour * 60 + of.minute


def _swallows(gap: Lost, one: Stated) -> bool:
    span = gap.span
    if one.agent != gap.agent or not span.from_ms <= one.time_ms <= span.to_ms:
        return False
    same = one.epoch == span.epoch
    if one.time_ms == span.from_ms and same and one.seq < span.first_seq:
        return False
    return not (one.time_ms == span.to_ms and (not same or one.seq > span.last_seq))
