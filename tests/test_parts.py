"""The servers and the browser that tests run against."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.parts import Broker, Influx, answers, free_port, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def test_a_broker_answers_ends_and_comes_back_on_its_port(mosquitto: Broker) -> None:
    port = mosquitto.port
    assert answers(port)
    mosquitto.kill()
    assert not answers(port)
    mosquitto.start()
    mosquitto.stop()
    assert not mosquitto.running
    mosquitto.start()
    assert (mosquitto.port, answers(port)) == (port, True)


def test_a_broker_that_cannot_start_says_why(start_mosquitto: Callable[..., Broker]) -> None:
    with pytest.raises(AssertionError, match=r"(?s)ended at start.*no_such_option"):
        start_mosquitto(extra="no_such_option 1")


def test_a_persistent_broker_keeps_its_file(start_mosquitto: Callable[..., Broker]) -> None:
    broker = start_mosquitto(persistence=True)
    broker.stop()
    assert "Saving in-memory database" in broker.log()


def test_influxdb_takes_lines_and_gives_rows_with_their_tags(influxdb: Influx) -> None:
    influxdb.write('occupancy,space=d01 occupied=1i,reason="motion" 1700000000000000007')
    rows = influxdb.query("SELECT occupied, reason FROM occupancy GROUP BY space", influxdb.bucket)
    assert rows == [
        {"measurement": "occupancy", "space": "d01", "time": 1700000000000000007, "occupied": 1, "reason": "motion"}
    ]
    assert influxdb.query("SELECT * FROM occupancy", influxdb.zones_bucket) == []


def test_each_test_has_databases_of_its_own(influxdb: Influx) -> None:
    assert influxdb.query("SHOW MEASUREMENTS", influxdb.bucket) == []


def test_an_influxdb_of_ones_own_survives_a_kill(start_influxdb: Callable[[], Influx]) -> None:
    influx = start_influxdb()
    influx.write("occupancy occupied=1i 1")
    influx.server.kill()
    influx.server.start()
    assert [row["occupied"] for row in influx.query("SELECT * FROM occupancy", influx.bucket)] == [1]


def test_a_query_that_influxdb_refuses_fails_with_its_words(influxdb: Influx) -> None:
    with pytest.raises(AssertionError, match=r"pars(e|ing) query"):
        influxdb.query("SELEKT", influxdb.bucket)


def test_chromium_shows_a_page(chromium: "Browser") -> None:
    with chromium.new_context() as context:
        page = context.new_page()
        page.set_content("<h1>Perch</h1>")
        assert page.inner_text("h1") == "Perch"


def test_until_names_the_condition_that_did_not_come() -> None:
    def the_desk_is_free() -> bool:
        return False

    with pytest.raises(AssertionError, match="the_desk_is_free"):
        until(the_desk_is_free, timeout_s=0.05)


def test_ports_are_given_once() -> None:
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50


@pytest.mark.parametrize(("forbid", "exit_code"), [("1", 1), ("", 0)])
def test_a_skip_fails_the_run_where_skips_are_forbidden(tmp_path: Path, forbid: str, exit_code: int) -> None:
    skipping = tmp_path / "test_skipping.py"
    skipping.write_text("import pytest\ndef test_of_a_part(): pytest.skip('mosquitto is not installed')\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", "pyproject.toml", str(skipping)],
        cwd=Path(__file__).parent.parent,
        env=os.environ | {"PERCH_FORBID_SKIPS": forbid},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == exit_code, run.stdout + run.stderr
    assert "mosquitto is not installed" in run.stdout
    assert ("this run has failed" in run.stdout) == bool(forbid)
