"""The parts that the API depends on, each with a word on how it is."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from api.history.influx import HistoryInInflux
from api.history.way import Store
from api.operations import Check
from perch.adapters.age import mark
from perch.adapters.health.collector import CollectorHealth, read_health, says_others
from perch.adapters.mqtt.connection import Connection
from perch.errors import PerchError, StorageError, UnavailableError
from perch.model import Site

READ = "history"
"""The only projection that the API reads; trouble of another is told, and keeps nobody from an answer."""


AGENTS_NAMED = 10

FULL_BYTES = 2**20
"""With less room than this nothing can be stored."""


LAG_TOLD = 100
"""Fewer events than this are on their way at any time."""


def checks_of(connection: Connection, store: Store, data: Path, sites: Sequence[Site]) -> Sequence[tuple[str, Check]]:
    """Name the parts in the order of the data's way; the collector is one where its files are."""

    def broker() -> str:
        if not connection.connected:
            raise connection.problem or UnavailableError("not connected to the broker yet", "wait, or see the log")
        return "connected"

    def collector() -> str:
        return _collector(data, sites)

    beside = () if isinstance(store, HistoryInInflux) else (("collector", collector),)
    return ("broker", broker), *beside, *store.checks()


def _collector(data: Path, sites: Sequence[Site]) -> str:
    health = read_health(data)
    if health is None or health.is_stale(mark()):
        raise _not_running(data)
    if health.broker is not None:
        raise UnavailableError(f"the collector has no broker: {health.broker}", "see the collector's log")
    troubles = {name: state.trouble for name, state in health.projections.items() if state.trouble}
    if READ in troubles:
        raise PerchError(f"{READ}: {troubles[READ]}", "see the collector's log")
    quarantined = sum(health.quarantined.values())
    since = f"{health.stored} events stored, {health.strangers} of spaces no layout names"
    well = f"since its start {since}; {health.end} in the journal, {quarantined} ever quarantined"
    waits = [f"{name} waits: {trouble}" for name, trouble in troubles.items()]
    behind = [
        f"{name} is {state.lag} events behind" for name, state in health.projections.items() if state.lag > LAG_TOLD
    ]
    return "; ".join([well, *waits, *behind, *_alarms(health, sites)])


def _not_running(data: Path) -> StorageError:
    """Say that the collector does not run; it cannot on a disk that is full, and says so in its log alone."""
    with suppress(OSError):
        disk = os.statvfs(data)
        if disk.f_bavail * disk.f_frsize < FULL_BYTES:
            what, remedy = f"the disk of {data} is full", "free some space there; it is started again by itself"
            return StorageError(f"the collector does not run, and {what}", remedy)
    return StorageError("the collector does not run", "start it, or see its log")


def _alarms(health: CollectorHealth, sites: Sequence[Site]) -> Iterator[str]:
    """Say what somebody should look after, though the API can answer."""
    if others := health.otherwise(sites):
        yield f"it and this API read different layouts of {', '.join(others)}: restart both"
    if health.others:
        yield says_others(health.others)
    for what, counted in (
        ("conflicts (see to these credentials)", health.conflicts),
        ("throttled messages", health.throttled),
        ("deferred messages", health.deferred),
    ):
        if counted:
            yield f"{what}: {', '.join(f'{agent} {times}' for agent, times in sorted(counted.items())[:AGENTS_NAMED])}"
    for name, state in health.projections.items():
        if state.expired or state.refused:
            yield f"{name}: {state.expired} rows expired, {state.refused} refused"
