"""Metrics in Prometheus' text format by `prometheus_client`, and a port for what has no HTTP of its own."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple

from prometheus_client import Metric, ProcessCollector, generate_latest
from prometheus_client.registry import Collector

from perch import __version__
from perch.adapters.seated_server import SeatedServer
from perch.errors import UnavailableError
from perch.settings.values import MetricsAt

log = logging.getLogger(__name__)

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PATH = "/metrics"
ASKING_AT_ONCE = 64
"""Whoever comes beyond them is let go at once: an agent lives on a small machine."""

PATIENCE_S = 5.0
"""Whoever has not asked by then is let go."""


class Kind(StrEnum):
    """Whether a number only grows (until the next start), or goes up and down."""

    COUNTER = "counter"
    GAUGE = "gauge"


class Sample(NamedTuple):
    """A number, and the labels that tell it from others of its name."""

    labels: Mapping[str, str]
    value: float


class Family(NamedTuple):
    """Numbers of one name, as Prometheus shows them; a counter's name ends with `_total`."""

    name: str
    kind: Kind
    what: str
    samples: tuple[Sample, ...]


def one(name: str, kind: Kind, what: str, value: float) -> Family:
    """Give a single number without labels."""
    return Family(name, kind, what, (Sample({}, float(value)),))


def by(label: str, counted: Mapping[str, float], expected: Iterable[str] = ()) -> tuple[Sample, ...]:
    """Count by name; what was never counted is 0, so that its first time shows as growth."""
    return tuple(
        Sample({label: name}, float(count)) for name, count in sorted({**dict.fromkeys(expected, 0), **counted}.items())
    )


class _Shown(Collector):
    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from ProcessCollector(registry=None).collect()
        for family in self._families:
            metric = Metric(family.name.removesuffix("_total"), family.what, family.kind.value)
            for labels, value in family.samples:
                metric.add_sample(family.name, dict(labels), value)
            if family.samples:
                yield metric


def text_of(families: Iterable[Family]) -> bytes:
    """Write families in Prometheus' text format, after what the process itself uses."""
    build = Family("perch_build_info", Kind.GAUGE, "What runs here.", (Sample({"version": __version__}, 1.0),))
    return generate_latest(_Shown([build, *families]))


class MetricsPort:
    """Answers `GET /metrics` in threads of its own with whatever `families` gives at that moment.

    `families` is called on those threads: it is to read what does not change under its hands.
    """

    def __init__(self, at: MetricsAt, families: Callable[[], Iterable[Family]]) -> None:
        try:
            self._server = _Server((at.host, at.port), _handler(families), ASKING_AT_ONCE)
        except OSError as error:
            place = f"{at.host}:{at.port}"
            raise UnavailableError(
                f"metrics cannot be shown at {place}: {error.strerror}", "choose another [metrics] port"
            ) from error
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"<MetricsPort {self.port}>"

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(SeatedServer):
    request_queue_size = 128

    def handle_error(self, *_: Any) -> None:
        """Say nothing of somebody who went away in the midst."""
        log.debug("metrics: somebody who asked went away", exc_info=True)


def _handler(families: Callable[[], Iterable[Family]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = PATIENCE_S
        server_version, sys_version = "perch", ""

        def do_GET(self) -> None:
            status, body = (
                (200, text_of(families())) if self.path.partition("?")[0] == PATH else (404, b"see /metrics\n")
            )
            self.send_response(status)
            self.send_header("Content-Type", MEDIA_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: Prometheus asks four times a minute."""

    return Handler
