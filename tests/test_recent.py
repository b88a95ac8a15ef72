"""What was stored last is read from memory, and is what the file holds."""

from pathlib import Path

import pytest

from collector.recent import Recent, Remembered
from perch.adapters.journal.store import Journal, JournalReader, Run, Stream
from perch.contract import AliveEvent, Event, StateEvent
from perch.delivery.watermark import Watermark
from perch.model import Clock, Reason, State

STREAM = Stream("hq", "pi-1", "e" * 32)


def run_of(first: int, events: int) -> Run:
    told: list[Event] = [
        StateEvent(seq, "d1", State.OCCUPIED, 0.123456, 2, Reason.MOTION, 1_760_000_000_000 + seq, seq, Clock.OK)
        for seq in range(first, first + events - 1)
    ]
    last = first + events - 1
    return Run(STREAM, "b" * 16, 77, 1_760_000_000_123, (*told, AliveEvent(last, 1_760_000_000_000, last, Clock.OK)))


def store(journal: Journal, *runs: Run) -> int:
    return journal.append(runs, {STREAM: Watermark(runs[-1].last)})


def test_memory_and_file_tell_the_same_wherever_one_reads_and_however_much(tmp_path: Path) -> None:
    recent = Recent(most=4)
    with Journal.open(tmp_path / "journal.db") as journal, JournalReader(tmp_path / "journal.db") as file:
        store(journal, run_of(1, 3))  # before anybody remembered
        for first, count in ((4, 2), (6, 3), (9, 4)):
            runs = (run_of(first, count), run_of(first + count, 1)) if first == 9 else (run_of(first, count),)
            recent.add(runs, store(journal, *runs))
        log = Remembered(file, recent)
        assert log.end() == 13
        assert [entry.position for entry in recent.read(9, 100)] == [10, 11, 12, 13]
        assert not recent.read(5, 100)
        for after in range(14):
            for limit in (1, 2, 20):
                assert list(log.read(after, limit)) == file.read(after, limit), (after, limit)


@pytest.mark.parametrize("end", [9, 40])
def test_what_does_not_follow_is_never_joined_to_what_came_before(end: int) -> None:
    recent = Recent()
    recent.add([run_of(1, 3)], 3)
    recent.add([run_of(20, 2)], end)
    assert [entry.position for entry in recent.read(end - 2, 9)] == [end - 1, end]
    assert not recent.read(2, 9)
