"""What the page on many sites says can be run is run, as it stands there."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from perch.adapters.health.collector import read_health
from perch.adapters.journal.store import Journal
from tests.network import SITE, SPACE, perch
from tests.parts import Broker, answers, free_port, until

PAGE = (Path(__file__).parents[1] / "docs" / "scale.md").read_text("utf-8")
COMMANDS = re.findall(r"```sh\n(.*?)\n```", PAGE.partition("## Several collectors")[2], re.DOTALL)
"""What stands before is tried in test_edge."""


def worded(command: str, folder: Path) -> tuple[list[str], dict[str, str]]:
    """Give a command's words and environment, with its files in a folder."""
    words = shlex.split(command.replace("/etc/perch", str(folder)).replace("/var/lib", str(folder)))
    environment = dict(word.split("=", 1) for word in words if word.startswith("PERCH_"))
    words = [str(folder / word) if word in ("perch.toml",) else word for word in words]
    return words[len(environment) + 1 :], environment


@pytest.fixture
def folder(tmp_path: Path, mosquitto: Broker) -> Path:
    for site in ("hq", "harbour", "mill"):
        (tmp_path / f"{site}.toml").write_text(SITE.format(site=site) + SPACE.format(space="d1"))
    (tmp_path / "perch.toml").write_text(
        f'data = "data"\nsites = ["hq.toml", "harbour.toml", "mill.toml"]\n[broker]\nport = {mosquitto.port}\n'
        f'[influx]\nurl = "http://127.0.0.1:{free_port()}"\ndatabase = "perch"\n[api]\nport = {free_port()}\n'
    )
    with Journal.open(tmp_path / "perch" / "north" / "journal.db"):
        return tmp_path


def test_every_command_of_the_page_does_what_it_says(folder: Path) -> None:
    assert len(COMMANDS) == 4
    for command in COMMANDS:
        words, environment = worded(command, folder)
        if words[0] in ("collector", "api"):
            _serves(folder, words, environment)
        else:
            done = perch(*words, **environment)
            assert done.returncode == 0, done.stderr


def _serves(folder: Path, words: list[str], environment: dict[str, str]) -> None:
    port = int(re.findall(r"\[api\]\nport = (\d+)", (folder / "perch.toml").read_text())[0])
    command = [sys.executable, "-m", "perch.commands", *words]
    with subprocess.Popen(command, env=os.environ | environment, stderr=subprocess.DEVNULL) as process:
        try:
            if words[0] == "api":
                until(lambda: answers(port), 30)
            else:
                until(lambda: read_health(Path(environment["PERCH_DATA"])), 30)
        finally:
            process.terminate()
        assert process.wait(30) == 0
