"""The front page: its commands, in their order, in a copy of what they name; and its two first ones."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests import parts
from tests.documented import ROOT, blocks_of
from tests.parts import answers, free_port, until

TWO, SERVING, ASKING, OFFLINE = (block.text for block in blocks_of("README.md", "sh"))


class Clone:
    """A folder that looks like the repository, as far as the commands go."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {"1883": str(free_port()), "8080": str(free_port())}
        shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("data", "agent-data"))
        (folder / "perch").symlink_to(ROOT / "perch")
        perch = folder / ".venv" / "bin" / "perch"
        perch.parent.mkdir(parents=True)
        perch.write_text(f'#!/bin/sh\nexec {sys.executable} -m perch.commands "$@"\n')
        perch.chmod(0o755)
        for config in (folder / "examples").rglob("*.toml"):
            config.write_text(self.here(config.read_text()))

    def here(self, text: str) -> str:
        """Put this run's ports into a text."""
        for shown, port in self.ports.items():
            text = re.sub(rf"\b{shown}\b", port, text)
        return text

    def command(self, text: str) -> subprocess.Popen[str]:
        mosquitto = parts.find_mosquitto() or pytest.skip("mosquitto is not installed: run `make test`")
        path = f"{os.environ['PATH']}:{Path(mosquitto).parent}"
        return subprocess.Popen(
            ["bash", "-euc", self.here(text)],
            cwd=self.folder,
            env=os.environ | {"PATH": path, "no_proxy": "localhost"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, text: str) -> str:
        """Run commands to their end, and give what they print."""
        with self.command(text) as command:
            printed, errors = command.communicate(timeout=120)
        assert command.returncode == 0, f"{text}\n{printed}\n{errors}"
        return printed

    @contextmanager
    def leave_running(self, line: str, port: str) -> Iterator[None]:
        """Run a line in a terminal of its own, until the block ends."""
        with self.command(f"exec {line}") as running:
            try:
                until(lambda: answers(int(self.ports[port])), 30)
                yield
            finally:
                running.terminate()
                running.communicate(timeout=30)


@pytest.mark.long
def test_the_main_job_goes_as_the_front_page_says(tmp_path: Path) -> None:
    clone = Clone(tmp_path)
    broker, server = SERVING.splitlines()
    replay, *questions = ASKING.splitlines()
    with ExitStack() as terminals:
        terminals.enter_context(clone.leave_running(broker, "1883"))
        terminals.enter_context(clone.leave_running(server, "8080"))
        clone.run(replay)
        transitions, used = (clone.run(f"{question} -sS") for question in questions)
    assert transitions.count('"state":"occupied"') > 3
    (row,) = json.loads(used)["rows"]
    assert (round(row["value"], 2), round(row["coverage"], 2)) == (0.86, 0.95)
    offline = clone.run(OFFLINE)
    assert offline.count(",occupied,") == transitions.count('"state":"occupied"')


def test_both_commands_are_there_for_make() -> None:
    targets = re.findall(r"^make (\w+)", TWO, re.MULTILINE)
    assert targets == ["demo", "test"]
    said = subprocess.run(["make", "--dry-run", *targets], cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert "perch demo" in said.stdout
