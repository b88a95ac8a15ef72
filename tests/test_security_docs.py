"""What is written of enrolment and of security: commands do what the pages say, and each threat has its test."""

import re
import shlex
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from perch import commands
from perch.doctor.enrolment import look_at_enrolment
from perch.doctor.findings import Verdict
from perch.model import Identity, SensorKind
from tests import parts
from tests.enrolled import Venue, comes_in, now_utc, venue
from tests.test_enroll import Pi, inviting

ROOT = Path(__file__).parent.parent
OPERATORS, INSTALLERS, SECURITY = (
    (ROOT / "docs" / f"{name}.md").read_text() for name in ("operators", "installers", "security")
)


def block(page: str, head: str) -> list[list[str]]:
    """Give the commands of the first block below a head of a page."""
    found = re.search(rf"^## {head}\n.*?```sh\n(.*?)```", page, re.DOTALL | re.MULTILINE)
    assert found is not None
    return [shlex.split(line) for line in found[1].splitlines()]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    program = parts.find_mosquitto()
    if program is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    with venue(program, tmp_path_factory.mktemp("venue"), Identity.PASSWORD) as place:
        yield place


def on_the_pi(folder: Path, invitation: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the installers' command in an agent's folder, and give it the invitation that it asks for."""
    ((program, *words),) = block(INSTALLERS, "Enrol it")
    assert program == "perch/bin/perch"
    folder.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(commands.perch, words, input=f"{invitation}\n")
    assert done.exit_code == 0, done.output
    return done.output


def test_the_operators_and_the_installers_commands_do_what_the_pages_say(
    place: Venue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for program, group, verb, *words in block(OPERATORS, "Agents"):
        assert (program, group) == ("/opt/perch/bin/perch", "agents")
        agents = [word for word in words if "/" in word and not word.endswith(".toml")]
        if verb in ("token", "replace"):
            with inviting(place, verb, *agents) as (invitations, waiting):
                for agent, invitation in zip(agents, invitations, strict=True):
                    told = on_the_pi(tmp_path / agent.replace("/", "-"), invitation, monkeypatch)
                    assert f"Agent {agent} is enrolled" in told
                assert waiting.wait(10) == 0
        else:
            assert commands.run(["agents", verb, *agents, "--config", str(place.config)]) == 0
    members = place.files.roster().members
    assert {user: one.holds for user, one in members.items()} == {"hq_pi-3": False, "hq_pi-4": True}
    named = re.findall(r"^\| `(ca\.pem|agent\.\w+)`(?: or `[\w.]+`)? \|", INSTALLERS, re.MULTILINE)
    assert sorted(named) == sorted(path.name for path in (tmp_path / "hq-pi-4").iterdir())
    assert not comes_in(Pi(tmp_path / "hq-pi-3").settings().broker)


def test_what_the_installers_page_quotes_is_what_is_said() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "perch").rglob("*.py"))
    table = INSTALLERS.partition("| it says | what to do |\n|---|---|\n")[2].partition("\n\n")[0]
    quoted = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    assert len(quoted) == 7
    fragments = [part.strip() for one in quoted for part in re.split(r"…|hq/pi-3|; ", one)]
    assert [part for part in fragments if part and part not in sources] == []


def test_every_test_that_the_security_page_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", SECURITY))
    there = {
        name
        for path in ROOT.glob("tests/**/test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    assert len(named) > 25
    assert named - there == set()


LISTS = ("## The API, by OWASP's list", "## Devices, by OWASP's list", "## Devices, by ETSI EN 303 645")
PROVISIONS = {1: 5, 2: 3, 3: 16, 4: 4, 5: 8, 6: 9, 7: 2, 8: 3, 9: 3, 10: 1, 11: 4, 12: 3, 13: 1}
"""How many the norm has in each part of its clause 5."""


def rows_below(head: str) -> list[list[str]]:
    """Give the cells of each row of the table below a head."""
    part = SECURITY.partition(f"{head}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in part.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in rows[1:]]


@pytest.mark.parametrize("head", LISTS, ids=["api", "devices", "norm"])
def test_every_line_of_a_list_names_a_test_or_says_why_it_is_not_applicable(head: str) -> None:
    rows = rows_below(head)
    assert len(rows) >= 10
    assert [row[0] for row in rows if len(row) != 3] == []
    bare = [row for row in rows if "`test_" not in row[2]]
    assert [row[0] for row in bare if not re.match(r"not applicable\b.{15,}", row[1])] == []


def test_no_line_of_a_list_is_left_out() -> None:
    api, devices, etsi = (" ".join(row[0] for row in rows_below(head)) for head in LISTS)
    assert [number for number in range(1, 11) if not re.search(rf"\bAPI{number} ", api)] == []
    assert [number for number in range(1, 11) if not re.search(rf"\bI{number} ", devices)] == []
    named = {(int(part), int(one)) for part, one in re.findall(r"5\.(\d+)-(\d+)", etsi)}
    spans = re.findall(r"5\.(\d+)-(\d+) to 5\.\d+-(\d+)", etsi)
    named |= {(int(part), one) for part, first, last in spans for one in range(int(first), int(last))}
    assert named == {(part, one) for part, many in PROVISIONS.items() for one in range(1, many + 1)}
    assert set(re.findall(r"(?<!\.)\b6-(\d)", etsi)) == set("12345")


def test_the_policy_says_where_to_report_when_one_hears_and_what_is_mended() -> None:
    policy = (ROOT / "SECURITY.md").read_text()
    for said in ("Report a vulnerability", "within a week", "90 days", "gets security fixes", "allowed_signers"):
        assert said in policy or said in (ROOT / "docs" / "releasing.md").read_text()
    assert re.search(r"^\| the latest `0\.x` \| yes \|$", policy, re.MULTILINE)


def test_the_page_on_sensors_names_every_kind_that_can_be_connected() -> None:
    page = (ROOT / "docs" / "sensors.md").read_text()
    assert [kind for kind in SensorKind if f"`{kind}`" not in page] == []


def test_every_attack_of_the_suite_stands_on_the_security_page() -> None:
    suite = (ROOT / "tests" / "test_broker_attacks.py").read_text()
    tried = set(re.findall(r"^def (test_\w+)", suite, re.MULTILINE))
    assert tried - set(re.findall(r"`(test_\w+)`", SECURITY)) == {
        "test_who_proves_that_the_files_were_read_may_do_nothing"
    }


def test_the_doctor_says_until_when_agents_are_shown_a_certificate_and_when_nobody_answers_them(place: Venue) -> None:
    (found,) = look_at_enrolment(place.enrolment, place.server, now_utc())
    assert found.verdict is Verdict.OK
    for days, verdict in ((800, Verdict.WARN), (900, Verdict.FAULT)):
        (found,) = look_at_enrolment(place.enrolment, place.server, now_utc() + timedelta(days=days))
        assert found.verdict is verdict
    place.mosquitto.stop()
    try:
        (found,) = look_at_enrolment(place.enrolment, place.server, now_utc())
    finally:
        place.mosquitto.start()
    assert found.verdict is Verdict.FAULT
    assert "nobody answers agents" in found.what
    assert list(look_at_enrolment(None, place.server, now_utc())) == []
