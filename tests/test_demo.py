"""`perch demo` as its user meets it: real processes, from the first line it prints until nothing of it is left."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest

from perch.adapters.mqtt import Connection, Received
from perch.settings import Broker
from tests import parts
from tests.parts import free_port, until

FIRST_LINES = (
    r"Perch is at http://localhost:{port}",
    r"Broker is (?P<broker>mosquitto|amqtt) at mqtt://127\.0\.0\.1:(?P<broker_port>\d+), watch it: mosquitto_sub .*",
    r"Data is in (?P<folder>/\S+?)(, which is removed in the end)?\. Ctrl-C ends the demo\.",
)
START_S = 60.0
pytestmark = pytest.mark.xdist_group("demo")  # so that its tests share one demo
_without_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _as_in_a_terminal() -> None:
    """Let a closed terminal end the demo, also where these tests themselves run under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class Demo:
    """A running `perch demo`; use it as a context manager."""

    def __init__(self, folder: Path, *words: str, path: str | None = None) -> None:
        self.port = free_port()
        self.began_s = time.monotonic()
        self.errors = folder / "stderr.txt"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "perch.commands", "demo", "--port", str(self.port), *words],
                env=os.environ | ({} if path is None else {"PATH": path}),
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                preexec_fn=_as_in_a_terminal,
            )

    def __enter__(self) -> Self:
        try:
            self._read_first_lines()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _read_first_lines(self) -> None:
        assert self.process.stdout is not None
        self.lines = [self.process.stdout.readline().strip() for _ in FIRST_LINES]
        pattern = "\n".join(FIRST_LINES).format(port=self.port)
        found = re.fullmatch(pattern, "\n".join(self.lines))
        assert found, (self.lines, self.errors.read_text())
        self.broker, self.folder = found["broker"], Path(found["folder"])
        self.broker_port = int(found["broker_port"])

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(10)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def get(self, path: str) -> Any:
        """Give what the API answers."""
        with _without_proxy.open(f"http://localhost:{self.port}/api/v1/{path}", timeout=10) as response:
            return json.load(response)

    def page(self) -> str:
        with _without_proxy.open(f"http://localhost:{self.port}/", timeout=10) as response:
            return str(response.read().decode())

    def children(self) -> dict[int, str]:
        """Give its child processes: command lines by process id."""
        return {pid: command_of(pid) for pid in processes() if parent_of(pid) == self.process.pid}

    def child(self, words: str) -> int | None:
        """Give the child whose command line has these words."""
        return next((pid for pid, command in self.children().items() if words in command), None)

    def known(self) -> bool:
        """Whether all but the one space without a sensor are free or occupied."""
        summary = self.get("summary")
        assert summary["total"] == 60
        return bool(summary["unknown"] == 1)


def lasts_s(act: Callable[[], object]) -> float:
    began_s = time.monotonic()
    act()
    return time.monotonic() - began_s


def processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def parent_of(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def still_there(children: dict[int, str]) -> list[int]:
    """Give those of some processes that still run the same command."""
    return [pid for pid, command in children.items() if command_of(pid) == command]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    mosquitto = parts.find_mosquitto()
    if mosquitto is None:
        pytest.skip("mosquitto is not installed: run `make test`, which gets it, or scripts/get-parts")
    path = f"{os.environ['PATH']}:{Path(mosquitto).parent}"
    with Demo(tmp_path_factory.mktemp("demo"), "--first-death", "1e9", path=path) as running:
        yield running


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
    with _without_proxy.open(f"http://localhost:{demo.port}/api/v1/events", timeout=START_S) as stream:
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
        full = [row for row in rows[1:-1] if row["value"] is not None]
        return full if len(full) >= 6 else []

    for row in until(weeks, START_S):
        assert 0.1 < row["value"] < 0.8
        assert 0.8 < row["coverage"] < 1.0 or row["coverage"] == 1.0


def stamp(epoch_s: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch_s))


def test_its_broker_can_be_watched(demo: Demo) -> None:
    heard: list[Received] = []
    broker = Broker(port=demo.broker_port)
    with Connection(broker, "watcher", subscriptions=["perch/v1/#"], on_message=heard.append):
        until(lambda: {message.topic.split("/")[4] for message in heard} >= {"state", "status"}, START_S)


def test_the_recorded_room_is_among_them(demo: Demo) -> None:
    def motion() -> bool:
        kinds = {sensor["id"]: sensor for sensor in demo.get("sensors")["items"] if sensor["agent"] == "pi-panke"}
        return set(kinds) == {"pir1", "pir2"} and all(sensor["health"] == "ok" for sensor in kinds.values())

    until(motion, START_S)


def test_a_process_that_dies_is_started_again_with_one_line_to_say_so(demo: Demo) -> None:
    until(demo.known, START_S)
    killed = until(lambda: demo.child("perch.commands collector"), START_S) or 0
    os.kill(killed, signal.SIGKILL)
    again = until(lambda: {demo.child("perch.commands collector")} - {killed, None}, START_S)
    assert again
    assert demo.errors.read_text().count("collector was killed by signal 9 and is started again") == 1
    assert "Traceback" not in demo.errors.read_text()


def test_without_mosquitto_it_brings_a_broker_and_an_agent_that_dies_is_seen(tmp_path: Path) -> None:
    """And then Ctrl-C ends everything within two seconds, and leaves no process and no file behind."""
    with Demo(tmp_path, "--first-death", "12", path=str(Path(sys.executable).parent)) as demo:
        assert demo.broker == "amqtt"
        assert "-V mqttv311 -u" in demo.lines[1]

        def offline() -> bool:
            items = demo.get("spaces?site=ribeira&state=unknown")["items"]
            unlucky = demo.child("ribeira_pi-garden")
            return unlucky is None and sum(item["reason"] == "agent-offline" for item in items) >= 7

        until(offline, START_S)
        children, folder = demo.children(), demo.folder
        assert len(children) == 9
        assert folder.is_dir()
        busy_s = lasts_s(lambda: subprocess.run([sys.executable, "-c", "import json"], check=True))
        demo.process.send_signal(signal.SIGINT)
        assert lasts_s(lambda: demo.process.wait(20)) < 2.0 + 10 * busy_s  # which is little where nobody else works
        assert demo.process.returncode == 0
        assert not still_there(children)
        assert not folder.exists()


def test_a_folder_is_kept_and_goes_on_where_it_was_and_no_end_leaves_a_process_behind(tmp_path: Path) -> None:
    """It ends with its terminal the first time, and is killed the second time."""
    kept = tmp_path / "kept"
    with Demo(tmp_path, "--data", str(kept)) as demo:
        assert demo.folder == kept
        until(demo.known, START_S)
        journal = (kept / "server" / "journal.db").stat().st_size
        children = demo.children()
        demo.process.send_signal(signal.SIGHUP)
        assert demo.process.wait(10) == 0
        assert not still_there(children)
    with Demo(tmp_path, "--data", str(kept)) as demo:
        until(lambda: demo.get("summary")["unknown"] < 60, START_S)
        assert (kept / "server" / "journal.db").stat().st_size < 1.5 * journal
        told = run_demo("--data", str(kept))
        assert told.returncode == 1
        assert "another" in told.stderr
        assert "Traceback" not in told.stderr
        assert demo.process.poll() is None
        children = demo.children()
        assert len(children) == 10
        demo.process.kill()
        until(lambda: not still_there(children), 20)


def test_demos_that_start_at_the_same_moment_do_not_fight_over_a_port(tmp_path: Path) -> None:
    mosquitto = parts.find_mosquitto()
    if mosquitto is None:
        pytest.skip("mosquitto is not installed: run `make test`, which gets it, or scripts/get-parts")
    path = f"{os.environ['PATH']}:{Path(mosquitto).parent}"
    folders = [tmp_path / name for name in ("one", "two", "three")]
    for folder in folders:
        folder.mkdir()
    with ExitStack() as stack:
        demos = [stack.enter_context(one) for one in [Demo(folder, path=path) for folder in folders]]
        assert len({demo.broker_port for demo in demos}) == 3


def test_ctrl_c_during_the_start_leaves_nothing_behind(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "perch.commands", "demo"],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
    )
    with process:
        children = until(lambda: [pid for pid in processes() if parent_of(pid) == process.pid], START_S)
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 0
        assert not [pid for pid in children if parent_of(pid) == process.pid]
        assert not list(tmp_path.iterdir())


def run_demo(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "perch.commands", "demo", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_port_that_is_taken_is_said_to_be(family: socket.AddressFamily, host: str) -> None:
    with socket.socket(family) as taken:
        taken.bind((host, 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = run_demo("--port", str(port))
    assert told.returncode == 1
    assert told.stderr.strip().splitlines()[0] == f"perch: port {port} is taken by another program"
    assert told.stdout == ""


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    told = run_demo("--data", str(tmp_path))
    assert told.returncode == 1
    assert "is not empty, and no demo's folder" in told.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
