"""A connection to the broker that is either up or being tried again, over paho-mqtt.

Each connection attempt gets a client of its own, so nothing half-sent is carried over into the next one: sending again
is the business of `perch.delivery`, which knows what was acknowledged. Callbacks run on paho's thread and may only put
what they are given into a queue.
"""

import math
import random
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from perch.adapters import crash_points
from perch.adapters.broker.tls_probe import wordless
from perch.adapters.mqtt import way as mqtt_way
from perch.adapters.mqtt.again import SOON_S, TAKEN_OVER, Again, after
from perch.adapters.mqtt.client import ANSWER_S, expiring, is_five, new_client, subscribe
from perch.adapters.mqtt.way import credentials, denied, explain, place, refused, shut, tls_context, unanswered
from perch.adapters.mqtt.wire import QuickClient
from perch.contract import QOS, Publication
from perch.errors import PerchError, UnavailableError
from perch.settings import Broker

KEEPALIVE_S = 15
LOOK_S = 2.0
DENIED_TOLD_S = 90.0  # whoever is not taken at his word says it again within a heartbeat or two
ONE_NAME = "see that no other machine runs with the same configuration, or with a copy of its data folder"


class Received(NamedTuple):
    """A message as it came in; `retained` tells that the broker had kept it."""

    topic: str
    payload: bytes
    retained: bool


class Connection:
    """Keeps one MQTT client connected and subscribed from `start` to `stop`; usable as a context manager.

    With `own_messages` False the broker leaves out what this client published itself (MQTT 5 only).
    `on_message` is called for each message and `on_connection` with True once all subscriptions stand, and with False
    when they are gone. What they raise is kept for `check`, which the owner calls now and then.
    """

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        *,
        will: Publication | None = None,
        subscriptions: Sequence[str],
        own_messages: bool = True,
        on_message: Callable[[Received], None],
        on_connection: Callable[[bool], None] | None = None,
    ) -> None:
        self._broker = broker
        self._client_id = client_id
        self._will = will
        self._subscriptions = tuple(subscriptions)
        self._own_messages = own_messages
        self._deliver = on_message
        self._announce = on_connection
        self._client: Client | None = None
        self._last_sent: MQTTMessageInfo | None = None
        self._problem: UnavailableError | None = None
        self._failure: BaseException | None = None
        self._again = Again()
        self._risen_s: float | None = None
        self._taken = False
        self._denied = -math.inf, ""
        self._up = threading.Event()
        self._ended, self._tried = threading.Event(), threading.Event()
        self._stopping = threading.Event()
        self._chance = random.Random()  # noqa: S311 - spreads a herd, guards nothing
        self._thread = threading.Thread(target=self._run, name=f"mqtt-{client_id}", daemon=True)

    def __repr__(self) -> str:
        state = "connected" if self.connected else "stopped" if self._stopping.is_set() else "not connected"
        return f"<Connection {self._client_id!r} to {self._broker.host}:{self._broker.port}, {state}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(1.0)

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted this client and all its subscriptions."""
        return self._up.is_set()

    @property
    def place(self) -> str:
        """Where the broker is."""
        return place(self._broker)

    @property
    def problem(self) -> UnavailableError | None:
        """Why the newest attempt failed, with what to do; None while connected or before the first attempt ended."""
        return self._problem

    @property
    def rivalry(self) -> str | None:
        """That another client seems to have this one's name, in a sentence; None while a connection lasts."""
        risen_s = self._risen_s
        lasts = risen_s is not None and time.monotonic() - risen_s > SOON_S
        return None if lasts else self._again.told(self._client_id)

    @property
    def denied(self) -> UnavailableError | None:
        """That the broker threw away what this client published, not long ago; one of MQTT 3.1.1 does not tell."""
        at_s, why = self._denied
        return denied(self._broker, self._client_id, why) if time.monotonic() - at_s < DENIED_TOLD_S else None

    def start(self) -> None:
        """Begin to connect and return at once; raises StorageError where a password or certificate is unreadable."""
        credentials(self._broker)
        tls_context(self._broker)
        self._thread.start()

    def ready(self, timeout_s: float) -> None:
        """Wait until connected; raises UnavailableError when the time is over or the first attempt has failed."""
        deadline = time.monotonic() + timeout_s
        while not self._up.wait(min(0.02, timeout_s)):
            self.check()
            if self._tried.is_set() and self._problem is not None:
                raise self._problem
            if time.monotonic() >= deadline:
                raise unanswered(self._broker)

    def check(self) -> None:
        """Raise what a callback or the connection's thread has raised, if anything; the connection is void then."""
        if self._failure is not None:
            raise self._failure

    def publish(self, publication: Publication) -> bool:
        """Hand a message to the broker at QoS 1; False, and nothing kept, while not connected or clogged."""
        client = self._client
        if client is None:
            return False
        sent = client.publish(
            publication.topic,
            publication.payload,
            qos=QOS,
            retain=publication.retain,
            properties=self._properties(publication.expiry_s),
        )
        if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return False
        self._last_sent = sent
        crash_points.reach("publish", "sent")
        return True

    def stop(self, timeout_s: float) -> None:
        """Send what was handed over, disconnect and end the thread, all within `timeout_s`; the will is not sent."""
        deadline = time.monotonic() + timeout_s
        self._drain(deadline - timeout_s / 4)
        self._stopping.set()
        client = self._client
        if client is not None:
            client.disconnect()
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(max(0.0, deadline - time.monotonic()))

    def _drain(self, deadline: float) -> None:
        sent = self._last_sent
        while sent is not None and self.connected and not sent.is_published() and time.monotonic() < deadline:
            sent.wait_for_publish(0.05)

    def _properties(self, expiry_s: int | None) -> Properties | None:
        return None if expiry_s is None or not is_five(self._broker) else expiring(expiry_s)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                lasted_s = self._connect_once()
                self._again = after(self._again, lasted_s, taken=self._taken)
                if lasted_s is not None and self._again.is_contested:
                    self._fail(UnavailableError(self._again.told(self._client_id) or "", ONE_NAME))
                self._stopping.wait(self._again.wait_s * self._chance.uniform(0.5, 1.0))
        except BaseException as error:
            self._failure = self._failure or error

    def _connect_once(self) -> float | None:
        """Connect and stay until the connection has ended; tells for how long it was up, None where it never was."""
        self._ended.clear()
        self._taken, self._risen_s = False, None
        try:
            client = self._new_client()
            client.connect(self._broker.host, self._broker.port, KEEPALIVE_S)  # a new client begins a clean session
        except (OSError, ValueError, PerchError) as error:
            self._fail(explain(self._broker, error))
            return None
        client.loop_start()
        try:
            self._stay(client)
            return None if self._risen_s is None else time.monotonic() - self._risen_s
        finally:
            self._client = None
            self._hang_up(client)
            self._say(up=False)
            self._tried.set()

    def _stay(self, client: QuickClient) -> None:
        deadline = time.monotonic() + ANSWER_S
        while not self._ended.wait(0.5):
            if not self._up.is_set() and time.monotonic() > deadline:
                self._fail(unanswered(self._broker))
                return
            if not client.lives and not self._ended.is_set():  # in this order: what ends it well says so before
                self._fail(UnavailableError("the MQTT client's thread ended by an error", "see the traceback above"))
                return

    def _hang_up(self, client: Client) -> None:
        wire = client.socket()
        if wire is not None and not self._stopping.is_set():
            shut(wire)
        client.disconnect()
        client.loop_stop()

    def _new_client(self) -> QuickClient:
        client = new_client(self._broker, self._client_id, self._hear, self._will)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect
        return client

    def _on_connect(self, client: Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if reason.is_failure:
            self._fail(refused(self._broker, str(reason)))
        elif self._subscriptions:
            subscribe(client, self._broker, self._subscriptions, own_messages=self._own_messages)
        else:
            self._rise(client)

    def _on_subscribe(self, client: Client, _data: Any, _mid: int, reasons: list[ReasonCode], _properties: Any) -> None:
        denied = [topic for topic, reason in zip(self._subscriptions, reasons, strict=True) if reason.is_failure]
        if denied:
            self._fail(refused(self._broker, f"no right to subscribe to {', '.join(denied)}"))
            self._ended.set()
        else:
            self._rise(client)

    def _on_publish(self, _client: Client, _data: Any, _mid: int, reason: ReasonCode, _properties: Any) -> None:
        if reason.is_failure:
            self._denied = time.monotonic(), str(reason)

    def _hear(self, topic: str, payload: bytes, retained: bool) -> None:
        try:
            self._deliver(Received(topic, payload, retained))
        except Exception as error:
            self._failure = self._failure or error

    def _on_disconnect(self, _client: Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        self._taken |= reason.value == TAKEN_OVER
        was_let_in = self._risen_s is not None or self._broker.certificate is None  # what is wrong with one is not said
        if self._problem is None and reason.is_failure and not was_let_in:
            self._fail(refused(self._broker, "it ends the connection and does not say why"))
        elif self._problem is None and reason.is_failure:
            stood = self._risen_s is not None
            self._fail(mqtt_way.lost(self._broker) if stood else wordless(self._broker, LOOK_S))
        self._ended.set()

    def _rise(self, client: Client) -> None:
        self._problem = None
        self._client = client
        self._risen_s = time.monotonic()
        self._say(up=True)

    def _say(self, *, up: bool) -> None:
        if up == self._up.is_set():
            return
        if up:
            self._up.set()
        else:
            self._up.clear()
        try:
            if self._announce is not None:
                self._announce(up)
        except Exception as error:
            self._failure = self._failure or error

    def _fail(self, problem: UnavailableError) -> None:
        self._problem = problem
        self._tried.set()
