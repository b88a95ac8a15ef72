"""A `perch demo` that tests start, ask and watch from outside, as its user does."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from tests.parts import free_port, without_proxy

FIRST_LINES = (
    r"Perch is at http://localhost:{port}",
    r"Broker is (?P<broker>mosquitto|amqtt) at mqtt://127\.0\.0\.1:(?P<broker_port>\d+), watch it: mosquitto_sub .*",
    r"Data is in (?P<folder>/\S+?)(, which is removed in the end)?\. Ctrl-C ends the demo\.",
)
START_S = 60.0


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
        self.process.wait(30)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def get(self, path: str) -> Any:
        """Give what the API answers."""
        with without_proxy.open(f"http://localhost:{self.port}/api/v1/{path}", timeout=10) as response:
            return json.load(response)

    def page(self) -> str:
        with without_proxy.open(f"http://localhost:{self.port}/", timeout=10) as response:
            return str(response.read().decode())

    def children(self) -> dict[int, str]:
        """Give its child processes: command lines by process id."""
        return {pid: command_of(pid) for pid in children_of(self.process.pid)}

    def child(self, words: str) -> int | None:
        """Give the child whose command line has these words."""
        return next((pid for pid, command in self.children().items() if words in command), None)

    def known(self) -> bool:
        """Whether all but the one space without a sensor are free or occupied."""
        summary = self.get("summary")
        assert summary["total"] == 60
        return bool(summary["unknown"] == 1)


def children_of(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def still_there(children: dict[int, str]) -> list[int]:
    """Give those of some processes that still run the same command."""
    return [pid for pid, command in children.items() if command and command_of(pid) == command]


@contextmanager
def shared(begin: Callable[[], Demo]) -> Iterator[Callable[[], Demo]]:
    """Give a function that gives a running demo: the same one each time, and another where a test has ended it."""
    begun: list[Demo] = []

    def running() -> Demo:
        if not begun or begun[-1].process.poll() is not None:
            begun.append(begin().__enter__())
        return begun[-1]

    try:
        yield running
    finally:
        for demo in begun:
            demo.__exit__()
