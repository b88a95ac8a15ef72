"""An agent that keeps to no rule: sends what it likes as fast as it likes, and waits for nothing.

Example: python -m tests.rogue PORT batches 3000
"""

import socket
import struct
import sys
import threading
import time

from perch import contract
from perch.contract import Batch, StateEvent
from perch.model import Clock, Reason, State
from tests.parts import LOOPBACK

TOPIC = "perch/v1/hq/rogue/up"
PAYLOAD_BYTES = 12_000
_MADE = 4_000


def batch(number: int) -> bytes:
    """A hundred valid events, all of them new."""
    events = tuple(
        StateEvent(seq, "d01", State.FREE, 0.5, None, Reason.QUIET, 1_700_000_000_000 + seq, seq, Clock.OK)
        for seq in range(100 * number + 1, 100 * number + 101)
    )
    whole = Batch(v=1, epoch="b" * 32, boot="d" * 16, sent_mono_ms=1, events=events)
    return contract.build_up("hq", "rogue", whole).payload


def junk(number: int) -> bytes:
    """Nothing that anybody could read."""
    return b"%d " % number + b"\xff" * PAYLOAD_BYTES


KINDS = {"batches": batch, "junk": junk}


def packet(payload: bytes, mid: int) -> bytes:
    """Give a message at QoS 1 in MQTT 3.1.1."""
    topic = TOPIC.encode()
    body = struct.pack("!H", len(topic)) + topic + struct.pack("!H", mid) + payload
    return b"\x32" + _length(len(body)) + body


def _length(value: int) -> bytes:
    head, rest = value & 0x7F, value >> 7
    return bytes([head | 0x80]) + _length(rest) if rest else bytes([head])


def _forget_replies(wire: socket.socket) -> None:
    """Read on: the broker would stop taking from a client that does not read."""
    while wire.recv(1 << 16):
        pass


def main(port: int, kind: str, rate: float) -> None:
    """Send until this process is ended; messages are made beforehand, for it is to be fast."""
    packets = [packet(KINDS[kind](number), number + 1) for number in range(_MADE)]
    wire = socket.create_connection((LOOPBACK, port))
    connect = b"\x00\x04MQTT\x04\x02\x00\x3c\x00\x05rogue"
    wire.sendall(b"\x10" + _length(len(connect)) + connect)
    threading.Thread(target=_forget_replies, args=[wire], daemon=True).start()
    began, sent, pause = time.monotonic(), 0, threading.Event()
    while not pause.wait(0.005):
        due = min(int(rate * (time.monotonic() - began)), sent + 200)
        wire.sendall(b"".join(packets[number % _MADE] for number in range(sent, due)))
        sent = due


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
