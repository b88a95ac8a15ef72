"""A part of the collector that dies takes the process down, which says what it was; its supervisor starts it again."""

import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests import parts
from tests.parts import free_port, until
from tests.test_collector import Agent, command, state
from tests.test_commands_up import Programs, children_of


@pytest.fixture
def programs(tmp_path: Path, mosquitto: parts.Broker) -> Iterator[Programs]:
    """A network of one desk on a fresh broker; whatever the test starts is ended with it."""
    with ExitStack() as stack:
        yield Programs(tmp_path, mosquitto, stack)


def test_a_collector_whose_projection_dies_says_so_and_is_started_again(
    programs: Programs, mosquitto: parts.Broker
) -> None:
    """It is killed once before, for what fails within seconds of its very first start is not started again."""
    up = programs.start("up", "--config", "perch.toml")
    until(programs.ready, 30)
    collector = children_of(up.pid)[0]
    os.kill(collector, signal.SIGKILL)
    with Agent(mosquitto, "pi-3") as agent:

        def is_heard() -> bool:
            agent.send(state(1))
            return not agent.acks.empty()

        until(is_heard, 30)
        history = sqlite3.connect(programs.folder / "server" / "history.db", isolation_level=None)
        with closing(history):
            history.execute("ALTER TABLE cursor RENAME TO elsewhere")  # by a program that has no business there
            agent.send(state(2))
            until(lambda: "collector ended with code 1 and is started again" in programs.log(), 30)
    assert "perch: the projection history has died: " in programs.log()
    assert "history.db cannot be used: no such table: cursor" in programs.log()
    up.terminate()
    assert up.wait(15) == 0


INFLUX = """
[influx]
url = "http://127.0.0.1:{port}"
database = "perch"
zones_database = "perch_zones"
username = "perch"
password_file = "password"
"""


def test_a_thread_that_dies_of_what_nobody_foresaw_ends_the_collector_with_its_name(
    mosquitto: parts.Broker, tmp_path: Path
) -> None:
    line = command(tmp_path, mosquitto)
    (tmp_path / "password").write_bytes(b"\xff is no text")
    with (tmp_path / "perch.toml").open("a") as config:
        config.write(INFLUX.format(port=free_port()))
    told = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
    assert told.returncode == 1
    assert "the writer of live rows has died: " in told.stderr or "the projection influx has died: " in told.stderr
    assert "Traceback" not in told.stderr.split("perch: ")[-1]
