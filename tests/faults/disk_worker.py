"""What is done to an outbox or a journal while its disk is recorded: `python -m tests.faults.disk_worker KIND FOLDER`.

Each time that something was accepted it says so in the file `marks`: a line with its epoch and its last number.
"""

import os
import random
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from perch.adapters.journal.store import Journal, Run, Stream
from perch.adapters.outbox.store import Outbox
from perch.contract import StateEvent
from perch.delivery.hearing import Settled
from perch.delivery.watermark import Watermark
from perch.errors import StorageError
from perch.model import Clock, Reason, State

BOOT = "b" * 16
PARTS, CALLS = 4, 60


def event(seq: int) -> StateEvent:
    """Give the event of a number; its content follows from that."""
    wall_ms = 1_790_000_000_000 + seq * 977
    return StateEvent(seq, f"d{seq % 7}", State.FREE, seq % 1000 / 1000, None, Reason.QUIET, wall_ms, seq, Clock.OK)


class Task(NamedTuple):
    """Where to work, and by what chance; `syncs` False leaves out what makes a file safe against power cuts."""

    folder: Path
    chance: random.Random
    marks: int
    syncs: bool

    def accepted(self, epoch: str, last: int) -> None:
        """Say that events up to a number were accepted."""
        os.write(self.marks, f"{epoch} {last}\n".encode())


def work(kind: str, folder: Path, *, syncs: bool) -> None:
    """Fill an outbox or a journal, opening it anew now and then, and say after each call what it has accepted.

    Where the disk fails, what comes after it is done all the same, in a further epoch.
    """
    marks = os.open(folder / "marks", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    task = Task(folder, random.Random(kind), marks, syncs)  # noqa: S311  # nothing secret
    fill = {"outbox": fill_outbox, "journal": fill_journal}[kind]
    for part in range(PARTS):
        with suppress(StorageError):
            fill(task, f"{part:x}" * 32)


def fill_outbox(task: Task, epoch: str) -> None:
    """Accept some events into the outbox."""
    with Outbox.open(task.folder / "outbox.db") as outbox:
        if not task.syncs:
            outbox._db.execute("PRAGMA synchronous = OFF")
        outbox.begin(epoch, BOOT)
        last = 0
        for _ in range(CALLS):
            first, last = last + 1, last + task.chance.randint(1, 6)
            try:
                outbox.append(epoch, [event(seq) for seq in range(first, last + 1)])
            except StorageError:
                last = first - 1  # and once more, over the same connection, as the agent goes on
                continue
            task.accepted(epoch, last)
            if task.chance.random() < 0.3:
                outbox.acknowledge(Settled(epoch, ("c" * 16,), ((1, max(1, last // 2)),)), last // 2, 1)


def fill_journal(task: Task, epoch: str) -> None:
    """Accept some events into the journal."""
    with Journal.open(task.folder / "journal.db") as journal:
        if not task.syncs:
            journal._db.execute("PRAGMA synchronous = OFF")
        stream, last = Stream("hq", "a1", epoch), 0
        for _ in range(CALLS):
            first, last = last + 1, last + task.chance.randint(1, 20)
            events = tuple(event(seq) for seq in range(first, last + 1))
            journal.append([Run(stream, BOOT, None, 1_790_000_000_000, events)], {stream: Watermark(last)})
            task.accepted(epoch, last)


if __name__ == "__main__":
    work(sys.argv[1], Path(sys.argv[2]), syncs="careless" not in sys.argv)
