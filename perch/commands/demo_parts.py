"""The demo's processes: each in a group of its own, logging to a file, started again when it dies."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from perch.commands.output import warn

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 10.0
SETTLED_S = 30.0
TIED = """\
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])
"""
"""Becomes another program, one that the kernel ends together with its parent (PR_SET_PDEATHSIG is 1)."""


def tied(*command: str) -> list[str]:
    """Give a command line for a foreign program that must not outlive this process."""
    return [sys.executable, "-I", "-S", "-c", TIED, str(os.getpid()), *command]


def module(name: str, *arguments: str) -> list[str]:
    """Give the command line of a Python module that ends with this process."""
    return [sys.executable, "-m", name, *arguments, "--end-with-parent", str(os.getpid())]


class Part:
    """One process of the demo."""

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        self.name = name
        self.log = log
        self.paused = False
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._started_s = self._due_s = 0.0
        self._wait_s = FIRST_WAIT_S

    def __repr__(self) -> str:
        return f"<Part {self.name}, {'running' if self._process else 'not running'}>"

    @property
    def pid(self) -> int | None:
        """The id of its process, None while there is none."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process; PERCH_… variables of the user are not meant for it."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PERCH_")}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # the demo's own command lines
                self._command,
                env={**environment, "PERCH_DEMO": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._started_s = time.monotonic()

    def see_to(self, now_s: float) -> None:
        """Start it again when it has died and its time has come, with a line to say so."""
        if self._process is None:
            if not self.paused and now_s >= self._due_s:
                self.start()
            return
        code = self._process.poll()
        if code is None:
            return
        self._process = None
        self._wait_s = FIRST_WAIT_S if now_s - self._started_s > SETTLED_S else min(self._wait_s * 2, LONGEST_WAIT_S)
        self._due_s = now_s + self._wait_s
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        warn(f"{self.name} {how} and is started again (its log: {self.log})")

    def failed(self) -> str | None:
        """Give the last line of its log where it has ended by itself, None while it runs."""
        if self._process is None or self._process.poll() is None:
            return None
        lines = self.log.read_text("utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else f"{self.name} ended with code {self._process.returncode}"

    def ask_to_end(self) -> None:
        """Send SIGTERM to all of it."""
        self._signal(signal.SIGTERM)

    def end(self, deadline_s: float) -> None:
        """Wait until it has ended, and kill it at the deadline (monotonic seconds)."""
        if self._process is None:
            return
        try:
            self._process.wait(max(deadline_s - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """End it without a word."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
        self._process = None

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, number)
