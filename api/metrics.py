"""`/metrics`: how Perch does, in the text format of Prometheus. No line tells of a single space."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import PlainTextResponse

from api.access import Matter
from api.openapi import answers
from api.operations import Check, may_operate
from api.parameters import StrictRoute, TheReader, required
from api.shapes import Readiness
from perch.adapters.age import mark
from perch.adapters.collector_health import CollectorHealth
from perch.adapters.quarantine_reader import CODES
from perch.errors import PerchError

router = APIRouter(route_class=StrictRoute, tags=["operations"])

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Sample = tuple[Mapping[str, str], float]
Health = Callable[[], CollectorHealth | None]
_SAMPLES = {"description": "Samples, a line each.", "content": {"text/plain": {"schema": {"type": "string"}}}}
_ROUTE = answers(Readiness, 403)


@router.get(
    "/metrics",
    **{**_ROUTE, "responses": {**_ROUTE["responses"], 200: _SAMPLES}},
    response_class=PlainTextResponse,
    dependencies=[required(Matter.FLEET)],
)
def metrics(request: Request, reader: TheReader) -> Response:
    """Give what Prometheus collects: counters begin anew with each start of the collector."""
    if not may_operate(reader):
        raise HTTPException(403, "these numbers are of all sites; ask with a key for all of them")
    checks: Sequence[tuple[str, Check]] = request.app.state.checks
    health: Health = request.app.state.health
    agents = [f"{site}/{agent}" for site, agent in request.app.state.live.directory.spaces_of]
    text = "\n".join((*_of_parts(checks), *_of_collector(_read(health), agents), ""))
    return Response(text, headers={"Cache-Control": "no-store"}, media_type=MEDIA_TYPE)


def _read(health: Health) -> CollectorHealth | None:
    try:
        return health()
    except PerchError:
        return None


def _of_parts(checks: Sequence[tuple[str, Check]]) -> Iterator[str]:
    samples = [({"part": name}, float(_is_well(check))) for name, check in checks]
    yield from _family("perch_part_ok", "gauge", "Whether a part that the API depends on is well.", samples)


def _is_well(check: Check) -> bool:
    try:
        check()
    except PerchError:
        return False
    return True


def _of_collector(health: CollectorHealth | None, agents: Iterable[str]) -> Iterator[str]:
    running = health is not None and not health.is_stale(mark())
    yield from _one("perch_collector_running", "gauge", "Whether the collector runs and says how it is.", running)
    if health is None:
        return
    for name, what, count in (
        ("messages", "Messages that the collector looked at.", health.messages),
        ("events", "Events in them.", health.events),
        ("events_stored", "Events that were new, and are stored.", health.stored),
        ("events_repeated", "Events that were known already.", health.repeats),
        ("strange_events", "Stored events of spaces that no layout names.", health.strangers),
    ):
        yield from _one(f"perch_collector_{name}_total", "counter", what, count)
    yield from _one("perch_collector_waiting_messages", "gauge", "Messages not looked at yet.", health.waiting)
    yield from _one("perch_journal_events", "gauge", "Events in the journal.", health.end)
    others = "Other collectors that answer agents at the same broker."
    yield from _one("perch_other_collectors", "gauge", others, len(health.others))
    yield from _of_agents(health, agents)
    quarantined = _by("code", health.quarantined, CODES)
    yield from _family("perch_quarantined_total", "counter", "Messages ever quarantined.", quarantined)
    yield from _one("perch_quarantine_messages", "gauge", "Messages in quarantine now.", health.quarantine_kept)
    yield from _of_projections(health)
    if health.live_rows is not None:
        for name, count in (("dropped", health.live_rows.dropped), ("refused", health.live_rows.refused)):
            yield from _one(f"perch_live_rows_{name}_total", "counter", f"Rows of what is true now, {name}.", count)


def _of_agents(health: CollectorHealth, agents: Iterable[str]) -> Iterator[str]:
    names = tuple(agents)
    for name, what, counted in (
        ("conflicts", "Events with other content than the stored ones of their identity.", health.conflicts),
        ("throttled_messages", "Messages let go because their agent sends too many.", health.throttled),
        ("deferred_messages", "Messages let go because their agent makes too many epochs.", health.deferred),
    ):
        yield from _family(f"perch_agent_{name}_total", "counter", what, _by("agent", counted, names))


def _of_projections(health: CollectorHealth) -> Iterator[str]:
    states = health.projections.items()
    for name, kind, what, samples in (
        ("position", "gauge", "Events of the journal that are projected.", [(n, s.position) for n, s in states]),
        ("lag_events", "gauge", "Events of the journal that are not projected yet.", [(n, s.lag) for n, s in states]),
        ("waits", "gauge", "Whether something is in its way.", [(n, s.trouble is not None) for n, s in states]),
        ("rows_expired_total", "counter", "Rows older than their bucket keeps.", [(n, s.expired) for n, s in states]),
        ("rows_refused_total", "counter", "Rows that were not taken.", [(n, s.refused) for n, s in states]),
    ):
        yield from _family(f"perch_projection_{name}", kind, what, [({"projection": n}, v) for n, v in samples])


def _by(label: str, counted: Mapping[str, int], expected: Iterable[str]) -> list[Sample]:
    """Count by name; what was never counted is 0, so that its first time shows as growth."""
    return [({label: name}, count) for name, count in sorted({**dict.fromkeys(expected, 0), **counted}.items())]


def _one(name: str, kind: str, what: str, value: float) -> Iterator[str]:
    return _family(name, kind, what, [({}, value)])


def _family(name: str, kind: str, what: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {what}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        told = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{name}{f'{{{told}}}' if told else ''} {value:.15g}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
