"""`perch demo` begins, ends, dies and goes on: in a folder that is kept, beside others, and where it cannot."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests import parts
from tests.demos import START_S, Demo, children_of, command_of, shared, still_there
from tests.parts import until

A_WEEK = ("--days", "7")
"""Less history than a demo has, for tests of other things."""

BROKER_OF_ITS_OWN = str(Path(sys.executable).parent)
"""A PATH without mosquitto."""


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that a demo is told to keep."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def running(kept: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Demo]]:
    words = (*A_WEEK, "--first-death", "8", "--data", str(kept))
    with shared(lambda: Demo(tmp_path_factory.mktemp("demo"), *words, path=BROKER_OF_ITS_OWN)) as running:
        yield running


@pytest.fixture
def demo(running: Callable[[], Demo]) -> Demo:
    """A demo that runs in the folder to keep; a test may end it."""
    return running()


def test_without_mosquitto_it_brings_a_broker_and_an_agent_that_dies_is_seen(demo: Demo) -> None:
    def offline() -> bool:
        items = demo.get("spaces?site=ribeira&state=unknown")["items"]
        unlucky = demo.child("ribeira_pi-garden")
        return unlucky is None and sum(item["reason"] == "agent-offline" for item in items) >= 7

    assert demo.broker == "amqtt"
    assert "-V mqttv311 -u" in demo.lines[1]
    assert until(offline, START_S)


def test_a_folder_is_kept_and_goes_on_where_it_was_and_no_end_leaves_a_process_behind(demo: Demo, kept: Path) -> None:
    """It ends with its terminal the first time, and is killed the second time."""
    assert demo.folder == kept
    until(lambda: demo.get("summary")["unknown"] < 60, START_S)
    journal, written = kept / "server" / "journal.db", (kept / "server" / "journal.db").stat().st_size
    children = demo.children()
    demo.process.send_signal(signal.SIGHUP)
    assert demo.process.wait(20) == 0
    assert not still_there(children)
    with Demo(kept.parent, *A_WEEK, "--first-death", "1e9", "--data", str(kept)) as again:
        until(lambda: again.get("summary")["unknown"] < 60, START_S)
        assert journal.stat().st_size < 1.5 * written
        told = run_demo("--data", str(kept))
        assert told.returncode == 1
        assert "another" in told.stderr
        assert "Traceback" not in told.stderr
        assert again.process.poll() is None
        children = again.children()
        assert len(children) == 10
        again.process.kill()
        assert until(lambda: not still_there(children), 20)


SLOW_MOSQUITTO = """\
#!{python}
import os, pathlib, sys, time
folder = pathlib.Path({folder!r})
(folder / "called").touch()
while not (folder / "go").exists():
    time.sleep(0.005)
os.execv({mosquitto!r}, sys.argv)
"""


def test_where_another_program_takes_the_brokers_port_in_the_last_moment_it_takes_another_one(tmp_path: Path) -> None:
    """As demos do that start at the same moment."""
    mosquitto = parts.find_mosquitto()
    if mosquitto is None:
        pytest.skip("mosquitto is not installed: run `make test`, which gets it, or scripts/get-parts")
    slow, kept = tmp_path / "mosquitto", tmp_path / "kept"
    slow.write_text(SLOW_MOSQUITTO.format(python=sys.executable, folder=str(tmp_path), mosquitto=mosquitto))
    slow.chmod(0o755)
    with ExitStack() as stack:
        demo = Demo(tmp_path, *A_WEEK, "--data", str(kept), path=f"{tmp_path}:{os.environ['PATH']}")
        stack.push(demo)
        until((tmp_path / "called").exists, START_S)
        wanted = broker_port(kept)
        with socket.socket() as quicker:
            quicker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):  # somebody else was quicker still
                quicker.bind(("127.0.0.1", wanted))
                quicker.listen()
            (tmp_path / "go").touch()
            until(lambda: demo.child("perch.commands api"), START_S)  # which it starts once its broker answers
            assert broker_port(kept) != wanted
            assert parts.answers(broker_port(kept))


def broker_port(folder: Path) -> int:
    """Give the port that a demo has told its mosquitto to listen on."""
    return int((folder / "mosquitto.conf").read_text().split()[1])


def test_ctrl_c_during_the_start_leaves_nothing_behind(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "perch.commands", "demo"],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
    )
    with process:
        children = until(lambda: commands if all((commands := commands_of(process.pid)).values()) else {}, START_S)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert not still_there(children)
        assert not list(tmp_path.iterdir())


def commands_of(parent: int) -> dict[int, str]:
    """Give the command lines of its children; one that is about to begin has none."""
    return {pid: command_of(pid) for pid in children_of(parent)}


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
