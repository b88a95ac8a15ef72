"""The outbox: what an agent accepted is on its disk until it is acknowledged, and for two more days."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.adapters.outbox.memory import Mark
from perch.adapters.outbox.store import KEEP_SETTLED_MS, LIVED_NOTED_MS, RECEIPT_MS, Outbox
from perch.contract import AliveEvent
from perch.delivery.hearing import Settled
from perch.delivery.sender import Lane
from perch.delivery.watermark import Watermark
from perch.errors import StorageError
from perch.model import Clock
from tests.examples import usually

EPOCH, BOOT = "a" * 32, "b" * 16
KEPT_MS = KEEP_SETTLED_MS + RECEIPT_MS


def alive(seq: int) -> AliveEvent:
    return AliveEvent(seq, 1_000 * seq, seq, Clock.OK)


def settle(outbox: Outbox, ranges: list[tuple[int, int]]) -> None:
    outbox.acknowledge(Settled(EPOCH, ("j1",), tuple(ranges)), 0, 0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "outbox.db"


def test_runs_are_counted_and_epochs_remembered(path: Path) -> None:
    with Outbox.open(path) as outbox:
        assert outbox.begin(EPOCH, BOOT) == 1
    with Outbox.open(path) as outbox:
        assert outbox.begin("c" * 32, "d" * 16) == 2
        assert outbox.boot_of(EPOCH) == BOOT


def test_events_come_back_as_they_went_in_and_settled_ones_stay_settled(path: Path) -> None:
    with Outbox.open(path) as outbox:
        outbox.begin(EPOCH, BOOT)
        outbox.append(EPOCH, [alive(seq) for seq in range(1, 6)])
        settle(outbox, [(1, 2), (4, 4)])
    with Outbox.open(path) as outbox:
        assert outbox.read(EPOCH, 2, 4) == (alive(2), alive(3), alive(4))
        assert outbox.lanes() == (Lane(EPOCH, 5, Watermark(2, ((4, 4),))),)
        outbox.acknowledge(Settled(EPOCH, ("j2",), ((1, 1),), forgotten=True), 1, 0)
        assert outbox.lanes() == (Lane(EPOCH, 5, Watermark(1), heard_upto=1),)
        assert outbox.journal == "j2"


def test_a_number_cannot_be_written_twice_and_nothing_of_a_failed_call_stays(path: Path) -> None:
    with Outbox.open(path) as outbox:
        outbox.begin(EPOCH, BOOT)
        outbox.append(EPOCH, [alive(2)])
        with pytest.raises(StorageError, match="outbox"):
            outbox.append(EPOCH, [alive(1), alive(2)])
        assert outbox.read(EPOCH, 1, 9) == (alive(2),)


def test_only_what_was_acknowledged_more_than_two_days_ago_is_dropped(path: Path) -> None:
    with Outbox.open(path) as outbox:
        outbox.begin(EPOCH, BOOT)
        outbox.append(EPOCH, [alive(seq) for seq in range(1, 6)])
        settle(outbox, [(1, 2), (4, 5)])
        outbox.purge(KEPT_MS - 1)
        assert len(outbox.read(EPOCH, 1, 9)) == 5
        outbox.purge(KEPT_MS)
        assert [event.seq for event in outbox.read(EPOCH, 1, 9)] == [3]
        assert outbox.take_dropped() == [(EPOCH, 1, 2), (EPOCH, 4, 5)]
        assert outbox.take_dropped() == []
        assert outbox.lanes() == (Lane(EPOCH, 3, Watermark(2), Watermark(2)),)


def test_acknowledgements_of_an_hour_share_a_receipt_and_none_is_kept_for_less_than_two_days(path: Path) -> None:
    with Outbox.open(path) as outbox:
        outbox.begin(EPOCH, BOOT)
        outbox.append(EPOCH, [alive(seq) for seq in range(1, 101)])
        for seq in range(1, 101):
            outbox.acknowledge(Settled(EPOCH, ("j1",), ((seq, seq),)), seq, seq * 60_000)
        assert outbox._all("SELECT first, last FROM receipt") == [(1, 60), (61, 100)]
        for seq in range(1, 101):
            outbox.purge(seq * 60_000 + KEEP_SETTLED_MS - 1)
            assert outbox.read(EPOCH, seq, seq)
        assert 0 <= 100 * 60_000 + KEEP_SETTLED_MS - 1 - outbox.lived_ms < LIVED_NOTED_MS


def test_an_epoch_of_which_nothing_is_left_is_forgotten_save_the_newest(path: Path) -> None:
    with Outbox.open(path) as outbox:
        for epoch in (EPOCH, "c" * 32):
            outbox.begin(epoch, BOOT)
            outbox.append(epoch, [alive(1)])
            outbox.acknowledge(Settled(epoch, ("j1",), ((1, 1),)), 1, 0)
        outbox.purge(KEPT_MS)
        assert outbox.lanes() == ()
        outbox.append("c" * 32, [alive(2)])
        with pytest.raises(KeyError):
            outbox.append(EPOCH, [alive(2)])


def test_the_last_sign_of_life_is_remembered(path: Path) -> None:
    with Outbox.open(path) as outbox:
        assert outbox.mark is None
        assert outbox.last_event is None
        outbox.begin(EPOCH, BOOT)
        outbox.append(EPOCH, [alive(1), alive(2)])
        outbox.mark = Mark(5, 6, BOOT, Clock.UNSYNCED)
        outbox.spaces = frozenset({"d02", "d01"})
    with Outbox.open(path) as outbox:
        assert outbox.mark == Mark(5, 6, BOOT, Clock.UNSYNCED)
        assert outbox.last_event == Mark(2000, 2, BOOT, Clock.OK)
        assert outbox.spaces == {"d01", "d02"}


def test_the_write_ahead_log_is_synced_in_full(path: Path) -> None:
    with Outbox.open(path) as outbox:
        db = outbox._db
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_file_that_is_no_database_is_an_error_with_its_name(tmp_path: Path) -> None:
    broken = tmp_path / "outbox.db"
    broken.write_bytes(b"no database at all" * 100)
    with pytest.raises(StorageError, match=r"outbox\.db is no database"):
        Outbox.open(broken)


def test_two_agents_cannot_share_an_outbox(path: Path) -> None:
    with Outbox.open(path), pytest.raises(StorageError, match="in use by another process"):
        Outbox.open(path)


def test_a_folder_that_cannot_be_made_is_an_error_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        Outbox.open(tmp_path / "file" / "outbox.db")


@usually(15)
@given(ranges=st.lists(st.tuples(st.integers(1, 30), st.integers(0, 5)), max_size=8))
def test_what_the_sender_starts_from_is_what_was_settled(
    ranges: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("outbox") / "outbox.db"
    expected = Watermark()
    with Outbox.open(path) as outbox:
        outbox.begin(EPOCH, BOOT)
        outbox.append(EPOCH, [alive(seq) for seq in range(1, 41)])
        for first, length in ranges:
            settle(outbox, list(expected.missing(first, first + length)))
            expected = expected.add(first, first + length)
        assert outbox.lanes() == (Lane(EPOCH, 40, expected),)


WRITER = """
import sys
from pathlib import Path
from perch.adapters.outbox.store import Outbox
from perch.contract import AliveEvent
from perch.model import Clock
with Outbox.open(Path(sys.argv[1])) as outbox:
    outbox.begin("a" * 32, "b" * 16)
    for seq in range(1, 100_000):
        outbox.append("a" * 32, [AliveEvent(seq, seq, seq, Clock.OK)])
        print(seq, flush=True)
"""


def test_what_was_accepted_survives_the_death_of_the_process(path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    accepted = [int(writer.stdout.readline()) for _ in range(50)]
    os.kill(writer.pid, signal.SIGKILL)
    accepted += [int(line) for line in writer.stdout.read().split()]
    writer.wait()
    writer.stdout.close()
    with Outbox.open(path) as outbox:
        kept = [event.seq for event in outbox.read("a" * 32, 1, 10**6)]
    assert kept[: len(accepted)] == accepted
    assert len(kept) <= len(accepted) + 1
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
