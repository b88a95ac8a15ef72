"""Find a desk: every space of the network that fits a wish, surely free ones first; a form and a list."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.entrance.access import Matter, Reader
from api.forecast.forecasts import Forecasts
from api.forecast.resource import present_of
from api.live.kept import Kept
from api.live.live import Live, Shown
from api.live.resources import visible
from api.live.selection import Selection, rank
from api.pages.frame import PageResponse, frame_of, page_answer, question_in, render
from api.pages.languages import Words, count, say
from api.pages.later import Pool, later
from api.pages.rows import moment_of, row_of
from api.pages.wishes import asked, feature_field, field, href, seats_field, wish_of
from api.parameters import TheLive, TheReader, required
from perch.model import Site, Space, SpaceKind, State

router = APIRouter(include_in_schema=False)
MOST_ROWS = 60
"""Of one site; whoever finds more than that has asked for too much to choose from."""

ANY = "any"
"""The state that asks for nothing: where no state is named, free ones are meant."""


@router.get("/find", dependencies=[required(Matter.LIVE)])
async def find_page(request: Request, live: TheLive, reader: TheReader) -> Response:
    """Show what fits."""
    kept: Kept = request.app.state.kept
    question = question_in(request)
    answer = kept.get(question)
    if answer is None:
        sites = [site for site in live.directory.sites.values() if reader.may_see_site(site.id)]
        given: Mapping[str, str] = {"state": State.FREE.value, **request.query_params}
        wish = wish_of(given, sites)
        frame = frame_of(request, reader, "find", asked(wish))
        context = _context(live, reader, sites, wish, frame.words)
        context |= await _later(request, live, sites, wish, frame.words)
        answer = page_answer(render("find.html", frame, **context))
        kept.put(question, answer)
    return PageResponse(answer, request)


def _context(live: Live, reader: Reader, sites: list[Site], wish: Selection, words: Words) -> dict[str, Any]:
    found = [shown for _, shown in visible(live, reader, wish)]
    spaces = [shown.place.space for _, shown in visible(live, reader, Selection(site=wish.site))]
    groups = [_group(live, reader, site, found, wish, words) for site in sites]
    return {
        "wish": wish,
        "fields": _fields(sites, spaces, wish, words),
        "heading": count(words["find"], "found", len(found)) if found else words["find"]["none"],
        "any_state": "" if wish.state is None else f"{href('/find', wish, state=ANY)}",
        "groups": [group for group in groups if group["rows"]],
        "data": {"site": wish.site, "words": _said_by_the_script(words)},
    }


async def _later(request: Request, live: Live, sites: list[Site], wish: Selection, words: Words) -> dict[str, Any]:
    """Tell chances where a time is asked for, of desks where no kind is."""
    at = request.query_params.get("at", "").strip()[:64]
    if not at:
        return {"at": "", "later": [], "later_heading": ""}
    kind = wish.kind or SpaceKind.DESK
    chosen = [site for site in sites if wish.site in (None, site.id)]
    pools = [Pool(site, kind, present_of(live, site.id, kind)) for site in chosen]
    forecasts: Forecasts = request.app.state.forecasts
    told = await run_in_threadpool(later, pools, at, live.now().wall_ms, forecasts, words)
    return {"at": at, "later": told, "later_heading": say(words["find"], "later", kind=words["kinds"][kind])}


def _said_by_the_script(words: Words) -> Words:
    return {name: words[name] for name in ("expired", "live", "offline", "states")}


def _group(live: Live, reader: Reader, site: Site, found: list[Shown], wish: Selection, words: Words) -> dict[str, Any]:
    now, zone = live.now(), live.directory.zone(site.id)
    here = sorted((shown for shown in found if shown.place.site == site.id), key=lambda one: rank(one.occupancy))
    rows = [row_of(live.item_to(reader, shown, now), now.wall_ms, zone, words) for shown in islice(here, MOST_ROWS)]
    return {
        "id": site.id,
        "name": site.name,
        "time": say(words["find"], "at", time=moment_of(now.wall_ms, now.wall_ms, zone, words).text),
        "plan": href("/", wish, site=site.id),
        "rows": [(row, _zone_name(site, row.zone)) for row in rows],
        "more": say(words["find"], "more", n=len(here) - MOST_ROWS) if len(here) > MOST_ROWS else "",
    }


def _zone_name(site: Site, zone: str) -> str:
    return next((known.name for known in site.zones if known.id == zone), zone)


def _fields(sites: list[Site], spaces: list[Space], wish: Selection, words: Words) -> list[dict[str, Any]]:
    own = words["find"]
    kinds = {kind.value: words["kinds"][kind] for kind in SpaceKind if any(one.kind is kind for one in spaces)}
    states = {state.value: words["states"][state] for state in State}
    fields = [
        field("site", own["where"], own["everywhere"], {site.id: site.name for site in sites}, wish.site),
        field("kind", own["kind"], words["any_kind"], kinds, wish.kind),
        feature_field(wish, spaces, words),
        seats_field(wish, spaces, words),
        field("state", own["state"], own["any_state"], states, wish.state, everything=ANY),
    ]
    return [each for each in fields if len(each["options"]) > 2]
