"""Writing to and reading from a real InfluxDB: nothing lost, nothing invented, one bad line harms no other."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from perch.adapters.influx.line_protocol import fleet_line, occupancy_line, row_ns, space_key, tag_value, zone_now_line
from perch.adapters.influx.live import BestEffortWriter
from perch.adapters.influx.query import Bucket, InfluxQuery, QueryError
from perch.adapters.influx.writing import EARLIEST_MS, LATEST_MS, InfluxWriter, RefusedLine, Written, quoted
from perch.errors import StorageError, UnavailableError
from perch.model import State
from perch.settings.values import Influx as InfluxSettings
from tests import parts
from tests.parts import Influx, free_port, until

NOON_MS = 1_700_000_000_000


@pytest.fixture
def writer(influxdb: Influx) -> Iterator[InfluxWriter]:
    with InfluxWriter(influxdb.settings) as writer:
        yield writer


def numbers(values: Sequence[int], start_ns: int = NOON_MS * 10**6) -> list[str]:
    return [f"m,a=x value={value}i {start_ns + place}" for place, value in enumerate(values)]


def test_every_field_of_a_row_comes_back_with_its_type(influxdb: Influx, writer: InfluxWriter) -> None:
    key = space_key("hq", "f1", "quiet", "room", "r1")
    line = occupancy_line(key, row_ns(NOON_MS, 7), State.OCCUPIED, "count", "ok", 1.0, 3, carried=False)
    assert writer.write(Bucket.SPACES, [line]) == Written()
    row = writer.query('SELECT * FROM "occupancy"', Bucket.SPACES)[0]
    assert row == {
        "time": NOON_MS * 10**6 + 7,
        "site": "hq",
        "floor": "f1",
        "zone": "quiet",
        "kind": "room",
        "space": "r1",
        "state": "occupied",
        "reason": "count",
        "clock": "ok",
        "free": 0,
        "occupied": 1,
        "unknown": 0,
        "probability": 1,
        "people": 3,
        "counted": 1,
        "carried": 0,
    }
    types = {row["fieldKey"]: row["fieldType"] for row in writer.query("SHOW FIELD KEYS", Bucket.SPACES)}
    assert {name for name, kind in types.items() if kind == "float"} == {"probability"}
    assert {name for name, kind in types.items() if kind == "string"} == {"state", "reason", "clock"}
    assert influxdb.query('SELECT * FROM "occupancy"', influxdb.zones_bucket) == []


def test_more_lines_than_a_batch_holds_are_all_stored(influxdb: Influx, writer: InfluxWriter) -> None:
    assert writer.write(Bucket.SPACES, numbers(range(12_345))) == Written()
    told = influxdb.query("SELECT count(value), sum(value) FROM m", influxdb.bucket)[0]
    assert (told["count"], told["sum"]) == (12_345, sum(range(12_345)))


def test_a_line_written_twice_is_one_row(influxdb: Influx, writer: InfluxWriter) -> None:
    lines = numbers(range(10))
    writer.write(Bucket.SPACES, lines)
    writer.write(Bucket.SPACES, lines)
    assert influxdb.query("SELECT count(value) FROM m", influxdb.bucket)[0]["count"] == 10


@pytest.mark.parametrize(
    "bad",
    ["no line protocol", f"m,a=x value=0.5 {NOON_MS * 10**6}", "m,a=x value=1i 99999999999999999999"],
    ids=["unreadable", "another type", "a time beyond all years"],
)
def test_refused_lines_are_handed_back_and_all_others_stored(influxdb: Influx, writer: InfluxWriter, bad: str) -> None:
    writer.write(Bucket.SPACES, numbers([1], NOON_MS * 10**6 - 1))
    lines = numbers(range(300))
    spoilt = [*lines[:50], bad, *lines[50:200], bad.replace("a=x", "a=y"), *lines[200:]]
    written = writer.write(Bucket.SPACES, spoilt)
    assert {refused.line for refused in written.refused} == {bad, bad.replace("a=x", "a=y")}
    assert all(refused.why for refused in written.refused)
    assert influxdb.query("SELECT count(value) FROM m WHERE a = 'x'", influxdb.bucket)[0]["count"] == 301


def test_rows_older_than_the_bucket_keeps_are_counted_not_refused(influxdb: Influx, writer: InfluxWriter) -> None:
    influxdb.keep_days(influxdb.bucket, 1000)
    old = numbers([1, 2, 3], 10**18)
    assert writer.write(Bucket.SPACES, [*old, *numbers([4], 1_790_000_000 * 10**9)]) == Written(expired=3)
    assert influxdb.query("SELECT sum(value) FROM m", influxdb.bucket)[0]["sum"] == 4


@pytest.mark.parametrize("hostile", ["a,b=c d", "x y", "é – ok", "'; DROP DATABASE x --", '"', "=,= ,"])
def test_a_hostile_name_stays_inside_its_tag(influxdb: Influx, writer: InfluxWriter, hostile: str) -> None:
    writer.write(Bucket.SPACES, [f"m,a={tag_value(hostile)} value=1i 5", "m,a=other value=1i 5"])
    found = [row["a"] for row in influxdb.query("SELECT value, a FROM m", influxdb.bucket)]
    assert sorted(found) == sorted([hostile, "other"])
    assert [row["name"] for row in influxdb.query("SHOW MEASUREMENTS", influxdb.bucket)] == ["m"]
    writer.delete(Bucket.SPACES, "m", 0, 1, {"a": hostile})
    assert [row["a"] for row in influxdb.query("SELECT value, a FROM m", influxdb.bucket)] == ["other"]


def test_a_deleted_span_is_half_open_and_touches_no_neighbour(influxdb: Influx, writer: InfluxWriter) -> None:
    ms = 10**6
    lines = [f"{name},site=s,space={space} value=1i {time}" for name in ("m", "n") for space in ("a", "b")
             for time in (10 * ms - 1, 10 * ms, 20 * ms - 1, 20 * ms)]  # fmt: skip
    writer.write(Bucket.SPACES, lines)
    writer.delete(Bucket.SPACES, "m", 10, 20, {"site": "s", "space": "a"})
    rows = influxdb.query("SELECT value, space FROM m", influxdb.bucket)
    assert [row["time"] for row in rows if row["space"] == "a"] == [10 * ms - 1, 20 * ms]
    assert len([row for row in rows if row["space"] == "b"]) == 4
    assert len(influxdb.query("SELECT value FROM n", influxdb.bucket)) == 8


def test_a_span_can_be_deleted_and_written_again_many_times(influxdb: Influx, writer: InfluxWriter) -> None:
    for turn in range(20):
        writer.delete(Bucket.SPACES, "m", EARLIEST_MS - 5, LATEST_MS + 5, {"a": "x"})
        writer.write(Bucket.SPACES, numbers([turn] * (turn + 1)))
        rows = influxdb.query("SELECT value FROM m", influxdb.bucket)
        assert [row["value"] for row in rows] == [turn] * (turn + 1)


@pytest.mark.parametrize("influxdb_server", ["1.8"], indirect=True)
def test_missing_databases_of_influxdb_1_8_are_made(influxdb: Influx) -> None:
    name = f"{influxdb.bucket}_new"
    settings = InfluxSettings(influxdb.url, database=name, zones_database=influxdb.zones_bucket)
    with InfluxWriter(settings) as writer:
        missing = writer.health()
        assert isinstance(missing, UnavailableError)
        assert name in missing.what + missing.remedy
        with pytest.raises(UnavailableError, match="404"):
            writer.write(Bucket.SPACES, numbers([1]))
        writer.prepare()
        assert writer.health() is None
        assert writer.write(Bucket.SPACES, numbers([1])) == Written()
    influxdb.query(f'DROP DATABASE "{name}"', influxdb.bucket)


def test_a_refused_statement_is_told_from_silence_and_is_worth_another_try(writer: InfluxWriter) -> None:
    """InfluxDB 1.8 refuses in the same words while it is busy or stopping, and that must never end the collector."""
    assert issubclass(QueryError, UnavailableError)
    with pytest.raises(QueryError, match="SELCT"):
        writer.query("SELCT 1", Bucket.SPACES)


def test_an_influxdb_that_does_not_answer_is_said_to_be_away() -> None:
    settings = InfluxSettings(f"http://127.0.0.1:{free_port()}", database="perch", zones_database="perch_zones")
    with InfluxWriter(settings, timeout_s=5) as writer:
        with pytest.raises(UnavailableError, match="does not answer"):
            writer.write(Bucket.SPACES, numbers([1]))
        with pytest.raises(UnavailableError, match="does not answer"):
            writer.delete(Bucket.SPACES, "m", 0, 1, {})
        assert isinstance(writer.health(), UnavailableError)


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[InfluxSettings]:
    """An InfluxDB 1.8 that asks for a login: `perch`, who may do everything, with a password full of signs."""
    program = parts.find_influxdb()
    if program is None:
        pytest.skip("InfluxDB 1.8 is not installed")
    port, password, config = free_port(), "p:w %&'ö", tmp_path / "influxdb.conf"
    text = parts.INFLUXDB_CONFIG.format(port=port, backup_port=free_port(), folder=tmp_path)
    config.write_text(text.replace("[http]", "[http]\n  auth-enabled = true"))
    server = parts.Server([program, "-config", str(config)], port, tmp_path / "log")
    server.start()
    (tmp_path / "password").write_text(password + "\n")
    user = f"""CREATE USER "perch" WITH PASSWORD {quoted(password)} WITH ALL PRIVILEGES"""
    nobody = InfluxSettings(f"http://127.0.0.1:{port}", database="perch", zones_database="perch_zones")
    InfluxQuery(nobody).run(user, Bucket.SPACES)
    yield replace(nobody, username="perch", password_file=tmp_path / "password")
    server.stop()


def test_an_influxdb_1_8_with_users_is_written_and_read_by_name_and_password(guarded: InfluxSettings) -> None:
    with InfluxWriter(guarded) as writer:
        writer.prepare()
        assert writer.health() is None
        assert writer.write(Bucket.ZONES, numbers([4])) == Written()
        assert writer.query("SELECT value FROM m", Bucket.ZONES)[0]["value"] == 4
        writer.delete(Bucket.ZONES, "m", 0, LATEST_MS, {})
        assert writer.query("SELECT value FROM m", Bucket.ZONES) == []


def test_a_user_who_may_not_make_databases_writes_to_those_that_are_there(guarded: InfluxSettings) -> None:
    queries = InfluxQuery(guarded)
    for statement in (
        "CREATE DATABASE perch",
        "CREATE DATABASE perch_zones",
        "CREATE USER worker WITH PASSWORD 'w'",
        "GRANT ALL ON perch TO worker",
        "GRANT ALL ON perch_zones TO worker",
        "CREATE USER guest WITH PASSWORD 'w'",
    ):
        queries.run(statement, Bucket.SPACES)
    assert guarded.password_file is not None
    guarded.password_file.write_text("w")
    with InfluxWriter(replace(guarded, username="worker")) as writer:
        writer.prepare()
        assert writer.health() is None
        assert writer.write(Bucket.SPACES, numbers([1])) == Written()
        writer.delete(Bucket.SPACES, "m", 0, LATEST_MS, {})
    with InfluxWriter(replace(guarded, username="guest")) as guest:
        guest.prepare()
        health = guest.health()
        assert isinstance(health, UnavailableError)
        assert "may do" in health.remedy


def test_a_refused_login_is_said_to_be_one(guarded: InfluxSettings) -> None:
    with InfluxWriter(replace(guarded, username="stranger")) as writer:
        health = writer.health()
        assert isinstance(health, UnavailableError)
        assert "login refused" in health.what
        with pytest.raises(UnavailableError, match="401"):
            writer.write(Bucket.ZONES, numbers([4]))


def test_a_password_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    settings = InfluxSettings(
        "http://127.0.0.1:1", database="a", zones_database="b", username="u", password_file=tmp_path / "secret"
    )
    with pytest.raises(StorageError, match="secret"):
        InfluxWriter(settings)


def test_live_rows_wait_out_an_outage_and_only_the_newest_are_kept(start_influxdb: Callable[[], Influx]) -> None:
    influxdb = start_influxdb()
    live = BestEffortWriter(lambda: InfluxWriter(influxdb.settings, timeout_s=5), limit=10, retry_s=0.05)
    live.start()
    live.offer([zone_now_line("hq", "f1", "quiet", "desk", NOON_MS, free=3, occupied=2, unknown=1)])
    until(lambda: influxdb.query("SELECT total FROM zone_now", influxdb.zones_bucket))
    influxdb.server.stop()
    offline = [fleet_line("hq", "pi-1", NOON_MS + n, online=True, outbox=n, silent_sensors=0) for n in range(25)]
    for line in offline:
        live.offer([line])
    until(lambda: live.dropped == 15)
    influxdb.server.start()
    until(lambda: len(influxdb.query("SELECT outbox FROM fleet", influxdb.zones_bucket)) == 10)
    live.stop(10)
    live.check()
    outboxes = [row["outbox"] for row in influxdb.query("SELECT outbox FROM fleet", influxdb.zones_bucket)]
    assert outboxes == list(range(15, 25))


def test_live_rows_are_written_out_at_a_stop(influxdb: Influx) -> None:
    live = BestEffortWriter(lambda: InfluxWriter(influxdb.settings))
    live.start()
    live.offer(fleet_line("hq", f"pi-{n}", NOON_MS, online=False, outbox=0, silent_sensors=1) for n in range(7_000))
    live.stop(30)
    live.check()
    assert influxdb.query("SELECT count(online) FROM fleet", influxdb.zones_bucket)[0]["count"] == 7_000


def test_a_live_writer_that_breaks_says_so() -> None:
    class Broken:
        def write(self, bucket: Bucket, lines: Sequence[str]) -> Written:
            raise ZeroDivisionError(bucket, lines)

    live = BestEffortWriter(Broken)
    live.start()
    live.offer(["m x=1i 1"])
    live.stop(10)
    with pytest.raises(ZeroDivisionError):
        live.check()


def test_what_is_handed_back_adds_up() -> None:
    one, two = RefusedLine("a", "x"), RefusedLine("b", "y")
    assert Written((one,), 1) + Written((two,), 2) == Written((one, two), 3)
