"""Between a site's own broker and the network's goes what agents say and what they are told, and nothing else."""

from collections.abc import Callable
from pathlib import Path

import pytest

from perch.adapters.broker.authority import Authority
from perch.adapters.mqtt.connection import Connection, Received
from perch.contract import Publication, topic
from perch.contract.bridge import Centre, bridge_lines, bridge_topic, edge_name
from perch.contract.credentials import kept_of, mosquitto_passwords
from perch.contract.rights import edge_rights, mosquitto_acl, server_rights
from perch.settings import Broker as BrokerSettings
from tests.network import perch
from tests.parts import LOOPBACK, Broker, until

SAID = [topic("a", "pi-1", "up"), topic("a", "pi-1", "status"), topic("a", "pi-1", "state", "d1")]
OTHERS = [
    topic("b", "pi-1", "up"),
    topic("a", "pi-1", "ack"),
    "perch/v2/a/pi-1/up",
    "house/heating",
    "perch/v1/a/up",
]


class Ears:
    """Whoever hears everything at a broker, and may say something there."""

    def __init__(self, broker: Broker | BrokerSettings, name: str) -> None:
        self.heard: list[Received] = []
        at = broker if isinstance(broker, BrokerSettings) else BrokerSettings(port=broker.port)
        self._connection = Connection(at, name, subscriptions=["#"], own_messages=False, on_message=self.heard.append)

    def __enter__(self) -> "Ears":
        self._connection.start()
        self._connection.ready(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.stop(2)

    def say(self, name: str, payload: str = "x", *, retain: bool = False) -> None:
        until(lambda: self._connection.publish(Publication(name, payload.encode(), retain)))

    def topics(self) -> list[str]:
        return [message.topic for message in self.heard]


@pytest.fixture
def brokers(start_mosquitto: Callable[..., Broker]) -> tuple[Broker, Broker]:
    centre = start_mosquitto()
    return centre, start_mosquitto(bridge_lines("a", Centre(LOOPBACK, centre.port), restart_s=(1, 1)))


def test_what_a_sites_agents_say_goes_out_and_acknowledgements_come_in(brokers: tuple[Broker, Broker]) -> None:
    centre, edge = brokers
    with Ears(centre, "collector") as collector, Ears(edge, "agent") as agent:
        until(lambda: agent.say(SAID[0]) or SAID[0] in collector.topics())
        collector.heard.clear()
        for name in (*OTHERS, *SAID):
            agent.say(name)
        until(lambda: SAID[-1] in collector.topics())
        assert [name for name in collector.topics() if name != SAID[0]] == SAID[1:]
        for name in (topic("b", "pi-1", "ack"), *SAID, "$CONTROL/x", topic("a", "pi-1", "ack")):
            collector.say(name)
        until(lambda: topic("a", "pi-1", "ack") in agent.topics())
        assert [name for name in agent.topics() if name != bridge_topic("a")] == [topic("a", "pi-1", "ack")]


def test_a_sites_broker_speaks_for_its_own_agents_and_for_no_others(
    start_mosquitto: Callable[..., Broker], tmp_path: Path
) -> None:
    """Two sites, one of which was taken over by somebody: at the centre only its own agents are heard from there."""
    logins = {"server": "s", edge_name("a"): "a-secret", edge_name("b"): "b-secret"}
    kept = {name: kept_of(secret, b"salt" * 3) for name, secret in logins.items()}
    (tmp_path / "passwords").write_text(mosquitto_passwords(kept))
    (tmp_path / "acl").write_text(mosquitto_acl([server_rights("server", "ab"), edge_rights("a"), edge_rights("b")]))
    centre = start_mosquitto(f"allow_anonymous false\npassword_file {tmp_path}/passwords\nacl_file {tmp_path}/acl")
    lines = bridge_lines("a", Centre(LOOPBACK, centre.port, "a-secret"), restart_s=(1, 1))
    edge = start_mosquitto(lines + "topic # both 1\n")
    (tmp_path / "s").write_text("s")
    server = BrokerSettings(port=centre.port, username="server", password_file=tmp_path / "s")
    with Ears(server, "collector") as collector, Ears(edge, "intruder") as intruder:
        until(lambda: intruder.say(SAID[0]) or SAID[0] in collector.topics())
        for name in (topic("b", "pi-1", "up"), topic("b", "pi-1", "status"), topic("a", "pi-1", "ack"), SAID[2]):
            intruder.say(name)
        collector.say(topic("b", "pi-1", "ack"))
        collector.say(topic("a", "pi-1", "ack"))
        until(lambda: SAID[2] in collector.topics())
        until(lambda: topic("a", "pi-1", "ack") in intruder.topics())
        assert set(collector.topics()) == {SAID[0], SAID[2]}
        assert topic("b", "pi-1", "ack") not in intruder.topics()


def test_what_holds_at_a_site_is_known_again_once_the_way_is_there_again(brokers: tuple[Broker, Broker]) -> None:
    """A centre that died has forgotten everything, and nobody at the site says it again for half a minute."""
    centre, edge = brokers
    with Ears(edge, "agent") as agent:
        agent.say(SAID[2], "free", retain=True)
        centre.kill()
        agent.say(SAID[2], "occupied", retain=True)
        centre.start()
        with Ears(centre, "collector") as collector:
            until(lambda: collector.heard, 30)
            assert [(message.topic, message.payload) for message in collector.heard] == [(SAID[2], b"occupied")]


def test_a_bridge_is_written_by_a_command_and_its_password_is_nobody_elses(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    authority = Authority(tmp_path)
    authority.make("Perch tests")
    words = ("bridge", "hq", "--to", "broker.example:8883", "--ca", str(authority.certificate))
    done = perch("site", *words, "--password-file", str(tmp_path / "secret"), "-o", str(tmp_path / "bridge.conf"))
    assert done.returncode == 0, done.stderr
    written = tmp_path / "bridge.conf"
    assert written.stat().st_mode & 0o007 == 0
    copy = tmp_path / "bridge-ca.pem"
    assert (copy.read_bytes(), copy.stat().st_mode & 0o777) == (authority.certificate.read_bytes(), 0o644)
    to = Centre("broker.example", 8883, "s3cret", str(copy))
    assert written.read_text() == bridge_lines("hq", to)
    assert "s3cret" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("HQ", "--to", "broker.example"), "HQ"),
        (("hq", "--to", "broker.example:port"), "broker.example:port"),
        (("hq", "--to", "a b"), "a b"),
        (("hq", "--to", "broker.example", "--password-file", "/nowhere"), "/nowhere"),
        (("hq", "--to", "broker.example", "--certificate", "/c.pem"), "--key"),
    ],
)
def test_a_bridge_that_cannot_be_meant_is_not_written(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = perch("site", "bridge", *words, "-o", str(tmp_path / "bridge.conf"))
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert not (tmp_path / "bridge.conf").exists()
