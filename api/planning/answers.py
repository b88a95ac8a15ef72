"""What planning found, as it is answered: every number with its definition, what was observed, and its bounds."""

from zoneinfo import ZoneInfo

from api.history.shapes import AnswerDefinition
from api.moments import rfc3339, zone_of
from api.planning.shapes import (
    ComparisonAnswer,
    ComparisonBounds,
    GroupSizeItem,
    OutcomeBounds,
    OutcomeItem,
    PeriodItem,
    ScenarioAnswer,
    ShortfallItem,
    SizingAnswer,
    SizingBounds,
    UnseenDemand,
)
from perch.history.definitions import DEFINITIONS
from perch.history.planning.comparison import Compared, Comparison, Period
from perch.history.planning.definitions import PLANS
from perch.history.planning.outcome import Outcome
from perch.history.planning.scenario import Scenario
from perch.history.planning.sizing import Sizing
from perch.history.question import Definition
from perch.model import Site, SpaceKind


def sizing_answer(found: Sizing, site: Site, from_ms: int, kind: SpaceKind, share: float) -> SizingAnswer:
    """Say how many would do."""
    zone = zone_of(site.time_zone)
    unseen = None if found.unseen is None else UnseenDemand(found.unseen.desks_for_days, found.unseen.assumption)
    return SizingAnswer(
        site=site.id,
        time_zone=site.time_zone,
        kind=kind,
        from_=rfc3339(from_ms, zone),
        to=rfc3339(found.to_ms, zone),
        share=share,
        current=found.current,
        desks_for_days=found.desks_for_days,
        interval=found.interval,
        desks_for_time=found.desks_for_time,
        curve=tuple(ShortfallItem(*point) for point in found.curve),
        days=found.days,
        full_days=found.full_days,
        coverage=found.coverage,
        unseen=unseen,
        by_group_size=None if found.by_group_size is None else tuple(GroupSizeItem(*of) for of in found.by_group_size),
        warnings=found.warnings,
        days_wanted=found.days_wanted,
        bounds=SizingBounds(*found.bounds),
        left_out=found.left_out,
        definitions=_definitions("desks_for_days", "desks_for_time", "curve", "by_group_size", "unseen"),
    )


def scenario_answer(found: Scenario, site: Site, from_ms: int) -> ScenarioAnswer:
    """Say what a change comes to."""
    zone = zone_of(site.time_zone)
    return ScenarioAnswer(
        site=site.id,
        from_=rfc3339(from_ms, zone),
        to=rfc3339(found.to_ms, zone),
        sessions=found.sessions,
        baseline=_outcome(found.baseline),
        scenario=_outcome(found.scenario),
        warnings=found.warnings,
        time_zone=site.time_zone,
        kinds=found.kinds,
        coverage=found.coverage,
        left_out=found.left_out,
        definitions=_definitions("turn_aways_per_week", "full_hours_per_week", "peak_concurrent"),
    )


def comparison_answer(found: Comparison, of: Compared, site: Site) -> ComparisonAnswer:
    """Say what changed between two periods."""
    zone = zone_of(site.time_zone)
    metric = DEFINITIONS[of.metric]
    difference = PLANS["difference"]
    return ComparisonAnswer(
        site=site.id,
        metric=of.metric,
        before=found.before.value,
        after=found.after.value,
        difference=found.difference,
        interval=found.interval,
        weeks=(found.before.weeks, found.after.weeks),
        warnings=found.warnings,
        time_zone=site.time_zone,
        zone=of.zone,
        control_zone=of.control_zone,
        periods=(_period(found.before, zone), _period(found.after, zone)),
        bounds=ComparisonBounds(_bounds(found.before), _bounds(found.after), found.bounds),
        left_out=found.left_out,
        definitions=(
            _definition(metric),
            AnswerDefinition("difference", difference.version, metric.unit, difference.text),
        ),
    )


def _outcome(of: Outcome) -> OutcomeItem:
    return OutcomeItem(*of[:4], dict(of.full_hours_by_kind), OutcomeBounds(*of.bounds))


def _period(of: Period, zone: ZoneInfo) -> PeriodItem:
    return PeriodItem(rfc3339(of.from_ms, zone), rfc3339(of.to_ms, zone), *of[2:])


def _bounds(of: Period) -> tuple[float, float] | None:
    return None if of.low is None or of.high is None else (of.low, of.high)


def _definitions(*names: str) -> tuple[AnswerDefinition, ...]:
    return tuple(_definition(PLANS[name]) for name in names)


def _definition(of: Definition) -> AnswerDefinition:
    return AnswerDefinition(of.id, of.version, of.unit, of.text)
