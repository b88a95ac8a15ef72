"""The reference reader finds an API that shows a space free past its time, and lets an honest one be."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from perch.adapters.mqtt import Connection
from perch.chaos.live_reader import LiveReader
from perch.contract import Publication
from perch.settings.values import Broker as BrokerSettings
from tests.parts import Broker, until

EPOCH = "e" * 32


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
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

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
    reader = LiveReader(BrokerSettings(port=mosquitto.port), "hq", pretender.port, lambda: 0.0)
    reader.start()
    yield reader
    reader.stop()


@pytest.fixture
def say(mosquitto: Broker, reader: LiveReader) -> Iterator[Callable[..., None]]:
    """A function that publishes a state of space d1, valid for some time, sent some time ago."""
    with Connection(BrokerSettings(port=mosquitto.port), "agent", subscriptions=[], on_message=lambda _: None) as wire:
        wire.ready(10)
        until(lambda: reader.looks > 0)

        def say(valid_s: float, ago_s: float = 0.0) -> None:
            sent_ms = time.time_ns() // 1_000_000 - int(ago_s * 1000)
            told = {"v": 1, "epoch": EPOCH, "state": "free", "probability": 0.1, "count": None, "reason": "quiet"}
            told |= {"since_ms": 0, "sent_ms": sent_ms, "clock": "ok", "valid_for_ms": int(valid_s * 1000)}
            until(lambda: wire.publish(Publication("perch/v1/hq/a1/state/d1", json.dumps(told).encode(), retain=True)))

        yield say


def test_free_past_its_time_is_found(reader: LiveReader, say: Callable[..., None]) -> None:
    say(valid_s=0.1, ago_s=6.0)
    until(lambda: sum(reader.overdue_s.values()) > 0)
    assert "too long since it was sent" in next(iter(reader.overdue_s))


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
