"""Bookings that nobody came to: what counts, what a calendar may do, and that nothing of it but times is ever kept."""

import csv
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import isclose
from pathlib import Path
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.adapters.bookings.calendar_fetch import fetch
from perch.adapters.bookings.calendar_times import MOST_ENTRIES, bookings_in, times_in
from perch.adapters.bookings.feeds import KEPT_S, BookingFeeds
from perch.adapters.cursor import Cursor
from perch.adapters.history.store import HistoryStore
from perch.commands import run
from perch.errors import InputError, PerchError, UnavailableError
from perch.history.answers import answer
from perch.history.asked import Booking
from perch.history.calendar import Calendar
from perch.history.memory import MemoryHistory
from perch.history.question import Hours, Question, Resolution, Row, Scope
from perch.model import BookingFeed, Reason, State
from perch.settings import load_site
from tests.bookings_oracle import MINUTE_MS, numbers
from tests.examples import usually
from tests.history_cases import HOUR_MS, Case, cases, day_ms, marked, seated, site, space, stated
from tests.parts import free_port
from tests.serving import a_site, server_settings, serving

FAR_MS = 2**45
TITLE = "Dismissal of Mr Brown"


Booked = dict[str, list[tuple[int, int]]]
LENGTHS = st.sampled_from((0, 7 * MINUTE_MS, 30 * MINUTE_MS, 30 * MINUTE_MS, HOUR_MS, 26 * HOUR_MS))
BOOKED = st.fixed_dictionaries(
    {}, optional={name: st.lists(st.tuples(st.integers(-40, 400), LENGTHS), max_size=9) for name in ("s1", "s2", "s3")}
)
WORDS = st.tuples(
    st.sampled_from(("no_show_rate", "overruns")),
    st.sampled_from((Resolution.TOTAL, Resolution.HOUR, Resolution.DAY)),
    st.sampled_from(Scope),
    st.sampled_from(Hours),
)


def bookings_of(case: Case, booked: Booked) -> dict[str, list[Booking]]:
    """Put bookings, each in sevens of minutes from the window's beginning, and a length, into a case."""
    starts_ms = {
        name: [(case.from_ms + at * 7 * MINUTE_MS, long_ms) for at, long_ms in of] for name, of in booked.items()
    }
    return {name: [Booking(ms, ms + length_ms) for ms, length_ms in of] for name, of in starts_ms.items()}


def assert_as_worked_out(case: Case, booked: Booked, words: tuple[str, Resolution, Scope, Hours]) -> None:
    bookings = bookings_of(case, booked)
    metric, resolution, scope, hours = words
    question = Question(metric, case.from_ms, case.to_ms, resolution, scope, hours)
    expected = numbers(case, question, bookings)
    given_answer = answer(question, case.site, MemoryHistory(case.told), case.calendar, FAR_MS, bookings)
    for row in given_answer.rows:
        assert isinstance(row, Row)
        of = expected.pop((row.scope, case.oracle.step(question.resolution, row.start_ms)), (None, None, None))
        for one, other in zip((row.value, row.low, row.high), of, strict=True):
            assert one == other or (one is not None and other is not None and isclose(one, other)), (row, of)
    assert not expected


@usually(40)
@given(cases() | seated(), BOOKED, WORDS)
def test_what_became_of_bookings_equals_what_is_worked_out_moment_by_moment(
    case: Case, booked: Booked, words: tuple[str, Resolution, Scope, Hours]
) -> None:
    assert_as_worked_out(case, booked, words)


def test_unknown_is_never_a_no_show() -> None:
    start = day_ms("UTC", date(2026, 9, 22))
    told = (
        stated(start, State.FREE, seq=1),
        stated(start + 2 * HOUR_MS - 3 * MINUTE_MS, State.UNKNOWN, reason=Reason.STARTING, seq=2),
        stated(start + 2 * HOUR_MS, State.FREE, seq=3),
        stated(start + 3 * HOUR_MS + 14 * MINUTE_MS, State.OCCUPIED, seq=4),
        marked(start + 24 * HOUR_MS, seq=5),
    )
    question = Question("no_show_rate", start, start + 24 * HOUR_MS, hours=Hours.ALL)

    def ask(*hours: int) -> tuple[float | None, float | None, float | None]:
        bookings = {"s1": [Booking(start + hour * HOUR_MS, start + (hour + 1) * HOUR_MS) for hour in hours]}
        calendar = Calendar("UTC", ((),) * 7)
        (row,) = answer(question, site(space()), MemoryHistory(told), calendar, FAR_MS, bookings).rows
        return row.value, row.low, row.high

    assert ask(1) == (1, 1, 1)  # nobody came
    assert ask(2) == (None, 0, 1)  # three of twenty minutes unknown: nobody can say
    assert ask(3) == (0, 0, 0)  # came in the fourteenth minute
    assert ask(1, 2, 3) == (0.5, 1 / 3, 2 / 3)


def test_unknown_is_never_an_overrun_and_who_follows_leaves_it_undecided() -> None:
    """Bookings of an hour: left in time, left twenty minutes late, lost from sight sooner or later, and followed."""
    start = day_ms("UTC", date(2026, 9, 22))
    changes = (
        (1, State.OCCUPIED), (2, State.FREE),
        (4, State.OCCUPIED), (5 + 1 / 3, State.FREE),
        (7, State.OCCUPIED), (8 + 1 / 30, State.UNKNOWN), (9, State.FREE),
        (10, State.OCCUPIED), (12, State.FREE),
        (14, State.OCCUPIED), (15 + 13 / 60, State.UNKNOWN), (16, State.FREE),
        (17, State.OCCUPIED), (18 + 14 / 60, State.UNKNOWN), (19, State.FREE),
    )  # fmt: skip
    why = {State.FREE: Reason.QUIET, State.OCCUPIED: Reason.MOTION, State.UNKNOWN: Reason.STARTING}
    told = [stated(start, State.FREE, seq=1), marked(start + 24 * HOUR_MS, seq=20)]
    told += [
        stated(start + round(hour * HOUR_MS), state, seq=2 + n, reason=why[state])
        for n, (hour, state) in enumerate(changes)
    ]
    question = Question("overruns", start, start + 24 * HOUR_MS, hours=Hours.ALL)

    def ask(*hours: float) -> tuple[float | None, float | None, float | None, str]:
        times = [start + round(hour * HOUR_MS) for hour in hours]
        calendar, bookings = Calendar("UTC", ((),) * 7), {"s1": [Booking(ms, ms + HOUR_MS) for ms in times]}
        of = answer(question, site(space()), MemoryHistory(told), calendar, FAR_MS, bookings)
        (row,) = of.rows
        assert isinstance(row, Row)
        return row.value, row.low, row.high, " ".join(of.warnings)

    assert ask(1)[:3] == (0, 0, 0)
    assert ask(4)[:3] == (1, 1, 1)
    assert ask(7)[:3] == (None, 0, 1)
    assert ask(14)[:3] == (None, 0, 1)  # two of fifteen minutes are more than a tenth
    assert ask(17)[:3] == (1, 0, 1)  # one of fifteen is less
    assert ask(10)[:3] == (1, 1, 1)  # nobody else had booked it
    value, *_, warnings = ask(10, 11 + 19 / 60)
    assert value == 0  # of the first nobody knows; the second was left in time
    assert "1 of 2 bookings are left out" in warnings
    assert ask(2.5)[:3] == (None, None, None)  # nobody came, so nobody stayed
    assert ask(1, 4, 7)[:3] == (0.5, 1 / 3, 2 / 3)


def ics(*entries: str, head: str = "") -> bytes:
    body = "".join(
        f"BEGIN:VEVENT\nUID:{number}\nSUMMARY:{TITLE}\n{entry}\nEND:VEVENT\n" for number, entry in enumerate(entries)
    )
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//x//x//EN\n{head}{body}END:VCALENDAR\n"
    return text.replace("\n", "\r\n").encode()


def starts(body: bytes, zone: str = "Europe/Lisbon", first: str = "2026-03-01", last: str = "2026-05-01") -> list[str]:
    window = (round(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000) for day in (first, last))
    found = sorted(bookings_in(body, *window, ZoneInfo(zone)))
    return [f"{datetime.fromtimestamp(of.from_ms / 1000, UTC):%m-%dT%H:%M}" for of in found]


WEEKLY = (
    "DTSTART;TZID=Europe/Berlin:20260324T100000\nDTEND;TZID=Europe/Berlin:20260324T110000\nRRULE:FREQ=WEEKLY;COUNT=3"
)


def test_recurrences_exceptions_and_time_zones_are_understood() -> None:
    moved = (
        "BEGIN:VEVENT\nUID:0\nRECURRENCE-ID;TZID=Europe/Berlin:20260407T100000\n"
        "DTSTART;TZID=Europe/Berlin:20260407T150000\nDTEND;TZID=Europe/Berlin:20260407T160000\nEND:VEVENT\n"
    )
    assert starts(ics(WEEKLY)) == ["03-24T09:00", "03-31T08:00", "04-07T08:00"]  # clocks are turned in between
    assert starts(ics(f"{WEEKLY}\nEXDATE;TZID=Europe/Berlin:20260331T100000", head=moved)) == [
        "03-24T09:00",
        "04-07T13:00",
    ]
    floating = "DTSTART:20260401T100000\nDTEND:20260401T110000"
    assert starts(ics(floating), "America/Havana") == ["04-01T14:00"]
    google = "X-WR-TIMEZONE:Asia/Kathmandu\n"
    assert starts(ics("DTSTART:20260401T100000Z\nDTEND:20260401T110000Z", head=google)) == ["04-01T10:00"]


def test_entries_that_do_not_take_the_room_are_no_bookings() -> None:
    when = "DTSTART:20260401T100000Z\nDTEND:20260401T110000Z"
    assert starts(ics(when, f"{when}\nSTATUS:CANCELLED", f"{when}\nTRANSP:TRANSPARENT")) == ["04-01T10:00"]
    assert starts(ics("DTSTART;VALUE=DATE:20260401\nDTEND;VALUE=DATE:20260402")) == []
    assert starts(ics(when), first="2026-04-01T10:00", last="2026-04-02") == ["04-01T10:00"]
    assert starts(ics(when), first="2026-03-01", last="2026-04-01T10:00") == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (ics("DTSTART:yesterday"), "no iCalendar"),
        (ics("DTSTART:20260101T000000Z\nRRULE:FREQ=SECONDLY"), "too much time|more than"),
        (b"BEGIN:VEVENT\n" * (MOST_ENTRIES + 1), "larger than"),
    ],
)
def test_a_broken_or_endless_calendar_is_an_error_that_repeats_nothing_of_it(body: bytes, says: str) -> None:
    with pytest.raises(PerchError, match=says) as caught:
        times_in(body, 0, FAR_MS, "UTC", cpu_s=1)
    assert TITLE not in caught.value.sentence
    assert caught.value.remedy


class Shelf(BaseHTTPRequestHandler):
    """A server of calendars, of redirects, and of more than anybody wants."""

    def do_GET(self) -> None:
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", unquote(self.path.removeprefix("/to/")))
            self.end_headers()
            return
        self.send_response(404 if self.path == "/gone" else 200)
        self.end_headers()
        if self.path == "/r1.ics?key=1":
            self.wfile.write(ics(WEEKLY))
        while self.path == "/endless":
            try:
                self.wfile.write(b"x" * 65_536)
            except OSError:
                return

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
        pass


@pytest.fixture(scope="module")
def shelf() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Shelf) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_calendar_is_fetched_through_redirects_of_its_own_server(shelf: str) -> None:
    assert fetch(f"{shelf}/r1.ics?key=1") == fetch(f"{shelf}/to//r1.ics?key=1") == ics(WEEKLY)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/gone", "404"),
        ("/endless", "larger than"),
        ("/to/file:///etc/passwd", "no web address"),
        ("/to/http://169.254.169.254/latest", "not public"),
        ("/to/http://localhost/", "not public"),
        ("/to/http://[::ffff:127.0.0.1]/", "not public"),
        ("/to/http://10.0.0.1/", "not public"),
    ],
)
def test_a_server_leads_nowhere_else_and_without_end(shelf: str, path: str, says: str) -> None:
    with pytest.raises(PerchError, match=says):
        fetch(shelf + path)


def test_a_server_that_leads_in_circles_or_is_away_is_an_error(shelf: str) -> None:
    with pytest.raises(UnavailableError, match="redirects more"):
        fetch(f"{shelf}/to//to//to//to//to/")
    with pytest.raises(UnavailableError, match="does not answer"):
        fetch(f"http://127.0.0.1:{free_port()}/r1.ics")


def test_one_broken_calendar_leaves_the_others_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "r1.ics").write_bytes(ics(WEEKLY))
    (tmp_path / "d01.ics").write_bytes(b"broken")
    feeds = (
        BookingFeed("r1", str(tmp_path / "r1.ics")),
        BookingFeed("d01", str(tmp_path / "d01.ics")),
        BookingFeed("d02", str(tmp_path / "gone.ics")),
        BookingFeed("d03", url="https://calendar.example/secret"),
    )
    asked: list[str] = []

    def away(address: str) -> bytes:
        asked.append(address)
        raise UnavailableError("its server does not answer", "check the address")

    now_s = [0.0]
    read = BookingFeeds(lambda: now_s[0], away)
    window = day_ms("UTC", date(2026, 3, 1)), day_ms("UTC", date(2026, 5, 1))
    booked = read.booked(replace(a_site(), bookings=feeds), *window)
    assert {name: len(of) for name, of in booked.bookings.items()} == {"r1": 3}
    assert [trouble.split(" is left out")[0] for trouble in booked.troubles] == [
        f"The calendar of {name}" for name in ("d01", "d02", "d03")
    ]
    assert "secret" not in "".join(booked.troubles) + repr(feeds)
    for passed_s, times in ((0.0, 1), (KEPT_S - 1, 1), (KEPT_S, 2)):
        now_s[0] = passed_s
        read.booked(replace(a_site(), bookings=feeds[3:]), *window)
        assert len(asked) == times


SITE = """
[site]
id = "hq"
time_zone = "Europe/Lisbon"
[hours]
tue = "08:00-20:00"
[[floor]]
id = "f1"
[[zone]]
id = "rooms"
floor = "f1"
[[agent]]
id = "pi-1"
[[space]]
id = "r1"
zone = "rooms"
kind = "room"
agent = "pi-1"
[[bookings]]
space = "r1"
"""


def test_a_calendar_is_a_file_or_an_address_of_a_known_space(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    (tmp_path / "r1.url").write_text("webcal://calendar.example/r1.ics?key=1\n")
    for line, feed in (
        ('file = "r1.ics"', BookingFeed("r1", str(tmp_path / "r1.ics"))),
        ('url = "http://calendar.example/r1.ics"', BookingFeed("r1", url="http://calendar.example/r1.ics")),
        ('url_file = "r1.url"', BookingFeed("r1", url="https://calendar.example/r1.ics?key=1")),
    ):
        path.write_text(SITE + line)
        assert load_site(path).bookings == (feed,)
    for lines, says in (
        ("", "one of file"),
        ('file = "a"\nurl = "http://x.example/"', "one of file"),
        ('url = "file:///etc/passwd"', "no web address"),
        ('file = "a"\n[[bookings]]\nspace = "r2"\nfile = "b"', "no space r2"),
        ('file = "a"\n[[bookings]]\nspace = "r1"\nfile = "b"', "r1"),
    ):
        path.write_text(SITE + lines)
        with pytest.raises(InputError, match=says):
            load_site(path)


def files_that_hold(folder: Path, words: bytes) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and words in path.read_bytes())


def test_no_shows_are_answered_by_command_and_api_and_no_word_of_the_calendar_is_kept(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Three Tuesdays were booked at nine; on the first two somebody came."""
    (tmp_path / "r1.ics").write_bytes(ics(WEEKLY))
    (tmp_path / "site.toml").write_text(SITE + 'file = "r1.ics"')
    (tmp_path / "perch.toml").write_text('data = "data"\nsites = ["site.toml"]\n[broker]\nhost = "127.0.0.1"\n')
    (tmp_path / "data").mkdir()
    first_ms = day_ms("UTC", date(2026, 3, 24))
    ends = ((9, State.OCCUPIED), (10, State.FREE), (7 * 24 + 8, State.OCCUPIED), (7 * 24 + 9, State.FREE))
    told = [stated(first_ms, State.FREE, seq=1, space="r1")]
    told += [stated(first_ms + hour * HOUR_MS, to, seq=2 + n, space="r1") for n, (hour, to) in enumerate(ends)]
    with HistoryStore.open(tmp_path / "data" / "history.db") as store:
        store.add([*told, marked(first_ms + 30 * 24 * HOUR_MS, seq=9)], Cursor("0" * 16, 1))
    words = ["export", "--site", "hq", "--from", "2026-03-23", "--to", "2026-04-20", "--what", "no_show_rate"]
    out = ["--config", str(tmp_path / "perch.toml"), "-o", str(tmp_path / "out.csv")]
    assert run([*words, *out]) == 0
    with (tmp_path / "out.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (float(row["value"]), row["coverage"]) == (pytest.approx(1 / 3), "1.0")
    settings_ = server_settings(free_port(), tmp_path / "data", load_site(tmp_path / "site.toml"))
    with serving(settings_) as served:
        query = "/api/v1/history/no_show_rate?site=hq&from=2026-03-23&to=2026-04-20"
        told_ = served.json(query)
        assert told_["rows"][0]["value"] == pytest.approx(1 / 3)
        assert told_["parameters"] == {"before_seconds": 300, "after_seconds": 900}
        assert told_["warnings"] == []
        stayed = served.json(query.replace("no_show_rate", "overruns"))
        assert stayed["rows"][0]["value"] == 0
        assert stayed["parameters"] == {"before_seconds": 300, "overrun_seconds": 900}
        (tmp_path / "r1.ics").write_bytes(b"broken")
        broken = served.json(f"{query}&resolution=day&hours=all".replace("03-23", "03-24"))
        assert broken["rows"][0]["value"] is None
        assert "The calendar of r1 is left out" in " ".join(broken["warnings"])
    (tmp_path / "r1.ics").unlink()
    assert files_that_hold(tmp_path, TITLE.encode()) == []
    said = capfd.readouterr()
    assert TITLE not in said.out + said.err
