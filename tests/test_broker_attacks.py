"""Strangers and curious insiders at a real broker, with passwords and with certificates: nothing of theirs arrives.

What counts is delivery: mosquitto grants subscriptions that it then delivers nothing to, and with MQTT 3.1.1 confirms
what it throws away. So the server and the attacked agent go on talking, and after each attack a message of theirs has
to arrive, as the first that arrives at all.
"""

import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from perch.adapters.broker.files import READERS_SEATS, SEATS, configuration
from perch.contract import Publication
from perch.model import Identity
from perch.settings import Broker
from tests import parts
from tests.certificates import Authority
from tests.enrolled import Client5, Heard, Secured, Venue, comes_in, venue
from tests.parts import LOOPBACK, free_port

VICTIM = "perch/v1/hq/pi-1"
NUMBERS = count(1)


class Scene:
    """A venue with an agent that is attacked, its server, and a neighbour, enrolled as well, who has turned bad."""

    def __init__(self, place: Venue, server: Heard, victim: Heard, insider: Broker) -> None:
        self.place, self.server, self.victim, self.insider = place, server, victim, insider

    @property
    def by_password(self) -> bool:
        """Whether agents show passwords here."""
        return self.place.identity is Identity.PASSWORD

    def unharmed(self) -> None:
        """See that server and victim heard of nothing but each other, and that neither was put out."""
        mark = b"%d" % next(NUMBERS)
        assert self.victim.connection.publish(Publication(f"{VICTIM}/up", mark))
        assert self.server.until_heard(f"{VICTIM}/up", mark) == []
        assert self.server.connection.publish(Publication(f"{VICTIM}/ack", mark))
        assert self.server.until_heard(f"{VICTIM}/ack", mark) == []
        assert self.victim.until_heard(f"{VICTIM}/ack", mark) == []
        assert (self.server.turns, self.victim.turns) == ([True], [True])


@pytest.fixture(scope="module", params=[Identity.PASSWORD, Identity.CERTIFICATE], ids=["passwords", "certificates"])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    program = parts.find_mosquitto()
    if program is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    with venue(program, tmp_path_factory.mktemp("venue"), request.param) as place:
        victim, insider = place.enrol("pi-1"), place.enrol("pi-2")
        with Heard(place.server, "collector", "perch/v1/#") as server, Heard(victim, "x", f"{VICTIM}/ack") as agent:
            yield Scene(place, server, agent, insider)


@pytest.fixture
def insider(scene: Scene) -> Iterator[Client5]:
    """A neighbour's client, which has every right of its own agent."""
    client = Client5(scene.insider)
    assert client.is_in
    yield client
    client.leave()


def refused(broker: Broker) -> bool:
    """Whether the broker does not let somebody in."""
    return not comes_in(broker)


# Who comes in.


def test_without_a_credential_nobody_comes_in(scene: Scene) -> None:
    assert refused(scene.place.open_way())
    assert refused(replace(scene.place.open_way(), username="hq_pi-1"))
    assert refused(Broker(port=scene.place.server.port)), "on the machine itself"
    scene.unharmed()


def test_a_wrong_password_and_that_of_another_do_not_open(scene: Scene, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    for text in ("", "wrong", "the password of server", "the password of hq_pi-2 since 1790000000"):
        wrong.write_text(text)
        for way in (scene.place.open_way(), Broker(port=scene.place.server.port)):
            assert refused(replace(way, username="hq_pi-1", password_file=wrong))
    scene.unharmed()


def test_an_agents_credential_does_not_open_the_servers_own_entrance(scene: Scene) -> None:
    secret = scene.insider.password_file or scene.place.folder / "hq-pi-2"
    assert refused(Broker(port=scene.place.server.port, username="hq_pi-2", password_file=secret))


def test_the_servers_password_does_not_open_the_agents_entrance(scene: Scene) -> None:
    """What leaks of a server's file is of no use from another machine."""
    one = replace(scene.place.open_way(), username="server", password_file=scene.place.server.password_file)
    assert refused(one)


def test_a_revoked_agent_is_put_out_and_stays_out(scene: Scene) -> None:
    way = scene.place.enrol("pi-3")
    with Heard(way, "x") as agent:
        scene.place.members.revoke("hq", "pi-3", 1)
        agent.until_lost()
        agent.connection.publish(Publication("perch/v1/hq/pi-3/up", b"still here"))
        assert refused(way)
        assert "user hq_pi-3\n" not in (scene.place.files.folder / "access.acl").read_text()
        scene.unharmed()


def test_of_a_replaced_credential_only_the_new_one_opens(scene: Scene) -> None:
    old = scene.place.enrol("pi-1", "annex")
    kept = scene.place.folder / "old"
    kept.write_bytes((old.password_file or old.certificate or kept).read_bytes())
    old = replace(old, password_file=kept) if scene.by_password else replace(old, certificate=kept, key=kept)
    assert not refused(old)
    new = scene.place.enrol("pi-1", "annex", 1_790_000_001)
    assert refused(old)
    assert not refused(new)
    scene.unharmed()


@pytest.mark.parametrize(("days", "is_own"), [(365, False), (-1, True)], ids=["another authority's", "an expired"])
def test_a_certificate_that_is_not_to_be_believed_does_not_open(
    scene: Scene, tmp_path: Path, days: int, is_own: bool
) -> None:
    signed = _own_authority(scene, tmp_path) if is_own else Authority(tmp_path / "other")
    false = signed.sign("hq_pi-1", days=days)
    assert refused(replace(scene.place.open_way(), certificate=false.certificate, key=false.key))
    scene.unharmed()


def _own_authority(scene: Scene, folder: Path) -> Authority:
    """The venue's own authority, in hands that sign what it never would."""
    made = Authority(folder / "own")
    for name in ("ca.pem", "ca.key"):
        (folder / "own" / name).write_bytes((scene.place.files.folder / name).read_bytes())
    return made


def test_the_brokers_own_certificate_is_no_agents(scene: Scene) -> None:
    own = scene.place.files.folder / "broker.pem"
    assert refused(replace(scene.place.open_way(), certificate=own, key=own))


def test_a_name_beside_a_certificate_is_not_believed(scene: Scene, tmp_path: Path) -> None:
    if scene.by_password:
        return
    (tmp_path / "any").write_text("any")
    thief = Client5(replace(scene.insider, username="hq_pi-1", password_file=tmp_path / "any"))
    assert thief.publish(f"{VICTIM}/up") != "Success"
    thief.leave()
    scene.unharmed()


@pytest.mark.parametrize("client_id", ["hq_pi-1", "collector"])
def test_another_ones_client_id_puts_nobody_out(scene: Scene, client_id: str) -> None:
    thief = Client5(scene.insider, client_id)
    assert thief.is_in, "under its own name"
    scene.unharmed()
    thief.leave()


@pytest.mark.parametrize(("version", "is_spoken"), [("tls1", False), ("tls1_1", False), ("tls1_2", True)])
def test_old_tls_is_not_spoken(scene: Scene, version: str, is_spoken: bool) -> None:
    where = f"{LOOPBACK}:{scene.place.enrolment.port}"
    old = [] if is_spoken else ["-cipher", "ALL:@SECLEVEL=0"]
    command = ["openssl", "s_client", "-connect", where, f"-{version}", *old]
    told = subprocess.run(command, input="", capture_output=True, text=True, timeout=20)
    assert ("alert protocol version" in told.stderr) != is_spoken, "it is the broker that refuses"
    assert ("BEGIN CERTIFICATE" in told.stdout) == is_spoken
    scene.unharmed()


def test_in_the_clear_nothing_is_answered(scene: Scene) -> None:
    assert refused(replace(scene.insider, ca=None, certificate=None, key=None))
    scene.unharmed()


def test_a_crowd_of_strangers_leaves_the_servers_own_entrance_open(scene: Scene, tmp_path: Path) -> None:
    """They say nothing and stay; who was in stays in, and what is urgent is done: putting an agent out."""
    assert SEATS + 2 * READERS_SEATS < 1_024
    program, text = parts.find_mosquitto(), configuration(scene.place.enrolment, scene.place.server.port)
    assert text.count("max_connections") == (1 if scene.by_password else 2)
    few = re.sub(r"max_connections \d+", "max_connections 10", text)
    with small(program or "", tmp_path, scene.place, few) as (own, agents):
        assert comes_in(agents)
        crowd = [socket.create_connection((LOOPBACK, agents.port)) for _ in range(40)]
        try:
            assert refused(agents), "no seat is left there"
            assert comes_in(own)
        finally:
            for one in crowd:
                one.close()


@contextmanager
def small(program: str, folder: Path, place: Venue, text: str) -> Iterator[tuple[Broker, Broker]]:
    """Run a second broker with the venue's files; gives the ways to its two entrances."""
    own, agents = free_port(), free_port()
    moved = text.replace(f"listener {place.server.port} ", f"listener {own} ")
    moved = moved.replace(f"listener {place.enrolment.port}\n", f"listener {agents}\n")
    if place.enrolment.password_port is not None:
        moved = moved.replace(f"listener {place.enrolment.password_port}\n", f"listener {free_port()}\n")
    way = place.enrol("pi-4")
    broker = Secured(program, folder, moved, own)
    broker.start()
    try:
        yield replace(place.server, port=own), replace(way, port=agents)
    finally:
        broker.stop()


# What an insider may say.


NOT_ITS_OWN = (
    f"{VICTIM}/up",
    f"{VICTIM}/ack",
    f"{VICTIM}/status",
    f"{VICTIM}/state/d01",
    "perch/v1/hq/pi-2/ack",
    "perch/v1/hq/collector-0000000000000000/ack",
    "perch/v1/annex/pi-2/up",
    "perch/v1/hq/pi-2/state/d01/more",
    "perch/v1/hq/pi-2/other",
    "perch/v1/hq/nobody/up",
    "homeassistant/device/perch_hq_pi-1/config",
    "$SYS/broker/version",
    "$CONTROL/dynamic-security/v1",
    "elsewhere",
)


@pytest.mark.parametrize("retain", [False, True], ids=["once", "retained"])
def test_what_an_insider_says_in_anothers_place_is_not_delivered(scene: Scene, insider: Client5, retain: bool) -> None:
    """A forged `up`, `ack`, `status` or `state`, another site's, Home Assistant's, and the broker's own topics."""
    answers = {topic: insider.publish(topic, b"forged", retain=retain) for topic in NOT_ITS_OWN}
    assert [topic for topic, answer in answers.items() if answer == "Success"] == []
    scene.unharmed()
    with Heard(scene.place.server, "later", "perch/v1/#") as later:
        assert later.connection.publish(Publication("perch/v1/hq/nobody/ack", b"later"))
        assert later.until_heard("perch/v1/hq/nobody/ack", b"later") == [], "nothing of it was kept"
    assert scene.server.until_heard("perch/v1/hq/nobody/ack", b"later") == []


def test_with_mqtt_3_which_confirms_it_nothing_is_delivered_either(scene: Scene) -> None:
    insider = Client5(replace(scene.insider, protocol=4))
    assert insider.publish(f"{VICTIM}/up", b"forged", retain=True) == "Success"
    scene.unharmed()
    insider.leave()


def test_an_insider_cannot_wipe_what_another_agent_states(scene: Scene, insider: Client5) -> None:
    state = f"{VICTIM}/state/d01"
    assert scene.victim.connection.publish(Publication(state, b"occupied", retain=True))
    assert scene.server.until_heard(state, b"occupied") == []
    insider.publish(state, b"", retain=True)
    with Heard(scene.place.server, "later", state) as later:
        assert later.messages.get(timeout=10) == (state, b"occupied", True)
    assert scene.victim.connection.publish(Publication(state, b"", retain=True))
    assert scene.server.until_heard(state, b"") == []


def test_a_will_in_anothers_name_is_not_carried_out(scene: Scene) -> None:
    thief = Client5(scene.insider, will=(f"{VICTIM}/status", b'{"online":false}'))
    thief.drop()
    assert scene.victim.connection.publish(Publication(f"{VICTIM}/status", b"well"))
    assert scene.server.until_heard(f"{VICTIM}/status", b"well") == []
    scene.unharmed()


# What an insider may hear.


TOO_WIDE = (
    ("#",),
    ("perch/#", "perch/v1/#", "perch/v1/hq/#"),
    ("+/+/+/+/up", "+/+/+/+/ack", "+/+/+/+/+/+"),
    (f"{VICTIM}/up", f"{VICTIM}/ack", f"{VICTIM}/state/d01"),
    ("$share/group/perch/v1/#", "$share/group/#"),
    ("$SYS/#", "$SYS/broker/version", "$CONTROL/#"),
)


def test_a_wide_subscription_delivers_nothing(scene: Scene, insider: Client5) -> None:
    state = f"{VICTIM}/state/d01"
    assert scene.victim.connection.publish(Publication(state, b"occupied", retain=True))
    assert scene.server.until_heard(state, b"occupied") == []
    for filters in TOO_WIDE:
        insider.subscribe(*filters)
        scene.unharmed()
        assert insider.publish("perch/v1/hq/pi-2/up", b"own") == "Success"  # what was meant for it came before this
        assert insider.received == [], filters
        assert scene.server.until_heard("perch/v1/hq/pi-2/up", b"own") == []
    assert scene.victim.connection.publish(Publication(state, b"", retain=True))
    assert scene.server.until_heard(state, b"") == []


def test_an_insider_hears_its_own_acknowledgements(scene: Scene, insider: Client5) -> None:
    """The opposite, so that the silence above means something."""
    insider.subscribe("#")
    assert scene.server.connection.publish(Publication("perch/v1/hq/pi-2/ack", b"own"))
    insider.until(lambda: bool(insider.received))
    assert [one.topic for one in insider.received] == ["perch/v1/hq/pi-2/ack"]
    assert scene.server.until_heard("perch/v1/hq/pi-2/ack", b"own") == []


def test_a_reader_hears_what_holds_now_and_says_nothing(scene: Scene) -> None:
    way = replace(scene.place.open_way(), port=scene.place.enrolment.password_port or scene.place.enrolment.port)
    way = replace(way, username="lobby", password_file=scene.place.folder / "lobby")
    lobby = Client5(way)
    lobby.subscribe("#", "$SYS/#")
    for topic in (f"{VICTIM}/up", f"{VICTIM}/state/d01", f"{VICTIM}/status", "perch/v1/hq/collector-0/ack"):
        assert lobby.publish(topic) != "Success"
    scene.unharmed()
    assert scene.victim.connection.publish(Publication(f"{VICTIM}/status", b"here"))
    lobby.until(lambda: bool(lobby.received))
    assert [one[:2] for one in lobby.received] == [(f"{VICTIM}/status", b"here")]
    assert scene.server.until_heard(f"{VICTIM}/status", b"here") == []
    lobby.leave()


def test_where_readers_come_in_by_password_no_agent_and_no_server_does(scene: Scene, tmp_path: Path) -> None:
    if scene.by_password:
        return
    way = replace(scene.place.open_way(), port=scene.place.enrolment.password_port)
    (tmp_path / "empty").write_text("")
    for name in ("hq_pi-1", "server", "perch-reload", "lobby"):
        assert refused(replace(way, username=name, password_file=tmp_path / "empty"))
    assert refused(replace(way, username="server", password_file=scene.place.server.password_file))
    assert refused(replace(scene.insider, port=scene.place.enrolment.password_port))


def test_who_proves_that_the_files_were_read_may_do_nothing(scene: Scene) -> None:
    """But say of agents that were put out that they are gone."""
    prover = Client5(scene.place.files.proof)
    assert prover.is_in
    prover.subscribe("#")
    for topic in (f"{VICTIM}/up", f"{VICTIM}/status", f"{VICTIM}/state/d01", "perch/v1/hq/pi-3/up"):
        assert prover.publish(topic) != "Success"
    scene.unharmed()
    assert prover.received == []
    prover.leave()
