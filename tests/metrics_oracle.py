"""Metrics worked out moment by moment, in plain Python, from the contract's sentences alone."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from perch.history.question import Hours, Question, Scope
from perch.model import Site, Space, SpaceKind, State
from tests.history_cases import HOUR_MS, Case
from tests.history_oracle import Moment

DAY_MS = 24 * HOUR_MS
GROUPS: Mapping[Scope, Callable[[Site, Space], str]] = {
    Scope.SPACE: lambda _, row: row.id,
    Scope.ZONE: lambda _, row: row.zone,
    Scope.FLOOR: lambda _, row: row.floor,
    Scope.KIND: lambda _, row: str(row.kind),
    Scope.SITE: lambda site, _: site.id,
}

Numbers = tuple[float | None, float | None, float | None]


@dataclass(frozen=True)
class Cell:
    """A cell that counts: the spaces of one group in it."""

    start: int
    end: int
    day: Hashable
    spaces: Sequence[Moment]

    @property
    def length(self) -> int:
        return self.end - self.start

    def count(self, *states: State) -> int:
        return sum(of.state in states for of in self.spaces)


@dataclass
class Step:
    """A group in one step: its cells within the hours asked for, in order."""

    cells: list[Cell] = field(default_factory=list)
    stays: list[tuple[int, int, bool]] = field(default_factory=list)
    stays_if_occupied: list[tuple[int, int, bool]] = field(default_factory=list)
    gaps: int = 0
    gaps_if_free: int = 0
    gaps_if_occupied: int = 0

    def total(self, of: Callable[[Moment], float]) -> float:
        return sum(of(moment) * cell.length for cell in self.cells for moment in cell.spaces)


def divided(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def between(*numbers: float | None) -> Numbers:
    """A value, and the least and largest of all numbers that there are."""
    if numbers[0] is None:
        there = [number for number in numbers if number is not None]
        return None, min(there, default=None), max(there, default=None)
    there = [number for number in numbers if number is not None]
    return numbers[0], min(there), max(there)


def seats(of: Moment) -> int:
    return of.row.capacity or 0


def is_used(of: Moment) -> bool:
    return of.state is State.OCCUPIED


def is_known(of: Moment) -> bool:
    return of.state is not State.UNKNOWN


def is_uncounted(of: Moment) -> bool:
    alone = of.row.kind in (SpaceKind.DESK, SpaceKind.BOOTH)
    return of.row.capacity is None or (not alone and is_used(of) and of.count is None)


def is_room(of: Moment) -> bool:
    return of.row.kind is SpaceKind.ROOM


def capacity_used(step: Step) -> Numbers:
    if step.total(is_uncounted):
        return None, None, None
    people = step.total(lambda of: of.people * is_known(of))
    known, every = step.total(lambda of: seats(of) * is_known(of)), step.total(seats)
    return between(divided(people, known), divided(people, every), divided(people + every - known, every))


def fill(step: Step) -> Numbers:
    if step.total(is_uncounted):
        return None, None, None
    people = step.total(lambda of: of.people * is_known(of))
    used = step.total(lambda of: seats(of) * is_used(of))
    unknown, alone = step.total(lambda of: seats(of) * (not is_known(of))), step.total(lambda of: not is_known(of))
    every = used + unknown
    return between(divided(people, used), divided(people + alone, every), divided(people + unknown, every))


def share_of_rooms(step: Step, counts: Callable[[Moment], bool]) -> Numbers:
    if step.total(lambda of: is_room(of) and is_used(of) and of.count is None):
        return None, None, None
    part = step.total(lambda of: is_room(of) and is_used(of) and counts(of))
    used, unknown = (
        step.total(lambda of: is_room(of) and is_used(of)),
        step.total(lambda of: is_room(of) and not is_known(of)),
    )
    every = used + unknown
    return between(divided(part, used), divided(part, every), divided(part + unknown, every))


def peak(step: Step) -> Numbers:
    low = max((cell.count(State.OCCUPIED) for cell in step.cells if cell.spaces), default=None)
    high = max((cell.count(State.OCCUPIED, State.UNKNOWN) for cell in step.cells if cell.spaces), default=None)
    return low, low, high


def peak_ratio(step: Step) -> Numbers:
    low = max((cell.count(State.OCCUPIED) / len(cell.spaces) for cell in step.cells if cell.spaces), default=None)
    both = (State.OCCUPIED, State.UNKNOWN)
    high = max((cell.count(*both) / len(cell.spaces) for cell in step.cells if cell.spaces), default=None)
    return low, low, high


def daily_peak(step: Step) -> Numbers:
    days: dict[Hashable, Step] = {}
    for cell in step.cells:
        if cell.spaces:
            days.setdefault(cell.day, Step()).cells.append(cell)
    lows, highs = (sum(peak(day)[place] or 0 for day in days.values()) for place in (0, 2))
    return divided(lows, len(days)), divided(lows, len(days)), divided(highs, len(days))


def surplus(step: Step) -> Numbers:
    low = min((cell.count(State.FREE) for cell in step.cells if cell.spaces), default=None)
    high = min((cell.count(State.FREE, State.UNKNOWN) for cell in step.cells if cell.spaces), default=None)
    return low, low, high


def full(step: Step) -> Numbers:
    every = sum(cell.length for cell in step.cells if cell.spaces)
    filled = sum(cell.length for cell in step.cells if cell.spaces and cell.count(State.OCCUPIED) == len(cell.spaces))
    roomy = sum(cell.length for cell in step.cells if cell.count(State.FREE))
    return divided(filled, filled + roomy), divided(filled, every), divided(every - roomy, every)


def stood(step: Step) -> bool:
    return any(cell.spaces for cell in step.cells)


def sessions(step: Step) -> Numbers:
    return between(len(step.stays), len(step.stays_if_occupied)) if stood(step) else (None, None, None)


def turnover(step: Step) -> Numbers:
    days = len({(cell.day, of.row.id) for cell in step.cells for of in cell.spaces})
    return between(divided(len(step.stays), days), divided(len(step.stays_if_occupied), days))


def dwell(step: Step) -> Numbers:
    whole = [end - start for start, end, cut in step.stays if not cut]
    every = [end - start for start, end, _ in step.stays]
    if_occupied = [end - start for start, end, _ in step.stays_if_occupied]
    return between(*(median(lengths) / 1000 if lengths else None for lengths in (whole, every, if_occupied)))


def camping(step: Step) -> Numbers:
    return between(step.gaps, step.gaps_if_free, step.gaps_if_occupied) if stood(step) else (None, None, None)


def never_used(step: Step) -> Numbers:
    """Without any time that is unknown by the quiet limit, which has tests of its own."""
    if not stood(step):
        return None, None, None
    of_space: dict[str, Step] = {}
    for cell in step.cells:
        for of in cell.spaces:
            of_space.setdefault(of.row.id, Step()).cells.append(Cell(cell.start, cell.end, cell.day, [of]))
    idle = [of for of in of_space.values() if not of.total(is_used)]
    known = [of.total(is_known) / of.total(lambda _: 1) for of in idle]
    return sum(share >= 0.9 for share in known), sum(share == 1 for share in known), len(idle)


METRICS: Mapping[str, Callable[[Step], Numbers]] = {
    "capacity_used_ratio": capacity_used,
    "fill_when_used": fill,
    "solo_share": lambda step: share_of_rooms(step, lambda of: of.count == 1),
    "size_mismatch": lambda step: share_of_rooms(step, lambda of: 2 * (of.count or 0) <= seats(of)),
    "peak_concurrent": peak,
    "peak_ratio": peak_ratio,
    "avg_daily_peak": daily_peak,
    "min_surplus": surplus,
    "time_full_ratio": full,
    "sessions": sessions,
    "turnover": turnover,
    "dwell_median_seconds": dwell,
    "camping": camping,
    "never_used": never_used,
}


OF_SESSIONS = ("sessions", "turnover", "dwell_median_seconds", "camping")


def steps_of(case: Case, question: Question) -> dict[str, list[Step]]:
    """Give each group's steps, with all that metrics are made of."""
    oracle = case.oracle
    around = (
        _around(case, question) if question.metric in OF_SESSIONS else oracle.cells(question.from_ms, question.to_ms)
    )
    counts = {start: question.hours is Hours.ALL or oracle.is_open(start) for start, _ in around}
    cells = oracle.cells(question.from_ms, question.to_ms)
    steps = {
        step: place
        for place, step in enumerate(dict.fromkeys(oracle.step(question.resolution, start) for start, _ in cells))
    }
    found: dict[str, list[Step]] = {}
    at: dict[tuple[str, int], list[Moment]] = {}
    spaces = list(dict.fromkeys(row.id for row in case.site.spaces))
    for space in spaces:
        for of in oracle.states(space, cells):
            if question.zone in (None, of.row.zone) and question.kind in (None, of.row.kind):
                group = GROUPS[question.scope](case.site, of.row)
                found.setdefault(group, [Step() for _ in steps])
                at.setdefault((group, of.start), []).extend([] if of.out else [of])
    for group, of_group in found.items():
        for start, end in cells:
            if counts[start]:
                step = steps[oracle.step(question.resolution, start)]
                of_group[step].cells.append(Cell(start, end, oracle.local(start).date(), at.get((group, start), [])))
    for space in spaces if question.metric in OF_SESSIONS else ():
        _add_stays(case, question, space, counts, steps, found)
    return found


def _around(case: Case, question: Question) -> list[tuple[int, int]]:
    return case.oracle.cells(
        question.from_ms - 2 * DAY_MS, question.to_ms + 2 * DAY_MS, question.from_ms, question.to_ms
    )


def _add_stays(
    case: Case,
    question: Question,
    space: str,
    counts: Mapping[int, bool],
    steps: Mapping[Hashable, int],
    found: Mapping[str, Sequence[Step]],
) -> None:
    oracle = case.oracle
    moments = {of.start: of for of in oracle.states(space, _around(case, question))}
    cells = _around(case, question)

    def step_at(ms: int) -> Step | None:
        of = moments.get(ms)
        if of is None or not question.from_ms <= ms < question.to_ms or not counts[ms]:
            return None
        if question.zone not in (None, of.row.zone) or question.kind not in (None, of.row.kind):
            return None
        return found[GROUPS[question.scope](case.site, of.row)][steps[oracle.step(question.resolution, ms)]]

    def state_at(start: int, filling: bool) -> State:
        of = moments.get(start)
        if of is None:
            return State.UNKNOWN
        fills = filling and of.state is State.UNKNOWN and not of.out and question.from_ms <= start < question.to_ms
        return State.OCCUPIED if fills else of.state

    for filling in (False, True):
        states = [(start, end, state_at(start, filling)) for start, end in cells]
        stays = _stays(states, question)
        for start, end, cut in stays:
            first = next((ms for ms, _, _ in states if start <= ms < end and counts[ms]), None)
            step = None if first is None else step_at(first)
            if step is not None:
                (step.stays_if_occupied if filling else step.stays).append((start, end, cut))
        for (_, start, _), (end, _, _) in pairwise(stays):
            step = step_at(start)
            if (
                step is None
                or moments[start].row.kind is not SpaceKind.DESK
                or end - start < 300 * 60_000
                or oracle.local(start).date() != oracle.local(end).date()
            ):
                continue
            if filling:
                step.gaps_if_occupied += 1
            else:
                step.gaps_if_free += 1
                step.gaps += all(state is not State.UNKNOWN for ms, _, state in states if start <= ms < end)


def _stays(states: Iterable[tuple[int, int, State]], question: Question) -> list[tuple[int, int, bool]]:
    """Sessions in order: from, to, and whether an end borders on unknown time."""
    found: list[tuple[int, int, bool]] = []
    before = State.UNKNOWN
    for start, end, state in states:
        if state is State.OCCUPIED:
            if found and start - found[-1][1] <= question.rules.merge_ms:
                found[-1] = (found[-1][0], end, found[-1][2])
            else:
                found.append((start, end, before is State.UNKNOWN))
        before = state
    ends = {start: state for start, _, state in states}
    whole = ((start, end, cut or ends.get(end) is State.UNKNOWN) for start, end, cut in found)
    return [stay for stay in whole if stay[1] - stay[0] >= question.rules.min_ms]
