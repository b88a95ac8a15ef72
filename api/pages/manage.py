"""The manager's page: how full it is beside a usual day, what needs attention, devices, ill sensors, bridges."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.entrance.access import Matter, Reader
from api.history.resources import TheHistory
from api.history.way import History
from api.live.live import Live
from api.live.resources import visible
from api.live.selection import Selection
from api.live.shapes import SpaceItem
from api.moments import day_at
from api.operations import Check
from api.pages.attention import attention
from api.pages.bridges import DISCOVERY, snippet
from api.pages.day_chart import day_chart
from api.pages.fleet import agent_row, alert_line, sensor_row
from api.pages.frame import frame_of, is_page_wanted, render, sent
from api.pages.languages import Words, say
from api.pages.rows import hours_of, moment_of, percent, tally_of
from api.pages.typical import WEEKS, Typical, typical
from api.parameters import TheLive, TheReader, required
from api.problems import not_found
from perch.errors import PerchError
from perch.model import Site, SpaceKind, State
from perch.settings.holidays import closed_days

router = APIRouter(include_in_schema=False)
NO_NUMBER = "–"


@router.get("/manage", dependencies=[required(Matter.FLEET)])
async def manage_page(request: Request, live: TheLive, reader: TheReader, history: TheHistory) -> Response:
    """Show how a site does."""
    sites = [site for site in live.directory.sites.values() if reader.may_see_site(site.id)]
    named = request.query_params.get("site")
    site = next((site for site in sites if site.id == named), None if named or not sites else sites[0])
    if site is None:
        return _missing(request, reader, named or "", sites)
    frame = frame_of(request, reader, "manage", {"site": site.id})
    spaces = _spaces(live, reader, site)
    typicals = await run_in_threadpool(_typicals, reader, site, history, spaces, live.now().wall_ms)
    parts = await run_in_threadpool(_ill_parts, request.app.state.checks)
    context = {
        **_live_context(live, reader, site, sites, spaces, parts, frame.words),
        **_fullness(site, spaces, typicals, frame.words),
    }
    return sent(request, render("manage.html", frame, **context))


def _missing(request: Request, reader: Reader, named: str, sites: Sequence[Site]) -> Response:
    if not is_page_wanted(request) or not sites:
        raise not_found(f"there is no site {named[:64]!r}; there are: {', '.join(site.id for site in sites) or 'none'}")
    return sent(request, render("missing.html", frame_of(request, reader, "", {}), missed=named[:64], sites=sites), 404)


def _spaces(live: Live, reader: Reader, site: Site) -> list[SpaceItem]:
    now = live.now()
    return [live.item_to(reader, shown, now) for _, shown in visible(live, reader, Selection(site=site.id))]


def _ill_parts(checks: Sequence[tuple[str, Check]]) -> dict[str, str]:
    """Ask every part that the server depends on how it is; give those that are not well."""
    ill = {}
    for name, check in checks:
        try:
            check()
        except PerchError as error:
            ill[name] = f"{error.what}; {error.remedy}" if error.remedy else error.what
    return ill


def _live_context(
    live: Live,
    reader: Reader,
    site: Site,
    sites: Sequence[Site],
    spaces: Sequence[SpaceItem],
    parts: Mapping[str, str],
    words: Words,
) -> dict[str, Any]:
    now, zone = live.now(), live.directory.zone(site.id)
    keys = [key for key in live.agents if key[0] == site.id]
    agents = [live.agent_item_to(reader, key, now) for key in keys]
    sensors = [sensor for key in keys for sensor in live.sensor_items_to(reader, key, now)]
    today = day_at(now.wall_ms, zone)
    names = {space.id: space.name for space in site.spaces}
    ill = [sensor for sensor in sensors if sensor.health is not None and sensor.health.is_ill]
    own, watching = words["manage"], {key[1] for key in keys if live.directory.spaces_of[key]}
    alerts = attention(parts, agents, sensors, spaces, watching)
    return {
        "site": site,
        "sites": sites,
        "now": moment_of(now.wall_ms, now.wall_ms, zone, words),
        "hours_today": hours_of(site, today, today in closed_days(site), words),
        "alerts": [alert_line(alert, site.id, now.wall_ms, zone, words) for alert in alerts],
        "agents": [agent_row(agent, names, now.wall_ms, zone, words) for agent in agents],
        "fleet": say(own, "fleet_online", online=sum(agent.online for agent in agents), total=len(agents)),
        "ill": [sensor_row(sensor, names, now.wall_ms, zone, words) for sensor in ill],
        "sensors": say(own, "ill_none", n=len(sensors)) if sensors else own["ill_unknown"],
        "may_see_spaces": reader.may_read(Matter.LIVE),
        "may_audit": reader.may_read(Matter.AUDIT_TAPS),
        "snippets": {"bridges_discovery": DISCOVERY, "bridges_yaml": snippet(site, live.directory.homes)},
        "data": {
            "site": site.id,
            "words": {name: words[name] for name in ("expired", "live", "offline", "states")},
        },
    }


@dataclass(frozen=True, slots=True)
class Typicals:
    """Today beside what is usual, of all spaces and by kind; or why there is none."""

    day: Typical | None
    kinds: Mapping[SpaceKind, Typical]
    why: str = ""


def _typicals(reader: Reader, site: Site, history: History, spaces: Sequence[SpaceItem], now_ms: int) -> Typicals:
    if not reader.may_read(Matter.HISTORY_OF_GROUPS):
        return Typicals(None, {})
    try:
        day = typical(site, now_ms, history)
        kinds = {kind: typical(site, now_ms, history, kind.value) for kind in {space.kind for space in spaces}}
    except PerchError as error:
        return Typicals(None, {}, error.what)
    return Typicals(day, kinds)


def _fullness(site: Site, spaces: Sequence[SpaceItem], of: Typicals, words: Words) -> dict[str, Any]:
    """Say how full it is, now and today, beside what is usual."""
    own = words["manage"]
    tally = tally_of(space.state for space in spaces)
    kinds = [kind for kind in SpaceKind if any(space.kind is kind for space in spaces)]
    return {
        "heading": f"{site.name}: {say(own, 'heading', used=tally.occupied, total=tally.total)}"
        if spaces
        else site.name,
        "observed": say(own, "observed", known=tally.free + tally.occupied, total=tally.total) if spaces else "",
        "usual": "",
        "picture": "",
        "caption": say(own, "picture", weeks=WEEKS),
        "hours": [],
        "trouble": say(own, "no_history", why=of.why) if of.why else "",
        "kinds": [_kind(kind, spaces, of.kinds.get(kind), words) for kind in kinds],
        **({} if of.day is None else _day(of.day, words)),
    }


def _day(day: Typical, words: Words) -> dict[str, Any]:
    own = words["manage"]
    told = [hour for hour in day.hours if hour.today is not None or hour.usual is not None]
    return {
        "usual": own["usual_none"] if day.usual_now is None else say(own, "usual", usual=percent(day.usual_now, words)),
        "picture": day_chart(day.hours, own["label"]) if told else "",
        "trouble": "" if told else own["no_hours"],
        "hours": [
            (f"{hour.hour:02}:00", *(_share(part, words) for part in (hour.today, hour.usual, hour.coverage)))
            for hour in told
        ],
    }


def _share(share: float | None, words: Words) -> str:
    return NO_NUMBER if share is None else percent(share, words)


def _kind(kind: SpaceKind, spaces: Sequence[SpaceItem], day: Typical | None, words: Words) -> list[str]:
    states = [space.state for space in spaces if space.kind is kind]
    numbers = [states.count(State.OCCUPIED), states.count(State.FREE), states.count(State.UNKNOWN), len(states)]
    so_far = (None, None) if day is None else (day.so_far, day.usual_so_far)
    return [words["kinds"][kind], *map(str, numbers), *(_share(share, words) for share in so_far)]
