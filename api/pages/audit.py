"""The audit's page, for a phone: choose a space, tap what you see. It says nothing of a space before the tap."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from fastapi import APIRouter, Request, Response

from api.entrance.access import Matter
from api.live.live import Live, Shown
from api.pages.assets import text_of
from api.pages.frame import frame_of, template
from api.pages.languages import Language
from api.pages.site import no_such_site, page_words, spaces_of, visible_sites
from api.parameters import TheLive, TheReader, required
from api.problems import not_found
from perch.model import Site, SpaceKind

router = APIRouter(include_in_schema=False)
_ONE_PERSON = frozenset({SpaceKind.DESK, SpaceKind.BOOTH})


@router.get("/audit", dependencies=[required(Matter.AUDIT_TAPS)])
async def audit_page(request: Request, live: TheLive, reader: TheReader) -> Response:
    """Show the spaces of a site to choose from."""
    sites = visible_sites(live, reader)
    if not sites:
        raise not_found("there is no site that you may see")
    asked = request.query_params.get("site") or sites[0].id
    site = next((known for known in sites if known.id == asked), None)
    if site is None:
        return no_such_site(request, live, reader)
    spaces = spaces_of(live, reader, site)
    body = template("audit.html").render(
        frame=frame_of(request, reader, "audit", {"site": site.id}, Language.ENGLISH),
        site=site,
        sites=sites,
        words=_words(),
        floors=list(_floors(site, spaces)),
        data=_data(live, site, spaces),
    )
    return Response(body, 200, {"Cache-Control": "no-store"}, "text/html; charset=utf-8")


@cache
def _words() -> dict[str, Any]:
    words: dict[str, Any] = json.loads(text_of("audit.json"))
    return words


def _floors(site: Site, spaces: list[Shown]) -> Iterator[dict[str, Any]]:
    for floor in site.floors:
        zones = [
            {"name": zone.name, "spaces": [one for one in spaces if one.place.space.zone == zone.id]}
            for zone in site.zones
            if zone.floor == floor.id
        ]
        if held := [zone for zone in zones if zone["spaces"]]:
            yield {"id": floor.id, "name": floor.name, "zones": held}


def _data(live: Live, site: Site, spaces: list[Shown]) -> dict[str, Any]:
    return {
        "site": site.id,
        "zone": site.time_zone,
        "now": live.now().wall_ms,
        "spaces": {
            one.place.space.id: {"name": one.place.space.name, "one": one.place.space.kind in _ONE_PERSON}
            for one in spaces
        },
        "language": Language.ENGLISH,
        "words": {**_words(), **{name: page_words()[name] for name in ("states", "on_weekday", "on_date")}},
    }
