"""What the journal lets go of is gone to the byte, and nothing else is: not a number, not an answer, not a promise."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perch.adapters.history.store import HistoryReader
from perch.adapters.journal.ageing import Bound
from perch.adapters.journal.codec import ErasedEvent
from perch.adapters.journal.merge import merge
from perch.adapters.journal.store import Journal, JournalReader, Run, Stream
from perch.contract import AliveEvent, ClockEvent, StateEvent
from perch.delivery.watermark import Watermark
from perch.history.source import Stretch
from perch.model import DAY_MS, Clock, State
from perch.settings import Retention
from tests import parts
from tests import test_intake as intake_cases
from tests.forgetful import BOOT, FIRST_MS, Files, days, files, state
from tests.history_cases import EPOCHS
from tests.parts import until
from tests.test_collector import Agent
from tests.test_commands_errands import Server

STREAM = Stream("hq", "pi-1", EPOCHS[0])


def a_week_and_more(folder: Files, once: int = 0, last: int = 12) -> None:
    """Twelve days, of which the journal keeps five; one desk was taken once and never spoken of since."""
    days(folder.journal, 0, once)
    at_ms, seq = FIRST_MS + once * DAY_MS + 1000, folder.journal.watermark(STREAM).highest + 1
    folder.tell(STREAM, [state(seq, "s3", State.OCCUPIED, at_ms)], at_ms, at_ms - FIRST_MS)
    days(folder.journal, once, last)
    folder.follow()


@pytest.mark.parametrize(("once", "last"), [(0, 12), (7, 15)])
def test_what_is_too_old_leaves_and_history_made_anew_answers_as_before(once: int, last: int, tmp_path: Path) -> None:
    """Also where what still holds was said in the week in which the days begin of which changes are kept."""
    with files(tmp_path) as folder:
        a_week_and_more(folder, once, last)
        whole, end = folder.left(), folder.log.end()
        before = folder.answers()
        folder.forget()
        left = folder.left()
        assert 0 < len(left) < len(whole)
        assert left == whole[-len(left) :]
        assert folder.log.end() == folder.journal.end == end
        received_ms = {entry.received_ms for entry in folder.log.read(0, 10**6)}
        assert min(received_ms) // DAY_MS == FIRST_MS // DAY_MS + last - 1 - 5
        assert folder.answers() == before
        folder.rebuild()
        assert folder.answers() == before
        folder.rebuild()
        assert folder.answers() == before


def test_nothing_leaves_that_a_projection_has_not_read(tmp_path: Path) -> None:
    with files(tmp_path) as folder:
        a_week_and_more(folder)
        folder.reader.position = 20
        folder.forget()
        assert folder.log.floor() == 20
        assert folder.left()[0][0] == 21


@pytest.mark.parametrize("retention", [Retention(0, 0, journal_days=5), Retention(2, 0, journal_days=0)])
def test_a_journal_that_is_to_keep_everything_does(tmp_path: Path, retention: Retention) -> None:
    with files(tmp_path, retention) as folder:
        a_week_and_more(folder)
        folder.forget()
        assert folder.log.floor() == 0


def test_a_name_that_nothing_mentions_any_more_is_in_no_byte(tmp_path: Path) -> None:
    with files(tmp_path) as folder:
        gone = Stream("hq", "pi-1", EPOCHS[1])
        folder.tell(gone, [state(1, "canary-desk", State.OCCUPIED, FIRST_MS)], FIRST_MS)
        days(folder.journal, 0, 12)
        folder.follow()
        assert b"canary-desk" in (tmp_path / "journal.db").read_bytes() + (tmp_path / "journal.db-wal").read_bytes()
        folder.forget()
        left = b"".join(path.read_bytes() for path in tmp_path.glob("journal.db*"))
        assert b"canary-desk" not in left
        assert not folder.journal.knows("canary-desk")
        assert folder.journal.watermark(gone) == Watermark(1), "its number stays settled"
        assert folder.journal.stored(gone, 1) is None
        assert folder.journal.is_gone(gone, 1)
        assert not folder.journal.is_gone(STREAM, folder.journal.watermark(STREAM).highest)


def test_a_word_never_gets_the_number_of_one_that_went(tmp_path: Path) -> None:
    """Readers remember numbers: what they read later must not be read under a name that was."""
    with files(tmp_path) as folder:
        days(folder.journal, 0, 12, ("s1",))
        folder.follow()
        last = Stream("hq", "pi-1", EPOCHS[2])
        folder.tell(last, [state(1, "s2", State.FREE, FIRST_MS)], FIRST_MS)
        folder.follow()
        assert folder.left()[-1][2] == 1
        old = Bound(FIRST_MS + 20 * DAY_MS, FIRST_MS + 30 * DAY_MS, folder.log.end())
        assert not folder.journal.let_go(old, 0).more
        assert folder.left() == []
        assert not folder.journal.knows("s2")
        folder.tell(last, [state(2, "s3", State.FREE, FIRST_MS)], FIRST_MS)
        assert [entry.event for entry in folder.log.read(0, 10)] == [state(2, "s3", State.FREE, FIRST_MS)]
    with Journal.open(tmp_path / "journal.db") as journal, JournalReader(tmp_path / "journal.db") as log:
        assert journal.end == log.end() == log.read(0, 10)[0].position


def test_a_clock_that_was_set_long_after_moves_what_still_holds_and_loses_nothing(tmp_path: Path) -> None:
    """An agent that has run for longer than the journal keeps: its clock goes forward by a minute."""
    with files(tmp_path) as folder:
        a_week_and_more(folder)
        folder.forget()
        sums = folder.answers()[-30:]
        seq = folder.journal.watermark(STREAM).highest + 1
        at_ms = FIRST_MS + 12 * DAY_MS
        run = Run(STREAM, BOOT, 12 * DAY_MS, at_ms, (ClockEvent(seq, BOOT, FIRST_MS + 60_000),))
        folder.journal.append([run], {STREAM: Watermark(seq)})
        folder.follow()
        words_ms = folder.history.tiers("hq").words_ms
        [held] = folder.history.read("hq", [Stretch("s3", "pi-1", words_ms, words_ms + DAY_MS)])
        assert [held.row(place).state for place in range(len(held))] == [State.OCCUPIED]
        before = folder.answers()
        assert before[-30:] == sums
        folder.rebuild()
        assert folder.answers() == before


KILLED = """
import sys
from pathlib import Path
from perch.adapters.journal.store import Journal
from perch.adapters.journal.ageing import Bound
with Journal.open(Path(sys.argv[1])) as journal:
    journal.let_go(Bound(2**50, 2**50, 2**50), 0)
"""


@pytest.mark.parametrize(("moment", "left"), [("written:3", 3), ("committed:3", 0)])
def test_whoever_is_killed_while_it_lets_go_has_let_go_of_all_of_a_piece_or_none(
    tmp_path: Path, moment: str, left: int
) -> None:
    path = tmp_path / "journal.db"
    with Journal.open(path) as journal:
        for seq in (1, 2, 3):
            run = Run(STREAM, BOOT, None, FIRST_MS, (state(seq, "s1", State.FREE, FIRST_MS),))
            journal.append([run], {STREAM: Watermark(seq)})
    line = [sys.executable, "-c", KILLED, str(path)]
    died = subprocess.run(line, env={**os.environ, "PERCH_CRASH_AT": f"journal.db/{moment}"}, check=False)
    assert died.returncode == -signal.SIGKILL
    with JournalReader(path) as log:
        assert (len(log.read(0, 10)), log.end()) == (left, 3)
    with Journal.open(path) as journal, JournalReader(path) as log:
        assert journal.let_go(Bound(2**50, 2**50, 2**50), 0).events == left
        assert (log.read(0, 10), log.end(), journal.watermark(STREAM)) == ([], 3, Watermark(3))


def test_a_lost_history_is_made_of_what_is_left_and_says_what_is_missing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with files(tmp_path) as folder:
        a_week_and_more(folder)
        folder.forget()
    (tmp_path / "history.db").unlink()
    with files(tmp_path) as folder:
        folder.follow()
        assert "restore history.db from a backup" in caplog.text
        horizon = folder.history.horizon("hq")
        assert horizon is not None
        assert horizon.first_ms // DAY_MS == FIRST_MS // DAY_MS + 6


def test_a_site_that_moved_is_let_go_of_in_its_new_journal_as_well(tmp_path: Path) -> None:
    """Its events lie behind younger ones there; what the old journal had let go of comes back from nobody."""
    (old, new) = (tmp_path / name for name in ("old", "new"))
    for path in (old, new):
        path.mkdir()
    with files(old) as source, files(new) as target:
        a_week_and_more(source)
        source.forget()
        days(target.journal, 13, 14)
        target.follow()
        epochs = Stream("port", "pi-9", EPOCHS[0])
        target.tell(epochs, [state(1, "p1", State.FREE, FIRST_MS + 13 * DAY_MS)], FIRST_MS + 13 * DAY_MS)
        merge(source.log, target.journal, "hq")
        assert target.journal.is_gone(STREAM, 1)
        target.follow()
        target.forget()
        received_ms = [entry.received_ms for entry in target.log.read(0, 10**6)]
        assert min(received_ms) // DAY_MS == FIRST_MS // DAY_MS + 13 - 5


Step = tuple[str, int]
STEPS = st.lists(
    st.tuples(st.sampled_from(("tell", "tell", "again", "forget", "erase", "rebuild", "open")), st.integers(0, 6)),
    max_size=14,
)


def check(steps: list[Step]) -> None:
    """Do anything in any order: what is left is what a list would hold, and every number stays settled once."""
    with tempfile.TemporaryDirectory() as name:
        model: list[tuple[int, str, int, int]] = []
        erased: list[tuple[int, int]] = []
        told = day = 0
        opened = files(Path(name))
        folder = opened.__enter__()
        for what, how in steps:
            if what == "tell":
                before = folder.log.end()
                days(folder.journal, day, day + 1 + how % 3)
                model += [
                    (entry.position, entry.epoch, entry.event.seq, entry.received_ms)
                    for entry in folder.log.read(before, 10**6)
                ]
                day, told = day + 1 + how % 3, folder.journal.watermark(STREAM).highest
            elif what == "again" and told:
                before = folder.log.end()
                again = state(1 + how * told // 7, "s1", State.FREE, FIRST_MS)
                folder.tell(STREAM, [again], FIRST_MS)
                assert folder.log.end() == before, "an event that was stored once is not stored again"
            elif what == "forget":
                folder.follow()
                folder.forget()
                kept = folder.history.kept_from()
                model = [row for row in model if kept is None or row[3] // DAY_MS >= kept + 2 - 5]
            elif what == "erase" and day:
                from_ms = FIRST_MS + how * DAY_MS
                before = folder.log.end()
                now_ms = FIRST_MS + day * DAY_MS
                folder.erase("s1", from_ms, from_ms + DAY_MS, now_ms)
                model += [
                    (entry.position, entry.epoch, entry.event.seq, now_ms) for entry in folder.log.read(before, 9)
                ]
                erased.append((from_ms, from_ms + DAY_MS))
            elif what == "rebuild":
                folder.follow()
                unsummed = "s1" if erased else ""  # made of words, its sums may know some minutes more
                before_it = folder.answers(unsummed)
                folder.rebuild()
                assert folder.answers(unsummed) == before_it
            else:
                opened.__exit__(None, None, None)
                opened = files(Path(name))
                folder = opened.__enter__()
            assert folder.left() == [row[:3] for row in model]
            if what == "forget":
                events = [entry.event for entry in folder.log.read(0, 10**6)]
                desk = [of for of in events if isinstance(of, StateEvent) and of.space == "s1"]
                assert not [of for of in desk for from_ms, to_ms in erased if from_ms <= of.wall_ms < to_ms]
                assert sum(isinstance(of, ErasedEvent) for of in events) <= 2 * len(erased)
            assert folder.journal.watermark(STREAM) == Watermark(told)
            assert all(
                seq > told or folder.journal.stored(STREAM, seq) or folder.journal.is_gone(STREAM, seq)
                for seq in range(1, told + 1, 17)
            )
        opened.__exit__(None, None, None)


@settings(max_examples=8, deadline=None)
@given(STEPS)
def test_whatever_is_told_forgotten_and_made_anew_the_rest_is_as_it_was(steps: list[Step]) -> None:
    check(steps)


@pytest.mark.long
@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_whatever_is_told_forgotten_and_made_anew_the_rest_is_as_it_was_at_length(steps: list[Step]) -> None:
    check(steps)


def test_an_event_that_comes_again_when_its_like_was_let_go_of_is_acknowledged_and_not_stored(tmp_path: Path) -> None:
    """With whatever content: what it once said nobody knows any more."""
    desk = intake_cases.Desk(tmp_path)
    try:
        desk.take(intake_cases.up(intake_cases.state(1), intake_cases.state(2), intake_cases.alive(3)))
        assert desk.journal.let_go(Bound(FIRST_MS, FIRST_MS + DAY_MS, 3), 0).events == 0, "this clock was never set"
        later = [intake_cases.up(intake_cases.state(seq)) for seq in (4, 5)]
        desk.take(*(one._replace(wall_ms=FIRST_MS) for one in later))
        assert desk.journal.let_go(Bound(FIRST_MS + 1, FIRST_MS + DAY_MS, 4), 3).events == 1
        acks = desk.take(intake_cases.up(intake_cases.state(4)), intake_cases.up(intake_cases.state(4, "d02", 0.9)))
        assert acks == {intake_cases.EPOCH: Watermark(5)}
        assert [event.seq for event in desk.events()] == [1, 2, 3, 5]
        assert (desk.codes(), desk.intake.counts.repeats, desk.intake.counts.conflicts) == ([], 2, {})
    finally:
        desk.close()


def test_a_collector_lets_go_of_it_while_agents_speak(
    tmp_path: Path, mosquitto: parts.Broker, capsys: pytest.CaptureFixture[str]
) -> None:
    """And makes history anew without what it lacks, when it is asked to."""
    server = Server(tmp_path, mosquitto.port, "[retention]\ntransitions_days = 2\njournal_days = 5\n")
    server.data.mkdir()
    with Journal.open(server.data / "journal.db") as journal:
        gone = Stream("hq", "pi-1", EPOCHS[1])
        run = Run(gone, BOOT, None, FIRST_MS, (state(1, "canary-desk", State.OCCUPIED, FIRST_MS),))
        journal.append([run], {gone: Watermark(1)})
        days(journal, 0, 12, ("d01",))
        end = journal.end
    with server.collecting() as collector, Agent(mosquitto) as agent:
        until(collector.hears)
        agent.send(AliveEvent(1, 0, 1, Clock.UNSYNCED), epoch=EPOCHS[2])
        assert agent.heard(EPOCHS[2]) == Watermark(1)
        until(lambda: floor_of(server.data) > 0)
        until(lambda: b"canary-desk" not in b"".join(path.read_bytes() for path in server.data.glob("journal.db*")))
        before = answered(server.data)
        assert server.perch("projection", "rebuild", "history") == 0
        assert "before 2026-" in capsys.readouterr().out
        assert answered(server.data) == before
    assert collector.failure is None
    with JournalReader(server.data / "journal.db") as log:
        assert 0 < len(log.read(0, 10**6)) < log.end() == end + 1


def floor_of(data: Path) -> int:
    with JournalReader(data / "journal.db") as log:
        return log.floor()


def answered(data: Path) -> object:
    with HistoryReader(data / "history.db") as history:
        [rows] = history.read("hq", [Stretch("d01", "pi-1", history.tiers("hq").words_ms, 2**59)])
        sheets = history.sheets("hq")
        summed = sheets.summed(sheets.days(FIRST_MS // DAY_MS, FIRST_MS // DAY_MS + 20))
        known = [None if of is None else of.known_ms.sum() for of in summed]
        return [rows.row(place) for place in range(len(rows))], known, history.horizon("hq"), history.tiers("hq")
