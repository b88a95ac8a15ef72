"""A journal into which another's site was put holds each event once, whatever the two held before."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.adapters.journal.merge import merge
from perch.adapters.journal.store import Entry, Journal, JournalReader, Run, Stream
from perch.contract import AliveEvent
from perch.delivery.watermark import Watermark
from perch.errors import PerchError
from perch.model import Clock
from tests.examples import usually
from tests.network import SITE, perch

MINE = (Stream("hq", "pi-1", "a" * 32), Stream("hq", "pi-2", "b" * 32))
OTHER = Stream("port", "pi-1", "a" * 32)

Told = tuple[Stream, int, int]
"""A run: its stream, its first and its last number."""

TOLD = st.lists(
    st.tuples(st.sampled_from((*MINE, OTHER)), st.integers(1, 30), st.integers(0, 4)).map(
        lambda it: (it[0], it[1], it[1] + it[2])
    ),
    max_size=12,
)


def run_of(stream: Stream, first: int, last: int, wall_ms: int = 0) -> Run:
    events = tuple(AliveEvent(seq, wall_ms + seq, seq, Clock.OK) for seq in range(first, last + 1))
    return Run(stream, "c" * 16, first, 1_700_000_000_000 + first, events)


def store(journal: Journal, told: Sequence[Told]) -> None:
    """Store of runs what is new of them, as a collector does."""
    for stream, first, last in told:
        for low, high in journal.watermark(stream).missing(first, last):
            journal.append([run_of(stream, low, high)], {stream: journal.watermark(stream).add(low, high)})


def entries(path: Path, site: str = "hq") -> list[Entry]:
    with JournalReader(path) as reader:
        return [entry._replace(position=0) for entry in reader.read(0, 10_000) if entry.site == site]


@usually(15)  # each writes two files to the disk
@given(TOLD, TOLD, st.lists(st.tuples(st.sampled_from(MINE), st.integers(1, 40)), max_size=3))
def test_each_event_is_there_once_and_nothing_else_has_changed(
    there: list[Told], here: list[Told], lost: list[tuple[Stream, int]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        old, new = Path(folder, "old.db"), Path(folder, "new.db")
        with Journal.open(old) as source:
            store(source, there)
            for stream, seq in lost:
                source.append([], {stream: source.watermark(stream).add(seq, seq)})
        with Journal.open(new) as target, JournalReader(old) as reader:
            store(target, here)
            before = entries(new, "port")
            done = merge(reader, target, "hq")
            once = entries(new)
            assert merge(reader, target, "hq") == (0, done.stored + done.known)
            assert entries(new) == once
            assert entries(new, "port") == before
            for stream, mark in reader.streams("hq"):
                assert not target.watermark(stream).missing(1, mark.upto)
        identities = [(entry.agent, entry.epoch, entry.event.seq) for entry in once]
        assert len(identities) == len(set(identities)) == done.stored + sum(_mine(here))
        assert set(map(_bare, entries(old))) <= set(map(_bare, once))


def _mine(told: Sequence[Told]) -> list[int]:
    """Count the events of the site that runs hold, each once."""
    marks: dict[Stream, Watermark] = {}
    counts = []
    for stream, first, last in told:
        if stream.site == "hq":
            mark = marks.get(stream, Watermark())
            counts += [high - low + 1 for low, high in mark.missing(first, last)]
            marks[stream] = mark.add(first, last)
    return counts


def _bare(entry: Entry) -> object:
    return entry.agent, entry.epoch, entry.event


def test_two_journals_that_contradict_each_other_are_not_put_together(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "old.db") as source:
        source.append([run_of(MINE[0], 1, 3, 5)], {MINE[0]: Watermark(3)})
    with Journal.open(tmp_path / "new.db") as target, JournalReader(tmp_path / "old.db") as reader:
        store(target, [(MINE[0], 3, 3)])
        with pytest.raises(PerchError, match="event 3 of hq/pi-1/a"):
            merge(reader, target, "hq")
        assert len(entries(tmp_path / "new.db")) == 1


def test_a_command_puts_a_site_into_a_collectors_journal_unless_it_runs(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(SITE.format(site="hq"))
    config = tmp_path / "perch.toml"
    config.write_text('data = "data"\nsites = ["site.toml"]\n')
    with Journal.open(tmp_path / "old.db") as source:
        store(source, [(MINE[0], 1, 3), (OTHER, 1, 9)])
    words = ("journal", "take-over", str(tmp_path / "old.db"), "--config", str(config), "--site")
    assert perch(*words, "port").returncode == 2
    with Journal.open(tmp_path / "data" / "journal.db"):
        assert "in use" in perch(*words, "hq").stderr
    done = perch(*words, "hq")
    assert (done.returncode, len(entries(tmp_path / "data" / "journal.db"))) == (0, 3), done.stderr
    own = perch("journal", "take-over", str(tmp_path / "data" / "journal.db"), "--config", str(config), "--site", "hq")
    assert (own.returncode, "own" in own.stderr) == (2, True)
