"""The processes of Perch as their users start them, on a real broker: up, agent, replay."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.parts import Broker, free_port, until
from tests.test_commands_processes import alive

SITE = """
[site]
id = "hq"
time_zone = "UTC"
[hours]
mon = "00:00-24:00"
[[floor]]
id = "f1"
[[zone]]
id = "quiet"
floor = "f1"
[[agent]]
id = "pi-3"
[[space]]
id = "d01"
zone = "quiet"
kind = "desk"
agent = "pi-3"
"""
SENSING = """
[[space]]
id = "d01"
kind = "desk"
hold_seconds = 60
[[sensor]]
id = "pir1"
kind = "motion"
space = "d01"
pin = 17
"""
READINGS = "time,sensor,value\n1777885200,pir1,1\n1777885260,pir1,0\n1777885500,pir1,0\n"


_without_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Programs:
    """A folder with a network of one desk, and the perch processes that were started in it."""

    def __init__(self, folder: Path, broker: Broker, stack: ExitStack) -> None:
        self.folder, self.port = folder, free_port()
        self._stack = stack
        broker_table = f'[broker]\nhost = "{broker.host}"\nport = {broker.port}\n'
        self._write("site.toml", SITE)
        self._write("perch.toml", f'data = "server"\nsites = ["site.toml"]\n{broker_table}[api]\nport = {self.port}\n')
        self._write("agent.toml", f'site = "hq"\nagent = "pi-3"\ndata = "agent"\n{broker_table}{SENSING}')
        self._write("readings.csv", READINGS)

    def _write(self, name: str, content: str) -> None:
        (self.folder / name).write_text(content)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a perch process, which is ended with the test if it has not ended before; it logs to `log`."""
        environment = os.environ | {"GPIOZERO_PIN_FACTORY": "mock"}
        command = [sys.executable, "-m", "perch.commands", *arguments]
        log = self._stack.enter_context((self.folder / "log").open("ab"))
        process = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=log)
        self._stack.callback(self._end, process)
        return process

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        process.wait(20)

    def log(self) -> str:
        """Give what the processes said so far."""
        return (self.folder / "log").read_text()

    def desk(self) -> dict[str, object] | None:
        """Ask the API for the only desk; None while it does not answer."""
        try:
            with _without_proxy.open(f"http://127.0.0.1:{self.port}/api/v1/spaces/hq/d01", timeout=5) as answer:
                told: dict[str, object] = json.load(answer)
                return told
        except OSError:
            return None

    def ready(self) -> bool:
        """Tell whether every part of the API is well."""
        try:
            with _without_proxy.open(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def children_of(pid: int) -> list[int]:
    """Give the ids of the processes that a process has started and that still run."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def programs(tmp_path: Path, mosquitto: Broker) -> Iterator[Programs]:
    """A network of one desk on a fresh broker; whatever the test starts is ended with it."""
    with ExitStack() as stack:
        yield Programs(tmp_path, mosquitto, stack)


def test_up_runs_collector_and_api_and_starts_again_what_is_killed(programs: Programs) -> None:
    up = programs.start("up", "--config", "perch.toml")
    until(programs.ready, 30)
    before = children_of(up.pid)
    assert len(before) == 2
    os.kill(before[0], signal.SIGKILL)
    until(lambda: len(children_of(up.pid)) == 2 and children_of(up.pid) != before, 30)
    until(programs.ready, 30)
    assert "collector was killed by signal 9" in programs.log()
    up.terminate()
    assert up.wait(15) == 0
    assert not any(map(alive, before))
    assert "Traceback" not in programs.log()


def test_up_takes_its_children_with_it_even_when_it_is_killed(programs: Programs) -> None:
    up = programs.start("up", "--config", "perch.toml")
    until(programs.ready, 30)
    children = children_of(up.pid)
    up.kill()
    assert until(lambda: not any(map(alive, children)), 20)


def test_up_says_what_is_wrong_and_starts_nothing(programs: Programs) -> None:
    (programs.folder / "site.toml").write_text(SITE.replace('"UTC"', '"Mars"'))
    assert programs.start("up", "--config", "perch.toml").wait(20) == 2
    assert programs.log().count("no time zone 'Mars'") == 1


def test_up_ends_when_the_port_is_taken(programs: Programs) -> None:
    with ExitStack() as stack:
        stack.enter_context(socket.create_server(("127.0.0.1", programs.port)))
        assert programs.start("up", "--config", "perch.toml").wait(30) == 1
    assert f"port {programs.port} of 127.0.0.1 is taken" in programs.log()
    assert "Traceback" not in programs.log()


def test_a_replay_ends_when_the_collector_has_everything(programs: Programs) -> None:
    collector = programs.start("collector", "--config", "perch.toml")
    replay = programs.start("agent", "--config", "agent.toml", "--replay", "readings.csv")
    assert replay.wait(60) == 0, programs.log()
    collector.terminate()
    assert collector.wait(15) == 0
    assert "Traceback" not in programs.log()


def test_an_agent_senses_until_it_is_told_to_stop_and_a_shifted_replay_is_seen_live(programs: Programs) -> None:
    programs.start("up", "--config", "perch.toml")
    until(programs.ready, 30)
    agent = programs.start("agent", "--config", "agent.toml")
    until(lambda: (programs.desk() or {}).get("reason") == "starting", 30)
    agent.send_signal(signal.SIGINT)
    assert agent.wait(10) == 0
    until(lambda: (programs.desk() or {}).get("reason") == "agent-offline", 10)
    programs.start("agent", "--config", "agent.toml", "--replay", "readings.csv", "--shift-to-now")
    until(lambda: (programs.desk() or {}).get("state") == "occupied", 30)


def test_a_recording_that_is_broken_is_not_begun(programs: Programs) -> None:
    (programs.folder / "readings.csv").write_text(READINGS + "1777885600,pir1,maybe\n")
    assert programs.start("agent", "--config", "agent.toml", "--replay", "readings.csv").wait(20) == 2
    assert "readings.csv:5: 'maybe' is no number" in programs.log()
    assert not (programs.folder / "agent" / "outbox.db").exists()
