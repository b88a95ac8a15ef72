"""The page: the plan of a site and the same as a list, complete without a script, and then moved by one."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter, Request, Response

from api.entrance.access import Matter, Reader
from api.live.kept import Kept
from api.live.live import Live, Shown
from api.live.selection import Selection
from api.moments import day_at
from api.pages.assets import assets
from api.pages.frame import PageResponse, frame_of, is_page_wanted, page_answer, question_in, render, sent, template
from api.pages.languages import Language, Words, words_in
from api.pages.rows import FloorRows, Row, ZoneRows, hours_of, moment_of, row_of, tally_of
from api.pages.wishes import FINER, asked, feature_field, href, seats_field, wish_of, zone_field
from api.parameters import TheLive, TheReader, required
from api.plans.drawings import Drawings
from api.problems import not_found
from perch.contract import VALID_FOR_MS
from perch.delivery.liveness import Instant
from perch.model import Floor, Site, SpaceKind, State
from perch.settings.holidays import closed_days

__all__ = ["no_such_site", "page_words", "router", "spaces_of", "template", "visible_sites"]

router = APIRouter(include_in_schema=False)
_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_OF_OTHER_PAGES = ("find", "manage", "space", "walls")
"""What of the words the page's script never says."""


@router.get("/", dependencies=[required(Matter.LIVE)])
async def index(request: Request, live: TheLive, reader: TheReader) -> Response:
    """Show one site of the network."""
    kept: Kept = request.app.state.kept
    question = question_in(request)
    answer = kept.get(question)
    if answer is None:
        wish = _wish(request, live, reader)
        if wish is None:
            return no_such_site(request, live, reader)
        frame = frame_of(request, reader, "now", asked(wish))
        look = Look(live, reader, wish, frame.words, live.now())
        context = _context(look, request.app.state.drawings, frame.language)
        answer = page_answer(render("index.html", frame, wall="wall" in request.query_params, **context))
        kept.put(question, answer)
    return PageResponse(answer, request)


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


def page_words() -> Words:
    """Give the words of the page in English."""
    return words_in(Language.ENGLISH)


def visible_sites(live: Live, reader: Reader) -> list[Site]:
    """Give the sites that a reader may see."""
    return [site for site in live.directory.sites.values() if reader.may_see_site(site.id)]


def no_such_site(request: Request, live: Live, reader: Reader) -> Response:
    """Say that a site does not exist, and lead to those that do; whoever does not ask for a page gets a problem."""
    missed, sites = request.query_params["site"][:64], visible_sites(live, reader)
    if not is_page_wanted(request):
        raise not_found(f"there is no site {missed!r}; there are: {', '.join(site.id for site in sites)}")
    return sent(request, render("missing.html", frame_of(request, reader, "", {}), missed=missed, sites=sites), 404)


def _wish(request: Request, live: Live, reader: Reader) -> Selection | None:
    """Read what is asked for, the first site by default; None where there is no such site."""
    sites = visible_sites(live, reader)
    if not sites:
        raise not_found("there is no site that you may see")
    named = request.query_params.get("site")
    site = next((site for site in sites if site.id == named), None if named else sites[0])
    return None if site is None else replace(wish_of(request.query_params, [site]), site=site.id)


@dataclass(frozen=True, slots=True)
class Look:
    """Somebody looks at a site: who, for what, and in whose words."""

    live: Live
    reader: Reader
    wish: Selection
    words: Words
    now: Instant

    @property
    def site(self) -> Site:
        """The site that is looked at."""
        return self.live.directory.sites[self.wish.site or ""]

    def row(self, shown: Shown, *, hidden: bool = False) -> Row:
        """Put a space into words."""
        item = self.live.item_to(self.reader, shown, self.now)
        return row_of(item, self.now.wall_ms, shown.place.time_zone, self.words, hidden=hidden)


def _context(look: Look, drawings: Drawings, language: Language) -> dict[str, Any]:
    site, zone, now_ms = look.site, look.live.directory.zone(look.site.id), look.now.wall_ms
    here = spaces_of(look.live, look.reader, site)
    today = day_at(now_ms, zone)
    return {
        "site": site,
        "now": moment_of(now_ms, now_ms, zone, look.words),
        "hours_today": hours_of(site, today, today in closed_days(site), look.words),
        "network": _network(look.live, look.reader),
        "tally": _by_name(shown.occupancy.state for shown in here),
        "choices": tuple(_choices(site, here, look.wish, look.words)),
        "finer": _finer(site, here, look.wish, look.words),
        "floors": tuple(_floor(look, floor, here, drawings) for floor in site.floors),
        "data": {
            "site": site.id,
            "name": site.name,
            "zone": site.time_zone,
            "now": now_ms,
            "valid": VALID_FOR_MS,
            "language": language,
            "words": {name: word for name, word in look.words.items() if name not in _OF_OTHER_PAGES},
        },
    }


def _by_name(states: Iterable[State]) -> dict[str, int]:
    tally = tally_of(states)
    return {"total": tally.total, "free": tally.free, "occupied": tally.occupied, "unknown": tally.unknown}


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


def _choices(site: Site, here: list[Shown], wish: Selection, words: Words) -> Iterator[dict[str, Any]]:
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
                    {"value": value or "", "word": word, "href": href("/", wish, **{name: value})}
                    | {"chosen": value == chosen}
                    for value, word in options
                ],
            }


def _finer(site: Site, here: list[Shown], wish: Selection, words: Words) -> dict[str, Any]:
    """Give the form with what is asked for less often; the other choices travel with it unseen."""
    spaces = [shown.place.space for shown in here]
    known = asked(wish)
    fields = [zone_field(wish, site, words), feature_field(wish, spaces, words), seats_field(wish, spaces, words)]
    return {
        "fields": [field for field in fields if len(field["options"]) > 1],
        "open": any(name in known for name in FINER),
        "kept": {name: value for name, value in known.items() if name not in FINER},
        "without": href("/", Selection(site=site.id)),
    }


def _floor(look: Look, floor: Floor, here: list[Shown], drawings: Drawings) -> FloorRows:
    of_floor = [shown for shown in here if shown.place.space.floor == floor.id]
    plan, complaint = drawings.of(look.site.id, floor.id)
    marks = {shown.place.space.id: _mark(shown, look.wish) for shown in of_floor}
    zones = [zone for zone in look.site.zones if zone.floor == floor.id]
    rows = ((zone.name, tuple(_rows(look, zone.id, of_floor))) for zone in zones)
    return FloorRows(
        floor.id,
        floor.name,
        None if plan is None else plan.drawn(marks),
        complaint,
        tally_of(shown.occupancy.state for shown in of_floor),
        tuple(ZoneRows(name, listed) for name, listed in rows if listed),
        look.wish.floor not in (None, floor.id),
    )


def takes(wish: Selection, shown: Shown) -> bool:
    """Tell whether a space is asked for, on whichever floor it is: a floor is shown or hidden as a whole."""
    return replace(wish, floor=None).takes(shown.place.site, shown.place.space, shown.occupancy)


def _mark(shown: Shown, wish: Selection) -> str:
    return str(shown.occupancy.state) if takes(wish, shown) else f"{shown.occupancy.state} off"


def _rows(look: Look, zone: str, of_floor: list[Shown]) -> Iterator[Row]:
    for shown in of_floor:
        if shown.place.space.zone == zone:
            yield look.row(shown, hidden=not takes(look.wish, shown))
