"""What if: the real visits of a window, replayed against today's layout and against one that was changed.

Today's layout is the one in force at the window's end, without spaces that were never observed. What nobody could show
is not known: who was turned away then, and who would have come in hours in which the site was closed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from perch.history.asked import Asked, asked, rows_asked
from perch.history.asking import check
from perch.history.calendar import Calendar
from perch.history.metrics import METRICS
from perch.history.planning.changes import Change, Seats, changed, longer, opened, touched
from perch.history.planning.demand import KINDS_BY_SIZE, Demand, demand
from perch.history.planning.outcome import LEAST_WEEKS, Outcome, Window
from perch.history.planning.pool import observed_pool
from perch.history.planning.replay import Pools
from perch.history.question import Hours, Question, Resolution, Scope
from perch.history.source import HistorySource
from perch.history.unobserved import COVERAGE_WANTED
from perch.model import Site, SpaceKind

_WEEKDAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")


@dataclass(frozen=True, slots=True)
class Scenario:
    """An answer: today's layout and the changed one, over visits of the same window to spaces of some kinds.

    `opens_longer` are the weekdays (0 for Monday) on which it is open then and not now: who would come is not known.
    """

    to_ms: int
    kinds: tuple[SpaceKind, ...]
    sessions: int
    coverage: float | None
    baseline: Outcome
    scenario: Outcome
    opens_longer: tuple[int, ...]
    left_out: tuple[str, ...]
    warnings: tuple[str, ...]


def scenario(
    site: Site,
    from_ms: int,
    to_ms: int,
    changes: Sequence[Change],
    source: HistorySource,
    calendar: Calendar,
    now_ms: int,
) -> Scenario:
    """Replay a window; raises QuestionError where a change cannot be made."""
    question = Question("sessions", from_ms, to_ms, Resolution.TOTAL, Scope.KIND, Hours.OPEN)
    end_ms = check(question, site, now_ms)
    today = [row.space for row in rows_asked(question, site, end_ms) if row.from_ms < end_ms <= row.to_ms]
    kinds = touched(today, changes)
    pool = observed_pool(site, [(from_ms, end_ms)], source, calendar, kinds)
    spaces = changed(today, changes, pool.left_out)
    about = asked(question, pool.site, calendar, end_ms)
    window = Window(from_ms, end_ms, _of_kinds(demand(about, source), kinds), calendar)
    others = opened(calendar, changes)
    more = tuple(longer(calendar, others))
    then = window.outcome(_pools(spaces, kinds), others)
    coverage = _coverage(about, source, kinds)
    return Scenario(
        end_ms,
        tuple(sorted(kinds)),
        len(window.demand.seen),
        coverage,
        window.outcome(_pools(changed(today, (), pool.left_out), kinds), calendar),
        then.at_least() if more else then,
        more,
        pool.left_out,
        (*pool.warnings, *_warnings(window, coverage, more)),
    )


def _of_kinds(every: Demand, kinds: Iterable[SpaceKind]) -> Demand:
    return Demand(*([stay for stay in stays if stay.kind in kinds] for stays in every))


def _coverage(about: Asked, source: HistorySource, kinds: Iterable[SpaceKind]) -> float | None:
    """Say which share of the time of the kinds concerned was observed."""
    places = [about.groups[kind] for kind in kinds if kind in about.groups]
    if not places:
        return None
    measured = METRICS["coverage"].measure(about, source)
    known_ms, inventory_ms = (int(column[places].sum()) for column in (measured.known_ms, measured.inventory_ms))
    return known_ms / inventory_ms if inventory_ms else None


def _pools(spaces: Iterable[Seats], kinds: Iterable[SpaceKind]) -> Pools:
    """Group spaces by kind; a desk or booth is for one, whatever its capacity."""
    pools: Mapping[SpaceKind, list[int | None]] = {kind: [] for kind in kinds}
    for space in spaces:
        if space.kind in pools:
            pools[space.kind].append(space.capacity if space.kind in KINDS_BY_SIZE else None)
    return pools


def _warnings(window: Window, coverage: float | None, more: Sequence[int]) -> Iterator[str]:
    if coverage is not None and coverage < COVERAGE_WANTED:
        yield f"Only {coverage:.1%} of the time was observed; low and high say how far off a number may be."
    if not window.has_interval:
        yield f"There are fewer than {LEAST_WEEKS} whole weeks, so there is no interval; ask for a longer window."
    if not window.demand.seen:
        yield "Nobody came in this window, so there is nothing to replay."
    if any(stay.seats == 0 for stay in window.demand.seen):
        yield "In some rooms nobody was counted; such groups are taken to fit everywhere."
    if more:
        days = " and ".join(_WEEKDAYS[weekday] for weekday in more)
        yield (
            f"Who would come in hours that are closed today (on {days}) cannot be known from the past, so there are no "
            "numbers of the changed hours; the low bounds are what today's visits alone come to."
        )
