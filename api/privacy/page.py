"""`/privacy` for everybody: what is known here, as it is set up now; the same for machines, and as a sheet to print."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request, Response

from api.document.openapi import answers
from api.entrance.access import ANYBODY, AT_THIS_MACHINE, Matter, Reader
from api.live.live import Live
from api.moments import day_at, zone_of
from api.pages.frame import frame_of, render, sent
from api.pages.languages import Language, filled, language_of
from api.parameters import StrictRoute, TheLive, TheReader
from api.privacy.notice import sheet
from api.privacy.privacy import privacy_of
from api.privacy.shapes import PrivacyAnswer
from api.privacy.words import privacy_words, sections
from api.problems import not_found
from perch.model import ID_PATTERN, SensorKind, Site
from perch.settings import Face, ServerSettings

router = APIRouter(include_in_schema=False)
resources = APIRouter(prefix="/api/v1", route_class=StrictRoute, tags=["privacy"])
_encoder = msgspec.json.Encoder()
HEADERS = {"Cache-Control": "no-cache"}
OneSite = Annotated[
    str | None, Query(pattern=f"^{ID_PATTERN.pattern}$", description="id of a site; all of this server otherwise")
]


@resources.get("/privacy", **answers(PrivacyAnswer, 404))
async def privacy(request: Request, live: TheLive, site: OneSite = None) -> Response:
    """Say what is sensed, kept, read and passed on; everybody may know."""
    told = told_of(request, live, named(live, site))
    return Response(_encoder.encode(told), 200, HEADERS, "application/json")


@router.get("/privacy")
async def privacy_page(request: Request, live: TheLive, reader: TheReader) -> Response:
    """Show the same to people."""
    site = named(live, request.query_params.get("site"))
    frame = frame_of(request, reader, "privacy", {} if site is None else {"site": site.id})
    words = privacy_words(frame.language)
    query = "" if site is None else f"?site={site.id}"
    body = render(
        "privacy.html",
        frame,
        privacy=words,
        place=words["network"] if site is None else filled(words["site"], name=site.name),
        sections=sections(
            told_of(request, live, site),
            frame.language,
            email_of(request, site),
            is_open=request.app.state.entrance.is_open,
        ),
        sites=_visible(live, reader, site),
        notice=f"/privacy/notice{query}",
        machines=f"/api/v1/privacy{query}",
    )
    return sent(request, body)


@router.get("/privacy/notice")
async def notice(request: Request, live: TheLive) -> Response:
    """Give the sheet, in the language that is asked for."""
    site = named(live, request.query_params.get("site"))
    served: ServerSettings = request.app.state.served
    origin = served.api.url or str(request.base_url).rstrip("/")
    told = told_of(request, live, site)
    return sent(request, sheet(told, site, origin, language_of(request), email_of(request, site)).encode())


def named(live: Live, site: str | None) -> Site | None:
    """Give the site that is asked for; raises HTTPException where there is none. Others' names are not told."""
    if site is None:
        return None
    if site not in live.directory.sites:
        raise not_found(f"there is no site {site[:64]!r}")
    return live.directory.sites[site]


def told_of(request: Request, live: Live, site: Site | None) -> PrivacyAnswer:
    """Describe what is known, by the configuration that runs and the sensors that report."""
    served: ServerSettings = request.app.state.served
    zone = zone_of("UTC" if site is None else site.time_zone)
    today = day_at(live.now().wall_ms, zone)
    told = privacy_of(served, site, reporting(live, site), today)
    english = sections(told, Language.ENGLISH, email_of(request, site), is_open=request.app.state.entrance.is_open)
    text = tuple(line for section in english for line in (*section.lines, *(": ".join(row) for row in section.rows)))
    return msgspec.structs.replace(told, text=text)


def reporting(live: Live, site: Site | None) -> frozenset[SensorKind]:
    """Say which kinds of sensors report now."""
    now = live.now()
    keys = [key for key in live.agents if site is None or key[0] == site.id]
    items = (item for key in keys for item in live.sensor_items_to(AT_THIS_MACHINE, key, now))
    return frozenset(item.kind for item in items if item.kind is not None)


def email_of(request: Request, site: Site | None) -> str | None:
    """Give whom to ask, where a site publishes that."""
    faces: Mapping[str, Face] = request.app.state.faces
    return None if site is None or site.id not in faces else faces[site.id].email


def _visible(live: Live, reader: Reader, site: Site | None) -> list[dict[str, str]]:
    """Name the sites to whoever may know of them."""
    if site is not None or reader == ANYBODY or not reader.may_read(Matter.NETWORK):
        return []
    known = (each for each in live.directory.sites.values() if reader.may_see_site(each.id))
    return [{"name": each.name, "href": f"/privacy?site={each.id}"} for each in known]
