"""The journal keeps every event exactly as it came, once, in order, through restarts and failures."""

import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from perch.adapters.journal import codec as journal_codec
from perch.adapters.journal.store import Entry, Journal, JournalReader, Run, Stream
from perch.chaos import small_disks
from perch.contract import AliveEvent, ClockEvent, Event, LostEvent, StateEvent
from perch.delivery.watermark import Watermark
from perch.errors import StorageError
from perch.model import Clock, Reason, State
from tests.examples import one_in

MS = st.integers(-(2**53), 2**53)
CLOCKS = st.sampled_from(Clock)
IDS = st.from_regex(r"[a-z0-9][a-z0-9-]{0,31}", fullmatch=True)
STREAMS = (Stream("hq", "pi-1", "a" * 32), Stream("hq", "pi-2", "b" * 32), Stream("port", "pi-1", "a" * 32))


def events(seq: int) -> st.SearchStrategy[Event]:
    """Any event with a given sequence number."""
    number = st.just(seq)
    probability = st.one_of(st.floats(0, 1), st.integers(0, 1000).map(lambda thousandths: thousandths / 1000))
    count = st.none() | st.integers(0, 100_000)
    lost = st.tuples(st.integers(1, 99), st.integers(100, 2**53))
    hex_ = st.text("0123456789abcdef", min_size=32, max_size=32)
    return st.one_of(
        st.builds(
            StateEvent, number, IDS, st.sampled_from(State), probability, count, st.sampled_from(Reason), MS, MS, CLOCKS
        ),
        st.builds(AliveEvent, number, MS, MS, CLOCKS),
        st.builds(ClockEvent, number, hex_.map(lambda text: text[:16]), MS),
        st.builds(LostEvent, number, hex_, lost, MS, MS, MS, MS, CLOCKS, st.text(max_size=20)),
    )


def batches(first: int, size: int) -> st.SearchStrategy[tuple[Event, ...]]:
    """That many consecutive events."""
    return st.tuples(*(events(seq) for seq in range(first, first + size)))


def alive(seq: int) -> AliveEvent:
    return AliveEvent(seq, 1_700_000_000_000 + seq, seq, Clock.OK)


def run_of(stream: Stream, first: int, last: int) -> Run:
    return Run(stream, "c" * 16, first * 10, 1_700_000_000_500, tuple(map(alive, range(first, last + 1))))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@one_in(2)
@given(batch=st.integers(1, 5).flatmap(lambda size: batches(7, size)), received_ms=MS)
def test_what_is_written_is_read_back_to_the_last_bit(batch: tuple[Event, ...], received_ms: int) -> None:
    texts = dict(enumerate({event.space for event in batch if isinstance(event, StateEvent)}))
    words = {text: number for number, text in texts.items()}
    body = journal_codec.encode(batch, received_ms, words)
    assert tuple(journal_codec.decode(body, 7, received_ms, texts)) == batch


class JournalBesideAModel(RuleBasedStateMachine):
    """A journal, and the list of entries and the watermarks that it must equal, over restarts and failed appends."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "journal.db"
        self.journal = Journal.open(self.path)
        self.reader = JournalReader(self.path)
        self.id = self.journal.id
        self.entries: list[Entry] = []
        self.marks: dict[Stream, Watermark] = {}

    @rule(data=st.data(), streams=st.lists(st.sampled_from(STREAMS), min_size=1, max_size=4))
    def append(self, data: st.DataObject, streams: list[Stream]) -> None:
        runs, marks, entries = [], dict(self.marks), list(self.entries)
        for stream in streams:
            mark = marks.get(stream, Watermark())
            first = mark.highest + data.draw(st.integers(1, 3))
            run = Run(
                stream,
                data.draw(st.sampled_from(["c" * 16, "d" * 16])),
                data.draw(st.none() | st.integers(0, 2**53)),
                data.draw(st.integers(0, 2**42)),
                data.draw(st.integers(1, 4).flatmap(lambda size, first=first: batches(first, size))),
            )
            runs.append(run)
            marks[stream] = mark.add(first, run.last)
            entries += [
                Entry(len(entries) + n, *stream, run.received_ms, event, run.boot, run.sent_mono_ms)
                for n, event in enumerate(run.events, 1)
            ]
        assert self.journal.append(runs, {run.stream: marks[run.stream] for run in runs}) == len(entries)
        self.entries, self.marks = entries, marks

    @rule(stream=st.sampled_from(STREAMS), first=st.integers(1, 60), size=st.integers(1, 9))
    def settle_without_storing(self, stream: Stream, first: int, size: int) -> None:
        mark = self.marks.get(stream, Watermark()).add(first, first + size)
        self.journal.append([], {stream: mark})
        self.marks[stream] = mark

    @precondition(lambda self: self.entries)
    @rule(data=st.data())
    def refuse_what_is_stored_already(self, data: st.DataObject) -> None:
        """An append that fails half-way leaves nothing of itself, in the file or in memory."""
        stored = data.draw(st.sampled_from(self.entries))
        stream = Stream(stored.site, stored.agent, stored.epoch)
        new = Stream("new", "pi-9", "f" * 32)
        again = Run(stream, "9" * 16, None, 0, (self._run_start(stored).event,))
        with pytest.raises(StorageError):
            self.journal.append([run_of(new, 1, 2), again], {new: Watermark(2), stream: Watermark(999)})

    def _run_start(self, entry: Entry) -> Entry:
        with sqlite3.connect(self.path) as db:
            (position,) = db.execute("SELECT max(position) FROM run WHERE position <= ?", (entry.position,)).fetchone()
        db.close()
        return self.entries[position - 1]

    @rule()
    def restart(self) -> None:
        self.journal.close()
        self.journal = Journal.open(self.path)

    @invariant()
    def the_reader_sees_every_entry_in_order(self) -> None:
        assert self.reader.id == self.journal.id == self.id
        assert self.reader.end() == self.journal.end == len(self.entries)
        assert self.reader.read(0, 10_000) == self.entries

    @rule(after=st.integers(0, 40), limit=st.integers(1, 7))
    def read_a_part(self, after: int, limit: int) -> None:
        assert self.reader.read(after, limit) == self.entries[after : after + limit]

    @invariant()
    def watermarks_are_as_in_the_model(self) -> None:
        for stream in STREAMS:
            assert self.journal.watermark(stream) == self.marks.get(stream, Watermark())

    @rule()
    def look_every_event_up(self) -> None:
        known = {(Stream(*entry[1:4]), entry.event.seq): entry.event for entry in self.entries}
        for stream in STREAMS:
            for seq in range(1, 40):
                assert self.journal.stored(stream, seq) == known.get((stream, seq))

    def teardown(self) -> None:
        self.reader.close()
        self.journal.close()
        self.folder.cleanup()


TestJournalBesideAModel = JournalBesideAModel.TestCase
TestJournalBesideAModel.settings = settings(max_examples=12, stateful_step_count=25)


@pytest.mark.long
def test_a_journal_beside_a_model_through_hundreds_of_lives() -> None:
    run_state_machine_as_test(
        JournalBesideAModel, settings=settings(max_examples=300, stateful_step_count=50, deadline=None)
    )


def test_an_event_costs_at_most_eighty_bytes(path: Path) -> None:
    """Alone in its message, with its indexes; in a batch it costs a third."""
    spaces = [f"desk-{number:03}" for number in range(60)]
    with Journal.open(path) as journal:
        for start in range(0, 20_000, 500):
            runs = [
                Run(
                    STREAMS[0],
                    "c" * 16,
                    90_000_000 + seq * 1000,
                    1_700_000_000_000 + seq * 1000,
                    (
                        StateEvent(
                            seq,
                            spaces[seq % 60],
                            State.FREE,
                            0.031,
                            None,
                            Reason.QUIET,
                            1_700_000_000_000 + seq * 1000 - 321,
                            90_000_000 + seq * 1000,
                            Clock.OK,
                        ),
                    ),
                )
                for seq in range(start + 1, start + 501)
            ]
            journal.append(runs, {STREAMS[0]: Watermark(start + 500)})
    assert path.stat().st_size / 20_000 <= 80


def test_a_second_writer_is_told_to_go_elsewhere(path: Path) -> None:
    with Journal.open(path), pytest.raises(StorageError, match="in use by another process") as refusal:
        Journal.open(path)
    assert "data folder" in refusal.value.remedy


def test_a_journal_of_a_newer_perch_is_refused_by_writer_and_reader(path: Path) -> None:
    Journal.open(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    for opening in (Journal.open, JournalReader):
        with pytest.raises(StorageError, match="newer version") as refusal:
            opening(path)
        assert "upgrade" in refusal.value.remedy


def test_a_file_that_is_no_journal_is_refused_and_left_as_it_is(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StorageError, match="is no database"):
        Journal.open(path)
    assert path.read_bytes().startswith(b"not a database")


def test_a_journal_locked_by_another_program_says_so(path: Path) -> None:
    with Journal.open(path) as journal, sqlite3.connect(path, isolation_level=None) as other:
        journal._db.execute("PRAGMA busy_timeout = 10")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="locked by another program"):
            journal.append([run_of(STREAMS[0], 1, 2)], {STREAMS[0]: Watermark(2)})
        other.execute("ROLLBACK")
        assert journal.append([run_of(STREAMS[0], 1, 2)], {STREAMS[0]: Watermark(2)}) == 2
    other.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match=str(tmp_path)):
        Journal.open(tmp_path / "file" / "journal.db")


def test_a_missing_journal_cannot_be_read(path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be opened"):
        JournalReader(path)
    assert not path.exists()


FILL_UP = """
import resource, sys
from pathlib import Path
from perch.adapters.journal.store import Journal
from perch.delivery.watermark import Watermark
from perch.errors import StorageError
from tests.test_journal import STREAMS, run_of
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
journal, upto = Journal.open(Path(sys.argv[1])), 0
try:
    while True:
        journal.append([run_of(STREAMS[0], upto + 1, upto + 90)], {STREAMS[0]: Watermark(upto + 90)})
        upto += 90
except StorageError as error:
    print(upto, journal.watermark(STREAMS[0]).upto, error.remedy)
"""


def test_when_the_disk_is_full_nothing_that_was_stored_is_lost(path: Path) -> None:
    """A file that may not grow stands in for a full disk; the failed append is rolled back, in memory too."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    told = subprocess.run([sys.executable, "-c", FILL_UP, str(path)], capture_output=True, text=True, check=True).stdout
    accepted, watermark, *remedy = told.split()
    assert int(accepted) == int(watermark) > 0
    assert remedy
    with Journal.open(path) as journal, JournalReader(path) as reader:
        assert journal.watermark(STREAMS[0]).upto == reader.end() == int(accepted)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_journal_that_cannot_be_opened_for_want_of_room_says_so_and_accuses_no_disk(tmp_path: Path) -> None:
    small_disks.mount(tmp_path, 512)
    try:
        Journal.open(tmp_path / "journal.db").close()
        small_disks.fill(tmp_path)
        with pytest.raises(StorageError, match="the disk is full") as trouble:
            Journal.open(tmp_path / "journal.db")
        assert "free some space" in trouble.value.remedy
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


KILLED = """
import sys
from pathlib import Path
from perch.adapters.journal.store import Journal
from perch.delivery.watermark import Watermark
from tests.test_journal import STREAMS, run_of
journal, upto = Journal.open(Path(sys.argv[1])), 0
while True:
    journal.append([run_of(STREAMS[0], upto + 1, upto + 3)], {STREAMS[0]: Watermark(upto + 3)})
    upto += 3
    print(upto, flush=True)
"""


def test_a_writer_killed_at_any_moment_has_stored_what_it_said_and_no_half_runs(path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        said = [int(writer.stdout.readline()) for _ in range(50)][-1]
        writer.kill()
        said = max([said, *map(int, writer.stdout.read().split()[:-1])])
    with Journal.open(path) as journal, JournalReader(path) as reader:
        assert journal.watermark(STREAMS[0]).upto == reader.end() >= said
        assert [entry.event.seq for entry in reader.read(0, 10**6)] == list(range(1, reader.end() + 1))
