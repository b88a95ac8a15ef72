"""`perch demo` as its user meets it: real processes, and what they show. How it starts and ends: `test_demo_ends`."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from perch.adapters.mqtt.connection import Connection, Received
from perch.settings import Broker
from tests import parts
from tests.demos import START_S, Demo, shared, still_there
from tests.parts import until, without_proxy
from tests.test_no_identity import columns_in, is_refused, strange_in


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Demo]]:
    mosquitto = parts.find_mosquitto()
    if mosquitto is None:
        pytest.skip("mosquitto is not installed: run `make test`, which gets it, or scripts/get-parts")
    path = f"{os.environ['PATH']}:{Path(mosquitto).parent}"
    with shared(lambda: Demo(tmp_path_factory.mktemp("demo"), "--first-death", "1e9", path=path)) as running:
        yield running


@pytest.fixture
def demo(running: Callable[[], Demo]) -> Demo:
    """A demo that runs; a test may end it."""
    return running()


def test_it_takes_mosquitto_where_there_is_one(demo: Demo) -> None:
    assert demo.broker == "mosquitto"
    assert demo.child("mosquitto -c")


def test_all_sixty_spaces_are_known_soon_but_the_one_without_a_sensor(demo: Demo) -> None:
    until(demo.known, START_S)
    summary = demo.get("summary")
    assert summary["free"] > 5
    assert summary["occupied"] > 5
    (unknown,) = demo.get("spaces?state=unknown")["items"]
    assert (unknown["id"], unknown["reason"], unknown["purpose"]) == ("parents", "never-reported", "private")
    assert {site["id"] for site in demo.get("sites")["items"]} == {"tejo", "kanal", "ribeira"}


def test_agents_have_lived_for_a_while_when_the_demo_begins(demo: Demo) -> None:
    until(demo.known, START_S)
    began = datetime.now(UTC) - timedelta(seconds=time.monotonic() - demo.began_s)
    items = [item for item in demo.get("spaces")["items"] if item["state"] != "unknown"]
    since = min(datetime.fromisoformat(item["since"]) for item in items)
    assert began - timedelta(minutes=20, seconds=5) < since < began - timedelta(minutes=2)


def test_something_moves_on_the_page_before_long(demo: Demo) -> None:
    with without_proxy.open(f"http://localhost:{demo.port}/api/v1/events", timeout=START_S) as stream:
        names = (line.decode().strip() for line in stream if line.startswith(b"event:"))
        assert next(names) == "event: snapshot"
        assert "event: space" in names


def test_the_page_says_that_its_data_is_made_up(demo: Demo) -> None:
    assert "Demo data" in demo.page()


def test_agents_are_real_processes_that_the_api_sees_online(demo: Demo) -> None:
    def online() -> bool:
        return [agent["online"] for agent in demo.get("agents")["items"]] == [True] * 7

    until(online, START_S)
    assert sum("demo_agent" in command for command in demo.children().values()) == 7


def test_eight_weeks_of_history_are_there(demo: Demo) -> None:
    now_s = int(time.time())
    span = "&".join(f"{name}={stamp(now_s - ago_s)}" for name, ago_s in (("from", 55 * 86_400), ("to", 3600)))

    def weeks() -> list[dict[str, Any]]:
        rows = demo.get(f"history/time_used_ratio?site=tejo&resolution=week&{span}")["rows"]
        full = [row for row in rows[1:-1] if row["coverage"] > 0.8]
        return full if len(full) >= 6 else []

    assert all(0.1 < row["value"] < 0.8 for row in until(weeks, START_S))


def stamp(epoch_s: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch_s))


def test_its_broker_can_be_watched(demo: Demo) -> None:
    heard: list[Received] = []
    broker = Broker(port=demo.broker_port)
    with Connection(broker, "watcher", subscriptions=["perch/v1/#"], on_message=heard.append):
        assert until(lambda: {message.topic.split("/")[4] for message in heard} >= {"state", "status"}, START_S)


def test_the_recorded_room_is_among_them(demo: Demo) -> None:
    def motion() -> bool:
        kinds = {sensor["id"]: sensor for sensor in demo.get("sensors")["items"] if sensor["agent"] == "pi-panke"}
        return set(kinds) == {"pir1", "pir2"} and all(sensor["health"] == "ok" for sensor in kinds.values())

    assert until(motion, START_S)


def test_nothing_that_it_writes_leads_to_somebody(demo: Demo) -> None:
    """All its databases, byte by byte, with their logs; and the names of their columns."""
    until(demo.known, START_S)
    assert strange_in(demo.folder) == set()
    columns = columns_in(demo.folder)
    assert {"space", "site", "agent"} <= columns
    assert [name for name in sorted(columns) if is_refused(name)] == []


def test_a_process_that_dies_is_started_again_with_one_line_to_say_so(demo: Demo) -> None:
    until(demo.known, START_S)
    killed = until(lambda: demo.child("perch.commands collector"), START_S) or 0
    os.kill(killed, signal.SIGKILL)
    again = until(lambda: {demo.child("perch.commands collector")} - {killed, None}, START_S)
    assert again
    assert demo.errors.read_text().count("collector was killed by signal 9 and is started again") == 1
    assert "Traceback" not in demo.errors.read_text()


def test_ctrl_c_ends_everything_and_leaves_no_process_and_no_file(demo: Demo) -> None:
    until(demo.known, START_S)
    children, folder = demo.children(), demo.folder
    assert len(children) == 10
    assert folder.is_dir()
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(20) == 0
    assert not still_there(children)
    assert not folder.exists()
