"""What comes late costs what it changes, however long history is: work, memory and rows of InfluxDB."""

import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from collector.history.projection import HistoryProjection
from collector.influx.projection import InfluxProjection
from perch.adapters.history.store import HistoryReader, HistoryStore
from perch.adapters.influx.query import Bucket
from perch.adapters.influx.writing import Written
from perch.adapters.journal.store import Entry
from perch.contract import ClockEvent, Event, LostEvent, StateEvent
from perch.history.source import Columns, Stretch, Together
from perch.model import Clock, Reason, State
from tests.history_cases import site, space
from tests.influx_following import JOURNAL
from tests.influx_memory import MemoryInflux
from tests.placing_cases import Entries

T = 1_790_000_100_000
LIFE_MS = 60_000
LIVES = (20, 320)
"""How many starts of the agent history has seen, each of which lost something."""
MOST = 1.3


class Measured(HistoryReader):
    """A reader of history that counts the rows it gives."""

    rows = 0

    def read(self, site: str, stretches: Sequence[Stretch]) -> list[Columns]:
        answers = super().read(site, stretches)
        self.rows += sum(map(len, answers)) + sum(len(columns.lost) for columns in answers)
        return answers

    def read_together(self, site: str, stretches: Sequence[Stretch]) -> Together:
        together = super().read_together(site, stretches)
        self.rows += len(together.rows)
        return together


class Counting(MemoryInflux):
    """An InfluxDB that counts lines and keeps none."""

    lines = 0

    def write(self, bucket: Bucket, lines: Sequence[str]) -> Written:
        del bucket
        self.lines += len(lines)
        return Written()


@dataclass(frozen=True)
class Cost:
    """What an event cost: rows of history that were read, rows of InfluxDB written, and memory taken on the way."""

    read: int
    written: int
    peak_bytes: int


def life(number: int) -> list[Event]:
    """A start of the agent: three statements, one lost between them."""
    wall_ms, mono_ms = T + number * LIFE_MS, number * LIFE_MS
    said = State.FREE, State.OCCUPIED, State.FREE
    stated: list[Event] = [
        StateEvent(seq, "s1", state, 0.1 * seq, None, Reason.QUIET, wall_ms + ms, mono_ms + ms, Clock.OK)
        for seq, state, ms in zip((1, 4, 5), said, (0, 30_000, 40_000), strict=True)
    ]
    ends = wall_ms + 10_000, wall_ms + 20_000, mono_ms + 10_000, mono_ms + 20_000
    return [*stated, LostEvent(6, epoch(number), (2, 3), *ends, Clock.OK, "write-failed")]


def epoch(number: int) -> str:
    return f"{number:032x}"


def entry(position: int, number: int, event: Event, boot: str = "b" * 16) -> Entry:
    return Entry(position, "hq", "pi-1", epoch(number), T + 10**9, event, boot, None)


def late_statement(lives: int, position: int) -> list[Entry]:
    """Something of a life long ago, stated just before what was lost in it."""
    at = lives // 2
    wall_ms, mono_ms = T + at * LIFE_MS + 5_000, at * LIFE_MS + 5_000
    said = State.UNKNOWN, 0.9, None, Reason.AGENT_OFFLINE
    return [entry(position, at, StateEvent(7, "s1", *said, wall_ms, mono_ms, Clock.OK))]


def late_loss(lives: int, position: int) -> list[Entry]:
    """A start long ago tells only now what it lost."""
    at = lives // 2
    ends = T + at * LIFE_MS + 32_000, T + at * LIFE_MS + 35_000, at * LIFE_MS + 32_000, at * LIFE_MS + 35_000
    return [entry(position, at, LostEvent(8, epoch(at), (9, 9), *ends, Clock.OK, "outbox-full"))]


def moved(lives: int, position: int) -> list[Entry]:
    """A boot that did not know the time told of something, lost something, and now learns when that was."""
    number, mono_ms = 10**6, 1_000
    said = State.OCCUPIED, 0.5, None, Reason.MOTION
    told: list[Event] = [
        StateEvent(1, "s1", *said, 5, mono_ms, Clock.UNSYNCED),
        LostEvent(4, epoch(number), (2, 3), 6, 7, mono_ms + 1, mono_ms + 2, Clock.UNSYNCED, "write-failed"),
        ClockEvent(5, "c" * 16, T + lives * LIFE_MS),
    ]
    return [entry(position + place, number, event, "c" * 16) for place, event in enumerate(told)]


def cost(folder: Path, lives: int, late: Callable[[int, int], list[Entry]]) -> Cost:
    """Let a history of many lives be followed, and then what comes late."""
    folder.mkdir()
    log = Entries((), JOURNAL)
    events = [(number, event) for number in range(lives) for event in life(number)]
    log.entries.extend(entry(place, *event) for place, event in enumerate(events, 1))
    with HistoryStore.open(folder / "history.db") as store, Measured(folder / "history.db") as history:
        into_history = HistoryProjection(store, log)
        into_history.reset(JOURNAL)
        influx = Counting()
        into_influx = InfluxProjection([site(space("s1"))], log, history, lambda: influx, folder)
        into_history.apply(log.entries, JOURNAL)
        into_influx.reset(JOURNAL)
        history.rows = influx.lines = 0
        tracemalloc.start()
        try:
            for one in late(lives, len(events) + 1):
                log.entries.append(one)
                into_history.apply([one], JOURNAL)
                into_influx.apply([one], JOURNAL)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        return Cost(history.rows, influx.lines, peak)


@pytest.mark.parametrize("late", [late_statement, late_loss, moved])
def test_what_comes_late_costs_the_same_in_a_long_history(
    tmp_path: Path, late: Callable[[int, int], list[Entry]]
) -> None:
    short, long = (cost(tmp_path / str(lives), lives, late) for lives in LIVES)
    assert 0 < long.read <= short.read * MOST
    assert 0 < long.written <= short.written * MOST
    assert long.peak_bytes <= short.peak_bytes + 300_000
