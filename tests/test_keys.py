"""Keys and logins: made once, kept as hashes, over when they are revoked; and no way in beside them."""

import asyncio
import json
import logging
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from api.entrance.door import Door
from api.entrance.keys import BELIEVED_S, Keys
from api.entrance.origins import Names
from api.pages.login import way_on
from perch.adapters.api_file import changing
from perch.adapters.keys import DAY_S, MOST_SESSIONS, PATTERN, SESSION_DAYS, KeysFile, Role, Session, hash_of, key_of
from perch.adapters.readings_log import Reading, ReadingsLog
from perch.errors import StorageError
from perch.model import State
from tests.keyed import Answer, Hands, Keyed

MEMBER, FACILITIES = Role.MEMBER, Role.FACILITIES
SPACES = "/api/v1/spaces"
EVENTS = "/api/v1/events"
PAST = "from=2026-03-02&to=2026-03-09"
HOME = "https://perch.example"


@pytest.fixture
def keyed(tmp_path: Path) -> Keyed:
    return Keyed(tmp_path, roles=(MEMBER, FACILITIES))


@pytest.fixture
def unlocked(tmp_path: Path) -> Keyed:
    """An API that only this machine's users reach, before there is a key."""
    return Keyed(tmp_path, roles=(), url=None)


def log_in(keyed: Keyed, text: str, way: str = "/", **headers: str) -> Answer:
    """Send the form of the login page as a browser does."""
    form = {"content-type": "application/x-www-form-urlencoded", "origin": keyed.url or "http://localhost"}
    return keyed.ask("POST", "/login", f"key={text}&next={way}".encode(), {**form, **headers})


def cookie_of(answer: Answer) -> str:
    """Give what a browser sends back."""
    return answer.headers["set-cookie"].partition(";")[0]


def at_home(**headers: str) -> dict[str, Any]:
    """Give the headers of a machine's own user."""
    return {"host": "localhost:8080", **headers}


# Keys as they are kept.


def test_a_key_is_long_random_and_kept_as_a_hash_for_its_owner_alone(tmp_path: Path) -> None:
    file = KeysFile(tmp_path)
    made = [file.create("a screen", MEMBER, {"hq"}, 1_000) for _ in range(5)]
    assert len({text for text, _ in made}) == 5
    kept = file.path.read_bytes()
    for text, key in made:
        match = PATTERN.fullmatch(text)
        assert match is not None
        assert len(bytes.fromhex(match[2])) * 8 >= 256
        assert match[2].encode() not in kept
        assert bytes.fromhex(match[2]) not in kept
        assert file.read().keys[match[1]] == key
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_a_file_that_others_can_read_is_closed_again(tmp_path: Path) -> None:
    file = KeysFile(tmp_path)
    file.create("a", MEMBER, None, 1)
    file.path.chmod(0o644)
    file.create("b", MEMBER, None, 1)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_a_key_is_found_by_every_digit_of_it_and_by_nothing_less(tmp_path: Path) -> None:
    file = KeysFile(tmp_path)
    text, key = file.create("a", MEMBER, None, 1)
    other, _ = file.create("b", FACILITIES, None, 1)
    keys = file.read().keys
    assert key_of(text, keys) == key
    for wrong in (text[:-1], text + "0", text[:-1] + ("0" if text[-1] != "0" else "1"), text.upper(), "", "perch_"):
        assert key_of(wrong, keys) is None
    assert key_of(text[:18] + other[18:], keys) is None  # one key's name, another's secret


def test_a_session_makes_room_for_newer_ones_of_its_key_alone(tmp_path: Path) -> None:
    file = KeysFile(tmp_path)
    with_room = [file.create(name, MEMBER, None, 1)[1].id for name in ("a", "b")]
    file.open_session(hash_of("other"), Session(with_room[1], 50), 1)
    for number in range(3):
        file.open_session(hash_of(str(number)), Session(with_room[0], 100 + number), 1)
    assert len(file.read().sessions) == 4
    assert MOST_SESSIONS >= 1_000
    file.open_session(hash_of("late"), Session(with_room[0], 500), 60)
    assert hash_of("other") not in file.read().sessions  # it was over
    file.revoke(with_room[0], 70)
    assert not file.read().sessions


def test_who_read_what_is_kept_within_bounds(tmp_path: Path) -> None:
    log = ReadingsLog(tmp_path, most=3)
    for number in range(5):
        log.note(Reading(number, "a" * 12, f"GET /{number}" + "x" * 1000))
    assert [reading.at_s for reading in log.newest(10)] == [4, 3, 2]
    assert all(len(reading.what) == 400 for reading in log.newest(10))
    log.purge(4 + 400 * DAY_S)
    assert [reading.at_s for reading in log.newest(10)] == [4]


# Who comes in.


def test_before_there_is_a_key_this_machines_users_read_all(unlocked: Keyed) -> None:
    assert unlocked.get(f"{SPACES}/hq/d90", **at_home()).status == 200
    assert unlocked.get(SPACES, **at_home(authorization="Bearer nonsense")).status == 200
    assert unlocked.get(SPACES).status == 421
    assert unlocked.get(SPACES, **at_home(x_forwarded_for="10.0.0.7")).status == 403


def test_the_first_key_shuts_the_door_and_what_streams_through_it(unlocked: Keyed) -> None:
    def lock() -> None:
        unlocked.file.create("first", MEMBER, None, unlocked.now_s)
        unlocked.ring.look()
        unlocked.hear("d01", State.OCCUPIED)

    answer = unlocked.ask("GET", EVENTS, headers=at_home(), then=lock)
    assert answer.ended
    assert b"event: space" not in answer.body
    assert unlocked.get(SPACES, **at_home()).status == 401


def test_an_api_that_others_reach_needs_keys_from_the_beginning(tmp_path: Path) -> None:
    keyed = Keyed(tmp_path, roles=())
    assert keyed.get(SPACES).status == 401
    assert keyed.get(SPACES, **at_home()).status == 401


def test_where_the_file_is_gone_nobody_comes_in(keyed: Keyed) -> None:
    keyed.file.path.unlink()
    keyed.ring.look()
    assert keyed.get(SPACES, MEMBER).status == 401
    assert keyed.get(SPACES, **at_home()).status == 401


def test_keys_are_believed_for_seconds_while_they_cannot_be_read(keyed: Keyed) -> None:
    keyed.file.path.write_bytes(b"no database" * 100)
    with pytest.raises(StorageError):
        keyed.ring.look()
    assert keyed.get(SPACES, MEMBER).status == 200
    keyed.hands.pass_s(BELIEVED_S + 1)
    assert keyed.get(SPACES, MEMBER).status == 503
    assert keyed.get("/healthz").status == 200


def test_a_revoked_key_opens_nothing_and_its_streams_end(keyed: Keyed) -> None:
    def revoke() -> None:
        keyed.file.revoke(keyed.ids[MEMBER], keyed.now_s)
        keyed.ring.look()
        keyed.hear("d01", State.OCCUPIED)

    answer = keyed.ask("GET", EVENTS, headers=keyed.by(MEMBER), then=revoke)
    assert answer.ended
    assert b"event: space" not in answer.body
    refused = keyed.get(SPACES, MEMBER)
    assert refused.status == 401
    assert "revoked" in refused.json["detail"]
    assert keyed.get(SPACES, FACILITIES).status == 200


def test_a_key_that_holds_keeps_its_stream(keyed: Keyed) -> None:
    assert not keyed.get(EVENTS, MEMBER).ended


def test_a_key_is_over_on_its_day(keyed: Keyed) -> None:
    text, _ = keyed.file.create("short", MEMBER, None, keyed.now_s, keyed.now_s + 60)
    keyed.ring.look()
    bearer: dict[str, Any] = {"authorization": f"Bearer {text}"}
    assert keyed.get(SPACES, **bearer).status == 200
    keyed.hands.pass_s(61)
    keyed.ring.look()
    assert keyed.get(SPACES, **bearer).status == 401


def test_the_day_of_its_last_use_is_kept(keyed: Keyed) -> None:
    keyed.get(SPACES, MEMBER)
    keyed.ring.note_use()
    kept = keyed.file.read().keys
    assert kept[keyed.ids[MEMBER]].used_day == keyed.now_s // DAY_S
    assert kept[keyed.ids[FACILITIES]].used_day is None


@pytest.mark.parametrize(
    "authorization", ["Basic cGVyY2g6cGVyY2g=", "Bearer", "Bearer ", "Bearer x", "Bearer perch_", "Digest", "Bearer ÿ"]
)
def test_what_is_no_key_is_refused(keyed: Keyed, authorization: str) -> None:
    answer = keyed.get(SPACES, authorization=authorization)
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="perch"'


def test_who_tries_many_keys_waits_and_whoever_has_one_does_not(keyed: Keyed, caplog: pytest.LogCaptureFixture) -> None:
    found = [keyed.get(SPACES, authorization=f"Bearer perch_{number}").status for number in range(40)]
    assert found[0] == 401
    assert found[-1] == 429
    assert "retry-after" in keyed.get(SPACES, authorization="Bearer x").headers
    assert log_in(keyed, "perch_x").status == 429
    assert caplog.text.count("keys are tried that open nothing") == 1
    assert "127.0.0.1" not in caplog.text
    assert keyed.get(SPACES, MEMBER).status == 200
    keyed.hands.pass_s(60)
    keyed.ring.look()
    assert keyed.get(SPACES, authorization="Bearer x").status == 401


# A key has no place in an address, in a log, or in an answer.


@pytest.mark.parametrize(
    "address",
    [
        f"{SPACES}?key={{key}}",
        f"{SPACES}?access_token=abc",
        f"{SPACES}?site={{key}}",
        f"{SPACES}?feature=x{{escaped}}",
        "/?site={key}",
        "/login?next=/?{key}",
        "/assets/{key}/app.js",
    ],
)
def test_a_key_in_an_address_is_refused_and_not_said_again(keyed: Keyed, address: str) -> None:
    text = keyed.keys[MEMBER]
    escaped = "".join(f"%{ord(letter):02x}" for letter in text)
    answer = keyed.get(address.format(key=text, escaped=escaped), accept="text/html", authorization=f"Bearer {text}")
    assert answer.status == 400
    assert text[19:] not in answer.body.decode()
    assert "Authorization" in answer.body.decode()


def test_no_key_is_in_any_log_or_file_or_answer(keyed: Keyed, caplog: pytest.LogCaptureFixture) -> None:
    """Not even where a request that carries one crashes."""
    caplog.set_level(logging.DEBUG)
    text = keyed.keys[FACILITIES]
    session = cookie_of(log_in(keyed, text)).partition("=")[2]
    assert log_in(keyed, f"{text}1").status == 401
    answers = [
        keyed.get(f"/api/v1/history/transitions?site=hq&space=d01&{PAST}", FACILITIES),
        keyed.get(SPACES, authorization=f"Bearer {text}1"),
        keyed.get("/login", cookie=f"__Host-perch={session}"),
        keyed.get("/api/v1/spaces/hq/none", FACILITIES),
    ]
    asyncio.run(crash(keyed, text))
    assert "planted" in caplog.text
    kept = b"".join(path.read_bytes() for path in keyed.folder.iterdir())
    everything = [caplog.text.encode(), kept, *(answer.body + repr(answer.headers).encode() for answer in answers)]
    for secret in (text[19:], session):
        assert not any(secret.encode() in one for one in everything)


async def crash(keyed: Keyed, text: str) -> None:
    """Let a request with a key run into a bug, and have it logged as the server does."""

    async def broken(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError("planted")

    gate: Any = keyed.app
    door: Door = gate._app
    door._app = broken
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    headers = [(b"host", b"perch.example"), (b"authorization", f"Bearer {text}".encode())]
    scope = {"type": "http", "method": "GET", "path": SPACES, "query_string": b"", "headers": headers, "client": None}
    await gate(scope, receive, send)
    assert sent[0]["status"] == 500


# Logins.


def test_a_login_gives_a_cookie_that_opens_what_the_key_opens(keyed: Keyed) -> None:
    answer = log_in(keyed, keyed.keys[MEMBER], "/%3Fsite%3Dhq")
    assert (answer.status, answer.headers["location"]) == (303, "/?site=hq")
    name, *said = answer.headers["set-cookie"].split("; ")
    assert name.startswith("__Host-perch=")
    assert set(said) == {"Path=/", f"Max-Age={SESSION_DAYS * DAY_S}", "HttpOnly", "SameSite=Lax", "Secure"}
    assert keyed.get(SPACES, cookie=cookie_of(answer)).status == 200
    assert keyed.get("/api/v1/agents", cookie=cookie_of(answer)).status == 403
    page = keyed.get("/login", cookie=cookie_of(answer), accept="text/html")
    assert "member key" in page.body.decode()


def test_without_tls_a_cookie_has_no_prefix_that_needs_it(tmp_path: Path) -> None:
    keyed = Keyed(tmp_path, url=None)
    answer = log_in(keyed, keyed.keys[MEMBER], **at_home(origin="http://localhost:8080"))
    assert answer.headers["set-cookie"].startswith("perch-session=")
    assert "Secure" not in answer.headers["set-cookie"]
    assert keyed.get(SPACES, **at_home(cookie=cookie_of(answer))).status == 200


def test_logging_out_ends_the_session_for_good(keyed: Keyed) -> None:
    cookie = cookie_of(log_in(keyed, keyed.keys[MEMBER]))
    other = cookie_of(log_in(keyed, keyed.keys[MEMBER]))
    answer = keyed.ask("POST", "/logout", headers={"cookie": cookie, "origin": HOME})
    assert (answer.status, answer.headers["location"]) == (303, "/login")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert keyed.get(SPACES, cookie=cookie).status == 401
    assert keyed.get(SPACES, cookie=other).status == 200


def test_a_session_ends_by_itself_and_with_its_key(keyed: Keyed) -> None:
    cookie = cookie_of(log_in(keyed, keyed.keys[MEMBER]))
    keyed.hands.pass_s(SESSION_DAYS * DAY_S - 60)
    keyed.ring.look()
    assert keyed.get(SPACES, cookie=cookie).status == 200
    keyed.hands.pass_s(61)
    keyed.ring.look()
    assert keyed.get(SPACES, cookie=cookie).status == 401
    again = cookie_of(log_in(keyed, keyed.keys[MEMBER]))
    keyed.file.revoke(keyed.ids[MEMBER], keyed.now_s)
    keyed.ring.look()
    assert keyed.get(SPACES, cookie=again).status == 401


def test_of_the_logins_with_a_key_the_oldest_makes_room_even_where_the_key_ends_soon(tmp_path: Path) -> None:
    """Thousands share a key that is over in an hour: whoever came last is not thrown out by whoever comes next."""
    file, hands = KeysFile(tmp_path), Hands()
    _, key = file.create("a fair", MEMBER, None, 1, expires_s=hands.wall_ms // 1000 + 3_600)
    full = [
        Session(key.id, hands.wall_ms // 1000 + SESSION_DAYS * DAY_S - number) for number in range(1, MOST_SESSIONS)
    ]
    with changing(file.path) as db:
        rows = [(hash_of(str(number)), *session) for number, session in enumerate(full)]
        db.executemany("INSERT INTO session VALUES (?, ?, ?)", rows)
    ring = Keys(tmp_path, lambda: hands.wall_ms / 1000, lambda: hands.mono_ms / 1000)
    ring.look()
    tokens = []
    for _ in range(3):
        hands.pass_s(1)
        tokens.append(asyncio.run(ring.open_session(key)))
    assert all(ring.find_session(token) for token in tokens)
    kept = set(file.read().sessions)
    assert [
        hash_of(str(number)) in kept for number in (0, MOST_SESSIONS - 4, MOST_SESSIONS - 3, MOST_SESSIONS - 2)
    ] == [
        True,
        True,
        False,
        False,
    ]
    hands.pass_s(3_600)
    assert ring.find_session(tokens[-1]) is None  # it is over with its key


def test_sessions_outlive_the_process(keyed: Keyed) -> None:
    cookie = cookie_of(log_in(keyed, keyed.keys[MEMBER]))
    again = Keys(keyed.folder, lambda: float(keyed.now_s), lambda: 0.0)
    again.look()
    assert again.find_session(cookie.partition("=")[2]) is not None
    assert again.find_session(hash_of(cookie.partition("=")[2]).hex()) is None


@pytest.mark.parametrize("text", ["", "x", "perch_" + "0" * 12 + "_" + "0" * 64, "%ff%fe", "a&key=b", "k" * 3000])
def test_a_wrong_key_shows_the_form_again(keyed: Keyed, text: str) -> None:
    answer = log_in(keyed, text, "/find")
    assert answer.status == 401
    assert 'action="/login"' in answer.body.decode()
    assert 'role="alert"' in answer.body.decode()
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(("size", "kind", "status"), [(5_000, "x-www-form-urlencoded", 413), (10, "json", 415)])
def test_a_login_is_a_small_form(keyed: Keyed, size: int, kind: str, status: int) -> None:
    headers = {"content-type": f"application/{kind}", "origin": HOME}
    assert keyed.ask("POST", "/login", b"k" * size, headers).status == status


@pytest.mark.parametrize(
    "way", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "evil", "", "/\t/evil"]
)
def test_a_login_leads_nowhere_else(way: str) -> None:
    assert way_on(way) == "/"


@pytest.mark.parametrize("way", ["/", "/find?site=hq&kind=desk", "/spaces/hq/d01?from=2026-03-02"])
def test_a_login_leads_on_to_what_was_asked_for(keyed: Keyed, way: str) -> None:
    assert way_on(way) == way
    page = keyed.get(way, accept="text/html,*/*")
    assert page.status == 401
    assert f'value="{way}"'.replace("&", "&amp;") in page.body.decode()


@pytest.mark.parametrize(
    ("headers", "is_at_home"),
    [
        ({"origin": HOME}, True),
        ({"sec-fetch-site": "same-origin", "origin": HOME}, True),
        ({"sec-fetch-site": "same-origin", "origin": "null"}, True),
        ({"origin": "null"}, False),
        ({"sec-fetch-site": "none"}, True),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "http://perch.example"}, False),
        ({"sec-fetch-site": "cross-site", "origin": HOME}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({}, False),
    ],
)
def test_only_pages_of_this_server_change_anything_by_cookie(
    keyed: Keyed, headers: dict[str, str], is_at_home: bool
) -> None:
    cookie = cookie_of(log_in(keyed, keyed.keys[FACILITIES]))
    answer = keyed.ask("POST", "/logout", headers={**headers, "cookie": cookie})
    assert answer.status == (303 if is_at_home else 403)
    assert keyed.get(SPACES, cookie=cookie).status == (401 if is_at_home else 200)


def test_a_script_with_a_key_needs_no_page(keyed: Keyed) -> None:
    body = b'{"id":"' + b"1" * 32 + b'","site":"hq","space":"d01","count":0}'
    sent = {**keyed.by(FACILITIES), "content-type": "application/json"}
    assert keyed.ask("POST", "/api/v1/audit", body, sent).status == 201
    assert keyed.ask("POST", "/api/v1/audit", body, {**sent, "origin": "https://evil.example"}).status == 403


def test_a_foreign_page_logs_nobody_in(keyed: Keyed) -> None:
    assert log_in(keyed, keyed.keys[MEMBER], origin="https://evil.example").status == 403


def test_a_server_is_called_by_its_own_names_alone() -> None:
    names = Names("https://perch.hq.example:8443")
    for host in ("perch.hq.example", "perch.hq.example:8443", "PERCH.HQ.EXAMPLE", "localhost:8080", "[::1]:80"):
        assert names.know(host), host
    for host in (
        "",
        "hq.example",
        "perch.hq.example.evil.example",
        "evil.example",
        "10.0.0.1",
        "perch.hq.example@evil",
    ):
        assert not names.know(host), host
    assert names.origin("perch.hq.example:8443") == "https://perch.hq.example:8443"
    assert names.origin("localhost:8080") == "http://localhost:8080"


# Who read what.


def test_looks_at_single_spaces_and_at_the_audit_are_noted(keyed: Keyed) -> None:
    noted = [
        f"/api/v1/history/transitions?site=hq&space=d01&{PAST}",
        f"/api/v1/history/time_used_ratio?site=hq&scope=space&{PAST}",
        "/api/v1/audit?site=hq",
        f"/spaces/hq/d01?{PAST}",
    ]
    for address in noted:
        assert keyed.get(address, FACILITIES).status == 200, address
    for address in (SPACES, f"/api/v1/history/time_used_ratio?site=hq&{PAST}", "/api/v1/sensors"):
        assert keyed.get(address, FACILITIES).status == 200, address
    assert keyed.get(noted[0], MEMBER).status == 403
    found = keyed.log.newest(10)
    assert [reading.what for reading in reversed(found)] == [f"GET {address}" for address in noted]
    assert {reading.key for reading in found} == {keyed.ids[FACILITIES]}


def test_what_cannot_be_noted_is_not_answered(keyed: Keyed) -> None:
    keyed.file.path.write_bytes(b"no database" * 100)
    assert keyed.get(f"/api/v1/history/transitions?site=hq&space=d01&{PAST}", FACILITIES).status == 503


def test_a_late_tap_made_with_a_key_tells_nothing_of_the_past_and_is_not_noted(keyed: Keyed) -> None:
    late = datetime.fromtimestamp(keyed.now_s - 3_600, UTC).isoformat()
    body = json.dumps({"id": "2" * 32, "site": "hq", "space": "d01", "count": 0, "seen_at": late}).encode()
    answer = keyed.ask("POST", "/api/v1/audit", body, {**keyed.by(FACILITIES), "content-type": "application/json"})
    assert (answer.status, answer.json["said"]) == (201, None)
    assert not keyed.log.newest(10)
