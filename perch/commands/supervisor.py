"""Child processes that are started again when they die, and end together."""

import logging
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

from perch.errors import PerchError

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 30.0
SETTLED_S = 60.0
"""A child that ran this long had recovered: if it dies now, the waits begin anew."""

START_S = 30.0
"""A child that fails by itself this soon after its first start has something that starting again will not mend.

A small machine, or a busy one, takes ten seconds before it comes to say so."""

STOP_S = 8.0
LOOK_S = 0.1

log = logging.getLogger("perch.up")


def module_command(module: str, *arguments: str) -> list[str]:
    """Give the command line that runs a Python module in a process that ends when this one is gone."""
    return [sys.executable, "-m", module, *arguments, "--end-with-parent", str(os.getpid())]


def perch_command(*arguments: str) -> list[str]:
    """Give the command line of a perch subcommand, likewise."""
    return module_command("perch.commands", *arguments)


class Child:
    """One process that is to run for as long as its owner calls `see_to`.

    What it says goes into `log` where one is given; `environment` takes the place of this process's own. In a session
    of its own, signals of the terminal do not reach it, and it is ended with all that it started.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
        own_session: bool = False,
    ) -> None:
        self.name = name
        self._command, self._log, self._environment, self._own_session = command, log, environment, own_session
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

    def runs(self) -> bool:
        """Tell whether the process is there at this moment."""
        return self._process is not None and self._process.poll() is None

    def see_to(self, now_s: float) -> str | None:
        """Start the process where it is due; tells of its death, if it died.

        Raises FailedToStartError where starting it again makes no sense.
        """
        if self._process is None:
            if now_s >= self.due_s:
                self._start(now_s)
            return None
        code = self._process.poll()
        if code is None:
            return None
        self._process = None
        return self._died(code, now_s)

    def ask_to_end(self) -> None:
        """Send SIGTERM."""
        self._signal(signal.SIGTERM)

    def end(self, deadline_s: float) -> bool:
        """Wait for its end, and kill it at the deadline (monotonic seconds); tells whether it ended by itself."""
        if self._process is None:
            return True
        try:
            self._process.wait(max(deadline_s - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            self.kill(math.inf)
            return False
        self._process = None
        return True

    def kill(self, due_s: float) -> None:
        """End it without a word, to be started again at `due_s`."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
        self._process = None
        self.due_s = due_s

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        if self._own_session:
            os.killpg(self._process.pid, number)
        else:
            self._process.send_signal(number)

    def _start(self, now_s: float) -> None:
        self._starts += 1
        self._started_s = now_s
        with self._log.open("ab") if self._log else nullcontext() as log:
            self._process = subprocess.Popen(  # noqa: S603  # its own command line
                self._command,
                env=self._environment,
                stdin=None if log is None else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=self._own_session,
            )

    def _died(self, code: int, now_s: float) -> str:
        ran_s = now_s - self._started_s
        if code == 2 or (code > 0 and self._starts == 1 and ran_s < START_S):
            raise FailedToStartError(self.name, code, self._log)
        wait_s = FIRST_WAIT_S if ran_s >= SETTLED_S else self._wait_s
        self.due_s = now_s + wait_s
        self._wait_s = min(wait_s * 2, LONGEST_WAIT_S)
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        where = f" (its log: {self._log})" if self._log else ""
        return f"{self.name} {how} and is started again in {wait_s:.0f} s, after it ran {ran_s:.0f} s{where}"


class FailedToStartError(PerchError):
    """A child ended with an error that starting it again will not mend; it has said why itself."""

    def __init__(self, name: str, code: int, log: Path | None = None) -> None:
        lines = log.read_text("utf-8", errors="replace").strip().splitlines() if log else []
        why = f": {lines[-1]}" if lines else ""
        where = f"in {log}" if log else "above"
        super().__init__(
            f"{name} ended with code {code}{why}", f"see what {name} said {where}, put it right and start again"
        )
        self.exit_code = code


def end_all(children: Sequence[Child], within_s: float) -> list[Child]:
    """End children together within so many seconds; gives those that had to be killed."""
    deadline_s = time.monotonic() + within_s
    for child in children:
        child.ask_to_end()
    return [child for child in children if not child.end(deadline_s)]


def supervise(commands: Mapping[str, Sequence[str]], stop: threading.Event, *, within_s: float = STOP_S) -> None:
    """Run all of them until `stop` is set or one cannot be started; then end all of them within `within_s` seconds."""
    children = [Child(name, command) for name, command in commands.items()]
    try:
        while not stop.is_set():
            for child in children:
                if death := child.see_to(time.monotonic()):
                    log.error("%s", death)
            stop.wait(LOOK_S)
    finally:
        for child in end_all(children, within_s):
            log.warning("%s did not end in time and was killed", child.name)
