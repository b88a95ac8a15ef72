"""What the collector says of itself as metrics: the same, whether it shows them or the API reads them from its file."""

from collections.abc import Iterable, Iterator

from perch.adapters.age import mark
from perch.adapters.health.collector import CollectorHealth
from perch.adapters.health.exposition import Family, Kind, Sample, by, one
from perch.adapters.quarantine.reader import CODES

COUNTER, GAUGE = Kind.COUNTER, Kind.GAUGE


def families_of(health: CollectorHealth | None, agents: Iterable[str]) -> Iterator[Family]:
    """Give all there is to say; `agents` by `site/agent` have their counters from the start."""
    running = health is not None and not health.is_stale(mark())
    yield one("perch_collector_running", GAUGE, "Whether the collector runs and says how it is.", running)
    if health is None:
        return
    yield from _of_intake(health)
    yield from _of_agents(health, tuple(agents))
    quarantined = by("code", health.quarantined, CODES)
    yield Family("perch_quarantined_total", COUNTER, "Messages ever quarantined.", quarantined)
    yield one("perch_quarantine_messages", GAUGE, "Messages in quarantine now.", health.quarantine_kept)
    yield from _of_projections(health)
    if health.live_rows is not None:
        for name, count in (("dropped", health.live_rows.dropped), ("refused", health.live_rows.refused)):
            yield one(f"perch_live_rows_{name}_total", COUNTER, f"Rows of what is true now, {name}.", count)


def _of_intake(health: CollectorHealth) -> Iterator[Family]:
    for name, what, count in (
        ("messages", "Messages that the collector looked at.", health.messages),
        ("events", "Events in them.", health.events),
        ("events_stored", "Events that were new, and are stored.", health.stored),
        ("events_repeated", "Events that were known already.", health.repeats),
        ("strange_events", "Stored events of spaces that no layout names.", health.strangers),
    ):
        yield one(f"perch_collector_{name}_total", COUNTER, what, count)
    connected = "Whether the collector is connected to the broker."
    yield one("perch_collector_broker_connected", GAUGE, connected, health.broker is None)
    yield one("perch_collector_waiting_messages", GAUGE, "Messages not looked at yet.", health.waiting)
    started = "When the collector was started, seconds since 1970."
    yield one("perch_collector_started_timestamp_seconds", GAUGE, started, health.started_ms / 1000)
    yield one("perch_journal_events", GAUGE, "Events in the journal.", health.end)
    others = "Other collectors that answer agents at the same broker."
    yield one("perch_other_collectors", GAUGE, others, len(health.others))


def _of_agents(health: CollectorHealth, agents: tuple[str, ...]) -> Iterator[Family]:
    for name, what, counted in (
        ("conflicts", "Events with other content than the stored ones of their identity.", health.conflicts),
        ("throttled_messages", "Messages let go because their agent sends too many.", health.throttled),
        ("deferred_messages", "Messages let go because their agent makes too many epochs.", health.deferred),
    ):
        yield Family(f"perch_agent_{name}_total", COUNTER, what, by("agent", counted, agents))


def _of_projections(health: CollectorHealth) -> Iterator[Family]:
    states = health.projections.items()
    for name, kind, what, samples in (
        ("position", GAUGE, "Events of the journal that are projected.", [(n, s.position) for n, s in states]),
        ("lag_events", GAUGE, "Events of the journal that are not projected yet.", [(n, s.lag) for n, s in states]),
        ("waits", GAUGE, "Whether something is in its way.", [(n, s.trouble is not None) for n, s in states]),
        ("rows_expired_total", COUNTER, "Rows older than their bucket keeps.", [(n, s.expired) for n, s in states]),
        ("rows_refused_total", COUNTER, "Rows that were not taken.", [(n, s.refused) for n, s in states]),
    ):
        told = tuple(Sample({"projection": projection}, float(value)) for projection, value in samples)
        yield Family(f"perch_projection_{name}", kind, what, told)
