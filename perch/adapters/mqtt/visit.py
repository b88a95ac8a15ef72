"""A short visit to the broker, to see what it allows: no thread, no second try, no will.

What a visitor publishes is not retained unless it means to leave it behind. Its client id is its own, so that it takes
nobody's session, unless the broker gives each user name a single one; then whoever had it is put out, comes back, and
puts the visitor out.
"""

import time
from collections.abc import Callable, Sequence
from enum import Enum
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from perch.adapters.mqtt.client import introduce
from perch.adapters.mqtt.connection import Received
from perch.adapters.mqtt.way import explain, refused, unanswered
from perch.contract import QOS
from perch.errors import PerchError
from perch.settings import Broker

WAIT_S = 3.0
_TURN_S = 0.02
_KEEPALIVE_S = 30


class Answer(Enum):
    """What the broker said to a publication; with MQTT 3.1.1 it accepts what it then throws away."""

    ACCEPTED = "accepted"
    DENIED = "denied"
    NONE = "none"


class Visit:
    """A client that stays from `connect` to the end of the context; whatever it subscribes to is kept in `received`."""

    def __init__(self, broker: Broker, client_id: str, *, protocol: int, wait_s: float = WAIT_S) -> None:
        self._broker = broker
        self._wait_s = wait_s
        self._client = self._new_client(client_id, protocol)
        self._welcome: ReasonCode | None = None
        self._granted: dict[int, list[bool]] = {}
        self._answers: dict[int, Answer] = {}
        self.received: list[Received] = []
        self.gone = False
        """Whether the broker has ended the connection, as it does when somebody else comes under the same client id."""

    def __repr__(self) -> str:
        return f"<Visit to {self._broker.host}:{self._broker.port}, {len(self.received)} messages>"

    def __enter__(self) -> Self:
        return self

    def connect(self) -> Self:
        """Log in; raises UnavailableError."""
        try:
            self._client.connect_timeout = self._wait_s
            self._client.connect(self._broker.host, self._broker.port, _KEEPALIVE_S)
        except (OSError, ValueError, PerchError) as error:
            raise explain(self._broker, error) from error
        self._until(lambda: self._welcome is not None)
        if self._welcome is None:
            self.leave()
            raise unanswered(self._broker)
        if self._welcome.is_failure:
            self.leave()
            raise refused(self._broker, str(self._welcome))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def leave(self) -> None:
        """End the connection in order."""
        wire = self._client.socket()
        self._client.disconnect()
        self._client.loop(_TURN_S)
        if wire is not None:
            wire.close()
        self._client._reset_sockets(sockpair_only=True)  # what would wake it; paho leaves it open

    def subscribe(self, topics: Sequence[str]) -> list[bool]:
        """Ask for topics; tells which ones the broker says it grants (which says nothing of what it delivers)."""
        code, number = self._client.subscribe([(topic, QOS) for topic in topics])
        if code == MQTTErrorCode.MQTT_ERR_SUCCESS and number is not None:
            self._until(lambda: number in self._granted)
            return self._granted.get(number, [False] * len(topics))
        return [False] * len(topics)

    def publish(self, topic: str, payload: bytes) -> Answer:
        """Publish at QoS 1, not retained, and give the broker's answer."""
        return self._answer(self._client.publish(topic, payload, qos=QOS))

    def leave_behind(self, topic: str, payload: bytes) -> Answer:
        """Publish at QoS 1 what the broker is to keep, and give its answer."""
        return self._answer(self._client.publish(topic, payload, qos=QOS, retain=True))

    def _answer(self, sent: MQTTMessageInfo) -> Answer:
        self._until(lambda: sent.mid in self._answers)
        return self._answers.get(sent.mid, Answer.NONE)

    def await_message(self, wanted: Callable[[Received], bool], wait_s: float | None = None) -> Received | None:
        """Give the first message that is wanted, also one that came before; None if none comes in time."""
        self._until(lambda: any(map(wanted, self.received)), wait_s)
        return next(filter(wanted, self.received), None)

    def stay(self, while_s: float) -> None:
        """Take in what comes, for a while."""
        self._until(lambda: False, while_s)

    def _until(self, condition: Callable[[], bool], wait_s: float | None = None) -> None:
        end_s = time.monotonic() + (self._wait_s if wait_s is None else wait_s)
        while not condition() and not self.gone and time.monotonic() < end_s:
            if self._client.loop(_TURN_S) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                self.gone = True

    def _new_client(self, client_id: str, protocol: int) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion(protocol),
            reconnect_on_failure=False,
        )
        introduce(client, self._broker)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        return client

    def _on_connect(self, _client: Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        self._welcome = reason

    def _on_subscribe(self, _client: Client, _data: Any, mid: int, reasons: list[ReasonCode], _properties: Any) -> None:
        self._granted[mid] = [not reason.is_failure for reason in reasons]

    def _on_publish(self, _client: Client, _data: Any, mid: int, reason: ReasonCode, _properties: Any) -> None:
        self._answers[mid] = Answer.DENIED if reason.is_failure else Answer.ACCEPTED

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self.received.append(Received(message.topic, bytes(message.payload), message.retain))

    def _on_disconnect(self, *_: object) -> None:
        self.gone = True
