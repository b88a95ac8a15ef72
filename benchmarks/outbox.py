"""What it costs an agent to accept an event durably, beside SQLite committing a row of the same bytes.

Both write to the same disk, with WAL and synchronous=FULL, in turn: a disk's pace changes from minute to minute.
"""

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from benchmarks.figures import Figure
from perch import contract
from perch.adapters.outbox.store import Outbox
from perch.contract import StateEvent
from perch.model import Clock, Reason, State

EVENTS = 2_000
BATCH = 100
RUNS = 9
EPOCH, BOOT = "a" * 32, "b" * 16


def figures() -> list[Figure]:
    """Accept single events and batches, and commit as many rows, in turn."""
    accepted, bare, batches = [], [], []
    where = Path(tempfile.mkdtemp(prefix="perch-bench-"))
    try:
        for run in range(RUNS):
            bare.append(EVENTS / _seconds(lambda run=run: _commit(where / f"bare{run}.db")))
            accepted.append(EVENTS / _seconds(lambda run=run: _accept(where / f"outbox{run}.db", 1)))
            batches.append(EVENTS / _seconds(lambda run=run: _accept(where / f"batches{run}.db", BATCH)))
    finally:
        shutil.rmtree(where)
    ratios = [mine / theirs for mine, theirs in zip(accepted, bare, strict=True)]
    return [
        Figure("events accepted, each in its own commit", accepted, "/s"),
        Figure("bare SQLite, one row a commit, for comparison", bare, "/s"),
        Figure("accepted as a share of bare SQLite", ratios, "", "≥ 0.7"),
        Figure(f"events accepted, {BATCH} a commit", batches, "/s"),
    ]


def _event(seq: int) -> StateEvent:
    now_ms = 1_760_001_200_000 + 1_000 * seq
    return StateEvent(seq, "d01", State.OCCUPIED, 0.97, None, Reason.MOTION, now_ms, 1_000 * seq, Clock.OK)


def _accept(path: Path, batch: int) -> None:
    with Outbox.open(path) as outbox:
        outbox.hold(100_000)
        outbox.begin(EPOCH, BOOT)
        for first in range(1, EVENTS + 1, batch):
            outbox.append(EPOCH, [_event(seq) for seq in range(first, first + batch)])


def _commit(path: Path) -> None:
    body = contract.encode_event(_event(1_000))
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE event (seq INTEGER PRIMARY KEY, body BLOB NOT NULL)")
        for seq in range(1, EVENTS + 1):
            db.execute("INSERT INTO event VALUES (?, ?)", (seq, body))


def _seconds(act: Callable[[], None]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began
