"""A site as SpaceAPI has it (https://spaceapi.io, version 15), for directories and status lights of the world.

Only sites with a face in `perch.toml` are there, and everybody may ask. How many spaces are free is told only where the
summary is public, and in its bounds.
"""

from collections.abc import Mapping

import msgspec
from fastapi import APIRouter, Request, Response
from msgspec import UNSET

from api.document.openapi import answers
from api.entrance.access import ANYBODY
from api.history.resources import RequiredSite, TheHistory
from api.live.live import Live
from api.live.resources import as_of, counted, summarised
from api.live.selection import Selection
from api.parameters import StrictRoute, TheLive
from api.problems import not_found
from api.spaceapi.shapes import SpaceApi, SpaceApiContact, SpaceApiLocation, SpaceApiNow, SpaceApiState
from perch.history.calendar import Calendar
from perch.model import DAY_MS
from perch.settings import Face

router = APIRouter(route_class=StrictRoute, tags=["live"])
VERSIONS = ("15",)
LOOKS_BACK_DAYS = 14
_encoder = msgspec.json.Encoder()
_HEADERS = {"Cache-Control": "public, max-age=60", "Access-Control-Allow-Origin": "*"}


@router.get("/spaceapi", **answers(SpaceApi, 404))
def spaceapi(request: Request, live: TheLive, history: TheHistory, site: RequiredSite) -> Response:
    """Show a site to everybody, as SpaceAPI 15 has it, where its operator publishes it."""
    faces: Mapping[str, Face] = request.app.state.faces
    if site not in faces or site not in live.directory.sites:
        raise not_found("no such site is published; operators publish one by [[spaceapi]] in perch.toml")
    face, place = faces[site], live.directory.sites[site]
    is_counted = request.app.state.entrance.public_summary
    shown = SpaceApi(
        VERSIONS,
        place.name,
        face.logo,
        face.url,
        _location(face, place.time_zone, place.country),
        SpaceApiContact(face.email),
        open_by(history.calendar(site), live.now().wall_ms),
        _now(live, site) if is_counted else UNSET,
    )
    return Response(_encoder.encode(shown), 200, _HEADERS, "application/json")


def open_by(calendar: Calendar, now_ms: int) -> SpaceApiState:
    """Tell whether a site is open by its calendar, and since when."""
    bounds = calendar.opening_ms(now_ms - LOOKS_BACK_DAYS * DAY_MS, now_ms + DAY_MS)
    past = bounds[bounds <= now_ms]
    is_open = len(past) % 2 == 1
    return SpaceApiState(is_open, int(past[-1]) // 1000 if len(past) else UNSET)


def _location(face: Face, time_zone: str, country: str | None) -> SpaceApiLocation:
    return SpaceApiLocation(
        time_zone,
        country or UNSET,
        face.address or UNSET,
        UNSET if face.lat is None else face.lat,
        UNSET if face.lon is None else face.lon,
    )


def _now(live: Live, site: str) -> SpaceApiNow:
    whole = summarised(counted(live, ANYBODY, Selection(site=site)), as_of(live, site))
    return SpaceApiNow(whole.as_of, whole.total, whole.free, whole.occupied, whole.unknown)
