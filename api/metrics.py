"""`/metrics`: how Perch does, in the text format of Prometheus. No line tells of a single space."""

from collections.abc import Callable, Iterator, Sequence

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import PlainTextResponse
from starlette.concurrency import run_in_threadpool

from api.document.openapi import answers
from api.entrance.access import Matter
from api.live.live import Live
from api.live.shapes import Readiness
from api.operations import Check, may_operate
from api.parameters import StrictRoute, TheReader, required
from perch.adapters.health.collector import CollectorHealth
from perch.adapters.health.collector_metrics import families_of
from perch.adapters.health.exposition import MEDIA_TYPE, Family, Kind, by, text_of
from perch.errors import PerchError

router = APIRouter(route_class=StrictRoute, tags=["operations"])

Health = Callable[[], CollectorHealth | None]
_SAMPLES = {"description": "Samples, a line each.", "content": {"text/plain": {"schema": {"type": "string"}}}}
_ROUTE = answers(Readiness, 403)


@router.get(
    "/metrics",
    **{**_ROUTE, "responses": {**_ROUTE["responses"], 200: _SAMPLES}},
    response_class=PlainTextResponse,
    dependencies=[required(Matter.FLEET)],
)
async def metrics(request: Request, reader: TheReader) -> Response:
    """Give what Prometheus collects: counters begin anew with each start of the collector."""
    if not may_operate(reader):
        raise HTTPException(403, "these numbers are of all sites; ask with a key for all of them")
    checks: Sequence[tuple[str, Check]] = request.app.state.checks
    health: Health = request.app.state.health
    live: Live = request.app.state.live
    fleet = tuple(_of_fleet(live))  # of the event loop alone, as all that is live
    agents = [f"{site}/{agent}" for site, agent in live.directory.spaces_of]

    def text() -> bytes:
        return text_of((*_of_parts(checks), *families_of(_read(health), agents), *fleet))

    return Response(await run_in_threadpool(text), headers={"Cache-Control": "no-store"}, media_type=MEDIA_TYPE)


def _read(health: Health) -> CollectorHealth | None:
    try:
        return health()
    except PerchError:
        return None


def _of_parts(checks: Sequence[tuple[str, Check]]) -> Iterator[Family]:
    well = by("part", {name: _is_well(check) for name, check in checks})
    yield Family("perch_part_ok", Kind.GAUGE, "Whether a part that the API depends on is well.", well)


def _is_well(check: Check) -> bool:
    try:
        check()
    except PerchError:
        return False
    return True


def _of_fleet(live: Live) -> Iterator[Family]:
    """Tell of each agent as it said last; sensors are counted, for one of them may be one space."""
    now, keys = live.now(), tuple(live.directory.spaces_of)
    online = {f"{site}/{agent}": live.fleet.online((site, agent), now) for site, agent in keys}
    yield Family("perch_agent_online", Kind.GAUGE, "Whether an agent is heard.", by("agent", online))
    ahead = by("agent", {f"{site}/{agent}": 60 * live.fleet.ahead_minutes((site, agent)) for site, agent in keys})
    told = "By how much an agent's clock is ahead of this server's, in full minutes; negative where it is behind."
    yield Family("perch_agent_clock_ahead_seconds", Kind.GAUGE, told, ahead)
    known = ((f"{site}/{agent}", live.fleet.get((site, agent))) for site, agent in keys)
    said = {name: agent.status for name, agent in known if agent is not None and agent.has_words}
    troubled = by("agent", {name: status.trouble is not None for name, status in said.items()})
    told = "Whether an agent says that something is wrong with it."
    yield Family("perch_agent_says_trouble", Kind.GAUGE, told, troubled)
    waiting = by("agent", {name: status.outbox for name, status in said.items()})
    yield Family("perch_agent_waiting_events", Kind.GAUGE, "Events that wait in an agent.", waiting)
    ill = by(
        "agent", {name: sum(one.health.is_ill for one in status.sensors.values()) for name, status in said.items()}
    )
    yield Family("perch_agent_ill_sensors", Kind.GAUGE, "Sensors of an agent that cannot be believed.", ill)
