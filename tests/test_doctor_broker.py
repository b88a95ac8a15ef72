"""`perch doctor` before a real broker: each thing that can be wrong there is named, and nobody is disturbed by it."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from collector import process
from perch import contract
from perch.adapters import age
from perch.adapters.broker.files import ROSTER
from perch.adapters.health.agent import AgentHealth
from perch.adapters.health.collector import read_health
from perch.adapters.journal.store import JournalReader
from perch.adapters.mqtt.connection import Connection, Received
from perch.contract import AliveEvent, Batch, SensorStatus
from perch.contract.roster import Member, Roster, encode, without_member
from perch.doctor import agent_broker, server_broker
from perch.doctor.findings import Finding, Verdict
from perch.model import Clock, SensedSpace, SensorHealth, SensorKind, SpaceKind, State
from perch.settings import AgentSettings, Enrolment, SensingSettings, ServerSettings
from perch.settings import Broker as BrokerSettings
from tests.acknowledging import Acknowledging
from tests.certificates import Authority, Certificate
from tests.parts import Broker, free_port, until
from tests.serving import Speaker, a_site

EPOCH = "e" * 32
EVENT = AliveEvent(1, 1_790_000_000_000, 1, Clock.OK)
SAMPLE = Batch(v=1, epoch=EPOCH, boot="b" * 16, sent_mono_ms=None, events=(EVENT,))
SPACES = SensingSettings((SensedSpace("d01", SpaceKind.DESK),), ())

RIGHT = """
user hq_pi-1
topic write perch/v1/hq/pi-1/up
topic write perch/v1/hq/pi-1/status
topic write perch/v1/hq/pi-1/state/#
topic read perch/v1/hq/pi-1/ack
user server
topic read perch/v1/#
topic read $SYS/broker/version
topic write perch/v1/+/+/ack
"""

Start = Callable[..., Broker]


@pytest.fixture
def guarded(start_mosquitto: Start, tmp_path: Path) -> Callable[[str], Broker]:
    """A function that starts a broker which asks for passwords and has this access list."""

    def start(rights: str = RIGHT) -> Broker:
        passwords, rights_file = tmp_path / "passwords", tmp_path / "rights"
        passwords.write_text("hq_pi-1:right\nserver:right\n")
        subprocess.run(["mosquitto_passwd", "-U", passwords], check=True)
        for name, text in (("right", "right\n"), ("wrong", "wrong\n")):
            (tmp_path / name).write_text(text)
            (tmp_path / name).chmod(0o600)
        rights_file.write_text(rights)
        return start_mosquitto(
            f"allow_anonymous false\npassword_file {passwords}\nacl_file {rights_file}\nsys_interval 1"
        )

    return start


def login(broker: Broker, folder: Path, user: str = "hq_pi-1", file: str = "right") -> BrokerSettings:
    return BrokerSettings(port=broker.port, username=user, password_file=folder / file)


def agent_of(broker: BrokerSettings, folder: Path) -> AgentSettings:
    return AgentSettings("hq", "pi-1", folder / "agent", broker, SPACES)


def examined(broker: BrokerSettings, folder: Path, sample: Batch | None = None) -> list[Finding]:
    """Give what the doctor finds at an agent's broker while no agent runs."""
    return list(agent_broker.look_at_broker(agent_of(broker, folder), None, sample, ack_s=1.0))


def faults(findings: list[Finding]) -> list[tuple[str, str]]:
    """Give the parts at fault, and what is said of them; each has something to do."""
    found = [finding for finding in findings if finding.verdict is Verdict.FAULT]
    assert all(finding.remedy for finding in found)
    return [(finding.part, finding.what) for finding in found]


def verdicts(findings: list[Finding]) -> dict[str, Verdict]:
    return {finding.part: finding.verdict for finding in findings}


@contextmanager
def collecting(broker: Broker, data: Path, **login: object) -> Iterator[ServerSettings]:
    """Run a real collector that hears a broker."""
    site = a_site()
    settings = ServerSettings(data, (site,), (), BrokerSettings(port=broker.port, **login))  # type: ignore[arg-type]
    stop = threading.Event()
    thread = threading.Thread(target=process.run, args=(settings, stop))
    thread.start()
    try:
        until(lambda: (health := read_health(data)) and health.broker is None)
        yield settings
    finally:
        stop.set()
        thread.join(10)


@contextmanager
def client(broker: BrokerSettings, on_message: Callable[[Received], None] = lambda _: None) -> Iterator[Connection]:
    """Be connected, and hear everything."""
    with Connection(broker, "client", subscriptions=["perch/v1/#"], on_message=on_message) as connection:
        connection.ready(10)
        yield connection


def test_an_agent_with_the_right_access_is_well_and_leaves_no_trace(
    guarded: Callable[[], Broker], tmp_path: Path
) -> None:
    """Its own rights are tried, an event is acknowledged, and neither journal nor quarantine nor readers know of it."""
    broker = guarded()
    server = login(broker, tmp_path, "server")
    heard: list[Received] = []
    with collecting(broker, tmp_path / "data", username="server", password_file=tmp_path / "right"):
        with client(login(broker, tmp_path)) as before:
            until(lambda: before.publish(contract.build_up("hq", "pi-1", SAMPLE)))
            until(lambda: (health := read_health(tmp_path / "data")) and health.stored == 1)
        with client(server, heard.append):
            findings = examined(login(broker, tmp_path), tmp_path, SAMPLE)
            assert faults(findings) == []
            assert "sent once more and acknowledged" in findings[-1].what
        until(lambda: (health := read_health(tmp_path / "data")) and health.repeats == 1)
        health = read_health(tmp_path / "data")
        assert health is not None
        assert (health.end, health.stored, health.quarantined, health.strangers) == (1, 1, {}, 0)
    assert not any(message.retained for message in heard)
    said = [message for message in heard if message.payload and not message.topic.endswith("/ack")]
    assert [message.topic for message in said] == ["perch/v1/hq/pi-1/up"]


@pytest.mark.parametrize(
    ("missing", "what"),
    [
        ("topic write perch/v1/hq/pi-1/up", "may not publish on perch/v1/hq/pi-1/up"),
        ("topic write perch/v1/hq/pi-1/status", "may not publish on perch/v1/hq/pi-1/status"),
        ("topic write perch/v1/hq/pi-1/state/#", "may not publish on perch/v1/hq/pi-1/state/perch-doctor"),
        ("topic read perch/v1/hq/pi-1/ack", "no acknowledgement came"),
    ],
)
def test_each_right_that_an_agent_lacks_is_named(
    guarded: Callable[[str], Broker], tmp_path: Path, missing: str, what: str
) -> None:
    """Also the right to read, where the broker grants the subscription and swallows what it should deliver."""
    broker = guarded(RIGHT.replace(missing, ""))
    with Acknowledging(login(broker, tmp_path, "server")):
        (fault,) = faults(examined(login(broker, tmp_path), tmp_path, SAMPLE))
    assert fault[0] == "topic rights"
    assert what in fault[1]


def test_the_right_to_tell_home_assistant_is_tried_only_where_it_is_needed(
    guarded: Callable[[str], Broker], tmp_path: Path
) -> None:
    topic = "homeassistant/device/perch_hq_pi-1/config"
    broker = guarded(RIGHT + f"user hq_pi-1\ntopic write {topic}\n")
    settings = replace(agent_of(login(broker, tmp_path), tmp_path), home_assistant=True)
    assert faults(list(agent_broker.look_at_broker(settings, None, None, ack_s=1.0))) == []
    broker.stop()
    settings = replace(agent_of(login(guarded(RIGHT), tmp_path), tmp_path), home_assistant=True)
    found = list(agent_broker.look_at_broker(settings, None, None, ack_s=1.0))
    assert faults(found) == [("topic rights", f"may not publish on {topic}")]
    assert faults(list(agent_broker.look_at_broker(replace(settings, home_assistant=False), None, None))) == []


def test_an_agent_that_may_speak_for_its_neighbour_is_a_fault(guarded: Callable[[str], Broker], tmp_path: Path) -> None:
    broker = guarded(RIGHT.replace("state/#\n", "state/#\ntopic write perch/v1/hq/+/state/#\n"))
    (fault,) = faults(examined(login(broker, tmp_path), tmp_path))
    assert "in the name of other agents" in fault[1]


def test_a_broker_that_asks_nobody_for_a_name_is_worth_a_warning(mosquitto: Broker, tmp_path: Path) -> None:
    findings = examined(BrokerSettings(port=mosquitto.port), tmp_path)
    assert faults(findings) == []
    assert verdicts(findings)["topic rights"] is Verdict.WARN


def test_a_collector_that_is_away_is_named_by_the_agent(mosquitto: Broker, tmp_path: Path) -> None:
    (fault,) = faults(examined(BrokerSettings(port=mosquitto.port), tmp_path, SAMPLE))
    assert "no acknowledgement came within 1 s" in fault[1]


def test_with_mqtt_3_1_1_only_delivery_can_be_tried(mosquitto: Broker, tmp_path: Path) -> None:
    broker = BrokerSettings(port=mosquitto.port, protocol=4)
    with Acknowledging(broker):
        findings = examined(broker, tmp_path, SAMPLE)
    assert faults(findings) == []
    assert any("does not say what it throws away" in finding.what for finding in findings)
    assert "acknowledged" in findings[-1].what


def test_a_broker_that_is_away_is_named_with_what_to_do(tmp_path: Path) -> None:
    broker = BrokerSettings(port=free_port())
    (fault,) = faults(examined(broker, tmp_path))
    assert "cannot be reached" in fault[1]
    (fault,) = faults(list(server_broker.look_at_broker(broker, [a_site()])))
    assert "cannot be reached" in fault[1]


def test_a_wrong_password_is_named(guarded: Callable[[], Broker], tmp_path: Path) -> None:
    broker = guarded()
    (fault,) = faults(examined(login(broker, tmp_path, file="wrong"), tmp_path))
    assert fault[0] == "broker"
    assert "Not authorized" in fault[1]


def test_a_password_that_others_can_read_is_worth_a_warning(guarded: Callable[[], Broker], tmp_path: Path) -> None:
    broker = guarded()
    (tmp_path / "right").chmod(0o644)
    assert f"chmod 600 {tmp_path / 'right'}" in [
        finding.remedy for finding in examined(login(broker, tmp_path), tmp_path)
    ]


def test_a_running_agent_that_is_well_keeps_its_connection(start_mosquitto: Start, tmp_path: Path) -> None:
    """Some brokers give each user one connection: logging in as the agent would put it out."""
    broker = start_mosquitto()
    now = time.time_ns() // 1_000_000
    runs = AgentHealth(
        version="1",
        written=age.mark(),
        written_ms=now,
        started_ms=now,
        running=True,
        broker=None,
        waiting=0,
        waiting_since=None,
        clock=Clock.OK,
    )
    findings = list(agent_broker.look_at_broker(agent_of(BrokerSettings(port=broker.port), tmp_path), runs, SAMPLE))
    assert faults(findings) == []
    assert "password and certificate are not tried: the agent that runs here is connected" in findings[-2].what


def test_a_password_that_cannot_be_read_is_a_fault_also_while_the_agent_runs(mosquitto: Broker, tmp_path: Path) -> None:
    broker = BrokerSettings(port=mosquitto.port, username="hq_pi-1", password_file=tmp_path / "elsewhere")
    now = age.mark()
    runs = AgentHealth(version="1", written=now, written_ms=1, started_ms=1, running=True, broker=None, waiting=0,
                       waiting_since=None, clock=Clock.OK)  # fmt: skip
    found = list(agent_broker.look_at_broker(agent_of(broker, tmp_path), runs, SAMPLE))
    assert any("elsewhere cannot be read" in what for _, what in faults(found))


def test_a_broker_that_gives_each_user_one_connection_is_told_of(start_mosquitto: Start, tmp_path: Path) -> None:
    broker = start_mosquitto("use_username_as_clientid true")
    settings = BrokerSettings(port=broker.port, username="hq_pi-1", password_file=tmp_path / "password")
    (tmp_path / "password").write_text("any")
    with client(settings) as agent:
        findings = examined(settings, tmp_path, SAMPLE)
        until(lambda: agent.connected)
    assert "one connection" in findings[-1].what


# The server.


def at_server(broker: BrokerSettings) -> list[Finding]:
    return list(server_broker.look_at_broker(broker, [a_site()]))


def test_a_server_with_the_right_access_is_well(guarded: Callable[[], Broker], tmp_path: Path) -> None:
    broker = guarded()
    with collecting(broker, tmp_path / "data", username="server", password_file=tmp_path / "right"):
        findings = at_server(login(broker, tmp_path, "server"))
        assert faults(findings) == []
        assert verdicts(findings)["topic rights"] is Verdict.OK
        assert any("mosquitto version 2" in finding.what for finding in findings)
        health = read_health(tmp_path / "data")
        assert health is not None
        assert (health.end, health.quarantined) == (0, {})
    with JournalReader(tmp_path / "data" / "journal.db") as journal:
        assert journal.end() == 0


@pytest.mark.parametrize(
    ("missing", "what"),
    [
        ("topic read perch/v1/#", "does not arrive, although the subscription was granted"),
        ("topic write perch/v1/+/+/ack", "may not publish acknowledgements"),
    ],
)
def test_each_right_that_a_server_lacks_is_named(
    guarded: Callable[[str], Broker], tmp_path: Path, missing: str, what: str
) -> None:
    broker = guarded(RIGHT.replace(missing, ""))
    (fault,) = faults(at_server(login(broker, tmp_path, "server")))
    assert what in fault[1]


def test_a_server_that_may_speak_for_agents_is_warned_of(guarded: Callable[[str], Broker], tmp_path: Path) -> None:
    broker = guarded(RIGHT.replace("topic read perch/v1/#", "topic readwrite perch/v1/#"))
    findings = at_server(login(broker, tmp_path, "server"))
    assert "in the name of agents" in next(f.what for f in findings if f.part == "topic rights")


def until_kept(broker: Broker, topic: str) -> None:
    """Wait until the broker has something retained there: who comes from now on is not told it as news."""
    told: list[Received] = []
    with Connection(BrokerSettings(port=broker.port), "onlooker", subscriptions=[topic], on_message=told.append):
        until(lambda: told)


def test_the_server_says_which_agents_are_not_heard_or_in_trouble(mosquitto: Broker) -> None:
    with Speaker(mosquitto) as one, Speaker(mosquitto, agent="pi-2") as two:
        one.beat(trouble="the outbox cannot be written", notice="the outbox was replaced", outbox=5_000)
        one.say("d01", State.FREE)
        two.beat()
        until_kept(mosquitto, "perch/v1/hq/pi-2/status")
        findings = at_server(BrokerSettings(port=mosquitto.port))
    said = [finding.what for finding in findings if finding.part == "agents"]
    assert said == [
        "1 of 2 agents not heard: hq/pi-2",
        "hq/pi-1: the outbox cannot be written",
        "hq/pi-1: 5000 events wait there to be acknowledged",
        "hq/pi-1: the outbox was replaced",
    ]
    faults = [finding.what for finding in findings if finding.part == "agents" and finding.verdict is Verdict.FAULT]
    assert faults == ["hq/pi-1: the outbox cannot be written"]


def test_an_agent_that_was_revoked_or_never_invited_is_not_taken_for_a_broken_one(
    mosquitto: Broker, tmp_path: Path
) -> None:
    site = replace(a_site(), agents=("pi-1", "pi-2", "pi-3", "pi-4"))
    members = [Member(site="hq", agent=agent, since_s=1, kept="x") for agent in ("pi-1", "pi-2", "pi-3")]
    roster = without_member(Roster(members={one.user: one for one in members}), "hq_pi-2", 2)
    (tmp_path / ROSTER).write_bytes(encode(roster))

    def said(folder: Path) -> dict[str, tuple[Verdict, str]]:
        enrolment = Enrolment(folder, "broker.hq.example")
        found = server_broker.look_at_broker(BrokerSettings(port=mosquitto.port), [site], enrolment)
        return {one.what: (one.verdict, one.remedy) for one in found if one.part == "agents"}

    with Speaker(mosquitto) as one:
        one.beat()
        one.say("d01", State.FREE)
        told, hidden = said(tmp_path), said(tmp_path / "for root alone")
    assert {what: verdict for what, (verdict, _) in told.items()} == {
        "1 of 4 agents not heard: hq/pi-3": Verdict.WARN,
        "1 of 4 agents never invited, or not come: hq/pi-4": Verdict.WARN,
        "1 of 4 agents revoked, and not heard: hq/pi-2": Verdict.OK,
    }
    ((what, (_, remedy)),) = hidden.items()
    assert what.startswith("3 of 4 agents not heard")
    assert "perch agents list, as root" in remedy


def test_the_server_says_which_sensors_are_ill_and_which_doors_drift(mosquitto: Broker) -> None:
    def sensor(kind: SensorKind, health: SensorHealth, drift_a_day: float | None = None) -> SensorStatus:
        return SensorStatus(health, 0, 0, kind, "r1", drift_a_day=drift_a_day)

    sensors = {
        "pir": sensor(SensorKind.MOTION, SensorHealth.STUCK),
        "in": sensor(SensorKind.BEAM_IN, SensorHealth.OK, -2.5),
        "out": sensor(SensorKind.BEAM_OUT, SensorHealth.OK, -2.5),
    }
    with Speaker(mosquitto) as one:
        one.beat(sensors=sensors)
        one.say("d01", State.FREE)
        findings = at_server(BrokerSettings(port=mosquitto.port))
    said = [finding.what for finding in findings if finding.part == "sensors"]
    assert said == [
        "1 of 3 sensors are ill: hq/pi-1 pir (stuck)",
        "doors of hq/r1: counted 2.5 more out than in a day",
    ]


# TLS.


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that signed the broker's certificates."""
    return Authority(tmp_path_factory.mktemp("authority") / "own")


@pytest.fixture
def secured(start_mosquitto: Start, authority: Authority) -> Callable[[Certificate], BrokerSettings]:
    """A function that starts a broker with a certificate, and gives how it is reached."""

    def start(certificate: Certificate, extra: str = "") -> BrokerSettings:
        port = free_port()
        start_mosquitto(
            f"listener {port} 127.0.0.1\ncertfile {certificate.certificate}\nkeyfile {certificate.key}\n{extra}"
        )
        return BrokerSettings(port=port, ca=authority.certificate)

    return start


def test_a_certificate_that_is_right_is_told_with_its_end(
    secured: Callable[[Certificate], BrokerSettings], authority: Authority, tmp_path: Path
) -> None:
    broker = secured(authority.sign("right", days=100))
    findings = examined(broker, tmp_path)
    assert faults(findings) == []
    (tls,) = (finding.what for finding in findings if finding.part == "tls")
    end = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 100 * 86_400))
    assert tls.startswith("TLSv1.3; the broker's certificate until " + end)


def test_a_certificate_that_ends_soon_is_warned_of(
    secured: Callable[[Certificate], BrokerSettings], authority: Authority, tmp_path: Path
) -> None:
    findings = examined(secured(authority.sign("soon", days=20)), tmp_path)
    assert faults(findings) == []
    assert verdicts(findings)["tls"] is Verdict.WARN


@pytest.mark.parametrize(
    ("name", "days", "host", "what"),
    [
        ("expired", -1, "IP:127.0.0.1", "ended on"),
        ("stranger", 100, "DNS:broker.example", "is not for the name '127.0.0.1'"),
    ],
)
def test_a_certificate_that_is_not_right_is_named(
    secured: Callable[[Certificate], BrokerSettings],
    authority: Authority,
    tmp_path: Path,
    name: str,
    days: int,
    host: str,
    what: str,
) -> None:
    (fault,) = faults(examined(secured(authority.sign(name, days=days, host=host)), tmp_path))
    assert what in fault[1]


def test_another_authority_is_named(
    secured: Callable[[Certificate], BrokerSettings], authority: Authority, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other", "Somebody else")
    broker = replace(secured(authority.sign("ours")), ca=other.certificate)
    (fault,) = faults(examined(broker, tmp_path))
    assert "did not sign the certificate" in fault[1]


def test_tls_on_one_side_only_is_named(
    secured: Callable[[Certificate], BrokerSettings], mosquitto: Broker, authority: Authority, tmp_path: Path
) -> None:
    broker = secured(authority.sign("one-side"))
    (fault,) = faults(examined(replace(broker, ca=None), tmp_path))
    assert "speaks TLS, and the configuration does not" in fault[1]
    (fault,) = faults(examined(replace(broker, port=mosquitto.port), tmp_path))
    assert "TLS" in fault[1]


def test_a_clients_own_certificate_is_looked_at(
    secured: Callable[..., BrokerSettings], authority: Authority, tmp_path: Path
) -> None:
    extra = f"cafile {authority.certificate}\nrequire_certificate true\nuse_identity_as_username true\n"
    broker = secured(authority.sign("mutual"), extra)
    for days, verdict in ((300, Verdict.OK), (10, Verdict.WARN)):
        own = authority.sign("client", days=days)
        findings = examined(replace(broker, certificate=own.certificate, key=own.key), tmp_path)
        assert {finding.verdict for finding in findings if finding.part == "tls"} == {verdict}
    own = authority.sign("client", days=-1)
    ended = examined(replace(broker, certificate=own.certificate, key=own.key), tmp_path)
    assert faults(ended)[0][0] == "tls"
    assert "this client's certificate ended on " in faults(ended)[0][1]
    (nameless,) = faults(examined(broker, tmp_path))
    assert nameless[0] == "broker"
