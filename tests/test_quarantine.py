"""What cannot be taken in is kept for people to look at, within bounds, and counted for ever."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.adapters.quarantine.store import (
    MAX_AGE_DAYS,
    MAX_PAYLOAD_BYTES,
    Quarantine,
    QuarantineReader,
    Suspect,
)
from perch.errors import StorageError
from tests.examples import usually

DAY_MS = 86_400_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "quarantine.db"


def suspect(number: int, size: int = 1, code: str = "undecodable", agent: str = "pi-1") -> Suspect:
    return Suspect(number, code, "it is bad", f"perch/v1/hq/{agent}/up", b"x" * size)


def numbers(path: Path) -> list[int]:
    """When the messages that are kept were received, which is how the tests tell them apart."""
    reader = QuarantineReader(path)
    kept = [message.received_ms for message in reader.read(limit=10_000)]
    reader.close()
    return kept


def test_a_message_is_kept_with_its_code_reason_topic_and_bytes(path: Path) -> None:
    with Quarantine.open(path) as quarantine:
        quarantine.add([Suspect(5, "bad-topic", "no topic", "perch/v1/?", b"\x00\xff")])
        reader = QuarantineReader(path)
        (message,) = reader.read()
        reader.close()
    assert message[1:] == (5, "bad-topic", "no topic", "perch/v1/?", b"\x00\xff", 0, "", 1)


@usually(40)
@given(sizes=st.lists(st.lists(st.integers(0, 60), max_size=8), max_size=8))
def test_the_newest_are_kept_within_both_bounds(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[list[int]]
) -> None:
    path = tmp_path_factory.mktemp("quarantine") / "quarantine.db"
    flat = [size for group in sizes for size in group]
    fit = [place for place in range(len(flat)) if len(flat) - place <= 7 and sum(flat[place:]) <= 100]
    with Quarantine.open(path, max_messages=7, max_bytes=100) as quarantine:
        number = 0
        for group in sizes:
            quarantine.add([suspect(number + place, size) for place, size in enumerate(group)])
            number += len(group)
        assert quarantine.kept == len(fit)
        assert sum(quarantine.seen.values()) == len(flat)
        assert numbers(path) == fit


def test_counts_and_bounds_outlive_a_restart(path: Path) -> None:
    for start in (0, 3):
        with Quarantine.open(path, max_messages=4) as quarantine:
            quarantine.add([suspect(start), suspect(start + 1), suspect(start + 2, code="conflict")])
    assert numbers(path) == [2, 3, 4, 5]
    with Quarantine.open(path, max_messages=4) as quarantine:
        assert quarantine.seen == {"undecodable": 4, "conflict": 2}
        reader = QuarantineReader(path)
        assert reader.dropped() == {"undecodable": 2, "conflict": 0}
        reader.close()


def test_a_huge_message_is_cut_and_says_by_how_much(path: Path) -> None:
    with Quarantine.open(path) as quarantine:
        quarantine.add([suspect(1, MAX_PAYLOAD_BYTES + 7)])
        reader = QuarantineReader(path)
        (message,) = reader.read()
        reader.close()
    assert (len(message.payload), message.cut) == (MAX_PAYLOAD_BYTES, 7)


def test_its_file_does_not_grow_with_what_passed_through_it(path: Path) -> None:
    with Quarantine.open(path, max_messages=50) as quarantine:
        sizes = []
        for start in range(0, 2000, 100):
            quarantine.add([suspect(start + place, 1000) for place in range(100)])
            sizes.append(path.stat().st_size)
    assert path.stat().st_size < 50 * 1000 * 5


def test_a_text_that_cannot_be_stored_is_stored_as_well_as_can_be(path: Path) -> None:
    with Quarantine.open(path) as quarantine:
        quarantine.add([Suspect(1, "bad-topic", "\udcff" * 5000, "perch/\udcff", b"")])
    assert numbers(path) == [1]


def test_a_missing_quarantine_cannot_be_read(path: Path) -> None:
    with pytest.raises(StorageError):
        QuarantineReader(path)


def test_a_sender_who_floods_it_pushes_out_its_own_and_nobody_else_s(path: Path) -> None:
    with Quarantine.open(path, max_messages=50) as quarantine:
        quarantine.add([suspect(number, agent="pi-2") for number in range(10)])
        for start in range(100, 400, 20):
            quarantine.add([suspect(start + place) for place in range(20)])
        assert quarantine.kept == 50
        quarantine.add([Suspect(500 + place, "bad-topic", "?", "perch/v1/x", b"") for place in range(60)])
    kept = numbers(path)
    assert kept[:10] == list(range(10))
    assert len(kept) == 50
    assert len([number for number in kept if 100 <= number < 400]) == 10


def steps_when_full(path: Path, agent: str) -> int:
    """How many hundred steps SQLite takes for a further group of messages, where senders are named by number."""
    steps = []
    with Quarantine.open(path, max_messages=3_000) as quarantine:
        quarantine.add([suspect(number, agent=agent.format(number)) for number in range(3_000)])
        quarantine._db.set_progress_handler(lambda: steps.append(1), 100)
        quarantine.add([suspect(number, agent=agent.format(number)) for number in range(50)])
        assert quarantine.kept == 3_000
    return len(steps)


def test_a_flood_under_thousands_of_names_costs_about_as_much_as_one_under_a_single_name(tmp_path: Path) -> None:
    one, many = (steps_when_full(tmp_path / f"{agent}.db", agent) for agent in ("pi", "pi-{}"))
    assert many < 2 * one


def work(quarantine: Quarantine, days: int, after_days: int = 0) -> None:
    """Let a collector be at work for so many days, as its loop does, after as many since its machine was started."""
    for halves in range(2 * days + 1):
        quarantine.pass_time(after_days * DAY_MS + halves * DAY_MS // 2)


def test_what_is_old_makes_room_too_over_restarts(path: Path) -> None:
    with Quarantine.open(path) as quarantine:
        quarantine.add([suspect(1)])
        work(quarantine, 45)
        quarantine.add([suspect(2)])
    with Quarantine.open(path) as quarantine:
        work(quarantine, MAX_AGE_DAYS - 45)
        assert quarantine.kept == 2
        work(quarantine, 2, after_days=MAX_AGE_DAYS - 45)
        assert quarantine.kept == 1
        assert quarantine.seen == {"undecodable": 2}
    assert numbers(path) == [2]


def test_a_wall_clock_that_jumps_lets_nothing_go_and_keeps_nothing_for_ever(path: Path) -> None:
    with Quarantine.open(path) as quarantine:
        quarantine.add([suspect(1)])
        quarantine.add([suspect(4_102_444_800_000), suspect(3)])
        work(quarantine, MAX_AGE_DAYS)
        assert quarantine.kept == 3
        work(quarantine, 2, after_days=MAX_AGE_DAYS)
        assert quarantine.kept == 0


def test_messages_are_found_by_code_and_by_agent_and_the_newest_first(path: Path) -> None:
    with Quarantine.open(path) as quarantine, QuarantineReader(path) as reader:
        quarantine.add([suspect(1), suspect(2, code="conflict"), suspect(3, agent="pi-2"), suspect(4)])
        assert [one.received_ms for one in reader.newest(2)] == [4, 3]
        assert [one.received_ms for one in reader.newest(9, agent="hq/pi-1")] == [4, 2, 1]
        assert [one.received_ms for one in reader.read(code="conflict")] == [2]
        assert reader.read(code="conflict", agent="hq/pi-2") == []
        assert (reader.count(), reader.count(agent="hq/pi-2")) == (4, 1)


def test_what_was_taken_in_after_all_is_let_go_without_being_counted_as_dropped(path: Path) -> None:
    with Quarantine.open(path) as quarantine, QuarantineReader(path) as reader:
        quarantine.add([suspect(number) for number in range(5)])
        first, second, *_ = reader.read()
        assert quarantine.find([second.id, first.id, 99]) == [first, second]
        quarantine.remove([second.id, 99])
        assert (quarantine.kept, quarantine.seen, reader.dropped()) == (4, {"undecodable": 5}, {"undecodable": 0})
        assert quarantine.find([second.id]) == []


def test_a_message_that_the_broker_keeps_is_quarantined_once_however_often_it_comes(path: Path) -> None:
    kept = suspect(1)._replace(retained=True)
    for start in range(3):
        with Quarantine.open(path) as quarantine, QuarantineReader(path) as reader:
            quarantine.add([kept._replace(received_ms=10 * start), suspect(10 * start + 1, size=2)])
            quarantine.add([kept._replace(topic=f"perch/v1/hq/pi-1/up{start}")])
            assert quarantine.seen == {"undecodable": 3 + 2 * start}
    with QuarantineReader(path) as reader:
        assert [(message.received_ms, message.times) for message in reader.read(limit=2)] == [(0, 3), (1, 1)]


@pytest.mark.parametrize("version", [1, 2])
def test_a_quarantine_of_a_former_schema_is_read_on(path: Path, version: int) -> None:
    with Quarantine.open(path) as quarantine:
        quarantine.add([suspect(1), Suspect(2, "bad-topic", "?", "elsewhere", b"")])
    with closing(sqlite3.connect(path)) as file:
        file.execute("DROP INDEX message_of_topic")
        file.execute("ALTER TABLE message DROP COLUMN times")
        if version == 1:
            file.execute("DROP INDEX message_of_agent")
            file.execute("ALTER TABLE message DROP COLUMN agent")
        file.execute(f"PRAGMA user_version = {version}")
    with Quarantine.open(path), QuarantineReader(path) as reader:
        assert [(message.received_ms, message.agent) for message in reader.read()] == [(1, "hq/pi-1"), (2, "")]
