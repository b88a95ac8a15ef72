"""An InfluxDB that takes connections and never answers is told of within seconds, with its address and what to do."""

import socket
import threading
from pathlib import Path

import pytest

from collector.followers import connection_to
from collector.patience import PATIENCE_S, Patience
from perch.adapters.influx.live import BestEffortWriter
from perch.adapters.influx.query import Bucket
from perch.settings import Influx
from tests import parts
from tests.influx_memory import MemoryInflux
from tests.parts import LOOPBACK, until
from tests.test_collector import Running, settings

INFLUX = Influx("http://influx.example:8086", database="perch", zones_database="perch_zones")


def test_whoever_waits_long_for_an_answer_is_in_trouble_until_it_comes() -> None:
    now_s, asked, answer = 0.0, threading.Event(), threading.Event()

    class Slow(MemoryInflux):
        def prepare(self) -> None:
            asked.set()
            answer.wait(10)

    patience = Patience(INFLUX, lambda: now_s)
    store = patience.with_store(Slow)()
    asking = threading.Thread(target=store.prepare)
    asking.start()
    asked.wait(10)
    now_s = PATIENCE_S - 0.1
    store.write(Bucket.SPACES, [])
    assert patience.trouble() is None
    now_s = PATIENCE_S
    trouble = patience.trouble()
    assert trouble is not None
    assert trouble.what == f"InfluxDB at {INFLUX.url} has not answered for more than 6 s"
    assert "restart it" in trouble.remedy
    answer.set()
    asking.join()
    assert patience.trouble() is None


def test_an_influxdb_that_never_answers_is_told_of_within_seconds(
    mosquitto: parts.Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It takes connections, as a server does that was stopped in its tracks."""
    with socket.create_server((LOOPBACK, 0)) as silent:
        url = f"http://{LOOPBACK}:{silent.getsockname()[1]}"
        influx = Influx(url, database="perch", zones_database="perch_zones")
        with Running(settings(tmp_path, mosquitto, influx)) as collector:
            until(collector.hears)
            until(lambda: collector.health().projections["influx"].trouble, PATIENCE_S + 20)
            silent.close()
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert any(line.startswith(f"projection influx: InfluxDB at {url} has not answered") for line in told), told


def test_live_rows_that_do_not_reach_an_influxdb_that_never_answers_are_told_of_with_what_to_do(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.create_server((LOOPBACK, 0)) as silent:
        url = f"http://{LOOPBACK}:{silent.getsockname()[1]}"
        writer = BestEffortWriter(
            connection_to(Influx(url, database="perch", zones_database="perch_zones"), timeout_s=0.2)
        )
        writer.start()
        writer.offer(["zone_now free=1i 1"])
        until(lambda: "do not reach InfluxDB" in caplog.text)
        writer.stop(1)
    (told,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert url in told
    assert "start it, or correct [influx] url" in told
