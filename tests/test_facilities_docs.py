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
from tests.parts import free_port
from tests.serving import Served, a_site, server_settings, serving
from tests.test_api_planning import history

PAGE = Path(__file__).parent.parent / "docs" / "facilities.md"
COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL) for line in block.splitlines() if line
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("data")
    with HistoryStore.open(folder / "history.db") as store:
        store.add(history(), Cursor("0" * 16, 1))
    spaces = tuple(space for space in a_site().spaces if space.id != "d03")
    with serving(server_settings(free_port(), folder, a_site(spaces=spaces))) as served:
        yield served


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_gives_numbers(served: Served, command: str) -> None:
    curl, *arguments = shlex.split(command.replace("http://localhost:8080", served.url))
    assert curl == "curl"
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed: apt-get install curl")
    told = subprocess.run(
        ["curl", "--silent", "--show-error", "--fail-with-body", *arguments], capture_output=True, text=True, timeout=30
    )
    assert told.returncode == 0, told.stdout + told.stderr
    if "/api/" not in command:
        assert "<svg" in told.stdout.partition("<h1>")[2]
        return
    answer = json.loads(told.stdout)
    numbers = answer.get("rows") or [answer.get(name) for name in ("desks_for_days", "scenario", "difference")]
    assert any(number is not None for number in numbers)


def test_the_page_shows_every_page_of_planners_and_every_kind_of_plan() -> None:
    text = " ".join(COMMANDS)
    for address in ("/week?", "/planning?", "/spaces/", "/report?", "/sizing?", "/scenarios", "/comparison?"):
        assert address in text
