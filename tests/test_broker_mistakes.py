"""What goes wrong with certificates, clocks and files between agents and broker: one clear message, and it mends."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from perch import commands
from perch.adapters.broker.authority import AGENT_DAYS, Authority, key_and_request
from perch.adapters.broker.certificates import validities
from perch.adapters.broker.credential_ends import files_ending
from perch.adapters.broker.files import ACL, AGENTS, CERTIFICATE, CONFIGURATION, READERS, ROSTER, SERVER
from perch.adapters.broker.reload import tell
from perch.adapters.mqtt.connection import Connection
from perch.doctor.agent_broker import look_at_broker
from perch.doctor.enrolment import look_at_enrolment
from perch.doctor.findings import Verdict
from perch.errors import StorageError, UnavailableError
from perch.model import Identity, SensedSpace, Sensor, SensorKind, SpaceKind
from perch.settings import AgentSettings, Broker, SensingSettings
from sensor_agent.agent import Agent
from sensor_agent.clock import RecordedClock
from sensor_agent.credential import Credential
from sensor_agent.inputs import use_mock_pins
from tests import parts
from tests.certificates import Authority as OwnAuthority
from tests.enrolled import Venue, comes_in, venue
from tests.parts import LOOPBACK, until


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    program = parts.find_mosquitto()
    if program is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    with venue(program, tmp_path_factory.mktemp("venue"), Identity.CERTIFICATE) as place:
        yield place


def agent(way: Broker) -> Connection:
    """An agent's connection."""
    return Connection(way, "hq_pi-1", subscriptions=["perch/v1/hq/pi-1/ack"], on_message=lambda _: None)


def problem(way: Broker) -> UnavailableError:
    """What an agent says that cannot connect."""
    with agent(way) as connection:
        return until(lambda: connection.problem)


def show(place: Venue, certificate: bytes) -> None:
    """Let the broker show another certificate, which it reads without a restart."""
    (place.files.folder / CERTIFICATE).write_bytes(certificate)
    tell(place.enrolment)
    place.members.read_by_broker()


def test_a_clock_that_is_a_year_behind_is_named_and_once_it_is_right_the_agent_connects(place: Venue) -> None:
    """The same to the agent: a certificate that begins in a year."""
    way, right = place.enrol("pi-1"), (place.files.folder / CERTIFICATE).read_bytes()
    begins = f"{datetime.now(UTC) + timedelta(days=365):%Y%m%d%H%M%SZ}"
    signed, key = Authority(place.files.folder, begins).sign_broker(LOOPBACK)
    show(place, signed.pem.encode() + key)
    try:
        with agent(way) as connection:
            told = until(lambda: connection.problem)
            assert "begins later; this clock says" in told.what
            assert "set this machine's clock" in told.remedy
            show(place, right)
            until(lambda: connection.connected, 30)
            assert connection.problem is None
    finally:
        show(place, right)


def test_a_clock_that_is_years_behind_harms_nothing_that_perch_signed(place: Venue) -> None:
    """What the authority signs is valid from 2020 on, and ends long after a year from now."""
    for path in ("ca.pem", CERTIFICATE):
        (holds,) = validities(place.files.folder / path)
        assert holds.begin == datetime(2020, 1, 1, tzinfo=UTC)
        assert holds.end - datetime.now(UTC) > timedelta(days=2 * 365)


def test_a_broker_that_shows_an_agents_certificate_is_not_believed(place: Venue) -> None:
    way, right = place.enrol("pi-1"), (place.files.folder / CERTIFICATE).read_bytes()
    assert way.certificate is not None
    show(place, way.certificate.read_bytes())
    try:
        assert "is not one for a server" in problem(way).what
    finally:
        show(place, right)


def test_anothers_key_beside_a_certificate_is_named_at_the_start(place: Venue, tmp_path: Path) -> None:
    way = place.enrol("pi-1")
    (tmp_path / "key.pem").write_bytes(key_and_request("hq_pi-2")[0])
    with pytest.raises(StorageError, match="is not the key of"):
        agent(replace(way, key=tmp_path / "key.pem")).start()


def test_of_two_agents_that_have_each_others_certificate_the_doctor_says_that_they_may_not(
    place: Venue, tmp_path: Path
) -> None:
    way = place.enrol("pi-2")
    settings = AgentSettings("hq", "pi-1", tmp_path, way, SensingSettings((), ()))
    faults = [one.what for one in look_at_broker(settings, None, None) if one.verdict is Verdict.FAULT]
    assert any("may not publish on perch/v1/hq/pi-1/status" in what for what in faults)


def test_an_agent_that_runs_with_anothers_certificate_says_whose_it_is(place: Venue, tmp_path: Path) -> None:
    """The broker lets it in, as the other one, and takes nothing that it says."""
    use_mock_pins()
    way = place.enrol("pi-2")
    sensing = SensingSettings(
        (SensedSpace("d01", SpaceKind.DESK, 1, hold_ms=900_000),),
        (Sensor("pir1", SensorKind.MOTION, "d01", None, pin=17),),
    )
    settings = AgentSettings("hq", "pi-1", tmp_path, way, sensing)
    with Agent(settings, RecordedClock(1_760_001_200_000), sensing.sensors) as swapped:

        def turn() -> str | None:
            swapped.take(0.01)
            swapped.deliver()
            return swapped.trouble

        told = until(turn) or ""
    assert told.count("does not take what hq_pi-1 says") == 1
    assert f"{way.certificate} is the certificate of hq_pi-2" in told
    assert "perch doctor" in told


def test_a_certificate_that_ends_soon_is_told_of_by_agent_list_and_doctor_until_it_is_replaced(
    place: Venue, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = OwnAuthority(tmp_path / "own")
    for name in ("ca.pem", "ca.key"):
        (tmp_path / "own" / name).write_bytes((place.files.folder / name).read_bytes())
    soon = own.sign("hq_pi-4", days=20)
    credential = Credential(Broker(certificate=soon.certificate, key=soon.key), "hq/pi-4")
    credential.look()
    ends = f"ends on {datetime.now(UTC) + timedelta(days=20):%Y-%m-%d}"
    assert ends in (credential.trouble or "")
    assert "perch agents replace hq/pi-4" in (credential.trouble or "")

    now_s = int(datetime.now(UTC).timestamp())
    new = place.enrol("pi-4", now_s=now_s - (AGENT_DAYS - 20) * 86_400)
    listed = ["agents", "list", "--config", str(place.config)]
    assert commands.run(listed) == 0
    said = capsys.readouterr().err
    assert f"the certificate of hq/pi-4 {ends}" in said
    assert "run perch agents replace hq/pi-4" in said
    (_, found) = look_at_enrolment(place.enrolment, place.server, datetime.now(UTC))
    assert (found.verdict, found.remedy) == (Verdict.WARN, "run perch agents replace hq/pi-4")

    new = place.enrol("pi-4", now_s=now_s)
    assert commands.run(listed) == 0
    assert capsys.readouterr().err == ""
    renewed = Credential(new, "hq/pi-4")
    renewed.look()
    assert renewed.trouble is None


def test_an_authority_that_ends_soon_is_told_of_while_agents_can_still_be_invited(tmp_path: Path) -> None:
    ending = OwnAuthority(tmp_path / "own", days=20)
    (one,) = files_ending(ending.certificate.parent, datetime.now(UTC))
    assert one.whose == "the authority's certificate"
    assert "invite all agents anew" in one.remedy


def test_a_certificate_that_was_withdrawn_is_told_with_what_to_look_at(place: Venue) -> None:
    way = place.enrol("pi-3")
    place.members.revoke("hq", "pi-3", 1)
    told = problem(way)
    assert "refuses" in told.what
    assert "certificate" in told.remedy


def test_another_venues_broker_is_not_believed(place: Venue, tmp_path: Path) -> None:
    way = place.enrol("pi-1")
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    other.make("Another venue")
    assert "did not sign" in problem(replace(way, ca=other.certificate)).what


def test_another_port_of_the_broker_is_named(place: Venue) -> None:
    way = place.enrol("pi-1")
    assert "TLS" in problem(replace(way, port=place.server.port)).what


# Files.


@pytest.mark.parametrize("name", [ACL, AGENTS, READERS, SERVER, CONFIGURATION, "revoked.pem", "reload.password"])
def test_a_file_of_the_broker_that_is_gone_is_made_anew_and_credentials_hold(place: Venue, name: str) -> None:
    way, path = place.enrol("pi-2"), place.files.folder / name
    path.unlink()
    assert commands.run(["agents", "prepare", "--config", str(place.config)]) == 0
    assert path.exists()
    assert comes_in(way)


def test_half_a_roster_is_refused_and_nothing_is_written(place: Venue, capsys: pytest.CaptureFixture[str]) -> None:
    path = place.files.folder / ROSTER
    whole, kept = path.read_bytes(), (place.files.folder / ACL).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    try:
        for words in (("list",), ("prepare",), ("revoke", "hq/pi-1"), ("token", "annex/pi-1")):
            assert commands.run(["agents", *words, "--config", str(place.config)]) == 1
            assert "restore it from a backup" in capsys.readouterr().err
        assert (place.files.folder / ACL).read_bytes() == kept
    finally:
        path.write_bytes(whole)


def test_half_an_authority_is_not_replaced(place: Venue, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = place.files.folder / "ca.key"
    key.rename(tmp_path / "ca.key")
    try:
        assert commands.run(["agents", "prepare", "--config", str(place.config)]) == 1
        assert "ca.key is gone" in capsys.readouterr().err
    finally:
        (tmp_path / "ca.key").rename(key)


def test_without_enrolment_in_the_configuration_the_commands_say_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hq.toml").write_text("")
    text = 'data = "data"\nsites = []\n[[reader]]\nname = "lobby"\npassword_file = "x"\n'
    (tmp_path / "perch.toml").write_text(text)
    assert commands.run(["agents", "list", "--config", str(tmp_path / "perch.toml")]) == 2
    assert "[[reader]]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('host = "127.0.0.1"', 'host = "a b"', "is no name of a machine"),
        ("desk_port = ", "port = 1884\ndesk_port = 1884 #", "give the desk a port of its own"),
        ('username = "server"', 'username = "hq_pi-1"', "looks like an agent's"),
        ('name = "lobby"', 'name = "server"', "a reader has the server's name"),
        ('name = "lobby"', 'name = "perch-reload"', "is Perch's own"),
        ('username = "server"', 'username = "perch-reload"', "is Perch's own"),
        ('pid_file = "mosquitto.pid"', 'pid_file = "x"\nreload = ["true"]', "goes without reload"),
        (
            'username = "server"\npassword_file = "server"',
            "",
            "needs a broker on this machine that the server logs in to",
        ),
        ('identity = "certificate"', 'identity = "password"', "is for a broker whose agents show certificates"),
        ('identity = "certificate"', 'identity = "face"', "write one of password, certificate"),
    ],
)
def test_an_enrolment_that_cannot_work_is_refused(
    place: Venue, old: str, new: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = place.config.read_text()
    if new.startswith("port"):
        text = "\n".join(line for line in text.splitlines() if not line.startswith("port ="))
    changed = place.folder / "changed.toml"
    changed.write_text(text.replace(old, new))
    assert commands.run(["agents", "list", "--config", str(changed)]) == 2
    assert said in capsys.readouterr().err
