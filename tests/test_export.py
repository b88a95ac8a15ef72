"""`perch export` writes the past for others to reckon with: every row once, whole files only, and nothing that runs."""

import csv
import gzip
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given

from perch.adapters.cursor import Cursor
from perch.adapters.history.store import HistoryReader, HistoryStore
from perch.adapters.tables.files import csv_texts, write_table
from perch.commands import run
from perch.errors import StorageError
from perch.history import answers
from perch.history.calendar import Calendar
from perch.history.layout import standings
from perch.history.memory import MemoryHistory
from perch.history.question import Hours, Question
from perch.history.tables import LAYOUT, Piece, Table, session_table, transitions_of
from perch.history.told import Marked, Stated, Told
from perch.model import Dating, Reason, State
from perch.settings import load_site
from tests.examples import one_in
from tests.history_cases import Case, cases

LISBON = ZoneInfo("Europe/Lisbon")
MONDAY = date(2026, 3, 23)
DAYS = 14
"""In the night before the second Sunday clocks are turned."""

SITE = """
[site]
id = "hq"
name = "Café"
time_zone = "Europe/Lisbon"
[hours]
mon = "08:00-20:00"
tue = "08:00-20:00"
wed = "08:00-20:00"
thu = "08:00-20:00"
fri = "08:00-20:00"
[[floor]]
id = "f1"
[[zone]]
id = "open"
floor = "f1"
[[zone]]
id = "quiet"
floor = "f1"
[[agent]]
id = "pi-1"
"""
SPACES = """id,name,floor,zone,kind,capacity,purpose,features,agent,valid_from,valid_until
d01,"=HYPERLINK(""http://example.org"")",f1,open,desk,1,shared,window;monitor,pi-1,,2026-03-30
d01,Desk 1,f1,quiet,desk,1,shared,,pi-1,2026-03-30,
r1,Sala Açores,f1,open,room,,shared,@wall,pi-1,,
"""
WINDOW = ("--site", "hq", "--from", "2026-03-23", "--to", "2026-04-06")


def ms(day: date, hour: int) -> int:
    return int(datetime.combine(day, time(hour), tzinfo=LISBON).timestamp()) * 1000


def told() -> Iterator[Told]:
    """A desk taken from nine to five every day, and a room in which three people met each Thursday."""
    seq, epoch = 0, "a" * 32

    def stated(space: str, day: date, hour: int, state: State, count: int | None = None) -> Stated:
        nonlocal seq
        seq += 1
        reason, at_ms = (Reason.MOTION if state is State.OCCUPIED else Reason.QUIET), ms(day, hour)
        return Stated("hq", "pi-1", epoch, seq, at_ms, space, at_ms, state, 0.75, count, reason, Dating.OK)

    for space in ("d01", "r1"):
        yield stated(space, MONDAY, 0, State.FREE, 0 if space == "r1" else None)
    for passed in range(DAYS):
        day = MONDAY + timedelta(days=passed)
        yield stated("d01", day, 9, State.OCCUPIED)
        if day.weekday() == 3:
            yield stated("r1", day, 10, State.OCCUPIED, 2)
            yield stated("r1", day, 11, State.OCCUPIED, 3)
            yield stated("r1", day, 12, State.FREE, 0)
        yield stated("d01", day, 17, State.FREE)
    last_ms = ms(MONDAY + timedelta(days=DAYS), 12)
    yield Marked("hq", "pi-1", epoch, seq + 1, last_ms, last_ms)


TRANSITIONS = 2 + 2 * DAYS + 3 * 2


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with perch.toml, the site, and a history of two weeks."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "site.toml").write_text(SITE, "utf-8")
    (folder / "spaces.csv").write_text(SPACES, "utf-8")
    (folder / "perch.toml").write_text('data = "data"\nsites = ["site.toml"]\n[broker]\nhost = "127.0.0.1"\n', "utf-8")
    (folder / "data").mkdir()
    with HistoryStore.open(folder / "data" / "history.db") as store:
        store.add(told(), Cursor("0" * 16, 1))
    return folder


def export(server: Path, file: Path, *words: str, window: tuple[str, ...] = WINDOW) -> Path:
    assert run(["export", *window, "--config", str(server / "perch.toml"), "-o", str(file), *words]) == 0
    return file


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as text:
        return list(csv.DictReader(text))


def test_transitions_as_csv_say_who_changed_when_and_what_stood_there(server: Path, tmp_path: Path) -> None:
    rows = rows_of(export(server, tmp_path / "all.csv"))
    assert len(rows) == TRANSITIONS
    assert rows[0] == {
        "time": "2026-03-23T00:00:00.000+00:00",
        "local_time": "2026-03-23 00:00:00",
        "site": "hq",
        "space": "d01",
        "floor": "f1",
        "zone": "open",
        "kind": "desk",
        "state": "free",
        "probability": "0.75",
        "count": "",
        "reason": "quiet",
        "clock": "ok",
    }
    assert [row["time"] for row in rows] == sorted((row["time"] for row in rows), key=datetime.fromisoformat)
    (moved,) = [row for row in rows if row["local_time"] == "2026-03-30 09:00:00"]
    assert (moved["time"], moved["zone"]) == ("2026-03-30T09:00:00.000+01:00", "quiet")
    assert [row["count"] for row in rows if row["space"] == "r1"] == ["0", "2", "3", "0", "2", "3", "0"]
    assert not (tmp_path / "all.csv").read_bytes().startswith(b"\xef\xbb\xbf")


def test_filters_leave_only_what_is_asked_for(server: Path, tmp_path: Path) -> None:
    quiet = rows_of(export(server, tmp_path / "quiet.csv", "--zone", "quiet"))
    assert {(row["zone"], row["space"]) for row in quiet} == {("quiet", "d01")}
    assert min(row["local_time"] for row in quiet) == "2026-03-30 09:00:00"
    rooms = rows_of(export(server, tmp_path / "rooms.csv", "--kind", "room"))
    assert len(rooms) == 7
    assert rows_of(export(server, tmp_path / "booths.csv", "--kind", "booth")) == []


def test_sessions_are_those_that_the_metric_counts(server: Path, tmp_path: Path) -> None:
    for hours, number in (("open", 12), ("all", 16)):
        rows = rows_of(export(server, tmp_path / "sessions.csv", "--what", "sessions", "--hours", hours))
        assert len(rows) == number
        assert rows[0]["start"] == "2026-03-23T09:00:00.000+00:00"
    meeting = rows[-1]
    assert (meeting["space"], meeting["seconds"], meeting["most_people"], meeting["cut"]) == (
        "r1",
        "7200.0",
        "3",
        "false",
    )
    assert {row["most_people"] for row in rows if row["space"] == "d01"} == {""}
    assert {row["zone"] for row in rows if row["space"] == "d01"} == {"open", "quiet"}


def test_a_metric_comes_with_its_coverage_and_bounds(server: Path, tmp_path: Path) -> None:
    words = ("--what", "time_used_ratio", "--resolution", "day", "--scope", "space", "--kind", "desk")
    rows = rows_of(export(server, tmp_path / "used.csv", *words))
    weekday, sunday = rows[0], rows[6]
    assert float(weekday["value"]) == pytest.approx(8 / 12)
    assert (weekday["coverage"], weekday["low"] == weekday["high"]) == ("1.0", True)
    assert (sunday["value"], sunday["coverage"]) == ("", "")
    assert len(rows) == DAYS
    peak = rows_of(export(server, tmp_path / "peak.csv", "--what", "peak_concurrent"))[0]
    assert (peak["value"], peak["peak_at"], peak["peak_seconds"]) == ("2.0", "2026-03-26T10:00:00.000+00:00", "14400.0")
    week = rows_of(export(server, tmp_path / "week.csv", "--what", "time_used_ratio", "--resolution", "hour-of-week"))
    assert (week[0]["weekday"], week[0]["hour"], week[0]["weeks"]) == ("1", "8", "2")


def test_the_layout_is_a_spaces_csv_in_which_nothing_runs(server: Path, tmp_path: Path) -> None:
    file = export(server, tmp_path / "layout.csv", "--what", "layout")
    assert file.read_bytes().startswith(b"\xef\xbb\xbf")
    rows = rows_of(file)
    assert [row["name"] for row in rows] == ['\'=HYPERLINK("http://example.org")', "Desk 1", "Sala Açores"]
    assert [row["features"] for row in rows] == ["monitor;window", "", "'@wall"]
    assert [(row["valid_from"], row["valid_until"]) for row in rows[:2]] == [("", "2026-03-30"), ("2026-03-30", "")]
    (tmp_path / "site.toml").write_text(SITE, "utf-8")
    (tmp_path / "spaces.csv").write_bytes(file.read_bytes())
    assert [space.id for space in load_site(tmp_path / "site.toml").spaces] == ["d01", "d01", "r1"]


def test_pandas_and_duckdb_read_the_same_from_every_format(server: Path, tmp_path: Path) -> None:
    packed, parquet = export(server, tmp_path / "all.csv.gz"), export(server, tmp_path / "all.parquet")
    assert gzip.decompress(packed.read_bytes()) == export(server, tmp_path / "all.csv").read_bytes()
    text, typed = pd.read_csv(packed), pd.read_parquet(parquet)
    assert list(text.columns) == list(typed.columns)
    assert len(text) == len(typed) == TRANSITIONS
    assert (pd.to_datetime(text["time"], utc=True) == typed["time"].dt.tz_convert("UTC")).all()
    assert (pd.to_datetime(text["local_time"]) == typed["local_time"]).all()
    for name in ("space", "zone", "state", "reason", "clock", "probability"):
        assert (text[name] == typed[name].astype(text[name].dtype)).all()
    assert text["count"].sum() == typed["count"].sum() == 10
    query = (
        "SELECT zone, count(*), epoch_ms(min(time)), max(local_time), sum(count) FROM '{}' GROUP BY zone ORDER BY zone"
    )
    with duckdb.connect() as db:
        from_text, from_typed = (db.execute(query.format(file)).fetchall() for file in (packed, parquet))
    assert from_text == from_typed
    assert from_typed[0][1] == TRANSITIONS - DAYS
    assert from_typed[0][2] == ms(MONDAY, 0)


def test_parquet_says_what_its_numbers_mean(server: Path, tmp_path: Path) -> None:
    file = export(server, tmp_path / "used.parquet", "--what", "time_used_ratio", "--resolution", "day")
    about = pq.read_schema(file).metadata
    assert (about[b"definition"], about[b"definition_version"]) == (b"time_used_ratio", b"1")
    assert about[b"definition_text"].startswith(b"Occupied time divided by known time.")
    assert (about[b"resolution"], about[b"hours"], about[b"unit"]) == (b"day", b"open", b"ratio")
    window = b"2026-03-23T00:00:00+00:00", b"2026-04-06T00:00:00+01:00", b"Europe/Lisbon"
    for what in ("time_used_ratio", "transitions", "sessions", "layout"):
        about = pq.read_schema(export(server, tmp_path / f"{what}.parquet", "--what", what)).metadata
        assert (about[b"from"], about[b"to"], about[b"time_zone"]) == window, what
    layout = pd.read_parquet(tmp_path / "layout.parquet")
    assert layout["name"][0].startswith("=HYPERLINK")  # nothing runs what is in Parquet
    assert layout["valid_from"][1] == date(2026, 3, 30)
    assert pd.isna(layout["capacity"][2])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--site", "hq", "--from", "2026-04-06", "--to", "2026-03-23"), "is empty"),
        (("--site", "hq", "--from", "2096-03-23", "--to", "2096-04-06"), "lies in the future"),
        (("--site", "hq", "--from", "2025-03-23", "--to", "2025-04-06"), "begins on 2026-03-23"),
        (("--site", "annex", "--from", "2026-03-23", "--to", "2026-04-06"), "there are: hq"),
        (("--site", "hq", "--from", "soon", "--to", "2026-04-06"), "no time"),
        ((*WINDOW, "--zone", "attic"), "no zone"),
        ((*WINDOW, "--what", "utilisation"), "time_used_ratio"),
        ((*WINDOW, "--resolution", "day"), "--resolution belongs to a metric"),
        ((*WINDOW, "--hours", "all"), "--hours belongs to"),
        ((*WINDOW, "--what", "coverage", "--resolution", "15min", "--from", "1990-01-01"), "coarser resolution"),
    ],
)
def test_what_cannot_be_asked_is_refused_and_writes_nothing(
    server: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    file = tmp_path / "out.csv"
    assert run(["export", *words, "--config", str(server / "perch.toml"), "-o", str(file)]) == 2
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_says_no_format_is_refused(
    server: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, says in (("out.xlsx", "end in .csv"), ("gone/out.csv", "no folder")):
        words = ["export", *WINDOW, "--config", str(server / "perch.toml"), "-o", str(tmp_path / name)]
        assert run(words) == 2
        assert says in capsys.readouterr().err


def test_a_server_without_history_says_so(server: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("site.toml", "spaces.csv", "perch.toml"):
        (tmp_path / name).write_bytes((server / name).read_bytes())
    words = ["export", *WINDOW, "--config", str(tmp_path / "perch.toml"), "-o", str(tmp_path / "out.csv")]
    assert run(words) == 1
    assert "start the collector" in capsys.readouterr().err
    (tmp_path / "data").mkdir()
    HistoryStore.open(tmp_path / "data" / "history.db").close()
    assert run(words) == 2
    assert "no history yet" in capsys.readouterr().err


def test_what_was_written_is_told_as_json(server: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export(server, tmp_path / "all.csv", "--json")
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (said["what"], said["rows"], said["warnings"]) == ("transitions", TRANSITIONS, [])


@pytest.mark.parametrize("name", ["all.csv", "all.csv.gz", "all.parquet"])
def test_a_file_is_whole_or_is_not_there(server: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text("yesterday's")

    def torn() -> Iterator[Piece]:
        yield [["x"]] * len(LAYOUT[:1])
        raise StorageError("the disk is gone")

    table = Table(load_site(server / "site.toml"), "layout", LAYOUT[:1], 2, torn())
    with pytest.raises(StorageError, match="gone"):
        write_table(table, file)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert file.read_text() == "yesterday's"


def test_a_server_without_pyarrow_writes_csv_and_says_what_parquet_needs(server: Path, tmp_path: Path) -> None:
    code = "import sys\nsys.modules['pyarrow'] = None\nfrom perch.commands import run\nsys.exit(run(sys.argv[1:]))"
    words = ["export", *WINDOW, "--config", str(server / "perch.toml"), "-o"]
    for name, returns, says in (("all.csv", 0, ""), ("all.parquet", 1, "pip install 'perch-occupancy[export]'")):
        command = [sys.executable, "-c", code, *words, str(tmp_path / name)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == returns
        assert says in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["all.csv"]


def written(table: Table) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(csv_texts(table, table.pieces)))))


@one_in(4)
@given(cases())
def test_pieces_hold_every_transition_and_session_once_whatever_was_told(case: Case) -> None:
    source, now_ms = MemoryHistory(case.told), case.to_ms + 10**9
    rows = written(transitions_of(standings(case.site), case.site, case.from_ms, case.to_ms, source))
    for space in {space.id for space in case.site.spaces}:
        expected = answers.transitions(case.site, space, case.from_ms, case.to_ms, source)
        inside = [row for row in rows if row["space"] == space]
        assert [(row["state"], row["reason"]) for row in inside] == [(row.state, row.reason) for row in expected]
        assert [moment_ms(row["time"]) for row in inside] == [row.time_ms for row in expected]
    for hours in Hours:
        question = Question("sessions", case.from_ms, case.to_ms, hours=hours)
        calendar = Calendar(case.site.time_zone, case.site.hours, case.closed)
        counted = answers.answer(question, case.site, source, calendar, now_ms).rows[0].value
        listed = written(session_table(question, case.site, source, calendar, now_ms))
        assert len(listed) == (counted or 0)


def moment_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def test_a_year_is_read_piece_by_piece(server: Path) -> None:
    site = load_site(server / "site.toml")
    with HistoryReader(server / "data" / "history.db") as history:
        from_ms, to_ms = ms(MONDAY, 0), ms(MONDAY, 0) + 40_000 * 86_400_000
        table = transitions_of(standings(site), site, from_ms, to_ms, history)
        assert table.number == 23
        assert sum(len(piece[0]) for piece in table.pieces) == TRANSITIONS
