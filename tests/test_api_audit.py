"""The audit over HTTP: a tap is kept once, without who tapped, can be taken back for a minute, and is reported on."""

import asyncio
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.audit.taps import UNDO_MS, Taps
from api.entrance.access import Matter, Reader, Role
from perch.adapters.audit_file import AuditFile, Outcome, Tapped
from perch.adapters.cursor import Cursor
from perch.adapters.history.store import HistoryStore
from perch.history.looks import SETTLED_MS, Look
from perch.history.told import Marked, Stated
from perch.model import DAY_MS, QUARTER_MS, Dating, Reason, State
from tests.parts import Broker, free_port, until
from tests.serving import EPOCH, Served, Speaker, a_site, server_settings, serving, serving_connected, wall_ms

PROBLEM = "application/problem+json"
HOUR_MS = 3_600_000


def tap_of(**changed: Any) -> dict[str, Any]:
    """Make a tap; None leaves a key out."""
    given = {"id": secrets.token_hex(16), "site": "hq", "space": "d01", "count": 1, **changed}
    return {name: value for name, value in given.items() if value is not None}


def ago(ms: int) -> str:
    """Write a moment that is past."""
    return datetime.fromtimestamp((wall_ms() - ms) / 1000, UTC).isoformat()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An API without a broker; history says that `d01` was free until 20 hours ago, then occupied until three."""
    folder = tmp_path_factory.mktemp("data")
    start = wall_ms() - 2 * DAY_MS

    def stated(seq: int, at_ms: int, state: State, probability: float) -> Stated:
        return Stated("hq", "pi-1", EPOCH, seq, at_ms, "d01", at_ms, state, probability, None, Reason.QUIET, Dating.OK)

    words = [stated(1, start, State.FREE, 0.1), stated(2, wall_ms() - 20 * HOUR_MS, State.OCCUPIED, 0.9)]
    end = wall_ms() - 3 * HOUR_MS
    marks = [Marked("hq", "pi-1", EPOCH, 9 + n, at, at) for n, at in enumerate(range(start, end, QUARTER_MS))]
    with HistoryStore.open(folder / "history.db") as store:
        store.add([*words, *marks], Cursor("0" * 16, 1))
    with serving(server_settings(free_port(), folder, a_site())) as served:
        yield served


def send(served: Served, **changed: Any) -> httpx.Response:
    """Tap."""
    return served.client.post("/api/v1/audit", json=tap_of(**changed))


def test_after_a_tap_it_is_said_what_perch_said_at_that_moment(mosquitto: Broker, tmp_path: Path) -> None:
    with serving_connected(server_settings(mosquitto.port, tmp_path)) as served, Speaker(mosquitto) as speaker:
        speaker.say("d01", State.OCCUPIED, since_ms=wall_ms() - 5_000)
        speaker.say("d02", State.FREE, since_ms=wall_ms() - 5_000)
        served.wait_for("d01", State.OCCUPIED)
        served.wait_for("d02", State.FREE)
        right, wrong, nothing = (send(served, space=space, count=1).json() for space in ("d01", "d02", "r1"))
        late = send(served, space="d01", seen_at=ago(30_000)).json()
    assert right["said"] == {"state": "occupied", "probability": 0.97, "count": None, "source": "live"}
    assert (right["agrees"], wrong["agrees"], nothing["agrees"]) == (True, False, None)
    assert (wrong["said"]["state"], nothing["said"]["state"]) == ("free", "unknown")
    assert late["said"] is None  # since then the state has changed, and history does not know yet


def test_what_is_said_of_a_tap_is_of_one_moment(mosquitto: Broker, tmp_path: Path) -> None:
    """The state has lasted; how sure Perch was at the tap is not known once it has spoken again."""
    with serving_connected(server_settings(mosquitto.port, tmp_path)) as served, Speaker(mosquitto) as speaker:
        began = wall_ms() - 40_000
        speaker.say("r1", State.OCCUPIED, since_ms=began, sent_ms=wall_ms() - 20_000, count=2, probability=0.7)
        served.wait_for("r1", State.OCCUPIED)
        same = send(served, space="r1", seen_at=ago(10_000)).json()
        speaker.say("r1", State.OCCUPIED, since_ms=began, count=5, probability=0.99)
        until(lambda: send(served, space="r1").json()["said"]["count"] == 5)
        since, now = (send(served, space="r1", **seen).json() for seen in ({"seen_at": ago(10_000)}, {}))
    assert same["said"] == {"state": "occupied", "probability": 0.7, "count": 2, "source": "live"}
    assert since["said"] == {"state": "occupied", "probability": None, "count": None, "source": "live"}
    assert (since["agrees"], now["said"]["probability"]) == (True, 0.99)


def test_of_a_tap_that_waited_history_says_what_was_said(served: Served) -> None:
    answers = [send(served, count=1, seen_at=ago(hours * HOUR_MS)).json() for hours in (21, 19, 1)]
    assert [answer["said"]["state"] for answer in answers] == ["free", "occupied", "unknown"]
    assert [answer["said"]["source"] for answer in answers] == ["history"] * 3
    assert [answer["agrees"] for answer in answers] == [False, True, None]


def test_a_repeat_is_stored_once_and_another_look_under_its_id_is_refused(tmp_path: Path) -> None:
    with serving(server_settings(free_port(), tmp_path)) as served:
        tap = tap_of(seen_at=ago(60_000))
        first, again = (served.client.post("/api/v1/audit", json=tap) for _ in range(2))
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json()["seen_at"] == again.json()["seen_at"]
        other = served.client.post("/api/v1/audit", json={**tap, "count": 0})
        assert (other.status_code, other.headers["content-type"]) == (409, PROBLEM)
        assert [look.people for look in AuditFile(tmp_path).looks("hq")] == [1]


def test_a_tap_can_be_taken_back(tmp_path: Path) -> None:
    with serving(server_settings(free_port(), tmp_path)) as served:
        tap = send(served).json()
        assert tap["undo_until"] is not None
        assert served.client.delete(f"/api/v1/audit/{tap['id']}").status_code == 204
        assert AuditFile(tmp_path).looks("hq") == []
        gone = served.client.delete(f"/api/v1/audit/{tap['id']}")
        assert (gone.status_code, gone.headers["content-type"]) == (404, PROBLEM)
    with serving(server_settings(free_port(), tmp_path)) as served:
        kept = send(served).json()
    with serving(server_settings(free_port(), tmp_path)) as served:  # which does not know when the tap came
        assert served.client.delete(f"/api/v1/audit/{kept['id']}").status_code == 409
        assert len(AuditFile(tmp_path).looks("hq")) == 1


def test_a_tap_can_be_taken_back_for_a_minute(tmp_path: Path) -> None:
    now_ms = [0]
    taps = Taps(tmp_path, 400, lambda: now_ms[0])
    early, late = (Tapped(name * 32, "hq", Look("d01", wall_ms(), 1)) for name in "ab")

    async def go() -> list[object]:
        outcomes: list[object] = [await taps.add(tap, wall_ms()) for tap in (early, late, late)]
        now_ms[0] = UNDO_MS
        outcomes.append(await taps.remove(early.id))
        now_ms[0] = UNDO_MS + 1
        return [*outcomes, await taps.remove(late.id), await taps.holds(late.id), await taps.holds(early.id)]

    assert asyncio.run(go()) == [Outcome.NEW, Outcome.NEW, Outcome.KNOWN, True, False, True, False]


@pytest.mark.parametrize(
    ("changed", "where", "what"),
    [
        ({"id": None}, ["id"], "is missing"),
        ({"id": "me@example.org"}, ["id"], "32 of 0-9 and a-f"),
        ({"site": "none"}, ["site"], "there are: hq"),
        ({"space": "d99"}, ["space"], "no space hq/d99"),
        ({"space": 7}, ["space"], "must be a text"),
        ({"count": -1}, ["count"], "whole number"),
        ({"count": True}, ["count"], "whole number"),
        ({"count": 1.5}, ["count"], "whole number"),
        ({"seen_at": "yesterday"}, ["seen_at"], "is no time"),
        ({"seen_at": ago(-DAY_MS)}, ["seen_at"], "lies ahead"),
        ({"seen_at": ago(8 * DAY_MS)}, ["seen_at"], "perch audit import"),
        ({"name": "Ada"}, ["name"], "is not known here; known are id, site"),
        ({"who": "Ada", "id": None, "count": "many", "space": "x"}, ["count", "id", "space", "who"], "whole number"),
    ],
)
def test_what_is_wrong_with_a_tap_is_named_all_of_it_at_once(
    served: Served, changed: dict[str, Any], where: list[str], what: str
) -> None:
    answer = send(served, **changed)
    assert (answer.status_code, answer.headers["content-type"]) == (422, PROBLEM)
    assert sorted(error["where"] for error in answer.json()["errors"]) == where
    assert what in answer.text


def test_only_small_json_from_a_page_of_ours_is_taken(served: Served) -> None:
    def post(content: bytes, **headers: str) -> int:
        named = {"content-type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
        return served.client.post("/api/v1/audit", content=content, headers=named).status_code

    assert post(b"{}", content_type="text/plain") == 415
    assert post(b" " * 3_000) == 413
    assert [post(content) for content in (b"", b"[1]", b"[" * 1_900, b"\xff", b"{")] == [422] * 5
    assert post(b"{}", origin="http://evil.example") == 403
    assert post(b"{}", origin="null") == 403
    assert post(b"{}", origin=served.url) == 422
    foreign = served.client.delete("/api/v1/audit/x", headers={"origin": "http://localhost:1"})
    assert foreign.status_code == 403
    assert served.client.post("/api/v1/audit?debug=1", json=tap_of()).status_code == 422


def test_the_report_says_how_right_perch_was_or_that_there_is_not_enough_yet(tmp_path: Path) -> None:
    from jsonschema import Draft202012Validator  # takes seconds

    now_ms = wall_ms()
    begin = now_ms - 30 * DAY_MS
    words = [
        Stated("hq", "pi-1", EPOCH, n + 1, at, "d01", at, State.OCCUPIED, 0.9, None, Reason.QUIET, Dating.OK)
        for n, at in enumerate(range(begin, now_ms, DAY_MS))
    ]
    with HistoryStore.open(tmp_path / "history.db") as store:
        store.add(words, Cursor("0" * 16, 1))
    looks = [Look("d01", begin + n * DAY_MS + HOUR_MS, int(n % 4 > 0)) for n in range(28)]
    looks += [Look("r1", begin + HOUR_MS, 3), Look("d01", now_ms - SETTLED_MS // 2, 1)]
    tapped = [Tapped(str(number), "hq", look) for number, look in enumerate(looks)]
    AuditFile(tmp_path).add(tapped, now_ms)
    with serving(server_settings(free_port(), tmp_path)) as served:
        told = served.json("/api/v1/audit")
        document = served.json("/api/v1/openapi.json")
        d01 = served.json("/api/v1/audit?space=d01&site=hq&kind=desk&floor=f1")
        strange = served.get("/api/v1/audit?site=none&zone=x")
    schema = {"$ref": "#/components/schemas/AuditReport", "components": document["components"]}
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(told)
    assert [item["space"] for item in told["items"]] == ["d01", "r1"]
    figures = d01["items"][0]["figures"]
    assert (figures["seen"], figures["imagined"], figures["missed"]) == (21, 7, 0)
    assert figures["precision"]["value"] == 0.75
    assert figures["precision"]["low"] < 0.75 < figures["precision"]["high"]
    assert figures["recall"] == {"looks": 21, "value": 1, "low": figures["recall"]["low"], "high": 1, "why": None}
    assert figures["brier"]["value"] == pytest.approx((21 * 0.01 + 7 * 0.81) / 28, abs=1e-4)
    assert figures["false_occupied"]["why"] == "not enough yet: 7 of 20 looks"
    room = told["items"][1]["figures"]
    assert (room["unknown"], room["recall"]["value"]) == (1, None)
    assert (told["waiting"], told["needed"], told["overall"]["looks"]) == (1, 20, 29)
    assert any("minutes" in warning for warning in told["warnings"])
    assert strange.status_code == 422
    assert {error["where"] for error in strange.json()["errors"]} >= {"zone"}


def test_without_looks_or_without_history_the_report_says_so(tmp_path: Path) -> None:
    with serving(server_settings(free_port(), tmp_path)) as served:
        told = served.json("/api/v1/audit")
        assert (told["items"], told["first"], told["overall"]["looks"]) == ([], None, 0)
        assert send(served).status_code == 201
        without = served.get("/api/v1/audit")
        assert (without.status_code, without.headers["content-type"]) == (503, PROBLEM)


def test_nothing_of_the_person_who_taps_is_kept(tmp_path: Path) -> None:
    marks = {
        "user-agent": "Phone of Ada Lovelace",
        "authorization": "Bearer secret-of-ada",
        "cookie": "session=ada-session",
        "accept-language": "en-ada",
    }
    tap = tap_of(space="r1", count=3)
    seen_ms = wall_ms() - 12_345
    tap["seen_at"] = datetime.fromtimestamp(seen_ms / 1000, UTC).isoformat(timespec="milliseconds")
    with serving(server_settings(free_port(), tmp_path)) as served:
        assert served.client.post("/api/v1/audit", json=tap, headers=marks).status_code == 201
    kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert b"hqr1" in kept
    for word in (*marks.values(), "127.0.0.1", tap["id"], tap["seen_at"]):
        assert word.encode() not in kept
        assert not re.search(re.escape(word[:12]).encode(), kept, re.IGNORECASE)
    assert bytes.fromhex(tap["id"]) not in kept
    assert seen_ms.to_bytes(6, "big") not in kept
    assert (seen_ms // 1000).to_bytes(4, "big") in kept
    assert AuditFile(tmp_path).looks("hq") == [Look("r1", seen_ms // 1000 * 1000, 3)]
    assert [file.name for file in tmp_path.iterdir()] == ["audit.db"]


def test_members_neither_tap_nor_read_the_audit_and_managers_only_tap() -> None:
    """Keys that make somebody a member come later; what each role may is decided here already."""
    may = {role: [Reader(role).may_read(matter) for matter in (Matter.AUDIT_TAPS, Matter.AUDIT)] for role in Role}
    assert may == {
        Role.MEMBER: [False, False],
        Role.MANAGER: [True, False],
        Role.FACILITIES: [True, True],
        Role.ADMIN: [False, False],
    }


def test_old_looks_go_when_the_api_starts(tmp_path: Path) -> None:
    looks = [Look("d01", wall_ms() - days * DAY_MS, 1) for days in (401, 399)]
    AuditFile(tmp_path, 0).add([Tapped(str(look.time_ms), "hq", look) for look in looks], wall_ms())
    with serving(server_settings(free_port(), tmp_path)):
        until(lambda: len(AuditFile(tmp_path).looks("hq")) < 2)
    (kept,) = AuditFile(tmp_path).looks("hq")
    assert kept.time_ms == looks[1].time_ms // 1000 * 1000
