"""The API is ready while it can answer: the parts it reads decide, and the others are told of."""

from pathlib import Path

from api import process
from perch.adapters.collector_health import CollectorHealth, ProjectionHealth, write_health
from perch.adapters.history_store import HistoryStore
from perch.adapters.journal import Journal
from tests.parts import Broker
from tests.serving import Served, parts_of, server_settings, serving_connected

WELL = ProjectionHealth(position=7, lag=0)
AWAY = ProjectionHealth(position=3, lag=4, trouble="InfluxDB does not answer")


def tell(data: Path, broker: str | None = None, **projections: ProjectionHealth) -> None:
    """Write what a running collector would say of itself."""
    now_ms = process.now().wall_ms
    health = CollectorHealth(
        version="0",
        written_ms=now_ms,
        started_ms=now_ms,
        running=True,
        journal="j",
        end=7,
        broker=broker,
        waiting=0,
        overflowed=0,
        messages=7,
        events=7,
        stored=7,
        repeats=0,
        quarantined={},
        strangers=0,
        stranger_spaces={},
        projections=projections,
    )
    write_health(data, health)


def ready(served: Served) -> bool:
    """Tell what readiness says at large, in words and in code."""
    answer = served.get("/readyz")
    assert (answer.status_code == 200) is answer.json()["ready"]
    return answer.status_code == 200


def test_only_what_the_api_reads_decides_whether_it_is_ready(tmp_path: Path, mosquitto: Broker) -> None:
    with Journal.open(tmp_path / "journal.db"), HistoryStore.open(tmp_path / "history.db"):
        pass
    with serving_connected(server_settings(mosquitto.port, tmp_path)) as served:
        tell(tmp_path, history=WELL, influx=WELL)
        assert ready(served)
        assert "influx" not in parts_of(served)["collector"]["detail"]

        tell(tmp_path, history=WELL, influx=AWAY)
        assert ready(served)
        assert parts_of(served)["collector"]["detail"].endswith("; influx waits: InfluxDB does not answer")

        tell(tmp_path, history=AWAY, influx=WELL)
        assert not ready(served)
        assert parts_of(served)["collector"]["detail"].startswith("history: ")

        tell(tmp_path, broker="refused", history=WELL)
        assert not ready(served)
