"""Every block of the tutorial in its order, in a folder, on a real broker; what it says that one sees is seen."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, NamedTuple

import pytest

from tests import parts
from tests.parts import answers, free_port, until

PAGE = (Path(__file__).parent.parent / "docs" / "tutorial.md").read_text()
FENCE = re.compile(r"^```(sh)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SHOWN_DAY = "2026-11-22"
"""The page's yesterday."""

MOCK_PIN = """
import sys, threading
from gpiozero import Device
from gpiozero.pins.mock import MockFactory

Device.pin_factory = MockFactory()

def wave():
    for _ in sys.stdin:
        Device.pin_factory.pin(17).drive_high()

threading.Thread(target=wave, daemon=True).start()
from perch.commands import main
main()
"""
"""`perch` on a machine whose pin 17 rises when somebody waves: when it reads a line."""


class Step(NamedTuple):
    """A block, and what one sees after it."""

    block: str
    seen: str


def steps_of(text: str) -> list[Step]:
    """Give the blocks of some Markdown with what is shown after each."""
    steps: list[Step] = []
    for language, body in FENCE.findall(text):
        steps.append(Step(body, "")) if language else steps.append(Step(steps.pop().block, body))
    return steps


STEPS = steps_of(PAGE)
STAYS = {STEPS.index(step): step for step in STEPS if re.match(r"mosquitto |perch up ", step.block)}
AGENTS = {
    STEPS.index(step): step for step in STEPS if re.search(r"^perch agent (?!.*morning)", step.block, re.MULTILINE)
}


class Reader:
    """Somebody who follows the page: a shell for its blocks, and a terminal for each that stays."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "home"
        self.ports = {"1884": str(free_port()), "8080": str(free_port())}
        self._terminals: list[subprocess.Popen[bytes]] = []
        self._programs = folder / "programs"
        self._programs.mkdir()
        perch = f'exec {sys.executable} -m perch.commands "$@"'
        self._program("sudo", "true")
        self._program("pip", "true")
        self._program("perch", perch)
        self._program("python3", f"mkdir -p perch/bin && cp {self._programs}/perch {self._programs}/pip perch/bin/")
        mosquitto = parts.find_mosquitto() or pytest.skip("mosquitto is not installed: run scripts/get-parts")
        self._path = f"{folder}/perch/bin:{self._programs}:{os.environ['PATH']}:{Path(mosquitto).parent}"

    def _program(self, name: str, text: str) -> None:
        (self._programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (self._programs / name).chmod(0o755)

    def _here(self, block: str) -> str:
        """Give a block with this run's ports, and with what the terminal knows already."""
        for shown, port in self.ports.items():
            block = re.sub(rf"\b{shown}\b", port, block)
        return f"day=$(date -u -d yesterday +%F)\n{block}"

    def run(self, step: Step) -> str:
        """Run a block to its end, in a shell that stops at the first line that fails."""
        where = self.home if self.home.exists() else self.folder
        done = subprocess.run(
            ["bash", "-euc", self._here(step.block)],
            cwd=where,
            env={**os.environ, "PATH": self._path, "no_proxy": "localhost"},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"{step.block}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def leave_running(self, step: Step, program: list[str] | None = None) -> subprocess.Popen[bytes]:
        """Run a block in a terminal of its own; `program` stands in for `perch` in its last line."""
        *before, last = step.block.rstrip().split("\n")
        words = shlex.split(last)
        assert words[0] in ("mosquitto", "perch"), "what stays is the last line"
        line = shlex.join([*(program or words[:1]), *words[1:]])
        terminal = subprocess.Popen(
            ["bash", "-euc", self._here("\n".join([*before, f"exec {line}"]))],
            cwd=self.home,
            env={**os.environ, "PATH": self._path},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._terminals.append(terminal)
        return terminal

    def printed(self, step: Step) -> str:
        """Run a block, until it shows what the page says if it asks a server, which may take a moment."""
        printed = [self.run(step)]

        def as_shown() -> bool:
            if not shown_as(step.seen, printed[-1]):
                printed.append(self.run(step))
            return shown_as(step.seen, printed[-1])

        if step.seen and "curl" in step.block:
            with suppress(AssertionError):
                until(as_shown, timeout_s=30)
        return printed[-1]

    def end(self) -> None:
        for terminal in reversed(self._terminals):
            end(terminal)


def end(terminal: subprocess.Popen[bytes]) -> None:
    """Do what Ctrl-C does."""
    if terminal.poll() is None:
        terminal.terminate()
    terminal.communicate(timeout=30)


def shown_as(page: str, printed: str) -> bool:
    """Whether something was printed as the page shows it: there `…` stands for anything."""
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    pattern = re.escape(page.replace(SHOWN_DAY, yesterday).strip()).replace("…", r"(?:.|\n)*?")
    return re.fullmatch(pattern, printed.replace("\r", "").strip()) is not None


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """Somebody at the page's first line."""
    reader = Reader(tmp_path)
    yield reader
    reader.end()


def wave(stdin: IO[bytes] | None) -> None:
    assert stdin is not None
    stdin.write(b"\n")
    stdin.flush()


def test_a_reader_who_follows_the_tutorial_sees_what_it_says(reader: Reader) -> None:
    now: subprocess.Popen[bytes] | None = None
    for number, step in enumerate(STEPS):
        if number in STAYS:
            reader.leave_running(step)
            port = reader.ports["1884" if "mosquitto" in step.block else "8080"]
            until(lambda port=port: answers(int(port)), timeout_s=30)  # type: ignore[misc]
        elif number in AGENTS:
            with_pin = None if "--replay" in step.block else [sys.executable, "-c", MOCK_PIN]
            now = reader.leave_running(step, with_pin)
            if with_pin:
                until(lambda: '"reason":"starting"' in reader.run(STEPS[number + 1]), timeout_s=30)  # noqa: B023  # until waits
                wave(now.stdin)
        else:
            if "agent-offline" in step.seen and now is not None:
                end(now)
            printed = reader.printed(step)
            assert not step.seen or shown_as(step.seen, printed), f"{step.block}\n{printed}"


def test_the_page_has_what_is_followed_here() -> None:
    assert (len(STEPS), len(STAYS), len(AGENTS)) == (17, 2, 2)
    assert len([step for step in STEPS if step.seen]) == 9


def test_what_is_not_as_the_page_shows_it_is_noticed() -> None:
    assert shown_as("a …,c\n", "a b,c")
    assert not shown_as("a …,c\n", "a b,d")
