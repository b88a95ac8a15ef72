"""Making paho's clients as Perch's programs need them."""

import socket
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from perch.adapters.mqtt.way import credentials, tls_context
from perch.adapters.mqtt.wire import Deliver, QuickClient
from perch.contract import QOS, Publication
from perch.settings import Broker

MAX_INFLIGHT = 20  # what mosquitto grants an MQTT 5 client by default
MAX_QUEUED = 1000
ANSWER_S = 10.0


def is_five(broker: Broker) -> bool:
    """Tell whether MQTT 5 is spoken with a broker."""
    return broker.protocol == MQTTProtocolVersion.MQTTv5


def new_client(broker: Broker, client_id: str, deliver: Deliver, will: Publication | None) -> QuickClient:
    """Make the client of a connection that stays; raises StorageError where its credentials cannot be read."""
    client = QuickClient(
        deliver,
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        protocol=MQTTProtocolVersion(broker.protocol),
        reconnect_on_failure=False,
    )
    client.connect_timeout = ANSWER_S
    client.max_inflight_messages_set(MAX_INFLIGHT)
    client.max_queued_messages_set(MAX_QUEUED)
    introduce(client, broker)
    if will is not None:
        client.will_set(will.topic, will.payload, qos=QOS, retain=will.retain)
    return client


def introduce(client: Client, broker: Broker) -> None:
    """Give a client what it shows the broker, and the manners of all of Perch's; raises StorageError."""
    username, password = credentials(broker)
    if username is not None:
        client.username_pw_set(username, password)
    tls = tls_context(broker)
    if tls is not None:
        client.tls_set_context(tls)
    client.on_socket_open = _without_delay


def subscribe(client: Client, broker: Broker, topics: Sequence[str], *, own_messages: bool) -> None:
    """Ask for topics; without `own_messages` for what others publish only (MQTT 5)."""
    if is_five(broker):
        options = SubscribeOptions(qos=QOS, noLocal=not own_messages)
        client.subscribe([(topic, options) for topic in topics])
    else:
        client.subscribe([(topic, QOS) for topic in topics])


@lru_cache(maxsize=16)
def expiring(after_s: int) -> Properties:
    """Give what tells the broker to let go of a message (MQTT 5)."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho leaves it out
    properties.MessageExpiryInterval = after_s
    return properties


def _without_delay(_client: object, _data: Any, wire: Any) -> None:
    """Send at once: waiting for more to send (Nagle) costs 40 ms for each window of messages."""
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
