"""paho's client with a quicker way for messages that come in, which are nearly all that a client of Perch hears.

paho reads a message in five pieces straight from the socket, wakes itself up to answer and writes each receipt by
itself. Each of these calls lets go of the interpreter, and beside a thread that works hard each waits to get it back: a
busy collector would hear a thousand messages a second, and a flooding agent's would hold up everybody's. Here whatever
the socket has is read at once, messages are handed over from that buffer, and their receipts go out together. All other
packets are paho's to handle, and so are messages that are not as the standard has them.
"""

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion

READ_BYTES = 2**16
_PUBLISH, _PUBACK = 0x30, 0x40
_LONGEST_HEAD = 5

Deliver = Callable[[str, bytes, bool], None]
"""Takes a message: topic, payload, and whether the broker had kept it."""


class Message(NamedTuple):
    """A message as it stands in a packet; `mid` is None where no receipt is wanted."""

    topic: str
    payload: bytes
    retained: bool
    mid: int | None


def packet_length(data: bytes | bytearray, at: int) -> int | None:
    """Give the length of the packet that begins at a place, None while it cannot be told; ValueError if it is none."""
    length = shift = 0
    for place in range(at + 1, min(at + _LONGEST_HEAD, len(data))):
        length |= (data[place] & 0x7F) << shift
        if data[place] < 0x80:
            return place + 1 - at + length
        shift += 7
    if len(data) - at >= _LONGEST_HEAD:
        raise ValueError("the length of a packet has no end")
    return None


def read_message(packet: bytes, protocol: int) -> Message | None:
    """Read a packet; None where it is no message at QoS 0 or 1, or a broken one."""
    quality = packet[0] >> 1 & 3
    if packet[0] & 0xF0 != _PUBLISH or quality > 1:
        return None
    try:
        at = _after_number(packet, 1)
        (length,) = struct.unpack_from("!H", packet, at)
        topic, at = packet[at + 2 : at + 2 + length], at + 2 + length
        mid = None
        if quality:
            (mid,) = struct.unpack_from("!H", packet, at)
            at += 2
        if protocol == MQTTProtocolVersion.MQTTv5:
            at = _after_properties(packet, at)
        if at > len(packet):
            return None
        return Message(topic.decode(), packet[at:], bool(packet[0] & 1), mid)
    except (IndexError, struct.error, UnicodeDecodeError):
        return None


def _after_number(packet: bytes, at: int) -> int:
    while packet[at] >= 0x80:
        at += 1
    return at + 1


def _after_properties(packet: bytes, at: int) -> int:
    length = shift = 0
    while packet[at] >= 0x80:
        length |= (packet[at] & 0x7F) << shift
        shift += 7
        at += 1
    return at + 1 + (length | packet[at] << shift)


class PacketSocket:
    """A socket that is read by the buffer and given on by the packet: `recv` knows only what was released to it."""

    def __init__(self, wire: Any) -> None:
        self._wire = wire
        self._ahead = bytearray()
        self._at = 0
        self._released = 0
        self._end: OSError | bytes | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wire, name)

    def fill(self) -> None:
        """Read what the socket has; its end, or its error, is told by `recv`."""
        del self._ahead[: self._at]
        self._released -= self._at
        self._at = 0
        try:
            data = self._wire.recv(READ_BYTES)
            self._ahead += data
            self._end = self._end if data else b""
        except OSError as error:  # that there is nothing to read is one, too
            self._end = error

    def packet(self) -> bytes | None:
        """Take the next whole packet, None where there is none; raises ValueError where it cannot be one."""
        length = packet_length(self._ahead, self._at)
        if length is None or self._at + length > len(self._ahead):
            return None
        self._at += length
        return bytes(self._ahead[self._at - length : self._at])

    def release(self, packet: bytes) -> None:
        """Let `recv` have the packet that was taken last."""
        self._at -= len(packet)
        self._released = self._at + len(packet)

    def release_all(self) -> None:
        """Let `recv` have whatever is there."""
        self._released = len(self._ahead)

    def recv(self, size: int) -> bytes:
        """Give up to so many released bytes; b'' when the other side has hung up."""
        if self._at < self._released:
            data = bytes(self._ahead[self._at : min(self._at + size, self._released)])
            self._at += len(data)
            return data
        if isinstance(self._end, bytes):
            return self._end
        error, self._end = self._end, None
        raise error or BlockingIOError()

    def pending(self) -> int:
        """Tell how many bytes have been read from the wire that `select` will not tell of."""
        beneath = getattr(self._wire, "pending", None)
        return int(beneath()) if beneath is not None else 0


class QuickClient(Client):
    """A paho client that hands messages to `deliver`, which must not raise; `on_message` is not called for them."""

    def __init__(self, deliver: Deliver, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._deliver = deliver

    @property
    def lives(self) -> bool:
        """Whether its thread runs; it ends after `on_disconnect`, or by an error inside paho."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def loop_stop(self) -> MQTTErrorCode:
        """End the thread, and close the sockets that wake it: paho leaves those to whenever memory is tidied up."""
        told = super().loop_stop()
        self._reset_sockets(sockpair_only=True)
        return told

    def _packet_queue(self, *packet: Any, **more: Any) -> MQTTErrorCode:
        """Queue a packet; a connection that ends in this very moment has closed what would wake the thread."""
        try:
            return super()._packet_queue(*packet, **more)
        except OSError:
            return MQTTErrorCode.MQTT_ERR_NO_CONN

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Take in all that the socket has, then answer."""
        wire = self._sock
        if not isinstance(wire, PacketSocket):
            return super().loop_read(max_packets)
        wire.fill()
        receipts = bytearray()
        told = self._take_in(wire, receipts)
        if receipts and self._sock is wire:
            self._packet_queue(_PUBACK, bytes(receipts), 0, 1)
        return told

    def _take_in(self, wire: PacketSocket, receipts: bytearray) -> MQTTErrorCode:
        told = MQTTErrorCode.MQTT_ERR_SUCCESS
        try:
            while told == MQTTErrorCode.MQTT_ERR_SUCCESS and self._sock is wire and (packet := wire.packet()):
                message = read_message(packet, self._protocol)
                if message is None:
                    wire.release(packet)
                    told = super().loop_read()
                else:
                    self._deliver(message.topic, message.payload, message.retained)
                    if message.mid is not None:
                        receipts += struct.pack("!BBH", _PUBACK, 2, message.mid)
        except ValueError:
            wire.release_all()
        if told == MQTTErrorCode.MQTT_ERR_SUCCESS and self._sock is wire:
            told = super().loop_read()  # it hears of the end of the connection, if that is what was read
        return told

    def _create_socket(self) -> PacketSocket:
        return PacketSocket(super()._create_socket())
