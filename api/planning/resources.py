"""Planning over HTTP: how many would do, what if, before and after."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from api.audit.body import read_object
from api.document.openapi import answers, takes
from api.entrance.access import Matter, Reader
from api.history.of_groups import groups_to_replay, observed_site, require_group, require_groups, site_to
from api.history.resources import HEADERS, RequiredSite, TheHistory, TheWindow, moment_in
from api.history.way import History
from api.moments import zone_of
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
from api.planning.answers import comparison_answer, scenario_answer, sizing_answer
from api.planning.body import LARGEST_BYTES, read_changes, read_scenario
from api.planning.for_members import (
    LEAST_MS,
    fewest_of,
    kinds_of_many,
    members_now_ms,
    require_changes,
    require_many,
    require_metric,
    require_usual_share,
    require_weeks,
    site_for_members,
)
from api.planning.in_bands import comparison_in_bands, scenario_in_bands, sizing_in_bands
from api.planning.shapes import ComparisonAnswer, ScenarioAnswer, ScenarioAsked, SizingAnswer
from api.problems import wrong
from api.turns import in_turn, taking_turns
from perch.history.definitions import DEFINITIONS
from perch.history.planning.changes import Change
from perch.history.planning.comparison import Compared, Comparison, compare
from perch.history.planning.scenario import scenario
from perch.history.planning.sizing import Sizing, sizing
from perch.history.question import Question
from perch.model import Site, SpaceKind

router = APIRouter(
    prefix="/api/v1/planning",
    route_class=StrictRoute,
    tags=["planning"],
    dependencies=[required(Matter.HISTORY)],
)
_encoder = msgspec.json.Encoder()
Span = tuple[int, int]
Edge = Annotated[str, Query(max_length=64, description="RFC 3339; without offset: the site's own time")]


@router.get("/sizing", **answers(SizingAnswer, 403, 503))
@taking_turns
def how_many(
    history: TheHistory,
    live: TheLive,
    reader: TheReader,
    window: TheWindow,
    kind: Annotated[SpaceKind, Query(description="which kind of space")] = SpaceKind.DESK,
    share: Annotated[float, Query(ge=0.5, le=0.99, description="of days, and of time")] = 0.95,
) -> Response:
    """Say how many spaces of a kind would do on a share of days and of open time, and what fewer would mean."""
    site, span, now_ms = window.site, (window.from_ms, window.to_ms), live.now().wall_ms
    if _in_bands(reader):
        require_usual_share(share)
        require_weeks(site, {("from", "to"): span}, now_ms, LEAST_MS)
        site = site_for_members(history, site, [span])
    observed = observed_site(history, site, [span])
    if _in_bands(reader):
        require_many(observed, [span], "kind", kind=kind)
        now_ms = members_now_ms(site, now_ms)
    answer = sizing_answer(sized(history, site, observed, span, kind, share, now_ms), site, span[0], kind, share)
    return _json(sizing_in_bands(answer) if _in_bands(reader) else answer)


def sized(
    history: History, site: Site, observed: Site, window: Span, kind: SpaceKind, share: float, now_ms: int
) -> Sizing:
    """Size the spaces of a kind of a site as far as this reader may know; raises QuestionError."""
    history.require_begun(site, window[1])
    require_groups(history, observed, window, now_ms, [kind])
    found = sizing(site, kind, *window, share, history.source(), history.calendar(site.id), now_ms)
    return replace(found, warnings=(*found.warnings, *history.caveats(window[0])))


@router.post("/scenarios", **{**answers(ScenarioAnswer, 403, 413, 415, 503), **takes(ScenarioAsked)})
async def what_if(request: Request, history: TheHistory, live: TheLive, reader: TheReader) -> Response:
    """Replay the sessions of a window against a changed layout, beside today's."""
    asked = read_scenario(await read_object(request, LARGEST_BYTES))
    known_site(live, reader, asked.site)
    site = site_to(reader, live.directory.sites[asked.site])
    zone = zone_of(site.time_zone)
    span = moment_in("from", asked.from_, zone), moment_in("to", asked.to, zone)
    changes = tuple(read_changes(asked, site))
    if not changes:
        raise wrong("changes", "there are none; name at least one")
    return _json(await in_turn(_replayed, history, reader, site, span, changes, live.now().wall_ms))


def _replayed(
    history: History, reader: Reader, site: Site, window: Span, changes: Sequence[Change], now_ms: int
) -> ScenarioAnswer:
    """Replay a window as far as this reader may know; raises QuestionError and ParametersError."""
    if _in_bands(reader):
        require_weeks(site, {("from", "to"): window}, now_ms, LEAST_MS)
        require_changes(changes)
        site = site_for_members(history, site, [window])
    observed = observed_site(history, site, [window])
    if _in_bands(reader):
        many = kinds_of_many(observed, window, changes)
        site, observed = _of_kinds(site, many), _of_kinds(observed, many)
        now_ms = members_now_ms(site, now_ms)
    history.require_begun(site, window[1])
    site, told = groups_to_replay(history, site, observed, window, now_ms, changes)
    found = scenario(site, *window, changes, history.source(), history.calendar(site.id), now_ms)
    warnings = (*found.warnings, *told, *history.caveats(window[0]))
    answer = scenario_answer(replace(found, warnings=warnings), site, window[0])
    return scenario_in_bands(answer) if _in_bands(reader) else answer


@dataclass(frozen=True, slots=True)
class Periods:
    """A site and two windows of it."""

    site: Site
    before: Span
    after: Span


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
    reader: TheReader,
    periods: Annotated[Periods, Depends(periods_of)],
    metric: Annotated[str, Query(max_length=64, description="id of a metric; /definitions lists them")],
    zone: OptionalZone = None,
    control_zone: OptionalZone = None,
) -> Response:
    """Compare a metric before and after, weekday by weekday, with how sure the difference is."""
    if metric not in DEFINITIONS:
        raise wrong("metric", f"there is no metric {metric!r}; there are: {', '.join(sorted(DEFINITIONS))}")
    if control_zone is not None and zone in (None, control_zone):
        raise wrong("control_zone", "this is to be another zone than the one in question, which `zone` names")
    of = Compared(metric, periods.before, periods.after, zone, control_zone)
    site, now_ms = periods.site, live.now().wall_ms
    if _in_bands(reader):
        require_metric(metric)
        named = {("before_from", "before_to"): of.before, ("after_from", "after_to"): of.after}
        require_weeks(site, named, now_ms)
        site = site_for_members(history, site, [of.before, of.after], of.zone)
    observed = observed_site(history, site, [of.before, of.after])
    if _in_bands(reader):
        for where, zone_id in _zones_of(of):
            require_many(observed, [of.before, of.after], where, zone=zone_id)
    answer = comparison_answer(compared(history, of, site, observed, now_ms), of, site)
    if not _in_bands(reader):
        return _json(answer)
    return _json(comparison_in_bands(answer, fewest_of(observed, [of.before, of.after], of.zone)))


def _in_bands(reader: Reader) -> bool:
    """Tell whether a reader is told of groups in bands alone."""
    return not reader.may_read(Matter.HISTORY_OF_GROUPS)


def _of_kinds(site: Site, kinds: Collection[SpaceKind]) -> Site:
    return replace(site, spaces=tuple(space for space in site.spaces if space.kind in kinds))


def _zones_of(of: Compared) -> Sequence[tuple[str, str | None]]:
    """Name the groups that are compared, each by its parameter; without a zone that is the whole site."""
    return [("zone", of.zone)] if of.control_zone is None else [("zone", of.zone), ("control_zone", of.control_zone)]


def compared(history: History, of: Compared, site: Site, observed: Site, now_ms: int) -> Comparison:
    """Compare two periods of a site as far as this reader may know; raises QuestionError."""
    for where, zone in _zones_of(of):
        for from_ms, to_ms in (of.before, of.after):
            require_group(history, Question(of.metric, from_ms, to_ms, zone=zone), observed, now_ms, where)
    booked = history.booked(Question(of.metric, of.before[0], of.after[1]), site)
    history.require_begun(site, of.before[1], "before_to")
    found = compare(of, site, history.source(), history.calendar(site.id), now_ms, booked.bookings)
    return replace(found, warnings=(*found.warnings, *booked.troubles, *history.caveats(of.before[0])))


def _json(answer: msgspec.Struct) -> Response:
    return Response(_encoder.encode(answer), headers=HEADERS, media_type="application/json")
