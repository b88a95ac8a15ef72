"""How much a reader may ask, and which pages of other origins may read."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import ASGIApp

from api.application import build
from api.audit.taps import Taps
from api.entrance.allowances import MOST_KNOWN, Allowances, address_of
from api.history.files import history_in_files
from api.live.live import Live
from perch.delivery.liveness import Instant
from perch.settings import Api
from tests.serving import a_site

ELSEWHERE = "https://intranet.example"
NOWHERE = Path("/nowhere")


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.mono_ms = 5_000_000

    def __call__(self) -> Instant:
        return Instant(1_790_000_000_000 + self.mono_ms, self.mono_ms)


def served(clock: Clock, settings: Api) -> ASGIApp:
    """Give an application with these settings."""
    return build(
        Live((a_site(),), clock), history_in_files({}, NOWHERE), Taps(NOWHERE, 0, lambda: 0), (), settings=settings
    )


def ask(
    app: ASGIApp,
    address: str = "/api/v1/sites",
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    **more: str,
) -> httpx.Response:
    """Ask once, from 192.0.2.1 unless `client` says otherwise."""

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app, client=(more.get("client", "192.0.2.1"), 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, address, headers=headers)

    return asyncio.run(asked())


def test_an_answer_says_what_is_left_of_the_allowance() -> None:
    clock = Clock()
    app = served(clock, Api(requests_per_minute=60))
    first, second = ask(app), ask(app)
    assert first.headers["ratelimit-policy"] == second.headers["ratelimit-policy"] == '"requests";q=60;w=60'
    assert first.headers["ratelimit"] == '"requests";r=59;t=1'
    assert second.headers["ratelimit"] == '"requests";r=58;t=2'
    clock.mono_ms += 2_000
    assert ask(app, "/nothing").headers["ratelimit"] == '"requests";r=59;t=1'


def test_who_asks_too_much_waits_as_long_as_it_is_told_and_others_do_not() -> None:
    clock = Clock()
    app = served(clock, Api(requests_per_minute=6))
    assert [ask(app).status_code for _ in range(7)] == [200] * 6 + [429]
    refused = ask(app)
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["ratelimit"] == '"requests";r=0;t=60'
    assert "Retry-After" in refused.json()["detail"]
    assert ask(app, client="192.0.2.2").status_code == 200
    clock.mono_ms += int(refused.headers["retry-after"]) * 1000
    assert [ask(app).status_code for _ in range(2)] == [200, 429]


def test_no_limit_is_no_header() -> None:
    assert "ratelimit" not in ask(served(Clock(), Api(requests_per_minute=0))).headers


@given(st.lists(st.tuples(st.integers(0, 3_000), st.booleans()), max_size=60), st.integers(1, 30))
def test_in_the_long_run_nobody_gets_more_than_the_allowance(steps: list[tuple[int, bool]], per_minute: int) -> None:
    clock = Clock()
    began_ms = clock.mono_ms
    allowances = Allowances(per_minute, lambda: clock.mono_ms)
    got = 0
    for pause_ms, is_greedy in steps:
        clock.mono_ms += pause_ms
        for _ in range(10 if is_greedy else 1):
            ruling = allowances.ask("reader")
            got += ruling.wait_s is None
            if ruling.wait_s is not None:
                assert 1 <= ruling.wait_s <= 60
        assert got <= per_minute + per_minute * (clock.mono_ms - began_ms) / 60_000 + 1e-6


def test_the_number_of_readers_remembered_is_bounded() -> None:
    allowances = Allowances(10, lambda: 0)
    for reader in range(MOST_KNOWN + 50):
        allowances.ask(reader)
    assert f"{MOST_KNOWN} readers" in repr(allowances)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("a.sock", "a.sock", True),
    ],
)
def test_an_address_of_which_a_machine_has_many_counts_as_its_network(one: str, other: str, is_same: bool) -> None:
    assert (address_of({"client": (one, 1)}) == address_of({"client": (other, 2)})) is is_same


@pytest.fixture
def open_to_others() -> ASGIApp:
    """An API that pages of one other origin may read."""
    return served(Clock(), Api(cors_origins=(ELSEWHERE,), requests_per_minute=3))


def test_no_page_of_another_origin_may_read_unless_it_is_named() -> None:
    closed, open_to_one = served(Clock(), Api()), served(Clock(), Api(cors_origins=(ELSEWHERE,)))
    for app, origin in ((closed, ELSEWHERE), (open_to_one, "https://elsewhere.example"), (open_to_one, "null")):
        headers = ask(app, headers={"Origin": origin}).headers
        assert not [name for name in headers if name.startswith("access-control")]
        preflight = ask(app, method="OPTIONS", headers={"Origin": origin, "Access-Control-Request-Method": "GET"})
        assert preflight.status_code in (403, 405)
        assert preflight.headers["content-type"] == "application/problem+json"


def test_a_page_of_a_named_origin_may_read_whatever_the_answer(open_to_others: ASGIApp) -> None:
    answers = [ask(open_to_others, address, headers={"Origin": ELSEWHERE}) for address in ("/api/v1/sites", "/nothing")]
    answers += [ask(open_to_others, headers={"Origin": ELSEWHERE}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 404, 200, 429]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == ELSEWHERE
        assert "Origin" in answer.headers["vary"]
        assert "RateLimit" in answer.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in answer.headers


def test_answers_that_depend_on_the_origin_say_so_to_caches_even_without_one(open_to_others: ASGIApp) -> None:
    assert "Origin" in ask(open_to_others).headers["vary"]


def test_a_preflight_allows_reading_and_nothing_else(open_to_others: ASGIApp) -> None:
    asked = {"Origin": ELSEWHERE, "Access-Control-Request-Method": "GET"}
    answer = ask(open_to_others, "/api/v1/spaces", "OPTIONS", asked)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-methods"] == "GET, HEAD"
    assert "Authorization" in answer.headers["access-control-allow-headers"]
    posted = ask(open_to_others, "/api/v1/audit", "POST", {"Origin": ELSEWHERE})
    assert posted.status_code == 403
