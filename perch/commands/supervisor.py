"""Child processes that are started again when they die, and end together."""

import logging
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence

from perch.errors import PerchError

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 30.0
SETTLED_S = 60.0
"""A child that ran this long had recovered: if it dies now, the waits begin anew."""

START_S = 10.0
"""A child that fails by itself this soon after its first start has something that starting again will not mend."""

STOP_S = 8.0
LOOK_S = 0.1

log = logging.getLogger("perch.up")


def perch_command(*arguments: str) -> list[str]:
    """Give the command line that runs a perch subcommand in a process that ends when this one is gone."""
    return [sys.executable, "-m", "perch.commands", *arguments, "--end-with-parent", str(os.getpid())]


class Child:
    """One process that is to run for as long as the supervisor does."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0
        self._started_s = 0.0
        self._wait_s = FIRST_WAIT_S
        self.due_s = -math.inf
        """When it is to be started next, while it does not run."""

    def __repr__(self) -> str:
        return f"<Child {self.name}, {'running' if self._process else 'not running'}, {self._starts} starts>"

    @property
    def pid(self) -> int | None:
        """The id of the process, None while there is none."""
        return self._process.pid if self._process else None

    def see_to(self, now_s: float) -> None:
        """Start the process where it is due; raises PerchError where starting it again makes no sense."""
        if self._process is None:
            if now_s >= self.due_s:
                self._start(now_s)
            return
        code = self._process.poll()
        if code is not None:
            self._process = None
            self._died(code, now_s)

    def ask_to_end(self) -> None:
        """Send SIGTERM."""
        if self._process is not None:
            self._process.terminate()

    def end(self, deadline_s: float) -> None:
        """Wait until the process has ended, and kill it at the deadline (monotonic seconds)."""
        if self._process is None:
            return
        try:
            self._process.wait(max(deadline_s - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            log.warning("%s did not end in time and was killed", self.name)
            self._process.kill()
            self._process.wait()
        self._process = None

    def _start(self, now_s: float) -> None:
        self._starts += 1
        self._started_s = now_s
        self._process = subprocess.Popen(self._command)  # noqa: S603  # its own command line

    def _died(self, code: int, now_s: float) -> None:
        ran_s = now_s - self._started_s
        if code == 2 or (code > 0 and self._starts == 1 and ran_s < START_S):
            raise FailedToStartError(self.name, code)
        wait_s = FIRST_WAIT_S if ran_s >= SETTLED_S else self._wait_s
        self.due_s = now_s + wait_s
        self._wait_s = min(wait_s * 2, LONGEST_WAIT_S)
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        log.error("%s %s after %.0f s; it is started again in %.0f s", self.name, how, ran_s, wait_s)


class FailedToStartError(PerchError):
    """A child ended with an error that starting it again will not mend; it has said why itself."""

    def __init__(self, name: str, code: int) -> None:
        super().__init__(f"{name} ended with code {code}", f"see what {name} said above, put it right and start again")
        self.exit_code = code


def supervise(commands: Mapping[str, Sequence[str]], stop: threading.Event, *, within_s: float = STOP_S) -> None:
    """Run all of them until `stop` is set or one cannot be started; then end all of them within `within_s` seconds."""
    children = [Child(name, command) for name, command in commands.items()]
    try:
        while not stop.is_set():
            for child in children:
                child.see_to(time.monotonic())
            stop.wait(LOOK_S)
    finally:
        deadline_s = time.monotonic() + within_s
        for child in children:
            child.ask_to_end()
        for child in children:
            child.end(deadline_s)
