"""How fast the collector stores and acknowledges, beside a paho client that does nothing with what it gets.

Both are stopped while mosquitto_pub fills the broker's queue, and then let go: the broker hands over as fast as the
client takes. The clock stops at the acknowledgement of the last event (at the peer's word after its last message).
"""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import servers
from benchmarks.figures import Figure, wait_for
from perch import contract
from perch.contract import VERSION, AliveEvent, Batch, Event, StateEvent
from perch.model import Clock, Reason, State
from tests.parts import Broker

RUNS = 5
EVENTS = 20_000

PEER = """
import sys
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
count, most = 0, int(sys.argv[2])
def on_message(client, data, message):
    global count
    count += 1
    if count == most:
        client.publish("done", "done")
def on_subscribe(*_):
    print("ready", flush=True)
client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
client.on_message = on_message
client.on_subscribe = on_subscribe
client.on_connect = lambda client, *_: client.subscribe("perch/v1/+/+/up", qos=1)
client.connect("127.0.0.1", int(sys.argv[1]))
client.loop_forever()
"""


def figures() -> list[Figure]:
    """Give the rates of single events and of batches of 100, as ratios to the peer and to each other."""
    ratios, growth, rates, to_decoding = [], [], [], []
    with servers.folder() as where, servers.broker(where / "broker") as broker:
        for run in range(RUNS):
            single = _collector_rate(where / f"single{run}", broker, 1)
            batched = _collector_rate(where / f"batch{run}", broker, 100)
            peer = _peer_rate(where, broker)
            rates.append(single)
            ratios.append(single / peer)
            growth.append(batched / single)
            to_decoding.append(batched / _decoding_rate(where / f"batch{run}" / "lines"))
    return [
        Figure("events/s, one a message, to commit and ack", rates, "/s"),
        Figure("the same ÷ messages/s of a paho client with an empty callback", ratios, "×", "≥ 0.7"),
        Figure("events/s in batches of 100 ÷ one a message", growth, "×", "≥ 5"),
        Figure("events/s in batches of 100 ÷ decoding them and nothing else", to_decoding, "×", "≥ 0.15"),
    ]


def _collector_rate(where: Path, broker: Broker, batch: int) -> float:
    where.mkdir()
    epoch = secrets.token_hex(16)
    lines = where / "lines"
    _write_messages(lines, epoch, batch)
    config = servers.write_server(where, broker, 100)
    with servers.process("collector", "--config", str(config)) as collector, listening(broker, "+/+/ack") as acks:
        wait_until_it_acknowledges(broker, acks)
        seconds = _let_go(collector.pid, broker, lines, acks, f'"epoch":"{epoch}","upto":{EVENTS}'.encode())
    return EVENTS / seconds


def _decoding_rate(lines: Path) -> float:
    payloads = lines.read_bytes().splitlines()
    began = time.perf_counter()
    for payload in payloads:
        contract.parse_up(payload)
    return EVENTS / (time.perf_counter() - began)


def _peer_rate(where: Path, broker: Broker) -> float:
    lines = where / "peer-lines"
    _write_messages(lines, secrets.token_hex(16), 1)
    peer = subprocess.Popen([sys.executable, "-c", PEER, str(broker.port), str(EVENTS)], stdout=subprocess.PIPE)
    assert peer.stdout is not None
    try:
        peer.stdout.readline()
        with listening(broker, "done", root="") as done:
            return EVENTS / _let_go(peer.pid, broker, lines, done, b"done")
    finally:
        peer.terminate()
        peer.wait()
        peer.stdout.close()


def _let_go(pid: int, broker: Broker, lines: Path, heard: subprocess.Popen[bytes], last: bytes) -> float:
    assert heard.stdout is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        publish(broker, lines.read_bytes())
    finally:
        os.kill(pid, signal.SIGCONT)
    began = time.perf_counter()
    for line in heard.stdout:
        if last in line:
            break
    return time.perf_counter() - began


def publish(broker: Broker, lines: bytes, topic: str = "perch/v1/hq/pi-0/up") -> None:
    """Publish a message for each line."""
    command = ["mosquitto_pub", "-p", str(broker.port), "-q", "1", "-t", topic, "-l"]
    subprocess.run(command, input=lines, check=True)


def wait_until_it_acknowledges(broker: Broker, acks: subprocess.Popen[bytes]) -> None:
    """Send one event again and again until the collector is there."""
    assert acks.stdout is not None
    os.set_blocking(acks.stdout.fileno(), False)
    batch = Batch(v=VERSION, epoch="f" * 32, boot="f" * 16, sent_mono_ms=None, events=(AliveEvent(1, 0, 0, Clock.OK),))
    payload = contract.build_up("hq", "pi-0", batch).payload

    def answered() -> bool:
        publish(broker, payload)
        assert acks.stdout is not None
        return bool(acks.stdout.read())

    wait_for(answered)
    os.set_blocking(acks.stdout.fileno(), True)


@contextmanager
def listening(broker: Broker, topic: str, root: str = f"{contract.ROOT}/") -> Iterator[subprocess.Popen[bytes]]:
    """Hear a topic: what is published there is on the standard output, a line each."""
    command = ["mosquitto_sub", "-p", str(broker.port), "-q", "1", "-t", root + topic]
    listener = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        yield listener
    finally:
        listener.terminate()
        listener.wait()
        if listener.stdout is not None:
            listener.stdout.close()


def _write_messages(path: Path, epoch: str, batch: int) -> None:
    with path.open("wb") as file:
        for first in range(1, EVENTS + 1, batch):
            events = tuple(_event(seq) for seq in range(first, first + batch))
            up = Batch(v=VERSION, epoch=epoch, boot="0" * 16, sent_mono_ms=first, events=events)
            payload = contract.build_up("hq", "pi-0", up).payload
            assert len(payload) <= contract.MAX_PAYLOAD_BYTES
            file.write(payload + b"\n")


def _event(seq: int) -> Event:
    wall_ms = 1_760_000_000_000 + seq * 1000
    state, reason = (State.OCCUPIED, Reason.MOTION) if seq % 2 else (State.FREE, Reason.QUIET)
    return StateEvent(seq, f"d{seq % 100}", state, 0.5, None, reason, wall_ms, seq, Clock.OK)
