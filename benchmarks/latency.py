"""From a pin's edge to an SSE client, beside one bare MQTT hop through the same broker between two paho clients."""

import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from benchmarks import servers
from benchmarks.figures import Figure, wait_for
from perch.model import SensedSpace, Sensor, SensorKind, SpaceKind
from perch.settings import AgentSettings, Broker, SensingSettings
from sensor_agent import process
from sensor_agent.agent import Agent
from sensor_agent.clock import SystemClock
from sensor_agent.inputs import move_pin, use_mock_pins
from tests import parts
from tests.parts import answers, free_port

EDGES = 200
PAUSE_S = 0.02
"""Before each edge and each hop: the agent is to be at rest, not still writing the edge before."""

RUNS = 5
RADAR = Sensor("radar", SensorKind.PRESENCE, "d0", None, pin=17)
DESK = SensedSpace("d0", SpaceKind.DESK, hold_ms=1)


def figures() -> list[Figure]:
    """Give both medians in ms, and their ratio run by run."""
    port = free_port()
    with servers.folder() as where, servers.broker(where / "broker") as broker:
        config = servers.write_server(where, broker, 1, api_port=port)
        with servers.process("collector", "--config", str(config)), servers.process("api", "--config", str(config)):
            wait_for(lambda: answers(port))
            with _sensing(where / "agent", broker), _listening(port) as stream:
                ways, slowest, hops = [], [], []
                for _ in range(RUNS):
                    waits = _edges(stream)
                    ways.append(statistics.median(waits))
                    slowest.append(statistics.quantiles(waits, n=100)[98])
                    hops.append(statistics.median(_hops(broker)))
    return [
        Figure("pin edge to SSE client", ways, "ms"),
        Figure("the same, the slowest of a hundred", slowest, "ms"),
        Figure("bare MQTT hop", hops, "ms"),
        Figure("ratio", [way / hop for way, hop in zip(ways, hops, strict=True)], "×", "≤ 3"),
    ]


@contextmanager
def _sensing(data: Path, broker: parts.Broker) -> Iterator[None]:
    use_mock_pins()
    where = Broker(host=broker.host, port=broker.port)
    settings = AgentSettings("hq", "pi-0", data, where, SensingSettings((DESK,), (RADAR,)))
    clock, stop, up = SystemClock(), threading.Event(), threading.Event()

    def live() -> None:
        with Agent(settings, clock, (RADAR,)) as agent:
            up.set()
            process.loop(agent, clock, process.Polls((RADAR,), clock.mono_ms()), stop)

    thread = threading.Thread(target=live)
    thread.start()
    up.wait(10)
    try:
        yield
    finally:
        stop.set()
        move_pin(RADAR, 1.0)
        thread.join()


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port)) as stream:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        yield stream


def _edges(stream: socket.socket) -> list[float]:
    """Raise the pin again and again; each time read the stream until it says occupied, then until it says free."""
    move_pin(RADAR, 0.0)
    time.sleep(1)
    stream.setblocking(False)
    try:
        while stream.recv(1 << 16):
            pass
    except BlockingIOError:
        stream.setblocking(True)
    waits = []
    for _ in range(EDGES):
        time.sleep(PAUSE_S)
        began = time.perf_counter()
        move_pin(RADAR, 1.0)
        _read_until(stream, b'"state":"occupied"')
        waits.append((time.perf_counter() - began) * 1000)
        move_pin(RADAR, 0.0)
        _read_until(stream, b'"state":"free"')
    return waits


def _read_until(stream: socket.socket, word: bytes) -> None:
    heard = b""
    stream.settimeout(10)
    while word not in heard:
        heard += stream.recv(1 << 16)


def _hops(broker: parts.Broker) -> list[float]:
    heard = threading.Event()
    waits = []
    with _paho(broker, lambda client: client.subscribe("hop", qos=1), lambda *_: heard.set()) as (_, ready):
        ready.wait(10)
        with _paho(broker, lambda _: None, lambda *_: None) as (sender, _):
            for _ in range(EDGES):
                time.sleep(PAUSE_S)
                heard.clear()
                began = time.perf_counter()
                sender.publish("hop", b"x" * 200, qos=1)
                heard.wait(10)
                waits.append((time.perf_counter() - began) * 1000)
    return waits


@contextmanager
def _paho(
    broker: parts.Broker, connected: Callable[[Client], object], on_message: Callable[..., object]
) -> Iterator[tuple[Client, threading.Event]]:
    ready = threading.Event()
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.on_socket_open = lambda _c, _d, wire: wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.on_connect = lambda c, *_: connected(c)
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = on_message
    client.connect(broker.host, broker.port)
    client.loop_start()
    wait_for(client.is_connected)
    try:
        yield client, ready
    finally:
        client.disconnect()
        client.loop_stop()
