"""Every command of the page for facilities people does what it says, on a history of eight weeks."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from perch.adapters.cursor import Cursor
from perch.adapters.history_store import HistoryStore
from perch.commands import run
from perch.venue.written import site_toml, spaces_csv
from tests.parts import free_port
from tests.serving import Served, a_site, server_settings, serving
from tests.test_api_planning import WEEKS, history

PAGE = Path(__file__).parent.parent / "docs" / "facilities.md"
COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL) for line in block.splitlines() if line
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Served]:
    with HistoryStore.open(folder / "history.db") as store:
        store.add(history(), Cursor("0" * 16, 1))
    spaces = tuple(space for space in a_site().spaces if space.id != "d03")
    site = a_site(spaces=spaces)
    (folder / "site.toml").write_text(site_toml(site))
    (folder / "spaces.csv").write_text(spaces_csv(site))
    (folder / "perch.toml").write_text('data = "."\nsites = ["site.toml"]\n[broker]\nhost = "localhost"\n')
    with serving(server_settings(free_port(), folder, site)) as served:
        yield served


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("perch ")])
def test_a_command_of_the_server_writes_its_file(folder: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.chdir(folder)
    words = shlex.split(command)[1:]
    assert run(words) == 0
    assert len((folder / words[-1]).read_text().splitlines()) > WEEKS


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("curl ")])
def test_a_command_gives_numbers(served: Served, command: str) -> None:
    arguments = shlex.split(command.replace("http://localhost:8080", served.url))[1:]
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed: apt-get install curl")
    told = subprocess.run(
        ["curl", "--silent", "--show-error", "--fail-with-body", *arguments], capture_output=True, text=True, timeout=30
    )
    assert told.returncode == 0, told.stdout + told.stderr
    if "/api/" not in command:
        assert "<svg" in told.stdout.partition("<h1>")[2]
        return
    if "format=csv" in command:
        assert len(told.stdout.splitlines()) > WEEKS
        return
    answer = json.loads(told.stdout)
    numbers = answer.get("rows") or [answer.get(name) for name in ("desks_for_days", "scenario", "difference")]
    assert any(number is not None for number in numbers)


def test_the_page_has_no_other_commands() -> None:
    assert {command.split()[0] for command in COMMANDS} == {"curl", "perch"}


def test_the_page_shows_every_page_of_planners_and_every_kind_of_plan() -> None:
    text = " ".join(COMMANDS)
    for address in ("/week?", "/planning?", "/spaces/", "/report?", "/sizing?", "/scenarios", "/comparison?"):
        assert address in text
