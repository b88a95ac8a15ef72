"""Forecasts over HTTP: the documented answer, clear words where there is none, and the page that explains it."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest

from api.forecast.forecasts import Forecasts
from api.forecast.resource import present_of
from api.history.files import HistoryFiles, history_in_files
from api.history.way import History
from api.live.live import Live
from perch.adapters.cursor import Cursor
from perch.adapters.history.store import HistoryStore
from perch.adapters.mqtt.connection import Received
from perch.contract import LiveState, build_state
from perch.delivery.liveness import Instant
from perch.history.forecast.asking import Present
from perch.history.told import Marked, Stated, Told
from perch.model import Clock, Dating, Purpose, Reason, Site, SpaceKind, State
from tests.parts import free_port
from tests.serving import EPOCH, Served, a_site, a_space, server_settings, serving, wall_ms

LISBON = ZoneInfo("Europe/Lisbon")
WEEKS = 8
PAGE = Path(__file__).parent.parent / "docs" / "forecast.md"
COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL) for line in block.splitlines() if line
]
SITE = a_site(
    spaces=(
        *(a_space(name) for name in ("d01", "d02")),
        a_space("d03", purpose=Purpose.ASSIGNED),
        a_space("r1", SpaceKind.ROOM, capacity=6, zone="rooms"),
    )
)


def at(days: int, hour: int) -> datetime:
    """Give an hour of a day so many open days ahead, or behind."""
    day = datetime.fromtimestamp(wall_ms() / 1000, LISBON).replace(hour=hour, minute=0, second=0, microsecond=0)
    step = timedelta(days=1 if days > 0 else -1)
    while days:
        day += step
        days -= step.days * (day.weekday() < 5)
    return day


def history() -> Iterator[Told]:
    """Tell of eight weeks up to now: both shared desks are taken from ten to one on each weekday, the third always."""
    seq, now_ms = 0, wall_ms()

    def stated(space: str, time: datetime, state: State) -> Iterator[Stated]:
        nonlocal seq
        seq += 1
        reason, at_ms = (Reason.MOTION if state is State.OCCUPIED else Reason.QUIET), int(time.timestamp()) * 1000
        if at_ms < now_ms:
            yield Stated("hq", "pi-1", EPOCH, seq, at_ms, space, at_ms, state, 0.5, None, reason, Dating.OK)

    days = [at(-number, 10) for number in range(WEEKS * 5, -1, -1) if at(-number, 10).weekday() < 5]
    for space in ("d01", "d02", "d03", "r1"):
        yield from stated(space, days[0].replace(hour=0), State.OCCUPIED if space == "d03" else State.FREE)
    for day in days:
        for space in ("d01", "d02"):
            yield from stated(space, day, State.OCCUPIED)
            yield from stated(space, day.replace(hour=13), State.FREE)
    yield Marked("hq", "pi-1", EPOCH, seq + 1, now_ms, now_ms)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    with HistoryStore.open(folder / "history.db") as store:
        store.add(history(), Cursor("0" * 16, 1))
    return folder


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Served]:
    with serving(server_settings(free_port(), folder, SITE)) as served:
        yield served


def address(time: datetime | str, kind: str = "desk", site: str = "hq") -> str:
    moment = time if isinstance(time, str) else time.isoformat()
    return "/api/v1/forecast?" + urlencode({"site": site, "kind": kind, "at": moment})


def is_as_documented(served: Served, body: Any) -> bool:
    from jsonschema import Draft202012Validator  # takes seconds

    document = served.json("/api/v1/openapi.json")
    schema = {"$ref": "#/components/schemas/ForecastAnswer", "components": document["components"]}
    Draft202012Validator(schema).validate(body)
    return True


def test_a_busy_hour_and_a_quiet_one_are_told_with_how_right_such_words_have_been(served: Served) -> None:
    busy, quiet = (served.json(address(at(1, hour))) for hour in (11, 16))
    assert is_as_documented(served, busy)
    assert (busy["site"], busy["kind"], busy["time_zone"], busy["total"]) == ("hq", "desk", "Europe/Lisbon", 2)
    assert busy["at"] == at(1, 11).isoformat(timespec="milliseconds")
    assert busy["why"] is None
    assert busy["probability_free"] < 0.4 < 0.95 < quiet["probability_free"] <= 1
    assert busy["expected_free"] < 0.6 < 1.8 < quiet["expected_free"] <= 2
    assert busy["usually_free"] < 0.6 < 1.8 < quiet["usually_free"] <= 2
    record = busy["record"]
    assert record["n"] >= 48
    assert record["hours_ahead"] in (24, 168)
    assert 0 <= record["brier"] < 0.1 < 0.9 < record["hit_rate"] <= 1


def test_times_without_an_offset_are_the_sites_own(served: Served) -> None:
    told = served.json(address(at(1, 11).strftime("%Y-%m-%dT%H:%M")))
    assert told == served.json(address(at(1, 11)))


def test_a_closed_time_is_called_closed(served: Served) -> None:
    told = served.json(address(at(1, 22)))
    assert is_as_documented(served, told)
    assert (told["probability_free"], told["expected_free"], told["record"], told["total"]) == (None, None, None, 2)
    assert "closed at that time; it opens next at" in told["why"]
    assert told["why_code"] == "closed-until"


def test_a_kind_that_is_not_there_is_not_forecast(served: Served) -> None:
    told = served.json(address(at(1, 11), kind="booth"))
    assert (told["total"], told["probability_free"], told["why"]) == (
        0,
        None,
        "no shared booth stands there at that time",
    )


@pytest.mark.parametrize(
    ("parameters", "where", "what"),
    [
        ({"at": "2026-03-02T10:00"}, "at", "this is past"),
        ({"at": "9999-01-01"}, "at", "more than 14 days ahead"),
        ({"at": "ten"}, "at", "is no time"),
        ({"kind": "sofa"}, "kind", "'desk', 'room', 'booth' or 'lounge'"),
        ({"site": "elsewhere"}, "site", "there are: hq"),
        ({"zone": "open"}, "zone", "there is no such parameter"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(
    served: Served, parameters: dict[str, str], where: str, what: str
) -> None:
    usual = {"site": "hq", "kind": "desk", "at": at(1, 11).isoformat()}
    answer = served.get("/api/v1/forecast?" + urlencode({**usual, **parameters}))
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["where"] == where
    assert what in error["what"]


@pytest.mark.parametrize(
    ("when", "english", "german"),
    [
        (at(1, 22), "It is closed then, and opens next at", "Dann ist dort geschlossen; wieder geöffnet wird:"),
        (at(-2, 11), "This is past.", "Das ist vorbei."),
        (at(40, 11), "more than 14 days ahead", "mehr als 14 Tage voraus"),
        (None, "This is no time.", "Das ist keine Zeit."),
    ],
)
def test_the_page_says_in_the_readers_words_why_there_is_no_number(
    served: Served, when: datetime | None, english: str, german: str
) -> None:
    moment = "ten" if when is None else when.strftime("%Y-%m-%dT%H:%M")
    for language, said in (("en", english), ("de", german)):
        assert said in unescape(served.get(f"/find?{urlencode({'at': moment, 'lang': language})}").text)


def test_a_site_without_history_says_so(tmp_path: Path) -> None:
    with HistoryStore.open(tmp_path / "history.db"):
        forecasts = of(SITE, tmp_path)
        said = forecasts.ask(SITE, SpaceKind.DESK, ms(at(1, 11)), wall_ms(), None)
    assert said.why is not None
    assert said.why.sentence == "too little history: 0 open days were observed, 20 are needed"


def of(site: Site, folder: Path) -> Forecasts:
    return Forecasts(history_in_files({site.id: site}, folder))


def ms(time: datetime) -> int:
    return int(time.timestamp()) * 1000


def test_the_past_is_read_once_a_day_and_today_once_a_quarter_hour(folder: Path) -> None:
    class Counting(HistoryFiles):
        reads = 0

        def source(self) -> Any:
            type(self).reads += 1
            return super().source()

    sites = {SITE.id: SITE}
    forecasts = Forecasts(History.of(sites, Counting(sites, folder)))
    now_ms, present = ms(at(-1, 11)), Present(1, 1, 2)

    def reads(kind: SpaceKind, now_ms: int) -> int:
        before = Counting.reads
        forecasts.ask(SITE, kind, now_ms + 4 * 3_600_000, now_ms, present)
        return Counting.reads - before

    assert [reads(SpaceKind.DESK, now_ms) for _ in range(3)] == [2, 0, 0]
    assert reads(SpaceKind.ROOM, now_ms) == 2
    assert [reads(SpaceKind.DESK, now_ms + passed_ms) for passed_ms in (600_000, 900_000)] == [0, 1]
    assert reads(SpaceKind.DESK, ms(at(1, 11))) == 2
    assert repr(forecasts) == "<Forecasts of 2 pools>"


def test_now_is_what_members_can_see_now() -> None:
    """Of five desks one is free, one taken, one nobody knows, one out of service, and one is somebody's own."""
    now = Instant(wall_ms(), 1_000_000)
    own = a_space("d05", purpose=Purpose.ASSIGNED)
    live = Live((a_site(spaces=(*(a_space(f"d0{number}") for number in range(1, 5)), own)),), lambda: now)
    for space, state, reason in (
        ("d01", State.FREE, Reason.QUIET),
        ("d02", State.OCCUPIED, Reason.MOTION),
        ("d04", State.UNKNOWN, Reason.OUT_OF_SERVICE),
        ("d05", State.FREE, Reason.QUIET),
    ):
        said = LiveState(
            v=1,
            epoch=EPOCH,
            state=state,
            probability=0.5,
            count=None,
            reason=reason,
            since_ms=now.wall_ms,
            sent_ms=now.wall_ms,
            clock=Clock.OK,
        )
        published = build_state("hq", "pi-1", space, said)
        live.hear(Received(published.topic, published.payload, retained=False))
    assert present_of(live, "hq", SpaceKind.DESK) == Present(1, 1, 3)
    assert present_of(live, "hq", SpaceKind.ROOM) == Present(0, 0, 0)
    assert Present(1, 1, 3).crowd() is None
    assert Present(2, 1, 4).crowd() == pytest.approx(8 / 3)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_gives_a_forecast(served: Served, command: str) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed: apt-get install curl")
    line = command.replace("http://localhost:8080", served.url).replace("curl ", "curl -sS --fail-with-body ")
    told = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=30)
    assert told.returncode == 0, told.stdout + told.stderr
    assert is_as_documented(served, json.loads(told.stdout))


def test_the_page_names_every_field() -> None:
    text = PAGE.read_text()
    for name in (
        "probability_free",
        "expected_free",
        "usually_free",
        "total",
        "brier",
        "hit_rate",
        "hours_ahead",
        "why",
        "why_code",
    ):
        assert f"`{name}`" in text
