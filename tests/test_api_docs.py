"""Every command of the API's pages does what a reader would expect of it: it answers."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from perch.adapters.cursor import Cursor
from perch.adapters.history.store import HistoryStore
from perch.history.told import Marked
from tests.parts import free_port, until
from tests.serving import EPOCH, Served, a_site, server_settings, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

DOCS = Path(__file__).parent.parent / "docs"
PAGES = ("api.md", "members.md", "managers.md")
TIMED_OUT = 28


def commands() -> list[str]:
    """Give the commands of all pages."""
    blocks = (block for page in PAGES for block in re.findall(r"```sh\n(.*?)```", (DOCS / page).read_text(), re.DOTALL))
    return [line for block in blocks for line in block.splitlines() if line]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An API with a little history and no broker."""
    folder = tmp_path_factory.mktemp("data")
    with HistoryStore.open(folder / "history.db") as store:
        store.add([Marked("hq", "pi-1", EPOCH, 1, 1_793_600_000_000, 1_793_600_000_000)], Cursor("0" * 16, 1))
    with serving(server_settings(free_port(), folder, a_site())) as served:
        yield served


@pytest.mark.parametrize("command", commands())
def test_a_command_of_the_docs_answers(served: Served, command: str) -> None:
    assert command.startswith("curl ")
    line = command.replace("http://localhost:8080", served.url).replace("curl ", "curl --silent --show-error ", 1)
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed: apt-get install curl")
    told = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=30)
    if "--max-time" in command:
        assert (told.returncode, "event: snapshot" in told.stdout) == (TIMED_OUT, True)
    else:
        assert told.returncode == 0, told.stderr
        assert '"status":4' not in told.stdout
        assert told.stdout.startswith("<!doctype html>" if "text/html" in command else "{")


def test_the_script_of_the_docs_shows_every_space(served: Served, chromium: "Browser") -> None:
    (script,) = re.findall(r"```js\n(.*?)```", (DOCS / "api.md").read_text(), re.DOTALL)
    page = chromium.new_page()
    try:
        page.goto(f"{served.url}/healthz")
        page.evaluate("() => { window.shown = []; window.show = (item) => shown.push(item.id); }")
        page.evaluate(f"() => {{ {script} }}")
        until(lambda: page.evaluate("() => window.shown.length") >= 4)
        assert sorted(page.evaluate("() => window.shown")) == ["d01", "d02", "d03", "r1"]
    finally:
        page.close()
