"""The reference reader finds an API that shows a space free past its time, and lets an honest one be."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from perch.adapters.mqtt.connection import Connection
from perch.chaos.live_reader import LiveReader
from perch.contract import Publication
from perch.settings.values import Broker as BrokerSettings
from tests.parts import Broker, until

EPOCH = "e" * 32
QUICK = {"grace_s": 0.3, "poll_s": 0.05, "lag_s": 0.2}


@dataclass
class Pretender:
    """An API that shows what it is told to show."""

    state: str = "free"
    _server: ThreadingHTTPServer = field(init=False)

    def __post_init__(self) -> None:
        pretender = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps({"items": [{"site": "hq", "id": "d1", "state": pretender.state}]}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def pretender() -> Iterator[Pretender]:
    pretender = Pretender()
    yield pretender
    pretender.close()


@pytest.fixture
def reader(mosquitto: Broker, pretender: Pretender) -> Iterator[LiveReader]:
    reader = LiveReader(BrokerSettings(port=mosquitto.port), "hq", pretender.port, lambda: 0.0, **QUICK)
    reader.start()
    yield reader
    reader.stop()


@pytest.fixture
def publish(mosquitto: Broker) -> Iterator[Callable[..., None]]:
    """A function that publishes a state of space d1, valid for some time, sent some time ago, or a status."""
    with Connection(BrokerSettings(port=mosquitto.port), "agent", subscriptions=[], on_message=lambda _: None) as wire:
        wire.ready(10)

        def publish(valid_s: float = 1.0, ago_s: float = 0.0, status: bool | None = None) -> None:
            sent_ms = time.time_ns() // 1_000_000 - int(ago_s * 1000)
            told = {"v": 1, "epoch": EPOCH, "state": "free", "probability": 0.1, "count": None, "reason": "quiet"}
            told |= {"since_ms": 0, "sent_ms": sent_ms, "clock": "ok", "valid_for_ms": int(valid_s * 1000)}
            channel = "state/d1"
            if status is not None:
                channel, told = "status", {"v": 1, "online": status, "epoch": EPOCH, "run": 1}
            message = Publication(f"perch/v1/hq/a1/{channel}", json.dumps(told).encode(), retain=True)
            until(lambda: wire.publish(message))

        yield publish


@pytest.fixture
def say(publish: Callable[..., None], reader: LiveReader) -> Callable[..., None]:
    """The same, once the reader listens."""
    until(lambda: reader.looks > 0)
    return publish


def test_free_past_its_time_is_found(reader: LiveReader, say: Callable[..., None]) -> None:
    say(valid_s=0.1)
    until(lambda: sum(reader.overdue_s.values()) > 0)
    assert next(iter(reader.overdue_s)) == "hq/d1, past its time"


def test_free_of_an_agent_that_is_offline_is_found(reader: LiveReader, say: Callable[..., None]) -> None:
    say(valid_s=60.0)
    say(status=False)
    until(lambda: sum(reader.overdue_s.values()) > 0)
    assert next(iter(reader.overdue_s)) == "hq/d1, its agent offline"


def test_an_api_whose_link_is_bad_is_held_to_what_was_sent(
    mosquitto: Broker, pretender: Pretender, publish: Callable[..., None]
) -> None:
    reader = LiveReader(BrokerSettings(port=mosquitto.port), "hq", pretender.port, lambda: float("inf"), **QUICK)
    reader.start()
    try:
        until(lambda: reader.looks > 0)
        publish(valid_s=1.0, ago_s=1.0)
        until(lambda: sum(reader.overdue_s.values()) > 0)
        assert next(iter(reader.overdue_s)) == "hq/d1, too long since it was sent"
    finally:
        reader.stop()


def test_free_within_its_time_is_let_be(reader: LiveReader, say: Callable[..., None]) -> None:
    say(valid_s=60.0)
    until(lambda: reader.judged > 3)
    assert reader.overdue_s == {}


def test_unknown_is_never_past_its_time(reader: LiveReader, say: Callable[..., None], pretender: Pretender) -> None:
    pretender.state = "unknown"
    looks = reader.looks
    until(lambda: reader.looks > looks + 8)  # what was looked at before is judged by now
    say(valid_s=0.1, ago_s=60.0)
    until(lambda: reader.looks > looks + 16)
    assert reader.overdue_s == {}
