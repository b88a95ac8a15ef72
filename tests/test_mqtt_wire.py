"""Whatever pieces a broker's bytes come in, the same messages come out of them, each answered once."""

import socket
import struct
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from perch.adapters.mqtt.wire import Message, PacketSocket, QuickClient, packet_length, read_message
from tests.examples import usually

PINGRESP = b"\xd0\x00"


def number(value: int) -> bytes:
    """A length as MQTT writes it: seven bits a byte."""
    head, rest = value & 0x7F, value >> 7
    return bytes([head | 0x80]) + number(rest) if rest else bytes([head])


def packet(message: Message, protocol: int, properties: bytes = b"") -> bytes:
    """A PUBLISH packet as the standard has it."""
    topic = message.topic.encode()
    body = struct.pack("!H", len(topic)) + topic
    body += b"" if message.mid is None else struct.pack("!H", message.mid)
    body += number(len(properties)) + properties if protocol == MQTTProtocolVersion.MQTTv5 else b""
    body += message.payload
    return bytes([0x30 | (message.mid is not None) << 1 | message.retained]) + number(len(body)) + body


messages = st.builds(
    Message,
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30),
    st.binary(max_size=300) | st.integers(0, 20_000).map(bytes),
    st.booleans(),
    st.none() | st.integers(1, 65_535),
)
protocols = st.sampled_from([MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311])


class Pieces:
    """A socket that gives what it was made of, piece by piece, and then says that there is nothing yet."""

    def __init__(self, pieces: Sequence[bytes], end: bytes | None = None) -> None:
        self.left = list(pieces)
        self._end = end
        self.sent = b""

    def recv(self, size: int) -> bytes:
        if self.left:
            piece = self.left.pop(0)
            assert len(piece) <= size
            return piece
        if self._end is None:
            raise BlockingIOError
        return self._end

    def close(self) -> None:
        pass

    def fileno(self) -> int:
        return -1


class Listening:
    """A client of ours on such a socket; `answered` are the receipts that it has ready to be sent."""

    def __init__(self, wire: Pieces, protocol: MQTTProtocolVersion) -> None:
        self.heard: list[tuple[str, bytes, bool]] = []
        self.client = QuickClient(
            lambda *told: self.heard.append(told), CallbackAPIVersion.VERSION2, protocol=protocol, client_id="x"
        )
        self.client._sock = PacketSocket(wire)

    def answered(self) -> bytes:
        return b"".join(queued["packet"] for queued in self.client._out_packet)


@usually(60)
@given(st.lists(messages, max_size=8), protocols, st.data())
def test_messages_come_out_whole_whatever_pieces_they_came_in(
    sent: list[Message], protocol: MQTTProtocolVersion, data: st.DataObject
) -> None:
    stream = b"".join(packet(message, protocol, data.draw(st.binary(max_size=200))) for message in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    parts = [stream[start:end] for start, end in pairwise([0, *cuts, len(stream)])]
    pieces = [part[at : at + 60_000] for part in parts for at in range(0, len(part), 60_000)]
    listening = Listening(wire := Pieces(pieces), protocol)
    while wire.left:
        assert listening.client.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS
    assert listening.heard == [message[:3] for message in sent]
    mids = [message.mid for message in sent if message.mid is not None]
    assert listening.answered() == b"".join(struct.pack("!BBH", 0x40, 2, mid) for mid in mids)


@given(messages, protocols, st.data())
def test_a_broken_message_is_left_to_paho_and_raises_nothing(
    message: Message, protocol: MQTTProtocolVersion, data: st.DataObject
) -> None:
    whole = packet(message, protocol)
    assert read_message(whole, protocol) == message
    cut = data.draw(st.integers(1, len(whole)))
    broken = read_message(whole[:cut], protocol)
    assert broken is None or broken.topic == message.topic
    read_message(bytes([0x30]) + data.draw(st.binary(max_size=40)), protocol)


@pytest.mark.parametrize("stream", [b"\x30\xff\xff\xff\xff\xff", b"\x30\x04\x00\x05abc", b"\x00\x00", b"\xff\x00"])
def test_what_is_no_packet_ends_the_connection(stream: bytes) -> None:
    listening = Listening(wire := Pieces([stream]), MQTTProtocolVersion.MQTTv5)
    told = [listening.client.loop_read() for _ in range(3) if wire.left or listening.client._sock]
    assert any(one != MQTTErrorCode.MQTT_ERR_SUCCESS for one in told)
    assert listening.client._sock is None
    assert listening.heard == []


def test_other_packets_are_paho_s_to_handle_and_the_end_is_noticed() -> None:
    message = Message("a", b"b", False, 7)
    stream = PINGRESP + packet(message, MQTTProtocolVersion.MQTTv5) + PINGRESP
    listening = Listening(Pieces([stream], end=b""), MQTTProtocolVersion.MQTTv5)
    assert listening.client.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS
    assert listening.heard == [("a", b"b", False)]
    assert listening.client.loop_read() == MQTTErrorCode.MQTT_ERR_CONN_LOST


def test_a_client_whose_connection_ends_in_this_very_moment_says_so_and_raises_nothing() -> None:
    """Its thread closes what wakes it, while another hands over a packet, or hangs up."""
    client = QuickClient(lambda *_: None, CallbackAPIVersion.VERSION2)
    gone, other = socket.socketpair()
    with other:
        gone.close()
        client._sockpairW = gone
        assert client._packet_queue(0xE0, b"\xe0\x00", 0, 0) == MQTTErrorCode.MQTT_ERR_NO_CONN


def test_the_length_of_a_packet_is_told_as_soon_as_it_is_there() -> None:
    whole = packet(Message("topic", bytes(20_000), False, 1), MQTTProtocolVersion.MQTTv5)
    assert [packet_length(whole[:size], 0) for size in (1, 3, 4, 10)] == [None, None, len(whole), len(whole)]
