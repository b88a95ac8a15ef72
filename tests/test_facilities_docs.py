"""Every command of the page for facilities people does what it says, on the demo's site and eight weeks up to now."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from perch.adapters.cursor import Cursor
from perch.adapters.history.store import HistoryStore
from perch.commands import run
from perch.history.told import Marked, Stated, Told
from perch.model import Dating, Reason, Site, State
from perch.settings import load_agent, load_server, load_site
from perch.venue import network
from tests.parts import Broker, answers, free_port, until, without_proxy
from tests.serving import EPOCH, Served, server_settings, serving

PAGE = Path(__file__).parent.parent / "docs" / "facilities.md"
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
*ASKING, TO_TRY = BLOCKS
LINES = [line for block in ASKING for line in block.splitlines() if line]
TIMES = [line for line in LINES if re.match(r"[A-Z]+=", line)]
COMMANDS = [line for line in LINES if line not in TIMES]
WEEKS = 8


def in_shell(command: str) -> list[str]:
    """Give the words of a command as a shell makes them, with the page's times."""
    script = "\n".join([*TIMES, f"printf '%s\\0' {command}"])
    told = subprocess.run(["bash", "-euc", script], capture_output=True, timeout=30, check=True)
    return told.stdout.decode().split("\0")[:-1]


def told(site: Site) -> Iterator[Told]:
    """Eight weeks up to now: d01 and d11 are taken on weekdays, d23 on Thursdays as well, the rest is free."""
    seq, zone = dict.fromkeys(site.agents, 0), ZoneInfo(site.time_zone)
    agent_of = {space.id: space.agent for space in site.spaces if space.agent is not None}
    now = datetime.now(zone)
    began = now.date() - timedelta(weeks=WEEKS)

    def ms(day: date, hour: int) -> int:
        return int(datetime(day.year, day.month, day.day, hour, tzinfo=zone).astimezone(UTC).timestamp()) * 1000

    def stated(space: str, at_ms: int, state: State) -> Stated:
        agent = agent_of[space]
        seq[agent] += 1
        reason = Reason.MOTION if state is State.OCCUPIED else Reason.QUIET
        return Stated(site.id, agent, EPOCH, seq[agent], at_ms, space, at_ms, state, 0.5, None, reason, Dating.OK)

    for space in agent_of:
        yield stated(space, ms(began, 0), State.FREE)
    for passed in range(WEEKS * 7):
        day = began + timedelta(days=passed)
        taken = (*(("d01", "d11") if day.weekday() < 5 else ()), *(("d23",) if day.weekday() == 3 else ()))
        for space in taken:
            yield stated(space, ms(day, 9), State.OCCUPIED)
            yield stated(space, ms(day, 17), State.FREE)
    for agent in site.agents:
        last_ms = int(now.timestamp()) * 1000
        yield Marked(site.id, agent, EPOCH, seq[agent] + 1, last_ms, last_ms)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a demo keeps its data."""
    folder = tmp_path_factory.mktemp("here")
    demo = folder / "demo"
    shutil.copytree(network.FOLDER / "tejo", demo / "tejo")
    (demo / "perch.toml").write_text('data = "server"\nsites = ["tejo/site.toml"]\n[broker]\nhost = "localhost"\n')
    (demo / "server").mkdir()
    return folder


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Served]:
    site, data = load_site(folder / "demo" / "tejo" / "site.toml"), folder / "demo" / "server"
    with HistoryStore.open(data / "history.db") as store:
        store.add(told(site), Cursor("0" * 16, 1))
    with serving(server_settings(free_port(), data, site)) as served:
        yield served


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("perch ")])
def test_a_command_of_the_server_writes_its_file(folder: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.chdir(folder)
    words = in_shell(command)[1:]
    assert run(words) == 0
    assert len((folder / words[-1]).read_text().splitlines()) > WEEKS


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("curl ")])
def test_a_command_gives_numbers(served: Served, command: str) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed: apt-get install curl")
    words = [word.replace("http://localhost:8080", served.url) for word in in_shell(command)]
    told = subprocess.run([words[0], "-sS", "--fail-with-body", *words[1:]], capture_output=True, text=True, timeout=30)
    assert told.returncode == 0, told.stdout + told.stderr
    if "/api/" not in command:
        assert "<h1>" in told.stdout
        assert ("<svg" in told.stdout.partition("<h1>")[2]) != ("/comparison" in command)
        return
    if "format=csv" in command:
        assert len(told.stdout.splitlines()) >= 7 * 6
        return
    answer = json.loads(told.stdout)
    numbers = answer.get("rows") or [answer.get(name) for name in ("desks_for_days", "scenario", "difference")]
    assert any(number is not None for number in numbers)


def test_the_page_has_no_other_commands() -> None:
    assert {command.split()[0] for command in COMMANDS} == {"curl", "perch"}
    assert [line.partition("=")[0] for line in TIMES] == ["TO", "FROM"]


def test_the_page_shows_every_page_of_planners_and_every_kind_of_plan() -> None:
    text = " ".join(COMMANDS)
    for address in ("/week?", "/planning?", "/spaces/", "/report?", "8080/comparison?", "/sizing?", "/scenarios"):
        assert address in text
    assert "/planning/comparison?" in text


def test_a_simulated_venue_has_the_files_with_which_the_page_puts_it_into_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = TO_TRY.splitlines()
    assert [shlex.split(line.rstrip(" &"))[:2] for line in shown] == [
        ["perch", "simulate"],
        ["perch", "up"],
        ["for", "agent"],
    ]
    monkeypatch.chdir(tmp_path)
    words = in_shell(shown[0].replace("--days 28", "--days 1"))[1:]
    assert run(words) == 0
    server = load_server(Path("venue/perch.toml"))
    agents = [load_agent(path) for path in sorted(Path("venue/agents").glob("*.toml"))]
    (site,) = server.sites
    assert [agent.agent for agent in agents] == list(site.agents)
    assert sorted(space.id for agent in agents for space in agent.sensing.spaces) == sorted(
        {space.id for space in site.spaces}
    )
    assert Path("venue/readings.csv.gz").exists()


@pytest.mark.long
def test_a_simulated_venue_is_lived_through_as_the_page_says(tmp_path: Path, mosquitto: Broker) -> None:
    """A small one, and two weeks of it instead of four."""
    api, perch = free_port(), tmp_path / "bin" / "perch"
    perch.parent.mkdir()
    perch.write_text(f'#!/bin/sh\nexec {sys.executable} -m perch.commands "$@"\n')
    perch.chmod(0o755)
    ports = {"PERCH_BROKER_PORT": str(mosquitto.port), "PERCH_API_PORT": str(api)}
    environment = os.environ | ports | {"PATH": f"{perch.parent}:{os.environ['PATH']}"}
    small = TO_TRY.replace("--spaces 24 --days 28", "--spaces 6 --days 14").replace("28 days ago", "14 days ago")
    first = (datetime.now(UTC) - timedelta(days=14)).date()
    asked = f"http://127.0.0.1:{api}/api/v1/history/coverage?site=venue&from={first}&to={first + timedelta(days=12)}"
    command = ["bash", "-euc", f"{small}\nwait"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, start_new_session=True) as it:
        try:
            until(lambda: it.poll() is None and answers(api), 60)
            assert until(lambda: coverage(f"{asked}&hours=all") > 0.8, 240)
        finally:
            os.killpg(it.pid, signal.SIGTERM)


def coverage(address: str) -> float:
    with without_proxy.open(address, timeout=10) as answer:
        (row,) = json.load(answer)["rows"]
    return float(row["value"] or 0)
