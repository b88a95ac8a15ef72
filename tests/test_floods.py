"""Who shows no key keeps nobody out, and whoever comes from elsewhere is not taken for a user of this machine."""

import asyncio
from pathlib import Path

import pytest

from api.application import serving, with_routes
from api.entrance.entrance import LOGINS_PER_MINUTE, TRIES_PER_MINUTE
from api.operations import KEPT_MS
from api.problems import OVER_S, Incidents
from perch.adapters.keys import Role
from perch.settings import Api
from tests.keyed import Answer, Keyed, asked

SPACES = "/api/v1/spaces"
FORM = {"content-type": "application/x-www-form-urlencoded"}
AT_HOME = {"host": "127.0.0.1:8080"}


@pytest.fixture
def flooded(tmp_path: Path) -> Keyed:
    """An API of which somebody without a key asks more than they may."""
    keyed = Keyed(tmp_path, roles=(Role.MEMBER,), routes=with_routes())
    limits = Api(requests_per_minute=5)
    keyed.app = serving(keyed.routes, keyed.live, keyed.routes.state.history, limits, keyed.entrance)
    assert [keyed.get("/x").status for _ in range(6)] == [401] * 5 + [429]
    return keyed


@pytest.fixture
def unlocked(tmp_path: Path) -> Keyed:
    """An API that only this machine's users reach, before there is a key."""
    return Keyed(tmp_path, roles=(), url=None)


def log_in(keyed: Keyed) -> Answer:
    return keyed.ask("POST", "/login", f"key={keyed.keys[Role.MEMBER]}".encode(), FORM)


def test_a_flood_without_a_key_keeps_nobody_out_who_has_one(flooded: Keyed) -> None:
    assert flooded.get(SPACES, Role.MEMBER).status == 200
    assert flooded.get("/login").status == 200
    entered = log_in(flooded)
    assert entered.status == 303
    cookie = entered.headers["set-cookie"].partition(";")[0]
    assert flooded.get(SPACES, cookie=cookie).status == 200


def test_a_flood_of_the_form_keeps_nobody_from_it_and_costs_next_to_nothing(flooded: Keyed) -> None:
    pages = [flooded.get(f"/login?next=/find?n={number}") for number in range(9)]
    assert [page.status for page in pages] == [200] * 9
    assert [b"/find" in page.body for page in pages] == [True] * 5 + [False] * 4
    assert b'name="key"' in pages[-1].body
    assert pages[-1].body == pages[-2].body
    assert log_in(flooded).status == 303


def test_a_flood_of_wrong_keys_is_answered_with_what_is_written_already(flooded: Keyed) -> None:
    answers = [flooded.ask("POST", "/login", b"key=wrong&next=/find", FORM) for _ in range(TRIES_PER_MINUTE + 2)]
    assert [answer.status for answer in answers] == [401] * TRIES_PER_MINUTE + [429] * 2
    assert answers[-1].body == answers[-2].body
    assert int(answers[-1].headers["retry-after"]) > 0
    assert log_in(flooded).status == 303


def test_how_the_server_is_may_always_be_asked(flooded: Keyed) -> None:
    assert [flooded.get(path).status for path in ("/healthz", "/readyz") * 10] == [200] * 20


def test_who_shows_no_key_is_told_of_parts_that_were_looked_at_within_a_second(flooded: Keyed) -> None:
    looks: list[str] = []

    def check() -> str:
        looks.append("connected")
        return looks[-1]

    flooded.routes.state.checks = [("broker", check)]
    for _ in range(3):
        flooded.get("/readyz")
    assert len(looks) == 1
    flooded.hands.pass_s(KEPT_MS / 1000)
    flooded.get("/readyz")
    flooded.get("/readyz", Role.MEMBER)
    assert len(looks) == 3


def test_many_logins_with_one_key_wait(flooded: Keyed) -> None:
    answers = [log_in(flooded) for _ in range(LOGINS_PER_MINUTE + 1)]
    assert [answer.status for answer in answers] == [303] * LOGINS_PER_MINUTE + [429]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert flooded.get(SPACES, Role.MEMBER).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1.evil.example"},
        {"referer": "https://perch.hq.example/"},
        {"referer": "https://evil.example/?http://localhost/"},
        {"referer": "https://localhost@evil.example/"},
        {"x-forwarded-for": "10.0.0.7"},
    ],
)
def test_without_keys_pages_and_proxies_of_other_names_are_refused(unlocked: Keyed, headers: dict[str, str]) -> None:
    assert unlocked.get(SPACES, None, **{**AT_HOME, **headers}).status == 403


def test_without_keys_own_pages_are_let_in(unlocked: Keyed) -> None:
    own = {"origin": "http://127.0.0.1:8080", "referer": "http://localhost:8080/week?site=hq"}
    assert unlocked.get(SPACES, None, **{**AT_HOME, **own}).status == 200


def test_without_keys_pages_that_the_operator_names_are_let_in(unlocked: Keyed) -> None:
    page = "https://intranet.example"
    settings = Api(requests_per_minute=0, cors_origins=(page,))
    app = serving(unlocked.routes, unlocked.live, unlocked.routes.state.history, settings, unlocked.entrance)
    for origin, status in ((page, 200), ("https://evil.example", 403)):
        assert asyncio.run(asked(app, "GET", SPACES, b"", {**AT_HOME, "origin": origin})).status == status


def test_without_keys_http_1_0_is_taken_for_a_proxy(unlocked: Keyed) -> None:
    """So nginx asks by default, under the name of the server behind it, and with no word of whom it asks for."""
    answer = asyncio.run(asked(unlocked.app, "GET", SPACES, b"", AT_HOME, http_version="1.0"))
    assert (answer.status, b"proxy" in answer.body) == (403, True)


def test_a_public_summary_names_no_site_to_who_may_not_list_them(tmp_path: Path) -> None:
    keyed = Keyed(tmp_path, roles=(Role.MEMBER,), public_summary=True, limited=False, routes=with_routes())
    answers = [keyed.get("/api/v1/summary?site=nope", role) for role in (None, Role.MEMBER)]
    assert [answer.status for answer in answers] == [422, 422]
    assert [b"lab" in answer.body for answer in answers] == [False, True]


def test_an_outage_is_one_line_in_the_log_and_tells_those_alone_who_may_know_where_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keyed = Keyed(tmp_path)
    (tmp_path / "history.db").unlink()
    address = "/api/v1/history/coverage?site=hq&from=2026-01-05&to=2026-01-12&resolution=day&scope=zone"
    answers = [keyed.get(address, role) for role in (Role.MEMBER, Role.MANAGER, Role.FACILITIES) for _ in range(5)]
    assert [answer.status for answer in answers] == [503] * 15
    assert [str(tmp_path) in answer.body.decode() for answer in answers] == [False] * 5 + [True] * 10
    assert len([one for one in caplog.records if "cannot answer" in one.getMessage()]) == 1


def test_what_comes_again_after_long_is_told_again_and_what_is_remembered_is_bounded() -> None:
    incidents = Incidents()
    assert [incidents.is_new("away", at_s) for at_s in (0, 1, 500, 1_000, 1_000 + OVER_S + 1)] == [
        True, False, False, False, True
    ]  # fmt: skip
    assert all(incidents.is_new(f"another {number}", 0) for number in range(1_000))
    assert len(incidents._last_s) <= 100
