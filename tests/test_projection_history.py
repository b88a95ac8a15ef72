"""The history projection follows the journal: nothing twice, nothing left out, whatever dies in between."""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.history.projection import HistoryProjection
from collector.projection import Log, Trailing, advance, resume, run
from collector.telling import tell
from perch.adapters.cursor import Cursor
from perch.adapters.history.store import HistoryReader, HistoryStore
from perch.adapters.journal.store import Entry, Journal, JournalReader, Run, Stream
from perch.contract import AliveEvent, ClockEvent, Event, LostEvent, StateEvent
from perch.delivery.boots import NO_BOOTS
from perch.delivery.watermark import Watermark
from perch.errors import StorageError, UnavailableError
from perch.history.memory import MemoryHistory
from perch.history.source import Moved, StateRow, Stretch, WordSource
from perch.history.told import Lost, LostSpan, Marked, Told, Unplaced
from perch.model import Clock, Reason, State
from tests.examples import usually
from tests.history_cases import AGENTS, EPOCHS, SPACES
from tests.parts import until
from tests.placing_cases import journals
from tests.placing_history import assert_moves_cover, project, project_into
from tests.placing_oracle import expected

T = 1_790_000_000_000
JOURNAL = "0123456789abcdef"
STREAM = Stream("hq", "pi-1", EPOCHS[0])
EVER = Stretch("s1", "pi-1", 0, 2**50)


def event(seq: int, clock: Clock = Clock.OK) -> Event:
    """Make the seq-th event of an agent that says now this, now that of two spaces, and marks."""
    at = T + seq * 60_000
    if seq % 5 == 0:
        return AliveEvent(seq, at, seq, clock)
    state = (State.FREE, State.OCCUPIED)[seq % 2]
    return StateEvent(seq, f"s{seq % 3}", state, seq % 1000 / 1000, None, Reason.MOTION, at, seq, clock)


def append(journal: Journal, events: Sequence[Event], stream: Stream = STREAM) -> None:
    """Store events as one message."""
    arrived = Run(stream, "f" * 16, None, T, tuple(events))
    journal.append([arrived], {stream: Watermark(arrived.last)})


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "journal.db") as opened:
        yield opened


@pytest.fixture
def log(tmp_path: Path, journal: Journal) -> Iterator[JournalReader]:  # noqa: ARG001 - the file must be there
    with JournalReader(tmp_path / "journal.db") as opened:
        yield opened


@pytest.fixture
def store(tmp_path: Path) -> Iterator[HistoryStore]:
    with HistoryStore.open(tmp_path / "history.db") as opened:
        yield opened


def follow(log: JournalReader, store: HistoryStore, limit: int = 7) -> int:
    """Project all there is, as after a start."""
    projection = HistoryProjection(store, log)
    position, before = resume(log, projection), -1
    while position != before:
        position, before = advance(log, projection, position, limit), position
    return position


def assert_follows(path: Path, log: Log) -> None:
    """The file answers as memory does that was handed the whole journal."""
    with HistoryReader(path) as reader:
        plain = MemoryHistory(tell(log.read(0, 10**6), {("hq", "pi-1"): reader.boots("hq", "pi-1")}))
        assert reader.cursor() == Cursor(log.id, log.end())
        for space in ("s0", "s1", "s2"):
            stretch = EVER._replace(space=space)
            kept, expected = reader.read("hq", [stretch])[0], plain.read("hq", [stretch])[0]
            assert [kept.row(place) for place in range(len(kept))] == [
                expected.row(place) for place in range(len(expected))
            ]
            assert kept.vouches == expected.vouches
        assert reader.horizon("hq") == plain.horizon("hq")
        assert reader.marks("hq", "pi-1", 0, 2**50) == plain.marks("hq", "pi-1", 0, 2**50)


def test_what_the_journal_has_is_projected_once(
    tmp_path: Path, journal: Journal, log: JournalReader, store: HistoryStore
) -> None:
    append(journal, [event(seq) for seq in range(1, 51)])
    assert follow(log, store) == 50
    append(journal, [event(seq) for seq in range(51, 60)])
    assert follow(log, store) == 59
    assert_follows(tmp_path / "history.db", log)


def test_entries_before_the_cursor_change_nothing(
    tmp_path: Path, journal: Journal, log: JournalReader, store: HistoryStore
) -> None:
    append(journal, [event(1), event(2, Clock.UNSYNCED), event(3)])
    follow(log, store)
    HistoryProjection(store, log).apply(log.read(0, 10), log.id)
    assert_follows(tmp_path / "history.db", log)
    with HistoryReader(tmp_path / "history.db") as reader:
        assert reader.unplaced("hq") == {}
        assert [row.clock for row in rows(reader, "s2")] == ["placed"]


def test_another_journal_or_one_that_lost_its_end_is_projected_from_the_start(
    tmp_path: Path, store: HistoryStore
) -> None:
    """As after a restore from a backup: what is projected of lost entries must go."""
    for name, events in (("first", 30), ("second", 40), ("second", 20)):
        path = tmp_path / f"{name}-{events}.db"
        with Journal.open(path) as journal, JournalReader(path) as log:
            append(journal, [event(seq) for seq in range(1, events + 1)])
            if events == 20:
                store.add([], Cursor(log.id, 999))
            assert follow(log, store) == events
            assert_follows(tmp_path / "history.db", log)


def test_the_words_of_the_wire_become_the_words_of_history() -> None:
    """Clock events say nothing of spaces; what nobody can date waits."""

    def said(of: Event) -> list[Told]:
        return list(tell([Entry(1, "hq", "pi-1", EPOCHS[0], T, of)], {("hq", "pi-1"): NO_BOOTS}))

    assert said(AliveEvent(4, T + 7, 8, Clock.OK)) == [Marked("hq", "pi-1", EPOCHS[0], 4, T, T + 7)]
    lost = LostEvent(4, EPOCHS[1], (2, 3), T - 20, T - 10, 1, 2, Clock.OK, "outbox-full")
    assert said(lost) == [Lost("hq", "pi-1", T, LostSpan(EPOCHS[1], 2, 3, T - 20, T - 10))]
    assert said(ClockEvent(4, "f" * 16, 5)) == []
    unsynced = (event(1, Clock.UNSYNCED), event(5, Clock.UNSYNCED))
    unsynced += (LostEvent(4, EPOCHS[1], (2, 3), 10, 20, 1, 2, Clock.UNSYNCED, "outbox-full"),)
    assert [said(of) for of in unsynced] == [[Unplaced("hq", "pi-1", EPOCHS[0])]] * 3


def rows(reader: HistoryReader, space: str) -> list[StateRow]:
    """Give all that is known of a space."""
    [columns] = reader.read("hq", [EVER._replace(space=space)])
    return [columns.row(place) for place in range(len(columns))]


def test_what_waits_is_counted_until_its_time_is_known(
    tmp_path: Path, journal: Journal, log: JournalReader, store: HistoryStore
) -> None:
    append(journal, [event(seq, Clock.UNSYNCED) for seq in range(1, 10)])
    follow(log, store)
    with HistoryReader(tmp_path / "history.db") as reader:
        assert reader.unplaced("hq") == {"pi-1": 9}
        assert (reader.horizon("hq"), reader.epochs("hq"), reader.spaces("hq", "pi-1")) == (None, [], [])
        append(journal, [ClockEvent(10, "f" * 16, T)])
        follow(log, store)
        assert reader.unplaced("hq") == {}
        assert [(row.time_ms, row.clock) for row in rows(reader, "s1")] == [(T + ms, "placed") for ms in (1, 4, 7)]
    assert_follows(tmp_path / "history.db", log)


def test_a_retold_epoch_leaves_nothing_behind(
    tmp_path: Path, journal: Journal, log: JournalReader, store: HistoryStore
) -> None:
    """Not where it was, not in the horizon; its neighbours stay, and who follows learns of both places."""
    later, late_ms = STREAM._replace(epoch=EPOCHS[1]), T + 10**7
    mono_ms, moved_ms = 101, T - 10**9

    def arrive(last: int, *events: Event) -> None:
        journal.append([Run(later, "e" * 16, None, late_ms, events)], {later: Watermark(last)})
        follow(log, store)

    append(journal, [event(seq) for seq in range(1, 10)])
    arrive(101, event(101))
    with HistoryReader(tmp_path / "history.db") as reader:
        before = rows(reader, "s2")
        assert reader.epochs("hq")[1][2:] == (T + 101 * 60_000, T + 101 * 60_000)
        assert reader.horizon("hq") == (T, T + 101 * 60_000)
        assert reader.moves(0, log.end()) == []
        arrive(102, ClockEvent(102, "e" * 16, moved_ms))
        assert reader.epochs("hq")[0][2:] == (moved_ms + mono_ms, moved_ms + mono_ms)
        assert reader.horizon("hq") == (moved_ms + mono_ms, T)
        assert [row for row in rows(reader, "s2") if row.epoch == EPOCHS[0]] == before[:-1]
        assert [row.time_ms for row in rows(reader, "s2") if row.epoch == EPOCHS[1]] == [moved_ms + mono_ms]
        moves = reader.moves(log.end() - 1, log.end())
        for ms in (T + 101 * 60_000, moved_ms + mono_ms):
            assert any(move.agent == "pi-1" and move.from_ms <= ms <= move.to_ms for move in moves)
        assert Moved("hq", None, T, T + 101 * 60_000) in moves
        assert reader.moves(log.end(), 10**6) == []
        for followed, forgotten, left in ((log.end() - 1, 0, moves), (log.end(), log.end(), [])):
            store.add((), Cursor(log.id, log.end()), followed=followed)
            assert (reader.moves_forgotten(), reader.moves(0, log.end())) == (forgotten, left)
    assert_follows(tmp_path / "history.db", log)


@usually(25)
@given(
    entries=journals(T, T + 30 * 3_600_000, most=8),
    cuts=st.lists(st.integers(1, 20), max_size=5),
    left_off=st.integers(0, 12),
)
def test_the_file_holds_what_the_whole_journal_says_however_it_was_cut(
    entries: tuple[Entry, ...], cuts: list[int], left_off: int
) -> None:
    """As one made at once holds it: words, epochs, horizon and what waits; and it tells of all that has moved."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.db"
        whole = project(entries, [])
        with HistoryStore.open(path) as store, HistoryReader(path) as reader:
            store.reset(JOURNAL)
            project_into(store, entries, cuts)
            assert all(reader.boots("hq", agent) == whole.boots("hq", agent) for agent in AGENTS)
            assert everything(reader) == everything(whole)
            assert sum(reader.unplaced("hq").values()) == waiting(entries)
            assert_moves_cover(reader, entries, min(left_off, len(entries)))


def everything(source: WordSource) -> list[object]:
    """Ask for all that there is; ties between epochs may come in any order."""
    asked: list[object] = [source.horizon("hq"), source.epochs("hq")]
    for agent in AGENTS:
        asked += [source.spaces("hq", agent), source.marks("hq", agent, -(2**60), 2**60)]
        for columns in source.read("hq", [Stretch(space, agent, -(2**60), 2**60) for space in SPACES]):
            found = [columns.row(place) for place in range(len(columns))]
            asked.append((columns.lost, sorted(columns.vouches), sorted(found, key=repr)))
    return asked


def waiting(entries: Sequence[Entry]) -> int:
    return sum(None in places for places in expected(entries).values())


@pytest.mark.parametrize("version", [4, 5])
def test_a_history_of_an_older_version_is_made_anew_or_brought_up_to_date(
    version: int, tmp_path: Path, journal: Journal, log: JournalReader
) -> None:
    """From version 5 on it may know of days that the journal has let go of."""
    append(journal, [event(seq) for seq in range(1, 20)])
    path = tmp_path / "history.db"
    with HistoryStore.open(path) as store:
        follow(log, store)
    with closing(sqlite3.connect(path)) as file:
        file.executescript(f"DROP TABLE recount; DROP TABLE erased; PRAGMA user_version = {version}")
    with pytest.raises(StorageError, match="older"):
        HistoryReader(path)
    with HistoryStore.open(path) as store:
        assert (store.cursor() is None) is (version == 4)
        follow(log, store)
    assert_follows(path, log)


def test_a_history_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    HistoryStore.open(path).close()
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA user_version = 99")
    for opening in (HistoryStore.open, HistoryReader):
        with pytest.raises(StorageError, match="newer"):
            opening(path)


def test_only_one_process_writes_a_history(tmp_path: Path, store: HistoryStore) -> None:
    with pytest.raises(StorageError, match="in use"):
        HistoryStore.open(tmp_path / "history.db")
    assert "history.db" in repr(store)


FOLLOWER = """
import sys
from pathlib import Path
from collector.history.projection import HistoryProjection
from collector.projection import advance, resume
from perch.adapters.history.store import HistoryStore
from perch.adapters.journal.store import JournalReader
folder = Path(sys.argv[1])
log, store = JournalReader(folder / "journal.db"), HistoryStore.open(folder / "history.db")
projection = HistoryProjection(store, log)
position, before = resume(log, projection), -1
while position != before:
    position, before = advance(log, projection, position, 3), position
    print(position, flush=True)
"""


def test_a_collector_killed_at_any_moment_goes_on_where_it_was(
    tmp_path: Path, journal: Journal, log: JournalReader
) -> None:
    """Killed for good in the midst of batches, again and again: rows and cursor are of one moment each time."""
    append(journal, [event(seq) for seq in range(1, 400)])
    follower, seen = [sys.executable, "-c", FOLLOWER, str(tmp_path)], 0
    for lines in (1, 5, 12, 3):
        with subprocess.Popen(follower, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(lines):
                seen = int(process.stdout.readline())
            os.kill(process.pid, signal.SIGKILL)
        with HistoryReader(tmp_path / "history.db") as reader:
            cursor = reader.cursor()
            assert cursor is not None
            assert cursor.position >= seen
            kept = reader.read("hq", [EVER._replace(space=space) for space in ("s0", "s1", "s2")])
            marks = sum(isinstance(event(seq), AliveEvent) for seq in range(1, cursor.position + 1))
            assert sum(map(len, kept)) == cursor.position - marks
    with HistoryStore.open(tmp_path / "history.db") as store:
        follow(log, store)
    assert_follows(tmp_path / "history.db", log)


class Following:
    """A thread that follows the journal, ended at the end of the test."""

    def __init__(self, log: Log, projection: object) -> None:
        self.wake, self.stop = threading.Event(), threading.Event()
        self.troubles: list[UnavailableError | None] = []
        self.thread = threading.Thread(
            target=run, args=(log, projection, self.wake, self.stop, self.troubles.append, (0.01,)), daemon=True
        )

    def __enter__(self) -> "Following":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.wake.set()
        self.thread.join(10)
        assert not self.thread.is_alive()


def test_a_running_projection_is_woken_by_new_entries_and_ends_when_told(
    tmp_path: Path, journal: Journal, log: JournalReader, store: HistoryStore
) -> None:
    with Following(log, HistoryProjection(store, log)) as following, HistoryReader(tmp_path / "history.db") as reader:
        for seq in (1, 2, 3):
            append(journal, [event(seq)])
            following.wake.set()
            until(lambda seq=seq: reader.cursor() == Cursor(log.id, seq))
    assert_follows(tmp_path / "history.db", log)


class Flaky:
    """A projection that cannot be reached at first."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.applied: list[int] = []

    def cursor(self) -> Cursor | None:
        return None

    def reset(self, journal: str) -> None:
        """There is nothing to forget."""

    def apply(self, entries: Sequence[Entry], journal: str) -> None:  # noqa: ARG002 - the Protocol's
        if self.failures:
            self.failures -= 1
            raise UnavailableError("it is away", "wait")
        self.applied += [entry.position for entry in entries]


def test_what_cannot_be_reached_is_tried_again(journal: Journal, log: JournalReader) -> None:
    """And whoever watches hears of the trouble and of its end."""
    append(journal, [event(1), event(2)])
    flaky = Flaky(2)
    with Following(log, flaky) as following:
        until(lambda: len(following.troubles) == 3)
    assert [str(trouble) for trouble in following.troubles] == ["it is away", "it is away", "None"]
    assert flaky.applied == [1, 2]


def test_a_projection_of_a_projection_never_runs_ahead_of_it(journal: Journal, log: JournalReader) -> None:
    append(journal, [event(seq) for seq in range(1, 10)])
    leader: Cursor | None = None
    trailing = Trailing(log, lambda: leader)
    assert not trailing.read(0, 100)
    leader = Cursor(log.id, 4)
    assert (len(trailing.read(0, 100)), len(trailing.read(3, 100))) == (4, 1)
    assert not trailing.read(4, 100)
    leader = Cursor("another journal", 4)
    assert not trailing.read(0, 100)
    assert (trailing.id, trailing.end()) == (log.id, 9)
