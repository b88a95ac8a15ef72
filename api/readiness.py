"""The parts that the API depends on, each with a word on how it is."""

from collections.abc import Callable, Sequence
from pathlib import Path

from api.operations import Check
from api.past import Past
from perch.adapters.collector_health import read_health
from perch.adapters.mqtt import Connection
from perch.errors import PerchError, StorageError, UnavailableError


def checks_of(connection: Connection, past: Past, data: Path, now_ms: Callable[[], int]) -> Sequence[tuple[str, Check]]:
    """Name the parts in the order of the data's way."""

    def broker() -> str:
        if not connection.connected:
            raise connection.problem or UnavailableError("not connected to the broker yet", "wait, or see the log")
        return "connected"

    def collector() -> str:
        return _collector(data, now_ms())

    return (
        ("broker", broker),
        ("collector", collector),
        ("journal", past.check_journal),
        ("history", past.check_history),
    )


def _collector(data: Path, now_ms: int) -> str:
    health = read_health(data)
    if health is None or health.is_stale(now_ms):
        raise StorageError("the collector does not run", "start it, or see its log")
    if health.broker is not None:
        raise UnavailableError(f"the collector has no broker: {health.broker}", "see the collector's log")
    troubles = [f"{name}: {state.trouble}" for name, state in health.projections.items() if state.trouble]
    if troubles:
        raise PerchError("; ".join(troubles), "see the collector's log")
    quarantined = sum(health.quarantined.values())
    return f"{health.stored} events stored, {quarantined} quarantined, {health.strangers} of spaces no layout names"
