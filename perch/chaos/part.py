"""One process of the campaign: started, killed, frozen, thawed, and started again when it is gone."""

import contextlib
import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from perch.adapters.crash_points import VARIABLE

RESTART_S = 0.3
PAGE = os.sysconf("SC_PAGE_SIZE")


class Part:
    """A process that is to run; `heard` gets each line of its standard output, on a thread of its own.

    `deaths` counts how often it ended without having been ended, except where that was `expected` at the time.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        heard: Callable[[list[bytes]], None] | None = None,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.deaths: list[str] = []
        self.starts = 0
        self.started_s = 0.0
        self.excused_until_s = 0.0
        self._log, self._environment, self._heard = log, dict(environment), heard
        self._process: subprocess.Popen[bytes] | None = None
        self._listener: threading.Thread | None = None
        self._due_s: float | None = None
        self._dies_at: str | None = None
        self._dies_when_told = False

    def __repr__(self) -> str:
        return f"<Part {self.name}, {'running' if self.running else 'not running'}, {self.starts} starts>"

    @property
    def running(self) -> bool:
        """Whether its process lives, frozen or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The id of its process, None while there is none."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def memory_kib(self) -> int | None:
        """What it holds in memory (resident), None while it does not run."""
        pid = self.pid
        return None if pid is None else memory_kib(pid)

    def start(self) -> None:
        """Start it now, to die at a named point where `die_at` said so."""
        environment = self._environment | ({VARIABLE: self._dies_at} if self._dies_at else {})
        self._dies_when_told = self._dies_at is not None
        self._dies_at, self._due_s = None, None
        self.starts += 1
        self.started_s = time.monotonic()
        piped = subprocess.PIPE if self._heard else None
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # its own command line
                self.command,
                env=environment,
                stdin=piped or subprocess.DEVNULL,
                stdout=piped or log,
                stderr=log,
                start_new_session=True,
            )
        if self._heard is not None and self._process.stdout is not None:
            arguments = (self._process.stdout, self._heard)
            self._listener = threading.Thread(target=_listen, args=arguments, name=f"hear-{self.name}", daemon=True)
            self._listener.start()

    def see_to(self, now_s: float) -> None:
        """Start it where it is due, and note an end that nobody brought about."""
        if self._process is not None and self._process.poll() is not None:
            code = self._process.returncode
            told = self._dies_when_told and code == -signal.SIGKILL
            if now_s > self.excused_until_s and code != 0 and not told:
                self.deaths.append(f"{self.name} ended with code {code} after {now_s - self.started_s:.1f} s")
            self._gone()
            self._due_s = now_s + RESTART_S
        if self._due_s is not None and now_s >= self._due_s:
            self.start()

    def excuse(self, for_s: float) -> None:
        """Expect that it may end by itself within a time."""
        self.excused_until_s = max(self.excused_until_s, time.monotonic() + for_s)

    def die_at(self, point: str) -> None:
        """Let its next process die when it reaches a named point for the so manyth time (`point:times`)."""
        self._dies_at = point

    def kill(self, back_in_s: float | None) -> None:
        """End it without a word (SIGKILL); it is started again after a while, or not at all (None)."""
        self._send(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
        self._gone()
        self._due_s = None if back_in_s is None else time.monotonic() + back_in_s

    def end(self, within_s: float) -> bool:
        """Ask it to end (SIGTERM) and wait; it is killed after that time. Tells whether it ended by itself."""
        self._due_s = None
        if self._process is None:
            return True
        self.thaw(self._process.pid)
        self._send(signal.SIGTERM)
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill(None)
            return False
        self._gone()
        return True

    def freeze(self) -> int | None:
        """Stop it in the middle of whatever it does (SIGSTOP); gives the id of the process to thaw."""
        self._send(signal.SIGSTOP)
        return self.pid

    def thaw(self, pid: int | None) -> None:
        """Let that process go on, unless it is gone by now."""
        if pid is not None and pid == self.pid:
            self._send(signal.SIGCONT)

    def limit_files(self, limited: bool) -> None:
        """Let each write to a file fail (EFBIG, which is not a full disk), or no longer."""
        pid = self.pid
        if pid is not None:
            limit = 0 if limited else resource.RLIM_INFINITY
            with contextlib.suppress(OSError, ValueError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def tell(self, words: str) -> None:
        """Say a line on its standard input; one that is gone or frozen does not hear it."""
        wire = self._process.stdin if self._process is not None else None
        if wire is not None:
            with contextlib.suppress(OSError, ValueError):
                os.set_blocking(wire.fileno(), False)
                os.write(wire.fileno(), words.encode() + b"\n")

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _gone(self) -> None:
        """Read the last words of a process that is gone."""
        process, self._process = self._process, None
        if self._listener is not None:
            self._listener.join(10)
            self._listener = None
        for wire in (process.stdin, process.stdout) if process is not None else ():
            if wire is not None:
                with contextlib.suppress(OSError):
                    wire.close()


def memory_kib(pid: int) -> int | None:
    """Give what a process holds in memory (resident), None where there is no such process."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE // 1024
    except (OSError, IndexError):
        return None


def _listen(wire: IO[bytes], heard: Callable[[list[bytes]], None]) -> None:
    for line in wire:
        heard([line])
