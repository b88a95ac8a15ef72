"""A venue whose agents are enrolled, with a real mosquitto that reads what Perch writes, and clients of any kind."""

import getpass
import queue
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from perch.adapters.broker.authority import key_and_request
from perch.adapters.broker.files import BrokerFiles, configuration, now_utc
from perch.adapters.broker.members import Members
from perch.adapters.mqtt.connection import Connection, Received
from perch.adapters.mqtt.way import tls_context
from perch.contract.credentials import kept_of
from perch.contract.enrolment import Request
from perch.contract.roster import user_name
from perch.model import Identity, Site
from perch.settings import Broker, load_server
from tests import parts
from tests.configurations import site_toml
from tests.parts import LOOPBACK, free_port, until

NOW_S = 1_790_000_000
WEEK = ((),) * 7
SPACE = '[[space]]\nid = "d01"\nzone = "open"\nkind = "desk"\nagent = "pi-1"\n'
PERCH_TOML = """
data = "data"
sites = ["hq.toml", "annex.toml"]
[broker]
port = {own}
username = "server"
password_file = "server"
[enrolment]
folder = "broker"
host = "127.0.0.1"
port = {tls}
desk_port = {desk}
identity = "{identity}"
pid_file = "mosquitto.pid"
{more}[[reader]]
name = "lobby"
password_file = "lobby"
"""


def a_site(site: str, *agents: str) -> Site:
    """Make a site that has agents and nothing else."""
    return Site(site, site, "UTC", None, (), WEEK, (), (), agents, ())


def more_agents(*agents: str) -> str:
    """Write further agents for a `site.toml`."""
    return "".join(f'[[agent]]\nid = "{agent}"\n' for agent in agents)


class Secured(parts.Server):
    """A mosquitto with the configuration that Perch writes."""

    def __init__(self, program: str, folder: Path, text: str, port: int) -> None:
        config = folder / "of-test.conf"
        config.write_text(f"{text}\nuser {getpass.getuser()}\npid_file {folder / 'mosquitto.pid'}\n")
        super().__init__([program, "-c", str(config)], port, folder / "mosquitto.log")


class Venue:
    """A broker at which agents of two sites may be enrolled; `files` and `members` are what the commands use."""

    def __init__(
        self, program: str, folder: Path, identity: Identity = Identity.PASSWORD, tables: str = "", bridge: str = ""
    ) -> None:
        self.folder, self.identity, self.config = folder, identity, folder / "perch.toml"
        for name in ("server", "lobby", "edge"):
            (folder / name).write_text(f"the password of {name}")
        (folder / "hq.toml").write_text(site_toml(more_agents("pi-2", "pi-3", "pi-4") + SPACE, "hq"))
        (folder / "annex.toml").write_text(site_toml("", "annex"))
        ports = {"own": free_port(), "tls": free_port(), "desk": free_port()}
        more = f"password_port = {free_port()}\n" if identity is Identity.CERTIFICATE else ""
        self.config.write_text(PERCH_TOML.format(**ports, identity=identity, more=more) + tables)
        settings = load_server(self.config, {})
        assert settings.enrolment is not None
        self.server, self.enrolment = settings.broker, settings.enrolment
        self.files = BrokerFiles(self.enrolment, self.server, settings.sites)
        self.members = Members(self.files, self.enrolment, self.server)
        self.members.prepare("Perch tests", now_utc())
        text = configuration(self.enrolment, self.server.port) + bridge
        self.mosquitto = Secured(program, folder, text, self.server.port)

    def enrol(self, agent: str, site: str = "hq", now_s: int = NOW_S) -> Broker:
        """Give an agent its credential, as its enrolment does; gives how it reaches the broker."""
        user, secret = user_name(site, agent), self.folder / f"{site}-{agent}"
        reached = self.open_way()
        if self.identity is Identity.CERTIFICATE:
            key, request = key_and_request(user)
            asked = Request(v=1, user=user, secret="", request=request)
            granted = self.members.enrol(site, agent, asked, now_s)
            secret.write_text(f"{granted.certificate}{key.decode()}")
            return replace(reached, certificate=secret, key=secret)
        secret.write_text(f"the password of {user} since {now_s}")
        asked = Request(v=1, user=user, secret="", kept=kept_of(secret.read_text(), b"twelve bytes"))
        self.members.enrol(site, agent, asked, now_s)
        return replace(reached, username=user, password_file=secret)

    def open_way(self) -> Broker:
        """Give how the broker is reached, without any credential."""
        return Broker(LOOPBACK, self.enrolment.port, self.files.authority.certificate)


@contextmanager
def venue(program: str, folder: Path, identity: Identity, tables: str = "", bridge: str = "") -> Iterator[Venue]:
    """Run a venue's broker, with further tables in its configuration and lines of a bridge in the broker's."""
    made = Venue(program, folder, identity, tables, bridge)
    made.mosquitto.start()
    try:
        yield made
    finally:
        made.mosquitto.stop()


class Client5:
    """A client that does whatever it is told, with retained messages, wills and client ids that are not its own."""

    def __init__(self, broker: Broker, client_id: str = "", will: tuple[str, bytes] | None = None) -> None:
        self.received: list[Received] = []
        self.answers: dict[int, str] = {}
        self.welcome: str | None = None
        self.gone = False
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion(broker.protocol),
            reconnect_on_failure=False,
        )
        if broker.username is not None:
            secret = broker.password_file.read_text().strip() if broker.password_file else None
            self._client.username_pw_set(broker.username, secret)
        context = tls_context(broker)
        if context is not None:
            self._client.tls_set_context(context)
        if will is not None:
            self._client.will_set(*will, qos=1, retain=True)
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_disconnect = self._on_disconnect
        try:
            self._client.connect(broker.host, broker.port)
            self.until(lambda: self.welcome is not None)
        except OSError:
            self.gone = True
        if self.welcome != "Success":
            self.leave()

    @property
    def is_in(self) -> bool:
        """Whether the broker has let it in and not put it out since."""
        return self.welcome == "Success" and not self.gone

    def publish(self, topic: str, payload: bytes = b"{}", *, retain: bool = False) -> str:
        """Publish at QoS 1; gives the broker's answer."""
        sent = self._client.publish(topic, payload, qos=1, retain=retain)
        self.until(lambda: sent.mid in self.answers)
        return self.answers.get(sent.mid, "none")

    def subscribe(self, *filters: str) -> None:
        """Subscribe, and wait for whatever answer there is."""
        _, number = self._client.subscribe([(one, 1) for one in filters])
        self.until(lambda: -(number or 0) in self.answers)

    def until(self, condition: Callable[[], bool], wait_s: float = 5.0) -> None:
        """Take in what comes until a condition holds, or the broker has ended the connection."""
        deadline = time.monotonic() + wait_s
        while not condition() and not self.gone and time.monotonic() < deadline:
            if self._client.loop(0.01) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                self.gone = True

    def drop(self) -> None:
        """Be gone without a word, as after a power cut: the will is carried out."""
        wire = self._client.socket()
        if wire is not None:
            wire.close()
        self._client._reset_sockets(sockpair_only=True)

    def leave(self) -> None:
        """Say goodbye."""
        wire = self._client.socket()
        self._client.disconnect()
        self._client.loop(0.01)
        if wire is not None:
            wire.close()
        self._client._reset_sockets(sockpair_only=True)

    def _on_connect(self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self.welcome = str(reason)

    def _on_publish(self, _client: Client, _data: Any, mid: int, reason: Any, _properties: Any) -> None:
        self.answers[mid] = str(reason)

    def _on_subscribe(self, _client: Client, _data: Any, mid: int, reasons: Any, _properties: Any) -> None:
        self.answers[-mid] = str(reasons)

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self.received.append(Received(message.topic, bytes(message.payload), message.retain))

    def _on_disconnect(self, *_: object) -> None:
        self.gone = True


def comes_in(broker: Broker) -> bool:
    """Tell whether the broker lets somebody in."""
    client = Client5(broker)
    try:
        return client.is_in
    finally:
        client.leave()


class Heard:
    """A connection of Perch's own that keeps what it hears, and its ups and downs."""

    def __init__(self, broker: Broker, client_id: str, *topics: str) -> None:
        self.messages: queue.SimpleQueue[Received] = queue.SimpleQueue()
        self.turns: list[bool] = []
        self.connection = Connection(
            broker, client_id, subscriptions=topics, on_message=self.messages.put, on_connection=self.turns.append
        )

    def __enter__(self) -> "Heard":
        self.connection.start()
        self.connection.ready(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.stop(1)

    def until_heard(self, topic: str, payload: bytes) -> list[Received]:
        """Wait for a message; gives what came before it."""
        before = []
        while (one := self.messages.get(timeout=10))[:2] != (topic, payload):
            before.append(one)
        return before

    def until_lost(self) -> None:
        """Wait until the broker has ended the connection."""
        until(lambda: self.turns[-1:] == [False])
