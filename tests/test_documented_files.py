"""Files, messages and answers that pages show are what the product reads, sends and says."""

import io
import json
import re
import shlex
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook

from perch import commands
from perch.adapters import age
from perch.adapters.health.collector import CollectorHealth, write_health
from perch.adapters.journal.store import Journal
from perch.contract.rights import agent_rights, farewell_rights, mosquitto_acl, server_rights
from perch.model import State
from perch.settings import load_agent, load_server
from perch.settings.values import OWN_LOGIN
from tests.configurations import agent_toml, site_toml
from tests.demos import FIRST_LINES
from tests.documented import blocks_of
from tests.parts import Broker
from tests.serving import Speaker
from tests.test_documented_server import events, keep

SPACE = '[[space]]\nid = "d01"\nfloor = "f1"\nzone = "open"\nkind = "desk"\nagent = "pi-1"\n'

BROKER_OF_ITS_OWN = """
[broker]
username = "server"
password_file = "server.password"
[enrolment]
folder = "broker"
host = "broker.example"
"""


@pytest.mark.parametrize("page", ["docs/keys.md", "docs/watches.md", "docs/operators.md", "docs/scale.md"])
def test_a_servers_settings_on_a_page_are_understood(page: str, tmp_path: Path) -> None:
    (block,) = blocks_of(page, "toml")
    (tmp_path / "hq").mkdir()
    (tmp_path / "hq" / "site.toml").write_text(site_toml(SPACE))
    for name in re.findall(r'password_file = "([^"]+)"', block.text + BROKER_OF_ITS_OWN):
        (tmp_path / name).write_text("secret")
    before = "" if "sites = " in block.text else 'data = "data"\nsites = ["hq/site.toml"]\n'
    after = BROKER_OF_ITS_OWN if "[[edge]]" in block.text else ""
    (tmp_path / "perch.toml").write_text(before + block.text + after)
    assert load_server(tmp_path / "perch.toml", {}).sites[0].id == "hq"


def test_an_agents_settings_on_the_page_about_home_assistant_are_understood(tmp_path: Path) -> None:
    (block,) = blocks_of("docs/home-assistant.md", "toml")
    (tmp_path / "agent.toml").write_text(agent_toml(1883, more=block.text))
    assert load_agent(tmp_path / "agent.toml", {}).home_assistant


def test_the_brokers_rights_on_the_operators_page_are_those_that_are_written() -> None:
    (shown,) = [block.text for block in blocks_of("docs/operators.md", "text") if block.text.startswith("user server")]
    gone = farewell_rights(OWN_LOGIN, [("hq", "pi-9")])
    written = mosquitto_acl([server_rights("server", ["hq"]), agent_rights("hq", "pi-3", home_assistant=True), gone])
    lines = [line for line in shown.splitlines() if line and not line.startswith("#")]
    assert lines == [line for line in written.splitlines() if line]


def test_the_demos_page_shows_what_it_prints() -> None:
    """What its command does is in test_demo."""
    (command,), (shown,) = blocks_of("docs/demo.md", "sh"), blocks_of("docs/demo.md", "text")
    assert command.text == "perch demo\n"
    assert re.fullmatch("\n".join(FIRST_LINES).format(port=8080), shown.text.strip())


def test_a_message_is_checked_as_the_page_on_watches_says() -> None:
    (block,), (message,) = blocks_of("docs/watches.md", "python"), blocks_of("docs/watches.md", "json")
    secret, sent = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", datetime.now(UTC).replace(microsecond=0)
    signature = Webhook(secret).sign("msg_1", sent, message.text)
    headers = {"webhook-id": "msg_1", "webhook-timestamp": f"{sent.timestamp():.0f}", "webhook-signature": signature}
    known = {"secret": secret, "body": message.text, "headers": headers}
    exec(block.text, known)  # noqa: S102  our own page
    assert known["told"] == json.loads(message.text)


def test_the_doctor_says_of_a_server_what_the_operators_page_shows(
    tmp_path: Path, mosquitto: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    (block,) = blocks_of("docs/operators.md", "console")
    command, *shown = block.text.splitlines()
    monkeypatch.chdir(tmp_path)
    Path("hq.toml").write_text(site_toml(SPACE))
    Path("perch.toml").write_text(f'data = "data"\nsites = ["hq.toml"]\n[broker]\nport = {mosquitto.port}\n')
    with Journal.open(tmp_path / "data" / "journal.db") as journal:
        keep(journal, [*events()][:3])
    said(["projection", "rebuild", "history", "--config", "perch.toml"])
    write_health(tmp_path / "data", stopped())
    with Speaker(mosquitto) as pi:
        pi.beat()
        pi.say("d01", State.FREE)
        code, told = said(shlex.split(command)[2:])
    assert code == 1
    lines = re.sub(rf"\b{mosquitto.port}\b", "1883", re.sub(r"version \d\S+", "version 2.0.11", told)).splitlines()
    assert lines[: len(shown)] == shown


def stopped() -> CollectorHealth:
    """Give the last words of a collector that was ended."""
    return CollectorHealth(
        version="1", written=age.mark(), written_ms=0, started_ms=0, running=False, journal="j", end=3, broker=None,
        waiting=0, overflowed=0, messages=3, events=3, stored=3, repeats=0, quarantined={}, strangers=0,
        stranger_spaces={}, projections={},
    )  # fmt: skip


def said(words: list[str]) -> tuple[int, str]:
    """Run `perch`; gives its exit code and what it said."""
    told = io.StringIO()
    with redirect_stdout(told):
        code = commands.run(words)
    return code, told.getvalue()
