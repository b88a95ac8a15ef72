"""What is done to an outbox or a journal while its disk is recorded: `python -m tests.faults.disk_worker KIND FOLDER`.

Each time that something was accepted it says so in the file `marks`: a line with its epoch and its last number.
"""

import os
import random
import sys
from pathlib import Path

from perch.adapters.journal import Journal, Run, Stream
from perch.adapters.outbox import Outbox
from perch.contract import StateEvent
from perch.delivery.watermark import Watermark
from perch.model import Clock, Reason, State

BOOT = "b" * 16
ROUNDS = 250


def event(seq: int) -> StateEvent:
    """Give the event of a number; its content follows from that."""
    wall_ms = 1_790_000_000_000 + seq * 977
    return StateEvent(seq, f"d{seq % 7}", State.FREE, seq % 1000 / 1000, None, Reason.QUIET, wall_ms, seq, Clock.OK)


def work(kind: str, folder: Path, *, careless: bool) -> None:
    """Fill an outbox or a journal, opening it anew now and then, and say after each call what it has accepted."""
    chance = random.Random(kind)  # noqa: S311  # nothing secret
    marks = os.open(folder / "marks", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    fill = {"outbox": _fill_outbox, "journal": _fill_journal}[kind]
    for part in range(4):
        fill(folder, f"{part}" * 32, chance, marks, careless)


def _fill_outbox(folder: Path, epoch: str, chance: random.Random, marks: int, careless: bool) -> None:
    with Outbox.open(folder / "outbox.db") as outbox:
        if careless:
            outbox._db.execute("PRAGMA synchronous = OFF")
        outbox.begin(epoch, BOOT)
        last = 0
        for _ in range(ROUNDS // 4):
            first, last = last + 1, last + chance.randint(1, 6)
            outbox.append(epoch, [event(seq) for seq in range(first, last + 1)])
            os.write(marks, f"{epoch} {last}\n".encode())
            if chance.random() < 0.3:
                outbox.acknowledge("c" * 16, epoch, last // 2, [(1, max(1, last // 2))], 1, forgotten=False)


def _fill_journal(folder: Path, epoch: str, chance: random.Random, marks: int, careless: bool) -> None:
    with Journal.open(folder / "journal.db") as journal:
        if careless:
            journal._db.execute("PRAGMA synchronous = OFF")
        stream, last = Stream("hq", "a1", epoch), 0
        for _ in range(ROUNDS // 4):
            first, last = last + 1, last + chance.randint(1, 20)
            events = tuple(event(seq) for seq in range(first, last + 1))
            journal.append([Run(stream, BOOT, None, 1_790_000_000_000, events)], {stream: Watermark(last)})
            os.write(marks, f"{epoch} {last}\n".encode())


if __name__ == "__main__":
    work(sys.argv[1], Path(sys.argv[2]), careless="careless" in sys.argv)
