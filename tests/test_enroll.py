"""An agent is invited, comes, delivers, gets another credential, and is put out: at a real desk and a real broker."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from perch import commands
from perch.adapters.age import mark
from perch.adapters.broker.authority import Authority, key_and_request
from perch.adapters.broker.enrolling import enrol
from perch.adapters.broker.enrolment_clerk import Clerk
from perch.adapters.broker.enrolment_desk import MOST_AT_ONCE, Answer, Asked, DeskServer
from perch.adapters.broker.members import Members
from perch.adapters.health.agent import read_agent_health
from perch.adapters.health.collector import FILE_NAME, layouts_of, write_health
from perch.adapters.journal.store import Journal
from perch.contract import LiveState, Status, build_state, build_status, will
from perch.contract.credentials import kept_of
from perch.contract.desk import MOST_WRONG
from perch.contract.enrolment import AUTHORITY_PATH, CREDENTIAL_PATH, Invitation, Request, encode, fingerprint
from perch.contract.topics import user_name
from perch.errors import PerchError, UnavailableError
from perch.model import Clock, Identity, Reading, Reason, SensedSpace, Sensor, SensorKind, SpaceKind, State
from perch.settings import AgentSettings, Broker, SensingSettings, load_server
from perch.settings.broker import read_broker
from perch.settings.files import open_toml, toml_values
from perch.settings.table import Complaints
from sensor_agent import replay
from sensor_agent.agent import Agent
from sensor_agent.clock import RecordedClock
from sensor_agent.inputs import use_mock_pins
from tests import parts
from tests.acknowledging import Acknowledging
from tests.enrolled import NOW_S, Heard, Venue, comes_in, venue
from tests.parts import LOOPBACK, free_port, until
from tests.serving import EPOCH, OTHER_EPOCH, serving_connected, wall_ms
from tests.test_collector import entries
from tests.test_doctor_server import health
from tests.test_projection_history import append, event

LOCAL = f"::ffff:{LOOPBACK}" if socket.has_dualstack_ipv6() else LOOPBACK
T0 = 1_760_001_200_000
PERCH = [sys.executable, "-m", "perch.commands"]


def _venue(factory: pytest.TempPathFactory, identity: Identity) -> Iterator[Venue]:
    program = parts.find_mosquitto()
    if program is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    with venue(program, factory.mktemp("venue"), identity) as place:
        yield place


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    """A venue whose agents have passwords."""
    yield from _venue(tmp_path_factory, Identity.PASSWORD)


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    """A venue whose agents have certificates."""
    yield from _venue(tmp_path_factory, Identity.CERTIFICATE)


@pytest.fixture(params=["place", "certified"], ids=["passwords", "certificates"])
def either(request: pytest.FixtureRequest) -> Venue:
    made: Venue = request.getfixturevalue(request.param)
    return made


def invited(place: Venue, agent: str = "pi-1", secret: str = "s" * 43) -> Invitation:
    one = place.enrolment
    authority = fingerprint((place.files.folder / "ca.pem").read_text())
    return Invitation("hq", agent, secret, one.host, one.desk_port, authority)


def turn(agent: Agent) -> None:
    """Let the agent's loop go round once."""
    agent.take(0.01)
    agent.deliver()


class Time:
    """A clock that stands still until it is moved."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@contextmanager
def desk(
    place: Venue, *invitations: Invitation, clock: Time | None = None, members: Members | None = None
) -> Iterator[Clerk]:
    """Open the desk for invitations."""
    authority = (place.files.folder / "ca.pem").read_bytes()
    clocks = clock or Time(), lambda: NOW_S
    clerk = Clerk(invitations, members or place.members, place.enrolment, authority, clocks, 900, lambda *_: None)
    with DeskServer(place.enrolment.desk_port, place.files.folder / "broker.pem", clerk.answer):
        yield clerk


class Pi:
    """The folder of an agent, and the command line there."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.config, self.data = folder, folder / "agent.toml", folder / "data"

    def enroll(self, invitation: object) -> int:
        return commands.run(["enroll", str(invitation), "--config", str(self.config), "--data", str(self.data)])

    def settings(self) -> AgentSettings:
        """What its agent runs with, the sensors apart."""
        broker = read_broker(open_toml(self.config, Complaints()).table("broker"), self.folder)
        if broker.password_file is not None:
            values = toml_values(self.config)
            broker = replace(broker, username=user_name(values["site"], values["agent"]))
        space, sensor = (
            SensedSpace("d01", SpaceKind.DESK, 1, hold_ms=900_000),
            Sensor("pir1", SensorKind.MOTION, "d01", None, pin=17),
        )
        return AgentSettings("hq", "pi-1", self.data, broker, SensingSettings((space,), (sensor,)), outbox_events=500)


@pytest.fixture
def pi(tmp_path: Path) -> Pi:
    (tmp_path / "pi").mkdir()
    return Pi(tmp_path / "pi")


def at_server(place: Venue, *words: str, code: int = 0) -> None:
    assert commands.run(["agents", *words, "--config", str(place.config)]) == code


def listed(place: Venue, capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, str]]:
    capsys.readouterr()
    at_server(place, "list", "--json")
    return {f"{one['site']}/{one['agent']}": one for one in json.loads(capsys.readouterr().out)["items"]}


def heeding_ctrl_c() -> None:
    """Tests may run in the background, where a shell has what it starts ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def inviting(
    place: Venue, verb: str, *agents: str, waits: Sequence[str] = ("--end-when-used",)
) -> Iterator[tuple[list[str], subprocess.Popen[str]]]:
    """Run `perch agents token` or `replace`; gives what it printed, one invitation a line."""
    command = [*PERCH, "agents", verb, *agents, *waits, "--config", str(place.config)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heeding_ctrl_c
    ) as process:
        assert process.stdout is not None
        try:
            yield [process.stdout.readline().strip() for _ in agents], process
        finally:
            process.terminate()


# The whole way.


def test_an_agent_is_invited_delivers_is_given_another_credential_and_is_put_out(
    either: Venue, pi: Pi, capsys: pytest.CaptureFixture[str]
) -> None:
    with inviting(either, "token", "hq/pi-1") as (invitations, waiting):
        assert pi.enroll(invitations[0]) == 0
        assert "lets it in" in capsys.readouterr().out
        assert waiting.wait(10) == 0
    use_mock_pins()
    sensing = pi.settings()
    with Acknowledging(either.server) as heard, Agent(sensing, RecordedClock(T0), sensing.sensing.sensors) as agent:
        until(lambda: turn(agent) or heard.stated())
        before = len(heard.events)
        with inviting(either, "replace", "hq/pi-1") as (invitations, waiting):
            agent.edge("pir1", 1.0)
            secret = next(pi.folder.glob("agent.p*"))
            old = secret.read_bytes()
            assert pi.enroll(invitations[0]) == 0
            assert waiting.wait(10) == 0
        assert secret.read_bytes() != old
        until(lambda: turn(agent) or (len(heard.events) > before and agent.connected and agent.unsettled == 0), 30)
        assert [seq for _, seq in sorted(heard.events)] == list(range(1, len(heard.events) + 1)), "none was lost"
        assert listed(either, capsys)["hq/pi-1"]["credential"].startswith(either.identity)
        at_server(either, "revoke", "hq/pi-1")
        until(lambda: turn(agent) or not agent.connected)
    assert not comes_in(pi.settings().broker)
    told = listed(either, capsys)
    assert told["hq/pi-1"]["credential"] == "revoked"
    assert told["hq/pi-1"]["revoked"]
    assert told["annex/pi-1"]["credential"] == "none"


def test_a_replay_tells_in_its_log_and_its_file_that_it_was_put_out(
    place: Venue, pi: Pi, caplog: pytest.LogCaptureFixture
) -> None:
    pi.config.write_text("[broker]\n")
    way, stop = place.enrol("pi-4"), threading.Event()
    settings = replace(pi.settings(), agent="pi-4", broker=way)
    rows = [Reading(T0 + second * 1000, "pir1", second % 2) for second in range(600)]
    replaying = partial(replay.run, settings, rows, stop, speed=1, shift=True)
    with caplog.at_level("INFO", "perch.agent"), ThreadPoolExecutor(1) as pool:
        done = pool.submit(replaying)
        try:
            until(lambda: (told := read_agent_health(pi.data)) and told.broker is None)
            place.members.revoke("hq", "pi-4", NOW_S)
            until(lambda: (told := read_agent_health(pi.data)) and "revoked or replaced" in (told.broker or ""))
        finally:
            stop.set()
        done.result(10)
    assert "broker: connected" in caplog.text
    assert "Not authorized" in caplog.text
    last = read_agent_health(pi.data)
    assert last is not None
    assert not last.running


def test_what_a_revoked_agent_stated_last_is_believed_no_more(either: Venue, tmp_path: Path) -> None:
    """Nor by who comes later; it said that it would be valid for a day, and under another start than its status."""
    settings = load_server(either.config, {})
    way, api = either.enrol("pi-1"), replace(settings.api, port=free_port())
    now_ms = wall_ms()
    state = LiveState(
        v=1, epoch=OTHER_EPOCH, state=State.FREE, probability=0.03, count=None, reason=Reason.QUIET,
        since_ms=now_ms, sent_ms=now_ms, clock=Clock.OK, valid_for_ms=86_400_000,
    )  # fmt: skip
    with Heard(way, "x") as agent, serving_connected(replace(settings, data=tmp_path, api=api)) as served:
        agent.connection.publish(build_status("hq", "pi-1", Status(v=1, online=True, epoch=EPOCH, run=7)))
        agent.connection.publish(build_state("hq", "pi-1", "d01", state))
        served.wait_for("d01", State.FREE)
        either.members.revoke("hq", "pi-1", NOW_S)
        assert served.wait_for("d01", State.UNKNOWN)["reason"] == Reason.AGENT_OFFLINE
    with Heard(either.server, "later", "perch/v1/hq/pi-1/#") as later:
        assert later.messages.get(timeout=10).payload == build_status("hq", "pi-1", will(EPOCH, 7)).payload


def test_what_was_written_is_for_its_owner_alone_and_no_secret_is_kept_at_the_server(either: Venue, pi: Pi) -> None:
    one = invited(either)
    with desk(either, one):
        assert pi.enroll(one) == 0
    (secret,) = (path for path in pi.folder.glob("agent.p*"))
    assert secret.stat().st_mode & 0o777 == 0o600
    kept = [path for path in either.files.folder.iterdir() if path.is_file() and path.name != "ca.key"]
    own = secret.read_text().strip()
    assert len(own) >= 43
    for path in kept:
        assert own not in path.read_text(errors="replace")
        assert one.secret not in path.read_text(errors="replace")
        assert path.stat().st_mode & 0o077 == (0o044 if path.name == "ca.pem" else 0)


# Who is turned away.


def test_an_invitation_that_was_used_is_refused_and_the_first_credential_holds(place: Venue) -> None:
    one = invited(place)
    with desk(place, one):
        enrol(one)
        before = place.files.roster()
        with pytest.raises(PerchError, match="used already") as refusal:
            enrol(one)
        assert "revoke" in refusal.value.remedy
    assert place.files.roster() == before


def test_the_rightful_one_who_comes_after_a_thief_is_told_and_so_is_the_server(
    place: Venue, tmp_path: Path, pi: Pi, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thief").mkdir()
    with inviting(place, "token", "hq/pi-3", waits=()) as (invitations, waiting):
        assert Pi(tmp_path / "thief").enroll(invitations[0]) == 0
        assert pi.enroll(invitations[0]) == 1
        assert "used already\n  if that was not you, revoke" in capsys.readouterr().err
        assert waiting.stderr is not None
        while "hq_pi-3 was enrolled, and now its invitation is shown again, from" not in (
            line := waiting.stderr.readline()
        ):
            assert line, "the server said nothing"
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(10) == 0
    assert pi.enroll(invitations[0]) == 1
    told = capsys.readouterr().err
    assert "cannot be reached" in told
    assert "unless the server says that this agent is enrolled" in told
    with desk(place, invited(place)):
        assert pi.enroll(invitations[0]) == 1
    assert "unless the server says that this agent is enrolled" in capsys.readouterr().err
    at_server(place, "revoke", "hq/pi-3")


def test_an_invitation_whose_time_is_over_is_refused(place: Venue) -> None:
    clock, one, before = Time(), invited(place), place.files.roster()
    with desk(place, one, clock=clock) as clerk:
        clock.now_s = 900.0
        with pytest.raises(PerchError, match="is over"):
            enrol(one)
        assert clerk.is_over
    assert place.files.roster() == before


def test_an_invitation_for_another_agent_is_refused(place: Venue) -> None:
    one, before = invited(place), place.files.roster()
    with desk(place, one):
        with pytest.raises(PerchError, match="for another agent"):
            enrol(one._replace(agent="pi-2"))
        enrol(one)
    assert place.files.roster().members.keys() - before.members.keys() <= {"hq_pi-1"}


def test_guessing_is_refused_and_soon_not_even_looked_at(place: Venue) -> None:
    one, before = invited(place), place.files.roster()
    with desk(place, one) as clerk:
        for guess in range(MOST_WRONG):
            wrong = Request(v=1, user="hq_pi-1", secret=f"{guess:043}", kept=None)
            assert clerk.answer(Asked("POST", CREDENTIAL_PATH, encode(wrong), LOCAL)).status == 403
        with pytest.raises(PerchError, match="too many"):
            enrol(one)
    assert place.files.roster() == before


def test_what_is_no_request_is_answered_in_words(place: Venue) -> None:
    ca = ssl.create_default_context(cafile=str(place.files.folder / "ca.pem"))
    url = f"https://{LOOPBACK}:{place.enrolment.desk_port}"
    with desk(place, invited(place)), httpx.Client(verify=ca, trust_env=False) as client:
        assert client.get(f"{url}/").status_code == 404
        assert client.post(f"{url}{CREDENTIAL_PATH}", content=b"{").status_code == 400
        assert client.post(f"{url}{CREDENTIAL_PATH}", content=b"x" * 20_000).status_code == 413
        nothing = encode(Request(v=1, user="hq_pi-1", secret="s" * 43, kept="server:x"))
        assert client.post(f"{url}{CREDENTIAL_PATH}", content=nothing).json()["what"].startswith("the server could not")
        assert client.put(f"{url}{CREDENTIAL_PATH}").status_code == 501
        for length in ("9" * 5_000, "-1", "1e3", "", "0"):
            wire = socket.create_connection((LOOPBACK, place.enrolment.desk_port), 5)
            with wire, ca.wrap_socket(wire, server_hostname=LOOPBACK) as secure:
                secure.sendall(f"POST {CREDENTIAL_PATH} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n".encode())
                assert secure.recv(100).startswith(b"HTTP/1.0 413 "), length[:9]


def test_a_lost_answer_is_given_again(place: Venue) -> None:
    with desk(place, invited(place)) as clerk:
        kept = kept_of("password", b"twelve bytes")
        asked = Request(v=1, user="hq_pi-1", secret="s" * 43, kept=kept, request=key_and_request("any")[1])
        first = clerk.answer(Asked("POST", CREDENTIAL_PATH, encode(asked), "here"))
        assert first.status == 200
        before = place.files.roster()
        assert clerk.answer(Asked("POST", CREDENTIAL_PATH, encode(asked), "here")) == first
    assert place.files.roster() == before


# Who stands in between.


@pytest.mark.parametrize("shows", ["his", "the true one", "both", "both, trusted", "both, his first"])
def test_a_man_in_the_middle_never_sees_the_secret(place: Venue, tmp_path: Path, shows: str) -> None:
    """Nor where he shows the true authority and hides his own behind it, under another name for the same thing."""
    (tmp_path / "his").mkdir()
    his, asked = Authority(tmp_path / "his"), list[Asked]()
    his.make("Perch tests")
    signed, key = his.sign_broker(LOOPBACK)
    (tmp_path / "his" / "both.pem").write_bytes(signed.pem.encode() + key)
    true_one, his_one = place.files.authority.certificate.read_bytes(), his.certificate.read_bytes()
    shown = {
        "his": his_one,
        "the true one": true_one,
        "both": true_one + his_one.replace(b" CERTIFICATE", b" X509 CERTIFICATE"),
        "both, trusted": true_one + his_one.replace(b" CERTIFICATE", b" TRUSTED CERTIFICATE"),
        "both, his first": his_one.replace(b" CERTIFICATE", b" X509 CERTIFICATE") + true_one,
    }[shows]

    def answer(one: Asked) -> Answer:
        asked.append(one)
        return Answer(200, shown)

    port = free_port()
    with DeskServer(port, tmp_path / "his" / "both.pem", answer), pytest.raises(PerchError) as refusal:
        enrol(invited(place)._replace(port=port))
    assert [(one.method, one.path, one.body) for one in asked] == [("GET", AUTHORITY_PATH, b"")]
    assert ("is not the server" if shows == "his" else "did not sign") in refusal.value.what


def test_a_desk_that_is_not_there_is_named(place: Venue, pi: Pi, capsys: pytest.CaptureFixture[str]) -> None:
    assert pi.enroll(invited(place)) == 1
    assert f"the desk at {LOOPBACK}:{place.enrolment.desk_port} cannot be reached" in capsys.readouterr().err
    assert list(pi.folder.iterdir()) == []


# Half done.


def test_where_the_broker_does_not_read_it_nothing_has_changed_and_the_invitation_still_holds(
    place: Venue, pi: Pi, capsys: pytest.CaptureFixture[str]
) -> None:
    one, before = invited(place, "pi-3"), place.files.roster()
    deaf = replace(place.enrolment, pid_file=None, reload=())
    for enrolment, said in ((deaf, "has not read"), (replace(deaf, reload=("false",)), "false failed")):
        with desk(place, one, members=Members(place.files, enrolment, place.server, 0.2)):
            assert pi.enroll(one) == 1
        assert said in capsys.readouterr().err
        assert place.files.roster() == before
        assert list(pi.folder.iterdir()) == []
    with desk(place, one):
        assert pi.enroll(one) == 0


def test_a_pid_that_is_not_the_brokers_gets_no_signal(place: Venue, tmp_path: Path) -> None:
    (tmp_path / "pid").write_text(str(os.getpid()))
    with pytest.raises(PerchError, match="and not mosquitto"):
        Members(place.files, replace(place.enrolment, pid_file=tmp_path / "pid"), place.server).read_by_broker()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('site = "hq"\nagent = "pi-2"\n', "this is agent hq/pi-2, and the invitation is for hq/pi-1"),
        ('site = "hq"\nagent = "pi-1"\n[broker]\nho', "this is not TOML"),
        ('site = "hq"\nagent = "pi-1"\nbroker = { port = 1 }\n', "cannot be replaced"),
    ],
)
def test_a_configuration_that_is_anothers_or_half_written_is_left_alone(
    place: Venue, pi: Pi, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pi.config.write_text(text)
    one = invited(place)
    with desk(place, one) as clerk:
        assert pi.enroll(one) == 2
        assert clerk.waits_for == ("hq_pi-1",)
    assert said in capsys.readouterr().err
    assert [path.name for path in pi.folder.iterdir()] == ["agent.toml"]
    assert pi.config.read_text() == text


def test_files_of_another_authority_stay_and_the_new_ones_are_named(place: Venue, pi: Pi) -> None:
    (pi.folder / "ca.pem").write_text("another authority")
    one = invited(place)
    with desk(place, one):
        assert pi.enroll(one) == 0
    assert (pi.folder / "ca.pem").read_text() == "another authority"
    assert f"ca-{one.authority[:8]}.pem" in pi.config.read_text()


# The server's command line.


def test_taken_back_by_ctrl_c_an_invitation_opens_nothing(place: Venue) -> None:
    with inviting(place, "token", "annex/pi-1") as (invitations, waiting):
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(10) == 130
    assert commands.run(["enroll", invitations[0], "--config", str(place.folder / "none" / "agent.toml")]) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("token", "hq/nobody", "moon/pi-1"), ("no layout names it", "moon/pi-1")),
        (("token", "pi-1"), ("names no agent",)),
        (("replace", "annex/pi-1"), ("has no credential",)),
        (("revoke", "annex/pi-1", "hq/nobody"), ("has no credential that holds", "hq/nobody")),
    ],
)
def test_what_cannot_be_meant_is_refused_with_every_complaint(
    place: Venue, words: tuple[str, ...], said: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    at_server(place, *words, code=2)
    told = capsys.readouterr().err
    for one in said:
        assert one in told


def test_who_has_a_credential_is_not_invited_by_mistake(place: Venue, capsys: pytest.CaptureFixture[str]) -> None:
    place.enrol("pi-2")
    at_server(place, "token", "hq/pi-2", code=2)
    assert "perch agents replace" in capsys.readouterr().err


def test_preparing_again_keeps_authority_and_credentials_and_takes_in_what_the_site_says_now(
    place: Venue, capsys: pytest.CaptureFixture[str]
) -> None:
    way = place.enrol("pi-2")
    authority, text = (place.files.folder / "ca.pem").read_bytes(), (place.folder / "hq.toml").read_text()
    read = load_server(place.config)
    read.data.mkdir(exist_ok=True)
    write_health(read.data, health(written=mark(), layouts=layouts_of(read.sites)))
    at_server(place, "prepare")
    assert "older layout" not in capsys.readouterr().err
    (place.folder / "hq.toml").write_text(text.replace('"pi-3"', '"pi-9"'))
    at_server(place, "prepare")
    said = capsys.readouterr()
    assert "The broker has read it." in said.out
    assert "the collector still goes by an older layout of hq" in said.err
    assert (place.files.folder / "ca.pem").read_bytes() == authority
    assert "user hq_pi-9\n" in (place.files.folder / "access.acl").read_text()
    assert comes_in(way)
    (place.folder / "hq.toml").write_text(text)
    at_server(place, "prepare")
    (read.data / FILE_NAME).unlink()


def test_a_certificate_that_is_soon_over_or_for_another_name_is_renewed_and_nobody_notices(
    place: Venue, capsys: pytest.CaptureFixture[str]
) -> None:
    way, shown = place.enrol("pi-2"), (place.files.folder / "broker.pem").read_bytes()
    with Heard(way, "x", "perch/v1/hq/pi-2/ack") as agent:
        (place.files.folder / "broker.host").write_text("old.example")
        at_server(place, "prepare")
        assert "The broker has read it." in capsys.readouterr().out
        assert (place.files.folder / "broker.pem").read_bytes() != shown
        assert comes_in(Broker(port=place.server.port, username="lobby", password_file=place.folder / "lobby"))
        assert agent.turns == [True]


def test_the_list_tells_when_something_of_an_agent_was_stored_last(
    place: Venue, capsys: pytest.CaptureFixture[str]
) -> None:
    assert listed(place, capsys)["hq/pi-1"]["last_event"] is None
    data = place.folder / "data"
    data.mkdir(exist_ok=True)
    with Journal.open(data / "journal.db") as journal:
        append(journal, [event(number) for number in range(1, 21)])
        append(journal, [event(21)])
        newest = max(entry.received_ms for entry in entries(data))
    told = listed(place, capsys)
    assert told["hq/pi-1"]["last_event"] == f"{datetime.fromtimestamp(newest // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    assert told["hq/pi-2"]["last_event"] is None


def test_an_invitation_need_not_stand_in_the_list_of_processes(place: Venue, pi: Pi) -> None:
    one = invited(place)
    with desk(place, one):
        done = CliRunner().invoke(commands.perch, ["enroll", "--config", str(pi.config)], input=f"{one}\n")
    assert done.exit_code == 0, done.output
    assert one.secret not in done.output


def test_a_text_that_is_no_invitation_is_refused(pi: Pi, capsys: pytest.CaptureFixture[str]) -> None:
    assert pi.enroll("perch://hq_pi-1:secret@broker") == 2
    told = capsys.readouterr().err
    assert "copy all of the line" in told
    assert "secret" not in told


def test_who_takes_all_seats_and_says_nothing_is_put_out(place: Venue) -> None:
    port = free_port()
    certificate = place.files.folder / "broker.pem"
    with ExitStack() as all_of_them, DeskServer(port, certificate, lambda _: Answer(200, b"well"), 0.5):
        for _ in range(MOST_AT_ONCE + 4):
            all_of_them.enter_context(socket.create_connection((LOOPBACK, port)))
        ca = ssl.create_default_context(cafile=str(place.files.folder / "ca.pem"))
        with httpx.Client(verify=ca, trust_env=False) as client:
            assert until(lambda: _answered(client, f"https://{LOOPBACK}:{port}/")) == "well"


def _answered(client: httpx.Client, url: str) -> str | None:
    try:
        return client.get(url).text
    except httpx.TransportError:
        return None


def test_a_port_that_another_program_has_is_named(place: Venue) -> None:
    with desk(place, invited(place)), pytest.raises(UnavailableError, match="cannot be listened on"):
        DeskServer(place.enrolment.desk_port, place.files.folder / "broker.pem", lambda _: Answer(200, b""))
