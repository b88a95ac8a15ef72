"""One space as it is now: its state, since when, why, how old the evidence is, its device, and its line of today.

How much of that is told hangs on the reader's role; whoever asks for other days is shown the planners' page.
"""

from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.entrance.access import NOT_INCLUDED, Matter, Reader
from api.entrance.noting import note
from api.history.resources import TheHistory
from api.history.way import History
from api.live.live import Live, Shown
from api.live.shapes import SensorItem
from api.moments import day_at, next_midnight_ms, parse_moment, zone_of
from api.pages.frame import Frame, frame_of, is_page_wanted, render, sent
from api.pages.languages import PARAMETER, Words, say
from api.pages.rows import ago, moment_of, row_of
from api.parameters import TheLive, TheReader, required
from api.planners import space_page as past
from api.planners.charts import timeline
from api.planners.stretches import stretches
from api.problems import not_found
from api.turns import in_turn
from perch.errors import PerchError
from perch.model import Site

router = APIRouter(include_in_schema=False)


@router.get("/spaces/{site}/{space}", dependencies=[required(Matter.LIVE)])
async def space_page(
    request: Request, live: TheLive, reader: TheReader, history: TheHistory, site: str, space: str
) -> Response:
    """Show one space, now or through time."""
    shown = live.get(site, space)
    if shown is not None and not reader.may_see(site, shown.place.space):
        shown = None
    asks_for_days = bool(set(request.query_params) - {PARAMETER})
    if reader.may_read(Matter.HISTORY_OF_SPACES):
        await run_in_threadpool(note, request, reader)
    if reader.may_read(Matter.HISTORY_OF_SPACES) and (asks_for_days or shown is None):
        return await in_turn(past.space_page, request, live, reader, history, site, space)
    if asks_for_days:
        raise HTTPException(403, f"{NOT_INCLUDED}: {Matter.HISTORY_OF_SPACES}")
    if shown is None:
        return _missing(request, reader, f"{site[:64]}/{space[:64]}")
    frame = frame_of(request, reader, "", {"site": site})
    context = _now(live, reader, shown, frame)
    if reader.may_read(Matter.HISTORY_OF_SPACES):
        now_ms = live.now().wall_ms
        line = await run_in_threadpool(_today, live.directory.sites[site], shown, now_ms, history, frame.words)
        context |= line
    return sent(request, render("space_now.html", frame, **context))


def _missing(request: Request, reader: Reader, asked: str) -> Response:
    if not is_page_wanted(request):
        raise not_found(f"there is no space {asked}; /api/v1/spaces lists them")
    return sent(request, render("missing_space.html", frame_of(request, reader, "", {}), missed=asked), 404)


def _now(live: Live, reader: Reader, shown: Shown, frame: Frame) -> dict[str, Any]:
    words, now, place = frame.words, live.now(), shown.place
    site = live.directory.sites[place.site]
    item = live.item_to(reader, shown, now)
    names = {floor.id: floor.name for floor in site.floors} | {zone.id: zone.name for zone in site.zones}
    people = item.count
    if people is not None and item.capacity:
        people_text = say(words["space"], "people_of", n=people, capacity=item.capacity)
    else:
        people_text = "" if people is None else str(people)
    return {
        "site": site,
        "row": row_of(item, now.wall_ms, place.time_zone, words),
        "kind": words["kinds_one"][item.kind],
        "floor": names.get(item.floor, item.floor),
        "zone": names.get(item.zone, item.zone),
        "people": people_text,
        "now": moment_of(now.wall_ms, now.wall_ms, place.time_zone, words),
        "device": _device(live, shown, words) if reader.may_read(Matter.FLEET) else None,
        "picture": "",
        "trouble": "",
        "history": "",
        "data": {
            "site": place.site,
            "words": {name: words[name] for name in ("expired", "live", "offline", "states")},
        },
    }


def _device(live: Live, shown: Shown, words: Words) -> dict[str, Any]:
    """Tell of the agent that serves a space, and of its sensors there."""
    agent = live.directory.homes.get(shown.place.key)
    if not agent:
        return {"name": "", "sensors": []}
    key, now = (shown.place.site, agent), live.now()
    item, heard_ms = live.agent_item(key, now), live.fleet.heard_ms(key)
    age = None if heard_ms is None else max(0, now.wall_ms - heard_ms) // 1000
    sensors = (sensor for sensor in live.sensor_items(key, now) if sensor.space == shown.place.space.id)
    return {
        "name": agent,
        "online": item.online,
        "heard": say(words["space"], "last_heard", ago=ago(age, words)),
        "trouble": item.trouble,
        "sensors": [_sensor(sensor, words) for sensor in sensors],
    }


def _sensor(sensor: SensorItem, words: Words) -> dict[str, str]:
    health = words["manage"]["health"][sensor.health] if sensor.health else words["space"]["offline"]
    return {"name": sensor.id, "health": health}


def _today(site: Site, shown: Shown, now_ms: int, history: History, words: Words) -> dict[str, Any]:
    """Draw what was observed since midnight."""
    zone, space = zone_of(site.time_zone), shown.place.space
    today, until_ms = day_at(now_ms, zone), next_midnight_ms(now_ms, zone)
    from_ms = parse_moment(today.isoformat(), zone)
    address = f"/spaces/{site.id}/{space.id}?from={today}&to={day_at(until_ms, zone)}"
    try:
        found = stretches(site, space.id, from_ms, now_ms, history.source())
        strips = list(past.strips(found, history.calendar(site.id), from_ms, until_ms))
    except PerchError:
        return {"trouble": words["space"]["today_gone"]}
    label = say(words["space"], "today_label", name=space.name)
    picture = timeline(strips[:1], label) if found else ""
    return {"picture": picture, "trouble": "" if found else words["space"]["today_none"], "history": address}
