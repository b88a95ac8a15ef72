"""An outbox whose file is removed or replaced while an agent has it open: it is written anew, and nothing is lost."""

import fcntl
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from perch.adapters.outbox.aside import aside, open_or_begin, put_back
from perch.adapters.outbox.look import look_at_outbox
from perch.adapters.outbox.store import Outbox
from perch.adapters.sqlite import lock_of
from perch.contract import AliveEvent
from perch.errors import StorageError
from perch.model import Clock
from sensor_agent.upkeep import LOOK_EVERY_MS, MOVED_TOLD_MS, PURGE_EVERY_MS, ROOM_AGAIN_MS, Upkeep

EPOCH, BOOT = "e" * 32, "b" * 16
NOBODY = 65_534


def alive(first: int, last: int) -> list[AliveEvent]:
    return [AliveEvent(seq, seq, seq, Clock.OK) for seq in range(first, last + 1)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def outbox(folder: Path) -> Iterator[Outbox]:
    with Outbox.open(folder / "outbox.db") as outbox:
        outbox.begin(EPOCH, BOOT)
        outbox.append(EPOCH, alive(1, 500))
        yield outbox


def kept(path: Path) -> list[int | None]:
    with Outbox.open(path) as outbox:
        return [event.seq for event in outbox.read(EPOCH, 1, 10_000)]


def remove_files(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def remove_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def remove_database(folder: Path) -> None:
    (folder / "outbox.db").unlink()


def remove_log(folder: Path) -> None:
    (folder / "outbox.db-wal").unlink()


def remove_lock(folder: Path) -> None:
    (folder / "outbox.db.lock").unlink()


def put_a_copy_in_its_place(folder: Path) -> None:
    shutil.copytree(folder, folder.with_name("copy"))
    for path in folder.with_name("copy").iterdir():
        path.replace(folder / path.name)


def test_an_outbox_that_nobody_touched_is_left_alone(outbox: Outbox, folder: Path) -> None:
    before = sorted(path.name for path in folder.iterdir())
    assert put_back(outbox) is None
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.parametrize(
    "disturb", [remove_files, remove_folder, remove_database, remove_log, remove_lock, put_a_copy_in_its_place]
)
def test_what_was_accepted_is_on_the_disk_again(outbox: Outbox, folder: Path, disturb: Callable[[Path], None]) -> None:
    disturb(folder)
    outbox.append(EPOCH, alive(501, 600))
    assert str(outbox.path) in (put_back(outbox) or "")
    outbox.append(EPOCH, alive(601, 610))
    assert put_back(outbox) is None
    with pytest.raises(StorageError, match="in use"):
        Outbox.open(outbox.path)
    outbox.close()
    assert kept(outbox.path) == list(range(1, 611))


def test_what_stands_in_its_place_is_set_aside(outbox: Outbox, folder: Path) -> None:
    put_a_copy_in_its_place(folder)
    put_back(outbox)
    assert len(aside(outbox.path)) == 1


def test_another_agent_that_took_the_place_keeps_it(outbox: Outbox, folder: Path) -> None:
    remove_files(folder)
    with Outbox.open(outbox.path) as other:
        other.begin("f" * 32, BOOT)
        with pytest.raises(StorageError, match="in use"):
            put_back(outbox)
        assert other.is_in_place()
        assert aside(outbox.path) == []
    put_back(outbox)
    assert outbox.is_in_place()


def test_the_agent_looks_every_few_seconds_and_says_what_it_found(outbox: Outbox, folder: Path) -> None:
    upkeep = Upkeep(outbox, 10, lambda _: None, 0)
    upkeep.work(0)
    remove_folder(folder)
    folder.write_text("in the way")
    upkeep.work(LOOK_EVERY_MS)
    assert "cannot be written anew" in " ".join(upkeep.troubles)
    outbox.append(EPOCH, alive(501, 501))
    folder.unlink()
    upkeep.work(2 * LOOK_EVERY_MS)
    assert upkeep.troubles == ()
    assert "nothing is lost" in (upkeep.notice or "")
    assert outbox.is_in_place()


def test_what_was_mended_is_told_of_for_some_minutes(outbox: Outbox, folder: Path) -> None:
    upkeep = Upkeep(outbox, 10, lambda _: None, 0)
    remove_files(folder)
    upkeep.work(LOOK_EVERY_MS)
    upkeep.work(MOVED_TOLD_MS)
    assert upkeep.notice is not None
    upkeep.work(MOVED_TOLD_MS + LOOK_EVERY_MS)
    assert upkeep.notice is None


class SmallDisk(Outbox):
    """An outbox on a disk that has no room while `full`."""

    full = True

    def reserve(self) -> bool:
        if self.full:
            raise StorageError("the disk is nearly full")
        return super().reserve()


def test_room_that_was_not_there_is_asked_for_again(tmp_path: Path) -> None:
    with SmallDisk.open(tmp_path / "outbox.db") as outbox:
        outbox.hold(20_000)
        upkeep, now_ms = Upkeep(outbox, 20_000, lambda _: None, 0), 0
        upkeep.work(now_ms)
        assert "no room for the 20000 events" in " ".join(upkeep.troubles)
        outbox.full = False
        while upkeep.troubles and now_ms < 2 * ROOM_AGAIN_MS + PURGE_EVERY_MS:
            now_ms = max(now_ms + 1, upkeep.deadline)
            upkeep.work(now_ms)
        assert upkeep.troubles == ()
        assert outbox.path.stat().st_size >= 20_000 * 256


def test_whoever_looks_whether_an_agent_runs_keeps_none_from_starting(outbox: Outbox) -> None:
    outbox.close()
    looks = lock_of(outbox.path).open("rb")
    fcntl.flock(looks, fcntl.LOCK_SH)
    done = threading.Timer(0.02, looks.close)
    done.start()
    with Outbox.open(outbox.path) as opened:
        assert opened.path == outbox.path
    done.join()


def test_an_outbox_in_use_is_not_taken_for_one_that_can_be_copied(outbox: Outbox) -> None:
    with pytest.raises(BlockingIOError):
        look_at_outbox(outbox.path)
    outbox.close()
    assert look_at_outbox(outbox.path).events == 500


@contextmanager
def an_ordinary_user() -> Iterator[Path]:
    """Be one for a while, in a folder of its own: nothing is read-only for root."""
    root, folder = os.geteuid() == 0, Path(tempfile.mkdtemp())
    if root:
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    try:
        yield folder
    finally:
        if root:
            os.seteuid(0)
        shutil.rmtree(folder)


def test_an_outbox_that_may_not_be_written_is_told_with_what_to_do_and_stays() -> None:
    with an_ordinary_user() as folder:
        path = folder / "outbox.db"
        Outbox.open(path).close()
        path.chmod(0o444)
        with pytest.raises(StorageError, match="cannot be written") as told:
            open_or_begin(path, Outbox.open)
        assert "rights" in told.value.remedy
        assert aside(path) == []


def test_a_file_that_cannot_be_looked_at_is_not_taken_for_one_that_was_removed() -> None:
    with an_ordinary_user() as folder, Outbox.open(folder / "data" / "outbox.db") as outbox:
        upkeep = Upkeep(outbox, 10, lambda _: None, 0)
        (folder / "data").chmod(0)
        upkeep.work(LOOK_EVERY_MS)
        (folder / "data").chmod(0o755)
        assert "cannot be examined" in " ".join(upkeep.troubles)
        upkeep.work(2 * LOOK_EVERY_MS)
        assert upkeep.troubles == ()
        assert aside(outbox.path) == []
