"""The page: the plan of a site and the same as a list, complete without a script, and then moved by one."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from jinja2 import Environment, FunctionLoader, StrictUndefined, Template

from api.access import Matter, Reader
from api.assets import assets, text_of
from api.door import question_of
from api.drawings import Drawings
from api.kept import Answer, AnswerResponse, Kept, tag_of
from api.live import Live, Shown
from api.moments import day_at
from api.navigation import ways
from api.parameters import TheLive, TheReader
from api.problems import not_found
from api.rows import FloorRows, Row, ZoneRows, hours_of, moment_of, row_of, tally_of
from perch.contract import VALID_FOR_MS
from perch.model import Floor, Site, SpaceKind, State
from perch.settings.holidays import closed_days

router = APIRouter(include_in_schema=False)
_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}


@dataclass(frozen=True, slots=True)
class Wish:
    """What the address asks to see; values that do not exist ask for nothing."""

    site: str
    floor: str | None
    kind: str | None
    state: str | None

    def href(self, **changed: str | None) -> str:
        """Give the address of this wish with some of it changed."""
        wish = {"site": self.site, "floor": self.floor, "kind": self.kind, "state": self.state, **changed}
        return "/?" + urlencode({name: value for name, value in wish.items() if value is not None})

    def takes(self, shown: Shown) -> bool:
        """Tell whether a space is asked for."""
        return self.kind in (None, shown.place.space.kind) and self.state in (None, shown.occupancy.state)


@router.get("/")
async def index(request: Request, live: TheLive, reader: TheReader) -> Response:
    """Show one site of the network."""
    wish = _wish(request.query_params, live, reader)
    if wish is None:
        return no_such_site(request, live, reader)
    context = _context(live, reader, wish, request.app.state.drawings)
    context["ways"] = ways(reader, "now", {"site": wish.site, "kind": wish.kind or ""}, page_words()["pages"])
    context["shows_history"] = reader.may_read(Matter.HISTORY_OF_SPACES)
    body = template("index.html").render(demo=request.app.state.demo, **context).encode()
    kept: Kept = request.app.state.kept
    answer = Answer(body, tag_of(body), b"text/html; charset=utf-8")
    kept.put(question_of(request.scope), answer)
    return AnswerResponse(answer)


@router.get("/assets/{digest}/{name}")
async def asset(request: Request, digest: str, name: str) -> Response:
    """Send a file of the page; its address changes with its content."""
    found = assets().by_name.get(name) if digest == assets().digest else None
    if found is None:
        raise not_found("there is no such file of the page; load the page anew")
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers = {**_FOREVER, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        return Response(found.zipped, headers=headers, media_type=found.media_type)
    return Response(found.body, headers=_FOREVER, media_type=found.media_type)


@cache
def page_words() -> dict[str, Any]:
    """Give the words of the page."""
    words: dict[str, Any] = json.loads(text_of("words.json"))
    return words


@cache
def template(name: str) -> Template:
    """Read a template."""
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    reading = FunctionLoader(text_of)
    return Environment(loader=reading, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def visible_sites(live: Live, reader: Reader) -> list[Site]:
    """Give the sites that a reader may see."""
    return [site for site in live.directory.sites.values() if reader.may_see_site(site.id)]


def no_such_site(request: Request, live: Live, reader: Reader) -> Response:
    """Say that a site does not exist, and lead to those that do; whoever does not ask for a page gets a problem."""
    asked, sites = request.query_params["site"][:64], visible_sites(live, reader)
    if "text/html" not in request.headers.get("accept", ""):
        raise not_found(f"there is no site {asked!r}; there are: {', '.join(site.id for site in sites)}")
    body = template("missing.html").render(words=page_words(), assets=assets().path, asked=asked, sites=sites)
    return Response(body, 404, {"Cache-Control": "no-store"}, "text/html; charset=utf-8")


def _wish(given: Mapping[str, str], live: Live, reader: Reader) -> Wish | None:
    """Read what is asked for, the first site by default; None where there is no such site."""
    sites = live.directory.sites
    visible = [site.id for site in visible_sites(live, reader)]
    if not visible:
        raise not_found("there is no site that you may see")
    site = given.get("site") or visible[0]
    if site not in visible:
        return None
    floors = [floor.id for floor in sites[site].floors]
    return Wish(site, *(_one_of(given.get(name), known) for name, known in _known(floors)))


def _known(floors: list[str]) -> tuple[tuple[str, list[str]], ...]:
    return ("floor", floors), ("kind", list(SpaceKind)), ("state", list(State))


def _one_of(value: str | None, known: list[str]) -> str | None:
    return value if value in known else None


def _context(live: Live, reader: Reader, wish: Wish, drawings: Drawings) -> dict[str, Any]:
    site, now = live.directory.sites[wish.site], live.now()
    zone = live.directory.zone(site.id)
    here = spaces_of(live, reader, site)
    today = day_at(now.wall_ms, zone)
    return {
        "site": site,
        "words": page_words(),
        "assets": assets().path,
        "now": moment_of(now.wall_ms, now.wall_ms, zone),
        "hours_today": hours_of(site, today, today in closed_days(site)),
        "network": _network(live, reader),
        "tally": tally_of(shown.occupancy.state for shown in here),
        "choices": tuple(_choices(site, here, wish)),
        "floors": tuple(_floor(live, floor, here, wish, drawings) for floor in site.floors),
        "data": {
            "site": site.id,
            "name": site.name,
            "zone": site.time_zone,
            "now": now.wall_ms,
            "valid": VALID_FOR_MS,
            "words": page_words(),
        },
    }


def spaces_of(live: Live, reader: Reader, site: Site) -> list[Shown]:
    """Give the spaces of a site that the reader may see, as its layout orders them."""
    order = {space.id: place for place, space in enumerate(site.spaces)}
    here = [shown for key, shown in live.all() if key[0] == site.id and reader.may_see(site.id, shown.place.space)]
    return sorted(here, key=lambda shown: order[shown.place.space.id])


def _network(live: Live, reader: Reader) -> list[dict[str, Any]]:
    """Count every site that the reader may see."""
    sites = visible_sites(live, reader)
    states: dict[str, list[State]] = {site.id: [] for site in sites}
    for key, shown in live.all():
        if reader.may_see(key[0], shown.place.space):
            states[key[0]].append(shown.occupancy.state)
    return [
        {"id": site.id, "name": site.name, "href": f"/?site={site.id}", "tally": tally_of(states[site.id])}
        for site in sites
    ]


def _choices(site: Site, here: list[Shown], wish: Wish) -> Iterator[dict[str, Any]]:
    words = page_words()
    kinds = [kind for kind in SpaceKind if any(shown.place.space.kind is kind for shown in here)]
    offered = {
        "floor": (words["all_floors"], [(floor.id, floor.name) for floor in site.floors], wish.floor),
        "kind": (words["any_kind"], [(kind.value, words["kinds"][kind]) for kind in kinds], wish.kind),
        "state": (words["any_state"], list(words["states"].items()), wish.state),
    }
    for name, (everything, known, chosen) in offered.items():
        options = [(None, everything), *known]
        if len(known) > 1:
            yield {
                "name": name,
                "options": [
                    {"value": value or "", "word": word, "href": wish.href(**{name: value}), "chosen": value == chosen}
                    for value, word in options
                ],
            }


def _floor(live: Live, floor: Floor, here: list[Shown], wish: Wish, drawings: Drawings) -> FloorRows:
    of_floor = [shown for shown in here if shown.place.space.floor == floor.id]
    plan, complaint = drawings.of(wish.site, floor.id)
    marks = {shown.place.space.id: _mark(shown, wish) for shown in of_floor}
    zones = [zone for zone in live.directory.sites[wish.site].zones if zone.floor == floor.id]
    rows = ((zone.name, tuple(_rows(live, zone.id, of_floor, wish))) for zone in zones)
    return FloorRows(
        floor.id,
        floor.name,
        None if plan is None else plan.drawn(marks),
        complaint,
        tally_of(shown.occupancy.state for shown in of_floor),
        tuple(ZoneRows(name, listed) for name, listed in rows if listed),
        wish.floor not in (None, floor.id),
    )


def _mark(shown: Shown, wish: Wish) -> str:
    return str(shown.occupancy.state) if wish.takes(shown) else f"{shown.occupancy.state} off"


def _rows(live: Live, zone: str, of_floor: list[Shown], wish: Wish) -> Iterator[Row]:
    now = live.now()
    for shown in of_floor:
        if shown.place.space.zone == zone:
            age_seconds = live.item(shown, now).age_seconds
            hidden = not wish.takes(shown)
            yield row_of(shown.place, shown.occupancy, age_seconds, now.wall_ms, hidden, page_words())
