"""Processes that are told to stop, that die and are started again, and that end together."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from perch.commands.supervisor import SETTLED_S, START_S, Child, FailedToStartError, end_all, supervise
from tests.parts import until

DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"


def python(script: str, *arguments: object) -> list[str]:
    """Give the command line of a small program."""
    return [sys.executable, "-c", script, *map(str, arguments)]


def exits(code: int) -> list[str]:
    """Give a program that ends at once with this code, or by this signal if it is negative."""
    return python(f"import os; os.kill(os.getpid(), {-code})" if code < 0 else f"raise SystemExit({code})")


def alive(pid: int) -> bool:
    """Tell whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def live_once(child: Child, now_s: float, until_s: float | None = None) -> None:
    """Let a child that ends by itself start at one moment and be found dead at another."""
    child.see_to(now_s)

    def found_dead() -> bool:
        child.see_to(now_s if until_s is None else until_s)
        return child.pid is None

    until(found_dead)


# One child.


def test_a_child_that_is_killed_again_and_again_is_started_after_waits_that_grow() -> None:
    child, now_s, waits = Child("worker", exits(-9)), 0.0, []
    for _ in range(7):
        live_once(child, now_s)
        waits.append(child.due_s - now_s)
        now_s = child.due_s
    assert waits == [1, 2, 4, 8, 16, 30, 30]


def test_a_child_that_ran_for_long_is_started_again_soon() -> None:
    child = Child("worker", exits(-9))
    for now_s in (0.0, 10.0, 20.0):
        live_once(child, now_s)
    live_once(child, 30.0, 30.0 + SETTLED_S)
    assert child.due_s == 30.0 + SETTLED_S + 1


def test_a_child_is_not_started_before_it_is_due() -> None:
    child = Child("worker", exits(-9))
    live_once(child, 0.0)
    child.see_to(0.9)
    assert child.pid is None


@pytest.mark.parametrize("code", [1, 2])
def test_a_child_that_fails_by_itself_at_its_first_start_is_not_tried_again(code: int) -> None:
    with pytest.raises(FailedToStartError) as caught:
        live_once(Child("worker", exits(code)), 0.0)
    assert caught.value.exit_code == code


def test_a_child_that_finds_its_configuration_wrong_later_is_not_tried_again() -> None:
    with pytest.raises(FailedToStartError):
        live_once(Child("worker", exits(2)), 0.0, 10 * START_S)


def test_a_child_that_fails_later_is_started_again() -> None:
    child = Child("worker", exits(1))
    live_once(child, 0.0, START_S)
    assert child.due_s == START_S + 1


def test_a_child_is_told_of_when_it_dies_and_where_to_read_more(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    child = Child("worker", exits(-9), log=log)
    child.see_to(0.0)
    told = until(lambda: child.see_to(3.0))
    assert told == f"worker was killed by signal 9 and is started again in 1 s, after it ran 3 s (its log: {log})"


def test_a_child_that_logs_to_a_file_is_quoted_when_it_cannot_start(tmp_path: Path) -> None:
    script = "import os, sys; print(os.environ['COLOUR'], sys.stdin.read(), 'is no colour'); sys.exit(1)"
    child = Child("worker", python(script), log=tmp_path / "worker.log", environment={"COLOUR": "seven"})
    with pytest.raises(FailedToStartError) as caught:
        live_once(child, 0.0)
    assert caught.value.what == "worker ended with code 1: seven  is no colour"
    assert str(tmp_path / "worker.log") in caught.value.remedy


STARTS_ANOTHER = """
import os, signal, subprocess, sys
other = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
open(sys.argv[1], "a").write(f"{other.pid}\\n")
signal.pause()
"""


def test_a_child_with_a_session_of_its_own_takes_along_what_it_started(tmp_path: Path) -> None:
    child = Child("worker", python(STARTS_ANOTHER, tmp_path / "other"), own_session=True)
    child.see_to(0.0)
    (other,) = until(lambda: pids(tmp_path, "other"))
    assert child.pid is not None
    assert os.getsid(other) == child.pid
    child.ask_to_end()
    assert child.end(time.monotonic() + 10)
    until(lambda: not alive(other))


def test_a_child_that_is_killed_on_purpose_stays_dead_until_it_is_due(tmp_path: Path) -> None:
    child = Child("worker", names_itself(tmp_path, "worker"))
    child.see_to(0.0)
    (pid,) = until(lambda: pids(tmp_path, "worker"))
    child.kill(due_s=100.0)
    assert not alive(pid)
    assert (child.see_to(99.9), child.pid) == (None, None)
    child.see_to(100.0)
    again = child.pid
    assert again is not None
    end_all([child], 10)
    assert not alive(again)


# All of them.


class Supervision:
    """A supervisor on a thread of its own."""

    def __init__(self, **commands: list[str]) -> None:
        self.stop = threading.Event()
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(commands,))
        self._thread.start()

    def _run(self, commands: dict[str, list[str]]) -> None:
        try:
            supervise(commands, self.stop, within_s=1.5)
        except FailedToStartError as error:
            self.error = error

    def join(self) -> None:
        """Wait for the end."""
        self._thread.join(30)
        assert not self._thread.is_alive()


def names_itself(folder: Path, name: str, first: str = "import signal") -> list[str]:
    """Give a program that writes its process id into a file of this name, and then waits to be ended."""
    script = f"{first}\nimport os, sys\nopen(sys.argv[1], 'a').write(f'{{os.getpid()}}\\n')\nwhile 1: signal.pause()"
    return python(script, folder / name)


def pids(folder: Path, name: str) -> list[int]:
    """Give the process ids of a program, one for each start."""
    path = folder / name
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def test_whoever_is_killed_comes_back_and_the_other_one_is_left_alone(tmp_path: Path) -> None:
    running = Supervision(one=names_itself(tmp_path, "one"), two=names_itself(tmp_path, "two"))
    (first,) = until(lambda: pids(tmp_path, "one"))
    (other,) = until(lambda: pids(tmp_path, "two"))
    os.kill(first, signal.SIGKILL)
    second = until(lambda: pids(tmp_path, "one")[1:])[0]
    assert alive(other)
    running.stop.set()
    running.join()
    assert not any(map(alive, (second, other)))
    assert pids(tmp_path, "two") == [other]


def test_whoever_does_not_listen_is_killed_at_the_deadline(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    running = Supervision(one=names_itself(tmp_path, "one"), deaf=names_itself(tmp_path, "deaf", DEAF))
    (one,) = until(lambda: pids(tmp_path, "one"))
    (deaf,) = until(lambda: pids(tmp_path, "deaf"))
    running.stop.set()
    running.join()
    assert not any(map(alive, (one, deaf)))
    assert [record.getMessage() for record in caplog.records] == ["deaf did not end in time and was killed"]


def test_when_one_cannot_start_the_other_is_ended_too(tmp_path: Path) -> None:
    late = python("import os, sys\nwhile not os.path.exists(sys.argv[1]): pass\nsys.exit(2)", tmp_path / "one")
    running = Supervision(one=names_itself(tmp_path, "one"), two=late)
    running.join()
    assert isinstance(running.error, FailedToStartError)
    assert not any(map(alive, pids(tmp_path, "one")))


# Told to stop.

WAITS = """
import os, sys
from perch.commands.stopping import stop_on_signals, stop_with_parent
stop = stop_on_signals()
if len(sys.argv) > 1: stop_with_parent(stop, int(sys.argv[1]))
print(os.getpid(), flush=True)
while not stop.wait(0.0001): pass
print("stopped", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_only_sets_the_flag(number: signal.Signals) -> None:
    with subprocess.Popen(python(WAITS), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        assert process.stdout.readline() == "stopped\n"
        assert process.wait(10) == 0


def test_a_process_ends_with_the_one_that_started_it() -> None:
    starter = (
        f"import os, subprocess, sys; subprocess.Popen([sys.executable, '-c', {WAITS!r}, str(os.getpid())]).wait()"
    )
    with subprocess.Popen(python(starter), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.kill()
        process.wait(10)
        assert process.stdout.readline() == "stopped\n"
    until(lambda: not alive(child))
