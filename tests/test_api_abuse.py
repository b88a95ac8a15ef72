"""Bad input and abuse: whatever is sent is refused by name or cut off, nothing breaks, and others are served."""

import json
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.model import Purpose
from perch.venue.written import site_toml, spaces_csv
from tests.examples import one_in
from tests.parts import LOOPBACK, free_port, until
from tests.serving import Served, a_site, a_space, server_settings, serving

IMAGE = "<img src=x onerror=alert(1)>"
SCRIPT = '"></script><script>alert(1)</script>'
SITE = a_site(
    name=IMAGE,
    spaces=(a_space("d01", name=SCRIPT, features=frozenset({IMAGE})), a_space("d02", purpose=Purpose.SHARED)),
)
SCENARIOS, TAPS = "/api/v1/planning/scenarios", "/api/v1/audit"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An API of a site with names that would do harm in a careless page."""
    with serving(server_settings(free_port(), tmp_path_factory.mktemp("data"), SITE)) as served:
        yield served


def refused(answer: httpx.Response) -> Any:
    """Check that an answer is a small problem document of the 400s; gives it."""
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) < 4_000
    return answer.json()


@pytest.mark.parametrize(
    ("query", "status", "where"),
    [
        ("feature=" + "x" * 60_000, 414, None),
        ("feature=" + "x" * 10_000, 422, "feature"),
        ("x" * 10_000 + "=1", 422, "x" * 64),
        ("colour=blue", 422, "colour"),
        (f"{quote(IMAGE)}=1", 422, IMAGE),
        ("site=%ff%fe", 422, "site"),
        ("site=hq%00", 422, "site"),
        ("cursor=%ff%fe%00", 422, "cursor"),
        ("min_capacity=1e3", 422, "min_capacity"),
        ("min_capacity=" + "9" * 5_000, 422, "min_capacity"),
        ("limit=%0d%0aSet-Cookie:a=b", 422, "limit"),
        ("kind=desk&" * 800 + "kind=desk", 422, "kind"),
        ("&".join(f"p{number}=1" for number in range(1_000)), 422, "p0"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_bad_address_is_refused_by_name(served: Served, query: str, status: int, where: str | None) -> None:
    answer = served.client.get(f"/api/v1/spaces?{query}")
    assert answer.status_code == status
    if where is not None:
        assert where in [error["where"] for error in answer.json()["errors"]]
    assert len(answer.content) < 10_000
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("address", [SCENARIOS, TAPS])
@pytest.mark.parametrize(
    ("body", "statuses"),
    [
        (b"[" * 60_000, {413, 422}),
        (b'{"changes":' + b"[" * 30_000 + b"]" * 30_000 + b"}", {413, 422}),
        (b'{"site":"\xff\xfe"}', {422}),
        (b'{"site":"\\ud800"}', {422}),
        (b"null", {422}),
        (b"5" * 5_000, {413, 422}),
        (b'{"site":5,"space":[],"id":{},"count":"many","from":true,"to":null,"changes":"all"}', {422}),
        (b'{"id":"0","id":"1"', {422}),
        (b"", {422}),
        (b" " * 65_536, {413, 422}),
        (b"x" * 65_537, {413}),
        (b"x" * 1_000_000, {413}),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else "",
)
def test_a_bad_body_is_refused(served: Served, address: str, body: bytes, statuses: set[int]) -> None:
    answer = served.client.post(address, content=body, headers=JSON)
    assert refused(answer)["status"] in statuses


bodies = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["site", "from", "to", "changes", "remove", "add", "id", "space", "count"])
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@one_in(4)
@given(bodies, st.sampled_from([SCENARIOS, TAPS]))
def test_json_of_any_form_is_refused_or_taken_and_breaks_nothing(served: Served, body: Any, address: str) -> None:
    answer = served.client.post(address, content=json.dumps(body).encode(), headers=JSON)
    assert answer.status_code in (200, 201, 422), answer.text


def test_what_is_no_json_is_refused(served: Served) -> None:
    for headers in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "application/xml"}):
        assert refused(served.client.post(TAPS, content=b"{}", headers=headers))["status"] == 415


def test_hostile_names_are_data_and_never_markup(served: Served) -> None:
    item = served.get("/api/v1/spaces/hq/d01")
    assert item.json()["name"] == SCRIPT
    assert item.headers["content-type"] == "application/json"
    assert item.headers["x-content-type-options"] == "nosniff"
    for address in ("/", "/?kind=desk", "/spaces/hq/d01", f"/?feature={IMAGE}", f"/?site={IMAGE}"):
        page = served.get(address, accept="text/html")
        assert page.headers["content-type"].startswith("text/html"), address
        assert "<img src=x" not in page.text
        assert "<script>alert" not in page.text
        assert "script-src 'self'" in page.headers["content-security-policy"]


@contextmanager
def crowd(port: int, number: int, *said: bytes) -> Iterator[list[socket.socket]]:
    """Open many connections that each say something, and then nothing."""
    with ExitStack() as opened:
        yield [opened.enter_context(_saying(port, *said)) for _ in range(number)]


def _saying(port: int, *said: bytes) -> socket.socket:
    talking = socket.create_connection((LOOPBACK, port), timeout=10)
    for part in said:
        talking.sendall(part)
    return talking


def port_of(served: Served) -> int:
    return int(served.url.rpartition(":")[2])


def test_others_are_served_beside_a_crowd_that_sends_slowly_or_nothing(served: Served) -> None:
    port = port_of(served)
    with (
        crowd(port, 150),
        crowd(port, 50, b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "),
        crowd(port, 50, b"POST /api/v1/audit HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000\r\n\r\n{"),
        crowd(port, 20, b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ):
        for _ in range(20):
            assert served.json("/api/v1/summary")["total"] == 2


IDLE = 10_000


@pytest.mark.long
def test_ten_thousand_idle_connections_cost_little_and_are_closed(tmp_path: Path) -> None:
    """Each costs some KiB while it lasts; memory does not grow from one crowd to the next, and others are served."""
    own, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    number = min(IDLE, hard - 500)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(own, number + 400), hard))
    with an_api(tmp_path) as (process, port):
        url = f"http://{LOOPBACK}:{port}/api/v1/summary"
        before = resident_kib(process.pid)
        peaks = []
        for _ in range(3):
            with crowd(port, number) as idle:
                peaks.append(resident_kib(process.pid))
                assert httpx.get(url, timeout=10, trust_env=False).status_code == 200
                until(lambda idle=idle: _is_closed(idle[-1]), 60)  # type: ignore[misc]
                assert all(map(_is_closed, idle))
            assert httpx.get(url, timeout=10, trust_env=False).status_code == 200
        print(f"{number} idle connections: {(peaks[0] - before) / number:.1f} KiB each; peaks {peaks} KiB")  # noqa: T201
        assert (peaks[0] - before) / number < 40
        assert peaks[-1] < peaks[0] * 1.1


def _is_closed(talking: socket.socket) -> bool:
    talking.setblocking(False)
    try:
        return talking.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def resident_kib(pid: int) -> int:
    """Give the resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1])


@contextmanager
def an_api(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """An API in a process of its own."""
    (folder / "site.toml").write_text(site_toml(a_site()))
    (folder / "spaces.csv").write_text(spaces_csv(a_site()))
    port = free_port()
    (folder / "perch.toml").write_text(
        f'data = "."\nsites = ["site.toml"]\n[broker]\nhost = "localhost"\nport = 1\n[api]\nport = {port}\n'
    )
    command = [sys.executable, "-m", "perch.commands", "api", "--config", str(folder / "perch.toml")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        until(lambda: _answers(port), 60)
        yield process, port
    finally:
        process.terminate()
        process.wait(20)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://{LOOPBACK}:{port}/healthz", timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
