"""Planning over HTTP: how many would do, what if, before and after."""

from dataclasses import dataclass, replace
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from api.access import Matter
from api.audit_body import read_object
from api.history import History
from api.history_of_groups import groups_to_replay, require_group, require_groups, site_to
from api.history_resources import HEADERS, RequiredSite, TheHistory, TheWindow, Window, moment_in
from api.moments import rfc3339, zone_of
from api.openapi import answers, takes
from api.parameters import (
    OptionalZone,
    StrictRoute,
    TheLive,
    TheReader,
    complain,
    complain_of_site,
    known_site,
    required,
)
from api.planning_body import LARGEST_BYTES, read_changes, read_scenario
from api.planning_shapes import (
    ComparisonAnswer,
    GroupSizeItem,
    OutcomeItem,
    ScenarioAnswer,
    ScenarioAsked,
    ShortfallItem,
    SizingAnswer,
    UnseenDemand,
)
from api.problems import wrong
from api.turns import in_turn, taking_turns
from perch.history.definitions import DEFINITIONS
from perch.history.planning.comparison import Compared, compare
from perch.history.planning.scenario import Outcome, Scenario, scenario
from perch.history.planning.sizing import Sizing, sizing
from perch.history.question import Question
from perch.model import Site, SpaceKind

router = APIRouter(
    prefix="/api/v1/planning",
    route_class=StrictRoute,
    tags=["planning"],
    dependencies=[required(Matter.HISTORY_OF_GROUPS)],
)
_encoder = msgspec.json.Encoder()
Edge = Annotated[str, Query(max_length=64, description="RFC 3339; without offset: the site's own time")]


@router.get("/sizing", **answers(SizingAnswer, 403, 503))
@taking_turns
def how_many(
    history: TheHistory,
    live: TheLive,
    window: TheWindow,
    kind: Annotated[SpaceKind, Query(description="which kind of space")] = SpaceKind.DESK,
    share: Annotated[float, Query(ge=0.5, le=0.99, description="of days, and of time")] = 0.95,
) -> Response:
    """Say how many spaces of a kind would do on a share of days and of open time, and what fewer would mean."""
    site, calendar = window.site, history.calendar(window.site.id)
    now_ms = live.now().wall_ms
    history.require_begun(site, window.to_ms)
    require_groups(history, site, (window.from_ms, window.to_ms), now_ms, [kind])
    found = sizing(site, kind, window.from_ms, window.to_ms, share, history.source(), calendar, now_ms)
    found = replace(found, warnings=(*found.warnings, *history.caveats(window.from_ms)))
    return _json(_sizing(found, window, kind, share))


@router.post("/scenarios", **{**answers(ScenarioAnswer, 403, 413, 415, 503), **takes(ScenarioAsked)})
async def what_if(request: Request, history: TheHistory, live: TheLive, reader: TheReader) -> Response:
    """Replay the sessions of a window against a changed layout, beside today's."""
    asked = read_scenario(await read_object(request, LARGEST_BYTES))
    known_site(live, reader, asked.site)
    site = site_to(reader, live.directory.sites[asked.site])
    zone = zone_of(site.time_zone)
    from_ms, to_ms = moment_in("from", asked.from_, zone), moment_in("to", asked.to, zone)
    changes, now_ms = tuple(read_changes(asked, site)), live.now().wall_ms
    if not changes:
        raise wrong("changes", "there are none; name at least one")
    await in_turn(history.require_begun, site, to_ms)
    source, calendar = history.source(), history.calendar(site.id)
    site, told = await in_turn(groups_to_replay, history, site, (from_ms, to_ms), now_ms, changes)
    found = await in_turn(scenario, site, from_ms, to_ms, changes, source, calendar, now_ms)
    caveats = await in_turn(history.caveats, from_ms)
    return _json(_scenario(replace(found, warnings=(*found.warnings, *told, *caveats)), site, from_ms))


@dataclass(frozen=True, slots=True)
class Periods:
    """A site and two windows of it."""

    site: Site
    before: tuple[int, int]
    after: tuple[int, int]


async def periods_of(
    live: TheLive,
    reader: TheReader,
    site: RequiredSite,
    before_from: Edge,
    before_to: Edge,
    after_from: Edge,
    after_to: Edge,
) -> Periods | None:
    """Read the windows of a comparison; None where there is something to complain of."""
    if complain_of_site(live, reader, site):
        return None
    zone = zone_of(live.directory.sites[site].time_zone)
    first = moment_in("before_from", before_from, zone), moment_in("before_to", before_to, zone)
    second = moment_in("after_from", after_from, zone), moment_in("after_to", after_to, zone)
    for name, (from_ms, to_ms) in (("before_to", first), ("after_to", second)):
        if from_ms >= to_ms:
            complain(name, "this is not after its beginning, so there is no time between them")
    if first[1] > second[0]:
        complain("after_from", "this lies before the end of the first period; the two may not overlap")
    return Periods(site_to(reader, live.directory.sites[site]), first, second)


@router.get("/comparison", **answers(ComparisonAnswer, 403, 503))
@taking_turns
def before_and_after(
    history: TheHistory,
    live: TheLive,
    periods: Annotated[Periods, Depends(periods_of)],
    metric: Annotated[str, Query(max_length=64, description="id of a metric; /definitions lists them")],
    zone: OptionalZone = None,
    control_zone: OptionalZone = None,
) -> Response:
    """Compare a metric before and after, weekday by weekday, with how sure the difference is."""
    if metric not in DEFINITIONS:
        raise wrong("metric", f"there is no metric {metric!r}; there are: {', '.join(sorted(DEFINITIONS))}")
    site = periods.site
    of = Compared(metric, periods.before, periods.after, zone, control_zone)
    _require_more_than_one(history, of, site, live.now().wall_ms)
    booked = history.booked(Question(metric, periods.before[0], periods.after[1]), site)
    now_ms = live.now().wall_ms
    history.require_begun(site, periods.before[1], "before_to")
    found = compare(of, site, history.source(), history.calendar(site.id), now_ms, booked.bookings)
    warnings = (*found.warnings, *booked.troubles, *history.caveats(periods.before[0]))
    numbers = (found.before, found.after, found.difference, found.interval, found.weeks, warnings)
    return _json(ComparisonAnswer(site.id, metric, *numbers))


def _require_more_than_one(history: History, of: Compared, site: Site, now_ms: int) -> None:
    """Refuse to compare what is a single space for this reader; raises QuestionError."""
    named = [("zone", of.zone)] if of.control_zone is None else [("zone", of.zone), ("control_zone", of.control_zone)]
    for where, zone in named:
        for from_ms, to_ms in (of.before, of.after):
            require_group(history, Question(of.metric, from_ms, to_ms, zone=zone), site, now_ms, where)


def _sizing(found: Sizing, window: Window, kind: SpaceKind, share: float) -> SizingAnswer:
    zone = zone_of(window.site.time_zone)
    unseen = None if found.unseen is None else UnseenDemand(found.unseen.desks_for_days, found.unseen.assumption)
    return SizingAnswer(
        window.site.id,
        window.site.time_zone,
        kind,
        rfc3339(window.from_ms, zone),
        rfc3339(found.to_ms, zone),
        share,
        found.current,
        found.desks_for_days,
        found.interval,
        found.desks_for_time,
        tuple(ShortfallItem(*point) for point in found.curve),
        found.days,
        found.full_days,
        found.coverage,
        unseen,
        None if found.by_group_size is None else tuple(GroupSizeItem(*of) for of in found.by_group_size),
        found.warnings,
    )


def _scenario(found: Scenario, site: Site, from_ms: int) -> ScenarioAnswer:
    zone = zone_of(site.time_zone)
    outcomes = _outcome(found.baseline), _outcome(found.scenario)
    window = rfc3339(from_ms, zone), rfc3339(found.to_ms, zone)
    return ScenarioAnswer(site.id, *window, found.sessions, *outcomes, found.warnings)


def _outcome(of: Outcome) -> OutcomeItem:
    return OutcomeItem(*of)


def _json(answer: msgspec.Struct) -> Response:
    return Response(_encoder.encode(answer), headers=HEADERS, media_type="application/json")
