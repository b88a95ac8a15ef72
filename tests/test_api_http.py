"""How the API behaves as a server: errors, conditional reads, names, ports, shutdown."""

import asyncio
import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from api import process
from api.application import build
from api.audit.taps import Taps
from api.history.files import history_in_files
from api.live.live import Live
from perch.errors import InputError, PerchError
from perch.model import State
from perch.settings import Api
from tests.parts import Broker, free_port, until
from tests.serving import Served, Speaker, a_site, server_settings, serving, serving_connected


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An API that has no broker, which these tests do not need."""
    with serving(server_settings(free_port(), tmp_path_factory.mktemp("data"))) as served:
        yield served


@pytest.fixture
def heard(mosquitto: Broker, tmp_path: Path) -> Iterator[Served]:
    """An API that hears a fresh broker."""
    with serving_connected(server_settings(mosquitto.port, tmp_path)) as served:
        yield served


def problem_of(answer: httpx.Response, status: int) -> Any:
    """Check that an answer is a problem document with this status; gives it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) == {"type", "title", "status", "detail", "errors"}
    assert body["status"] == status
    assert body["detail"]
    return body


def test_what_does_not_exist_is_a_problem(served: Served) -> None:
    for address in ("/nothing", "/api/v1/nothing", "/api/v2/spaces", "/assets/x/y", "/?site=nowhere"):
        problem_of(served.get(address), 404)
    assert "hq/d99" in problem_of(served.get("/api/v1/spaces/hq/d99"), 404)["detail"]


def test_another_method_is_a_problem_that_names_those_allowed(served: Served) -> None:
    answer = served.client.post("/api/v1/spaces")
    problem_of(answer, 405)
    assert answer.headers["allow"] == "GET"
    assert served.client.put("/api/v1/audit").headers["allow"] == "GET, POST"
    assert served.client.get(f"/api/v1/audit/{'0' * 32}").headers["allow"] == "DELETE"


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("kind=sofa", "kind"),
        ("state=maybe", "state"),
        ("site=nowhere", "site"),
        ("site=NO+ID", "site"),
        ("floor=../etc", "floor"),
        ("min_capacity=-1", "min_capacity"),
        ("min_capacity=many", "min_capacity"),
        ("limit=0", "limit"),
        ("limit=100000", "limit"),
        ("cursor=%21%21", "cursor"),
        ("cursor=aHEvZDAx%0a", "cursor"),
        ("feature=" + "x" * 1000, "feature"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(served: Served, query: str, where: str) -> None:
    body = problem_of(served.get(f"/api/v1/spaces?{query}"), 422)
    assert [error["where"] for error in body["errors"]] == [where]
    assert where in body["detail"]


def test_every_wrong_parameter_is_named(served: Served) -> None:
    body = problem_of(served.get("/api/v1/spaces?kind=sofa&limit=0"), 422)
    assert [error["where"] for error in body["errors"]] == ["kind", "limit"]


@pytest.mark.parametrize(
    "address",
    [
        "/api/v1/sites",
        "/api/v1/summary",
        "/api/v1/spaces",
        "/api/v1/spaces/hq/d01",
        "/api/v1/agents",
        "/api/v1/sensors",
        "/api/v1/events",
        "/api/v1/history/coverage",
        "/api/v1/history/transitions",
        "/api/v1/definitions",
        "/api/v1/",
        "/healthz",
        "/readyz",
    ],
)
def test_an_unknown_parameter_is_refused_by_name_everywhere(served: Served, address: str) -> None:
    body = problem_of(served.get(f"{address}?colour=blue"), 422)
    assert body["errors"][0]["where"] == "colour"


def test_whatever_is_wrong_with_a_request_is_said_at_once(served: Served) -> None:
    """Names, values and what they mean together: nobody should need several attempts to hear of all."""
    body = problem_of(
        served.get("/api/v1/history/coverage?site=nowhere&from=soon&to=later&resolution=year&colour=blue"), 422
    )
    assert [error["where"] for error in body["errors"]] == ["colour", "site", "from", "to", "resolution"]
    body = problem_of(served.get("/api/v1/spaces?kind=sofa&limit=0&colour=blue"), 422)
    assert {error["where"] for error in body["errors"]} == {"colour", "kind", "limit"}


def test_a_parameter_given_twice_is_refused(served: Served) -> None:
    body = problem_of(served.get("/api/v1/spaces?kind=desk&kind=room"), 422)
    assert [error["where"] for error in body["errors"]] == ["kind"]


def test_a_bug_is_a_problem_that_gives_nothing_away(tmp_path: Path) -> None:
    def fail() -> str:
        raise RuntimeError("planted")

    taps = Taps(tmp_path, 0, lambda: 0)
    app = build(Live((a_site(),), process.now), history_in_files({}, tmp_path), taps, [("broken", fail)])
    body = problem_of(asyncio.run(_asked_directly(app, "/readyz")), 500)
    assert "planted" not in json.dumps(body)


async def _asked_directly(app: ASGIApp, address: str) -> httpx.Response:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.get(address)


@pytest.mark.parametrize("address", ["/api/v1/sites", "/api/v1/summary", "/api/v1/spaces", "/api/v1/spaces/hq/d01"])
def test_a_reader_who_has_the_answer_already_is_told_so(served: Served, address: str) -> None:
    tag = served.get(address).headers["etag"]
    for known in (tag, f'"other", {tag}', "*"):
        again = served.get(address, if_none_match=known)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
    assert served.get(address, if_none_match='"other"').status_code == 200


def test_the_tag_of_an_answer_changes_with_what_it_says(mosquitto: Broker, heard: Served) -> None:
    before = heard.get("/api/v1/spaces?state=free").headers["etag"]
    desks = heard.get("/api/v1/spaces?kind=room").headers["etag"]
    with Speaker(mosquitto) as speaker:
        speaker.say("d01", State.FREE)
        heard.wait_for("d01", State.FREE)
        assert heard.get("/api/v1/spaces?state=free", if_none_match=before).status_code == 200
        assert heard.get("/api/v1/spaces?kind=room", if_none_match=desks).status_code == 304
        tag = heard.get("/api/v1/spaces?state=free").headers["etag"]
        speaker.say("d01", State.FREE, since_ms=1)
        until(lambda: heard.get("/api/v1/spaces?state=free", if_none_match=tag).status_code == 200)


def test_an_age_is_at_most_a_second_behind(mosquitto: Broker, heard: Served) -> None:
    with Speaker(mosquitto) as speaker:
        speaker.say("d01", State.FREE)
        heard.wait_for("d01", State.FREE)
    heard_s = time.monotonic()

    def is_older() -> bool:
        asked_s = time.monotonic()
        age = heard.space("d01")["age_seconds"]
        assert age >= int(asked_s - heard_s) - 1
        return bool(age >= 2)

    until(is_older)


def test_an_answer_may_be_zipped(served: Served) -> None:
    with httpx.stream("GET", f"{served.url}/api/v1/spaces", headers={"Accept-Encoding": "gzip"}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert len(json.loads(gzip.decompress(raw))["items"]) == 4
    assert "content-encoding" not in served.get("/api/v1/spaces", accept_encoding="identity").headers


def test_head_is_get_without_a_body(served: Served) -> None:
    for address in ("/", "/api/v1/spaces", "/healthz", "/api/v1/openapi.json"):
        answer = served.client.head(address)
        assert (answer.status_code, answer.content) == (200, b"")


def test_every_answer_says_how_it_may_be_kept(served: Served) -> None:
    """Nothing may be kept by a cache that several people share; what is live may be kept to be asked for anew."""
    kept = "private, no-cache"
    live = [f"/api/v1/{name}" for name in ("sites", "summary", "spaces", "spaces/hq/d01", "agents", "sensors")]
    for address, said in (
        *((address, kept) for address in (*live, "/api/v1/definitions", "/")),
        *((address, "no-store") for address in ("/healthz", "/readyz", "/metrics", "/nothing", "/api/v1/spaces?a=b")),
        ("/api/v1/openapi.json", "no-store"),
    ):
        assert served.get(address).headers["cache-control"] == said, address
    with served.client.stream("GET", "/api/v1/events") as events:
        assert events.headers["cache-control"] == "no-store"
    tag = served.get("/api/v1/sites").headers["etag"]
    known = served.get("/api/v1/sites", if_none_match=tag).headers
    assert (known["cache-control"], "Authorization" in known["vary"]) == (kept, True)


def test_a_foreign_name_is_turned_away(served: Served) -> None:
    """Else a web page elsewhere could read through a visitor's browser by pointing its own name to this machine."""
    problem_of(served.get("/api/v1/spaces", host="perch.example"), 421)
    for name in ("localhost:8080", "127.0.0.1", "[::1]:80", "hq.localhost", "LOCALHOST"):
        assert served.get("/healthz", host=name).status_code == 200


def test_every_answer_forbids_what_a_page_of_perch_does_not_need(served: Served) -> None:
    for address in ("/", "/api/v1/spaces", "/nothing"):
        headers = served.get(address).headers
        assert "unsafe-inline" not in headers["content-security-policy"]
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "perch.example", ""])  # noqa: S104 - to be refused
def test_others_can_reach_the_api_only_where_somebody_said_how(tmp_path: Path, host: str) -> None:
    settings = replace(server_settings(1, tmp_path), api=Api(host, 0))
    with pytest.raises(InputError) as refused:
        process.run(settings, threading.Event())
    assert "[api] host" in str(refused.value)
    assert "https://" in str(refused.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_addresses_are_allowed(host: str) -> None:
    assert is_allowed(host)


def is_allowed(host: str) -> bool:
    try:
        process.require_url(Api(host))
    except InputError:
        return False
    return True


def test_a_port_that_is_taken_is_said_with_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        settings = replace(server_settings(1, tmp_path), api=Api(port=other.getsockname()[1]))
        with pytest.raises(PerchError, match="taken by another program") as refused:
            process.run(settings, threading.Event())
    assert refused.value.exit_code == 1
    assert "[api]" in refused.value.remedy


def test_no_part_of_an_answer_waits_for_the_receipt_of_another(tmp_path: Path) -> None:
    """Else each answer on a connection that was used before takes 40 ms."""
    api = server_settings(1, tmp_path).api
    with process.listen(api) as listening, socket.create_connection((api.host, api.port)):
        listening.setblocking(True)
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_the_api_ends_although_readers_hold_on(tmp_path: Path) -> None:
    settings = server_settings(free_port(), tmp_path)
    with serving(settings) as served, served.client.stream("GET", "/api/v1/events") as events:
        assert next(events.iter_lines())
        with socket.create_connection((settings.api.host, settings.api.port)):
            assert served.end()
    assert process.GRACE_S <= 1
