"""What stands before InfluxDB, or in its place, may answer anything: it is said what to do; no row is given up."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from perch.adapters.influx.query import Bucket
from perch.adapters.influx.writing import InfluxWriter
from perch.errors import UnavailableError
from perch.settings.values import Influx

Answering = Callable[[int], InfluxWriter]


class Answer(BaseHTTPRequestHandler):
    """Gives the same answer to everything."""

    status = 200

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b'{"error":"no"}'
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _answer  # noqa: N815 (so the library calls them)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def answering() -> Iterator[Answering]:
    """Give a writer to a server that answers with a status."""
    servers: list[ThreadingHTTPServer] = []

    def start(status: int) -> InfluxWriter:
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Answers", (Answer,), {"status": status}))
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return InfluxWriter(Influx(url=f"http://127.0.0.1:{server.server_port}", database="a", zones_database="b"))

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (401, "token or password"),
        (403, "token or password"),
        (404, "InfluxDB 1.8 or 2.x"),
        (413, "size of requests"),
        (429, "its log"),
        (500, "its log"),
        (503, "its log"),
    ],
)
def test_an_answer_that_says_nothing_of_the_rows_is_an_outage_with_its_remedy(
    answering: Answering, status: int, remedy: str
) -> None:
    with answering(status) as writer:
        with pytest.raises(UnavailableError, match=str(status)) as refused:
            writer.write(Bucket.SPACES, ["m v=1i 1", "m v=2i 2", "m v=3i 3"])
        assert remedy in refused.value.remedy
        with pytest.raises(UnavailableError) as refused:
            writer.query("SELECT mark FROM alive LIMIT 1", Bucket.SPACES)
        assert remedy in refused.value.remedy or status in (401, 403)
