"""`perch key` as operators meet it, and every command of their page, against an API that runs."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe

from perch import commands
from perch.adapters.cursor import Cursor
from perch.adapters.history.store import HistoryStore
from perch.adapters.instants import wall_ms
from perch.adapters.keys import PATTERN, KeysFile, Role
from perch.settings import load_server
from tests.configurations import site_toml
from tests.parts import free_port, until
from tests.serving import Served, serving
from tests.test_api_planning import history

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PAGE = Path(__file__).parent.parent / "docs" / "keys.md"
COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL) for line in block.splitlines() if line
]
TIMED_OUT = 28
SPACE = '[[space]]\nid = "d01"\nfloor = "f1"\nzone = "open"\nkind = "desk"\nagent = "pi-1"\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A server's folder, with a first key."""
    return server_folder(tmp_path_factory.mktemp("server"))


def server_folder(folder: Path) -> Path:
    """Make a folder that of a server, with some history and a first key."""
    (folder / "hq.toml").write_text(site_toml(SPACE, "hq"))
    text = f"data = 'data'\nsites = ['hq.toml']\n[broker]\nport = {free_port()}\n[api]\nport = {free_port()}\n"
    (folder / "perch.toml").write_text(text)
    (folder / "data").mkdir()
    with HistoryStore.open(folder / "data" / "history.db") as store:
        store.add(history(), Cursor("0" * 16, 1))
    key, _ = KeysFile(folder / "data").create("The docs", Role.FACILITIES, None, wall_ms() // 1000)
    (folder / "key").write_text(key)
    return folder


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Served]:
    with serving(load_server(folder / "perch.toml", {})) as served:
        yield served


class Shell:
    """The command line of a server's folder."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.config = str(folder / "perch.toml")
        self._capsys = capsys

    def run(self, *words: str, code: int = 0) -> tuple[str, str]:
        """Run `perch key`; gives what it says on both streams."""
        self._capsys.readouterr()
        assert commands.run(["key", *words, "--config", self.config]) == code
        told = self._capsys.readouterr()
        return told.out, told.err


@pytest.fixture
def shell(folder: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(folder, capsys)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_does_what_it_says(
    served: Served, folder: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = command.replace("http://localhost:8080", served.url).replace("$KEY", (folder / "key").read_text())
    program, *arguments = shlex.split(text)
    if program == "perch":
        monkeypatch.chdir(folder)
        assert commands.run(arguments) == 0
        return
    assert program == "curl"
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed: apt-get install curl")
    told = subprocess.run(
        ["curl", "--silent", "--show-error", "--fail-with-body", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=folder,
    )
    assert told.returncode in (0, TIMED_OUT if "--max-time" in command else 0), told.stdout + told.stderr
    assert told.stdout or "--data" in command


def test_a_key_is_shown_once_and_listed_by_its_name(shell: Shell) -> None:
    out, err = shell.run("create", "--role", "member", "--site", "hq", "--name", "Lobby  screen")
    text = out.strip()
    assert PATTERN.fullmatch(text)
    assert "Lobby screen" in err
    assert text not in err
    listed, _ = shell.run("list")
    assert "Lobby screen" in listed
    assert text not in listed
    told = json.loads(shell.run("list", "--json")[0])["items"][-1]
    assert (told["id"], told["role"], told["sites"]) == (text.split("_")[1], "member", ["hq"])
    assert (told["holds"], told["expires"], told["last_used"]) == (True, None, None)
    assert "hash" not in told
    as_json = json.loads(shell.run("create", "--role", "admin", "--all-sites", "--name", "Ops", "--json")[0])
    assert PATTERN.fullmatch(as_json["key"])
    assert as_json["sites"] is None


def test_revoking_takes_effect_while_the_api_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At an API of its own, which is asked so often with a key that opens nothing that it would answer nobody else."""
    shell = Shell(server_folder(tmp_path), capsys)
    text = shell.run("create", "--role", "member", "--all-sites", "--name", "Short")[0].strip()
    bearer = {"authorization": f"Bearer {text}"}
    with serving(load_server(tmp_path / "perch.toml", {})) as served:
        until(lambda: served.get("/api/v1/spaces", **bearer).status_code == 200)
        assert "opens nothing" in shell.run("revoke", text)[0]  # the whole key does as well as its id
        until(lambda: served.get("/api/v1/spaces", **bearer).status_code in (401, 429))
    assert "already" in shell.run("revoke", text.split("_")[1])[0]
    assert "revoked" in shell.run("list")[0]


def test_what_was_noted_is_told(served: Served, folder: Path, shell: Shell) -> None:
    asked = "/api/v1/history/transitions?site=hq&space=d01&from=2026-03-02&to=2026-03-03"
    key = (folder / "key").read_text()
    assert served.get(asked, authorization=f"Bearer {key}").status_code == 200
    noted = json.loads(shell.run("log", "--json", "--key", key.split("_")[1])[0])["items"]
    assert (noted[0]["what"], noted[0]["name"]) == (f"GET {asked}", "The docs")
    assert asked in shell.run("log", "--limit", "1")[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--role", "member", "--name", "x"), "neither is given"),
        (("--role", "member", "--name", "x", "--site", "hq", "--all-sites"), "both are given"),
        (("--role", "member", "--name", "x", "--site", "moon"), "there is no site moon"),
        (("--role", "member", "--name", " ", "--site", "hq"), "printable"),
        (("--role", "member", "--name", "a\x1b[2J", "--site", "hq"), "printable"),
        (("--role", "member", "--name", "x" * 81, "--site", "hq"), "printable"),
        (("--role", "member", "--name", "x", "--site", "hq", "--expires", "soon"), "no date"),
        (("--role", "member", "--name", "x", "--site", "hq", "--expires", "2020-01-01"), "is over"),
        (("--role", "member", "--name", "x", "--site", "hq", "--expires", "9999-12-31"), "no date"),
        (("--role", "king", "--name", "x", "--site", "hq"), "king"),
    ],
)
def test_a_key_that_cannot_be_meant_is_not_made(shell: Shell, words: tuple[str, ...], said: str) -> None:
    before = KeysFile(shell.folder / "data").read()
    assert said in shell.run("create", *words, code=2)[1]
    assert KeysFile(shell.folder / "data").read() == before


def test_a_key_that_is_none_cannot_be_revoked(shell: Shell) -> None:
    assert "there is none of this id" in shell.run("revoke", "0" * 12, code=2)[1]


def test_one_logs_in_and_out_by_keyboard_without_a_script(served: Served, folder: Path, chromium: "Browser") -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 700}, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{served.url}/find?kind=desk")
    for text, said in (("nonsense", "opens nothing"), ((folder / "key").read_text(), "")):
        page.keyboard.type(text)
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert said in page.inner_text("main")
    assert page.url == f"{served.url}/find?kind=desk"
    page.goto(f"{served.url}/login")
    assert "The docs" in page.inner_text("main")
    with page.expect_navigation():
        page.get_by_role("button", name="Log out").first.press("Enter")
    page.goto(f"{served.url}/find?kind=desk")
    assert page.get_by_label("Key").is_visible()
    context.close()


def test_the_form_has_no_barriers(served: Served, chromium: "Browser") -> None:
    for scheme in ("light", "dark"):
        context = chromium.new_context(viewport={"width": 390, "height": 700}, color_scheme=scheme)
        page = context.new_page()
        page.goto(f"{served.url}/login")
        page.keyboard.type("nonsense")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        page.get_by_role("alert").wait_for()
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        context.close()
