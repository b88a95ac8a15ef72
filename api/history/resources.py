"""What was: metrics with their coverage, transitions of single spaces, and what each number means."""

from dataclasses import dataclass
from dataclasses import replace as replaced
from datetime import tzinfo
from functools import partial
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from msgspec import UNSET
from msgspec.structs import replace

from api.document.openapi import answers, or_file, or_shape
from api.entrance.access import Matter, Reader
from api.entrance.noting import denied, note
from api.history.downloads import AnswerFormat, download
from api.history.for_members import answer_for_members
from api.history.of_groups import HistoryOfGroups, site_to
from api.history.shapes import (
    AnswerDefinition,
    DefinitionItem,
    DefinitionPage,
    HistoryAnswer,
    HistoryRow,
    HourOfWeekAnswer,
    HourOfWeekRow,
    TransitionAnswer,
    TransitionRow,
)
from api.history.way import History
from api.moments import parse_moment, rfc3339, zone_of
from api.parameters import OptionalZone, StrictRoute, TheLive, TheReader, complain, complain_of_site, required
from api.problems import not_found, wrong
from api.turns import taking_turns
from perch.adapters.tables.files import MEDIA_TYPES
from perch.history.definitions import DEFINITIONS
from perch.history.layout import standings
from perch.history.question import Answer, Definition, HourRow, Hours, Question, Resolution, Row, Scope, SessionRules
from perch.history.source import StateRow
from perch.history.tables import answer_table, transitions_of
from perch.model import ID_PATTERN, Site, Space, SpaceKind

router = APIRouter(prefix="/api/v1", route_class=StrictRoute, tags=["history"])
_encoder = msgspec.json.Encoder()
HEADERS = {"Cache-Control": "private, no-cache"}

_ID = f"^{ID_PATTERN.pattern}$"
RequiredSite = Annotated[str, Query(pattern=_ID, description="id of a site")]
RequiredSpace = Annotated[str, Query(pattern=_ID, description="id of a space of that site")]
From = Annotated[str, Query(alias="from", max_length=64, description="RFC 3339; without offset: the site's own time")]
To = Annotated[str, Query(max_length=64, description="the same; the end is not part of the window")]
AnswerAs = Annotated[AnswerFormat, Query(alias="format", description="json, or a file")]
FILES = tuple(MEDIA_TYPES.values())


@dataclass(frozen=True, slots=True)
class Window:
    """A site and a half-open span of time, ms UTC."""

    site: Site
    from_ms: int
    to_ms: int


async def window_of(live: TheLive, reader: TheReader, site: RequiredSite, from_: From, to: To) -> Window | None:
    """Read site and times; None where there is something to complain of."""
    strange = complain_of_site(live, reader, site)
    zone = zone_of("UTC" if strange else live.directory.sites[site].time_zone)
    from_ms, to_ms = _moment("from", from_, zone), _moment("to", to, zone)
    if from_ms is None or to_ms is None:
        return None
    if from_ms >= to_ms:
        complain("to", "this is not after `from`, so there is no time between them")
        return None
    return None if strange else Window(site_to(reader, live.directory.sites[site]), from_ms, to_ms)


def moment_in(name: str, text: str, zone: tzinfo) -> int:
    """Read a moment of a request; raises ParametersError."""
    try:
        return parse_moment(text, zone)
    except ValueError as error:
        raise wrong(name, str(error)) from None


def _moment(name: str, text: str, zone: tzinfo) -> int | None:
    try:
        return parse_moment(text, zone)
    except ValueError as error:
        complain(name, str(error))
        return None


TheWindow = Annotated[Window, Depends(window_of)]


async def history_of(request: Request, reader: TheReader) -> History:
    """Give the history that the application serves, as far as the reader may know it."""
    history: History = request.app.state.history
    return history if reader.may_read(Matter.HISTORY_OF_SPACES) else HistoryOfGroups.within(history)


TheHistory = Annotated[History, Depends(history_of)]


@router.get(
    "/history/transitions",
    **or_file(answers(TransitionAnswer, 403, 404, 503), *FILES),
    dependencies=[required(Matter.HISTORY_OF_SPACES)],
)
@taking_turns
def transitions(
    history: TheHistory, window: TheWindow, space: RequiredSpace, as_: AnswerAs = AnswerFormat.JSON
) -> Response:
    """List the changes of a space's state or count."""
    site = window.site
    if all(known.id != space for known in site.spaces):
        raise not_found(f"there never was a space {site.id}/{space}")
    history.require_begun(site, window.to_ms)
    _require_there(site, space, window)
    if as_ is not AnswerFormat.JSON:
        chosen = [row for row in standings(site) if row.space.id == space]
        table = transitions_of(chosen, site, window.from_ms, window.to_ms, history.source())
        about = {**table.about, "warnings": " ".join(history.caveats(window.from_ms))}
        return download(replaced(table, about=about), as_, f"transitions-{space}", window.from_ms)
    rows = history.transitions(site, space, window.from_ms, window.to_ms)
    zone = zone_of(site.time_zone)
    answer = TransitionAnswer(
        site.id,
        space,
        site.time_zone,
        rfc3339(window.from_ms, zone),
        rfc3339(window.to_ms, zone),
        tuple(_transition(row, site) for row in rows),
        history.caveats(window.from_ms),
    )
    return _json(answer)


def _require_there(site: Site, space: str, window: Window) -> None:
    """Refuse a window in which a space did not stand there; raises ParametersError."""
    rows = [row for row in standings(site) if row.space.id == space]
    if not any(row.from_ms < window.to_ms and window.from_ms < row.to_ms for row in rows):
        days = " and ".join(_days(row.space) for row in rows)
        raise wrong("from", f"{space} did not stand there in this window, but {days}; ask for a window of those")


def _days(row: Space) -> str:
    said = (row.valid_from and f"from {row.valid_from}", row.valid_until and f"until {row.valid_until}")
    return " ".join(word for word in said if word) or "always"


@router.get(
    "/history/{metric}",
    **or_file(or_shape(answers(HistoryAnswer, 403, 404, 503), HourOfWeekAnswer), *FILES),
    dependencies=[required(Matter.HISTORY)],
)
@taking_turns
def history(
    request: Request,
    history: TheHistory,
    live: TheLive,
    reader: TheReader,
    window: TheWindow,
    metric: Annotated[str, Path(max_length=64, description="id of a metric; /definitions lists them")],
    resolution: Annotated[
        Resolution, Query(description="how the window is cut, by the site's calendar")
    ] = Resolution.TOTAL,
    scope: Annotated[Scope, Query(description="which spaces one row sums up")] = Scope.SITE,
    kind: Annotated[SpaceKind | None, Query(description="only spaces of this kind")] = None,
    zone: OptionalZone = None,
    hours: Annotated[Hours, Query(description="opening hours, or all time")] = Hours.OPEN,
    merge_seconds: Annotated[float, Query(ge=0, le=86_400, description="gaps that belong to a session")] = 300,
    min_seconds: Annotated[float, Query(ge=0, le=86_400, description="how long a session lasts at least")] = 60,
    as_: AnswerAs = AnswerFormat.JSON,
) -> Response:
    """Answer a metric over a window, with the share of it that was really observed."""
    if metric not in DEFINITIONS:
        raise not_found(f"there is no metric {metric!r}; there are: {', '.join(sorted(DEFINITIONS))}")
    _allow(request, reader, scope)
    rules = SessionRules(round(merge_seconds * 1000), round(min_seconds * 1000))
    of_kind = None if kind is None else kind.value
    question = Question(metric, window.from_ms, window.to_ms, resolution, scope, hours, of_kind, zone, rules)
    answer_to = history.answer if reader.may_read(Matter.HISTORY_OF_GROUPS) else partial(answer_for_members, history)
    answer = answer_to(question, window.site, live.now().wall_ms)
    if as_ is not AnswerFormat.JSON:
        return download(answer_table(answer, window.site), as_, metric, window.from_ms)
    return _json(_history(answer, window.site))


def _allow(request: Request, reader: Reader, scope: Scope) -> None:
    if scope is Scope.SPACE:
        if not reader.may_read(Matter.HISTORY_OF_SPACES):
            raise denied(reader, Matter.HISTORY_OF_SPACES)
        note(request, reader)


@router.get("/definitions", **answers(DefinitionPage), dependencies=[required(Matter.NETWORK)])
async def definitions(live: TheLive) -> Response:
    """List every metric with its unit, formula and version."""
    items = tuple(_definition(of) for _, of in sorted(DEFINITIONS.items()))
    return _json(DefinitionPage(items, None, rfc3339(live.now().wall_ms)))


def _definition(of: Definition) -> DefinitionItem:
    return DefinitionItem(of.id, of.name, of.version, of.unit, of.text, of.is_not)


def _history(answer: Answer, site: Site) -> HistoryAnswer | HourOfWeekAnswer:
    asked, definition, zone = answer.question, answer.definition, zone_of(site.time_zone)
    head = (
        asked.metric,
        AnswerDefinition(definition.id, definition.version, definition.unit, definition.text),
        site.id,
        site.time_zone,
        rfc3339(asked.from_ms, zone),
        rfc3339(answer.to_ms, zone),
        asked.resolution,
        asked.scope,
        asked.hours,
    )
    parameters = {name: value_ms / 1000 for name, value_ms in answer.parameters.items()} or UNSET
    if asked.resolution is Resolution.HOUR_OF_WEEK:
        hours = tuple(HourOfWeekRow(*row[:-1]) for row in answer.rows if isinstance(row, HourRow))
        return HourOfWeekAnswer(*head, hours, answer.warnings, parameters)
    rows = tuple(_row(row, zone) for row in answer.rows if isinstance(row, Row))
    return HistoryAnswer(*head, rows, answer.warnings, parameters)


def _row(row: Row, zone: ZoneInfo) -> HistoryRow:
    start, end = rfc3339(row.start_ms, zone), rfc3339(row.end_ms, zone)
    numbers = HistoryRow(start, end, row.scope, row.value, row.coverage, row.low, row.high)
    if row.peak is None:
        return numbers
    return replace(numbers, at=rfc3339(row.peak.at_ms, zone), lasted_seconds=row.peak.lasted_ms / 1000)


def _transition(row: StateRow, site: Site) -> TransitionRow:
    time = rfc3339(row.time_ms, zone_of(site.time_zone))
    return TransitionRow(time, row.state, row.probability, row.count, row.reason, row.clock)


def _json(answer: msgspec.Struct) -> Response:
    return Response(_encoder.encode(answer), headers=HEADERS, media_type="application/json")
