"""Looking at an outbox without touching it: nothing is opened that an agent has open, and nothing is written beside it.

SQLite may be at an outbox over one connection only, so what is looked at is a copy, made while no agent runs.
"""

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from perch import contract
from perch.adapters.outbox.file import SCHEMA_VERSION
from perch.adapters.outbox.store import Outbox
from perch.adapters.sqlite import is_in_use, refuse_other_schema, reported
from perch.contract import Batch
from perch.delivery.sender import Lane
from perch.errors import PerchError, StorageError

_COUNTED = """
SELECT count(*), count(*) FILTER (WHERE NOT EXISTS (
    SELECT * FROM receipt WHERE receipt.epoch = event.epoch AND event.seq BETWEEN first AND last
)) FROM event
"""
LARGEST_BYTES = 512 * 2**20
_NOTHING_TO_DO = "start the agent, which sets it aside and begins a new one; what was not delivered is lost"


class OutboxLook(NamedTuple):
    """What an outbox holds: events, those of them not acknowledged yet, and one that may be sent once more.

    Sending `sample` again does no harm, as an agent may do so with any event at any time. It is None while there is
    no event.
    """

    events: int
    waiting: int
    sample: Batch | None


def look_at_outbox(path: Path) -> OutboxLook:
    """Examine a copy of an outbox that no agent has open; raises StorageError, BlockingIOError where one has.

    It keeps no agent from starting meanwhile: a copy during which one did is thrown away.
    """
    size = sum(part.stat().st_size for part in _parts(path))
    if size > LARGEST_BYTES:
        raise StorageError(f"{path} is larger than an outbox gets ({size} bytes)", "move it away to begin a new one")
    with tempfile.TemporaryDirectory(prefix="perch-doctor-") as folder:
        before = _traces(path)
        for part in _parts(path):
            shutil.copyfile(part, Path(folder) / part.name)
        if is_in_use(path) or _traces(path) != before:
            raise BlockingIOError(f"{path} is in use")
        return _examined(Path(folder) / path.name, path)


def _parts(path: Path) -> list[Path]:
    return [part for part in (path, path.with_name(path.name + "-wal")) if part.exists()]


def _traces(path: Path) -> list[tuple[int, int, int]]:
    """Give what changes when an agent opens or writes an outbox."""
    found = [part.stat() for part in _parts(path)]
    return [(one.st_ino, one.st_size, one.st_mtime_ns) for one in found]


def _examined(copy: Path, path: Path) -> OutboxLook:
    with reported(path), closing(sqlite3.connect(copy, isolation_level=None)) as database:
        complaint = database.execute("PRAGMA quick_check(1)").fetchone()[0]
        if complaint != "ok":
            raise StorageError(f"{path} is damaged: {complaint}", _NOTHING_TO_DO)
        refuse_other_schema(database, path, SCHEMA_VERSION)
        events = database.execute("SELECT count(*) FROM event").fetchone()[0]
    with Outbox.open(copy) as outbox:
        lanes = outbox.lanes()
        waiting = sum(last - first + 1 for lane in lanes for first, last in lane.settled.missing(1, lane.last))
        return OutboxLook(events, waiting, _sample(outbox, lanes[-1]) if lanes else None)


def _sample(outbox: Outbox, lane: Lane) -> Batch | None:
    try:
        events = outbox.read(lane.epoch, lane.last, lane.last)
    except PerchError:
        return None
    boot = outbox.boot_of(lane.epoch)
    return Batch(v=contract.VERSION, epoch=lane.epoch, boot=boot, sent_mono_ms=None, events=events) if events else None
