"""The audit over HTTP: what somebody saw, and how right Perch is by all that was seen."""

import asyncio
from datetime import UTC, tzinfo
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response

from api.audit.body import read_object, read_tap
from api.audit.shapes import AuditReport, AuditSaid, AuditTaken, AuditTap
from api.audit.taps import Taps
from api.document.openapi import answers, no_answer, same_shape, takes
from api.entrance.access import Matter
from api.history.resources import TheHistory
from api.history.way import History
from api.live.live import Live
from api.moments import rfc3339
from api.parameters import (
    OptionalFloor,
    OptionalKind,
    OptionalSite,
    StrictRoute,
    TheLive,
    TheReader,
    known_site,
    required,
)
from api.problems import not_found
from api.turns import taking_turns
from perch.adapters.audit_file import Outcome, Tapped
from perch.contract import VALID_FOR_MS
from perch.errors import StorageError, UnavailableError
from perch.history.accuracy import ENOUGH
from perch.history.audit import AuditSensor, Key, Report, Wanted, report
from perch.history.looks import SETTLED_MS
from perch.model import State

router = APIRouter(prefix="/api/v1", route_class=StrictRoute, tags=["audit"])
_encoder = msgspec.json.Encoder()
_NO_STORE = {"Cache-Control": "no-store"}
_ROUNDING_MS = 1_000
OptionalSpace = Annotated[str | None, Query(max_length=64, description="id of a space")]


async def taps_of(request: Request) -> Taps:
    """Give the taps that the application keeps."""
    taps: Taps = request.app.state.taps
    return taps


TheTaps = Annotated[Taps, Depends(taps_of)]


@router.post(
    "/audit",
    status_code=201,
    **same_shape({**answers(AuditTaken, 403, 409, 413, 415, 503), **takes(AuditTap)}, 201),
    dependencies=[required(Matter.AUDIT_TAPS)],
)
async def tap(request: Request, live: TheLive, reader: TheReader, taps: TheTaps, history: TheHistory) -> Response:
    """Tell what somebody sees in a space; answers what Perch said at that moment. A repeat is kept once."""
    given = read_tap(await read_object(request), live, reader)
    if not _is_old(live, given):
        said = _live(live, given)
    elif reader.key is None and reader.may_read(Matter.HISTORY_OF_SPACES):  # with a key it had to be noted who taps
        said = await asyncio.to_thread(_from_history, live, history, given)
    else:
        said = None
    outcome = await taps.add(given, live.now().wall_ms)
    if outcome is Outcome.OTHER:
        raise HTTPException(409, "there is another tap under this id; make up one for each tap")
    taken = _taken(live, taps, given, said)
    return _json(taken, 201 if outcome is Outcome.NEW else 200)


@router.delete(
    "/audit/{id}", status_code=204, **no_answer(403, 404, 409, 503), dependencies=[required(Matter.AUDIT_TAPS)]
)
async def take_back(taps: TheTaps, id: Annotated[str, Path(max_length=64)]) -> Response:  # noqa: A002  # its name in the address
    """Take a tap back, within a minute after it came."""
    if await taps.remove(id):
        return Response(status_code=204, headers=_NO_STORE)
    if await taps.holds(id):
        raise HTTPException(409, "a tap can be taken back for a minute, and that is over")
    raise not_found("there is no such tap; it may have been taken back already")


async def sensors_of(live: TheLive) -> dict[Key, list[AuditSensor]]:
    """Give the sensors that agents told of, by the space that each serves."""
    now, by_space = live.now(), dict[Key, list[AuditSensor]]()
    for site, agent in live.agents:
        for item in live.sensor_items((site, agent), now):
            if item.space is not None:
                by_space.setdefault((site, item.space), []).append(AuditSensor(agent, item.id, item.kind))
    return by_space


@router.get("/audit", **answers(AuditReport, 403, 503), dependencies=[required(Matter.AUDIT)])
@taking_turns
def audit(
    live: TheLive,
    reader: TheReader,
    taps: TheTaps,
    history: TheHistory,
    sensors: Annotated[dict[Key, list[AuditSensor]], Depends(sensors_of)],
    site: OptionalSite = None,
    floor: OptionalFloor = None,
    kind: OptionalKind = None,
    space: OptionalSpace = None,
) -> Response:
    """Say how right Perch is, by all that people saw: in all, by space and by sensor."""
    known_site(live, reader, site)
    chosen = [of for of in live.directory.sites.values() if site in (None, of.id) and reader.may_see_site(of.id)]
    now_ms = live.now().wall_ms
    asked = [history.audit(of, looks, now_ms) for of in chosen if (looks := taps.looks(of.id, space))]
    zone = live.directory.zone(site) if site else UTC
    return _json(_answer(report(asked, Wanted(floor, kind, space), sensors), now_ms, zone))


def _answer(made: Report, now_ms: int, zone: tzinfo) -> AuditReport:
    return AuditReport(
        rfc3339(now_ms, zone),
        None if made.first_ms is None else rfc3339(made.first_ms, zone),
        None if made.last_ms is None else rfc3339(made.last_ms, zone),
        ENOUGH,
        made.waiting,
        made.left_out,
        made.overall,
        made.spaces,
        made.sensors,
        made.warnings,
    )


def _is_old(live: Live, tap: Tapped) -> bool:
    return live.now().wall_ms - tap.look.time_ms > SETTLED_MS


def _live(live: Live, tap: Tapped) -> AuditSaid | None:
    """Give what is said now, if the same state was said at the moment of a tap, which is not long ago.

    Probability and number of people change while a state lasts: they are given only where nothing was said since.
    """
    shown = live.get(tap.site, tap.look.space)
    if shown is None or live.now().wall_ms - tap.look.time_ms > VALID_FOR_MS:
        return None
    said, until_ms = shown.occupancy, tap.look.time_ms + _ROUNDING_MS
    if said.since_ms > until_ms:
        return None
    if (live.heard_ms(shown) or 0) > until_ms and live.now().wall_ms > until_ms:
        return AuditSaid(said.state, None, None, "live")
    return AuditSaid(said.state, said.probability, said.count, "live")


def _from_history(live: Live, history: History, tap: Tapped) -> AuditSaid | None:
    try:
        said = history.said_at(live.directory.sites[tap.site], tap.look.space, tap.look.time_ms)
    except (StorageError, UnavailableError):  # a tap is kept all the same
        return None
    return None if said is None else AuditSaid(said.state, said.probability, said.people, "history")


def _taken(live: Live, taps: Taps, tap: Tapped, said: AuditSaid | None) -> AuditTaken:
    zone, undo_ms = live.directory.zone(tap.site), taps.undo_ms(tap.id)
    return AuditTaken(
        tap.id,
        tap.site,
        tap.look.space,
        tap.look.people,
        rfc3339(tap.look.time_ms // 1000 * 1000, zone),
        None if undo_ms is None else rfc3339(live.now().wall_ms + undo_ms, zone),
        said,
        None
        if said is None or said.state is State.UNKNOWN
        else (said.state is State.OCCUPIED) == (tap.look.people > 0),
    )


def _json(answer: msgspec.Struct, status: int = 200) -> Response:
    return Response(_encoder.encode(answer), status, _NO_STORE, "application/json")
