"""Planning's answers in bands, as members read them: the same bands, quantisation and omissions as of history.

A number is the middle of its band (for whole numbers rounded), its bounds are the band's edges, and an interval reaches
to the outer edges of the bands in which it ends. Nothing is said of which spaces were left out.
"""

from msgspec.structs import replace

from api.planning.shapes import (
    ComparisonAnswer,
    ComparisonBounds,
    OutcomeBounds,
    OutcomeItem,
    PeriodItem,
    ScenarioAnswer,
    ShortfallItem,
    SizingAnswer,
    SizingBounds,
    UnseenDemand,
)
from perch.history.bands import BANDS, FEW, NUMBERS, RATIOS, Edges, band, edges_of, middle, tenths

WARNINGS = (BANDS, FEW)
Interval = tuple[float, float]


def sizing_in_bands(of: SizingAnswer) -> SizingAnswer:
    """Coarsen how many would do; the curve has points at the edges of bands alone."""
    unseen = of.unseen and UnseenDemand(_whole(of.unseen.desks_for_days) or 0, of.unseen.assumption)
    low, high = of.interval or (None, None)
    return replace(
        of,
        desks_for_days=_whole(of.desks_for_days),
        interval=of.interval and (_edge(low, 0), _edge(high, 1)),
        desks_for_time=_whole(of.desks_for_time),
        curve=tuple(map(_point, (point for point in of.curve if point.desks in NUMBERS))),
        full_days=(_whole(of.full_days) or 0) if of.full_days else 0,
        coverage=tenths(of.coverage),
        unseen=unseen,
        by_group_size=None,
        warnings=WARNINGS,
        bounds=SizingBounds(_around(of.desks_for_days, NUMBERS), _around(of.desks_for_time, NUMBERS)),
        left_out=(),
    )


def _point(of: ShortfallItem) -> ShortfallItem:
    return ShortfallItem(
        of.desks, _middle(of.short_days_ratio, RATIOS) or 0.0, _middle(of.people_without, NUMBERS) or 0.0
    )


def scenario_in_bands(of: ScenarioAnswer) -> ScenarioAnswer:
    """Coarsen what a change comes to."""
    return replace(
        of,
        sessions=_whole(of.sessions) or 0,
        baseline=_outcome(of.baseline),
        scenario=_outcome(of.scenario),
        warnings=WARNINGS,
        coverage=tenths(of.coverage),
        left_out=(),
    )


def _outcome(of: OutcomeItem) -> OutcomeItem:
    bounds = (of.bounds.turn_aways_per_week, of.bounds.full_hours_per_week, of.bounds.peak_concurrent)
    numbers = (of.turn_aways_per_week, of.full_hours_per_week, of.peak_concurrent)
    return OutcomeItem(
        _middle(of.turn_aways_per_week, NUMBERS),
        of.interval and _outer(of.interval, NUMBERS),
        _middle(of.full_hours_per_week, NUMBERS),
        _whole(of.peak_concurrent),
        {kind: _middle(hours, NUMBERS) or 0.0 for kind, hours in of.full_hours_by_kind.items()},
        OutcomeBounds(*map(_from_below, numbers, bounds)),
    )


def _from_below(number: float | None, bounds: tuple[float, float | None]) -> tuple[float, float | None]:
    """Give the band of a number; where there is none, from where on it would lie."""
    return _around(number, NUMBERS) or (_band(bounds[0], NUMBERS)[0], None)


def comparison_in_bands(of: ComparisonAnswer, spaces: int) -> ComparisonAnswer:
    """Coarsen what changed between two periods of at least so many spaces."""
    edges = edges_of(of.definitions[0].unit, spaces * min(period.coverage or 0.0 for period in of.periods))
    before, after = (_period(period, edges) for period in of.periods)
    return replace(
        of,
        before=before.value,
        after=after.value,
        difference=_middle(of.difference, edges),
        interval=of.interval and _outer(of.interval, edges),
        warnings=WARNINGS,
        periods=(before, after),
        bounds=ComparisonBounds(*(_around(number, edges) for number in (of.before, of.after, of.difference))),
        left_out=(),
    )


def _period(of: PeriodItem, edges: Edges) -> PeriodItem:
    low, high = _around(of.value, edges) or (None, None)
    return replace(of, value=_middle(of.value, edges), low=low, high=high, coverage=tenths(of.coverage))


def _band(number: float, edges: Edges) -> Interval:
    """Give the band of a number; below nothing it is that of its size, on the other side."""
    if number >= 0:
        return band(number, edges)
    low, high = band(-number, edges)
    return -high, -low


def _around(number: float | None, edges: Edges) -> Interval | None:
    return None if number is None else _band(number, edges)


def _middle(number: float | None, edges: Edges) -> float | None:
    return None if number is None else middle(*_band(number, edges))


def _whole(number: float | None) -> int | None:
    return None if number is None else round(middle(*band(number, NUMBERS)))


def _edge(number: int | None, side: int) -> int | None:
    return None if number is None else int(band(number, NUMBERS)[side])


def _outer(interval: Interval, edges: Edges) -> Interval:
    return _band(interval[0], edges)[0], _band(interval[1], edges)[1]
