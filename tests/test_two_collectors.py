"""Two collectors that answer one agent: it goes by one of them, says so, and neither sends for ever nor loses."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.adapters.outbox.store import Outbox
from perch.contract import VERSION, Ack, AliveEvent, Publication
from perch.delivery import hearing, journals
from perch.delivery import sender as sending
from perch.delivery.hearing import FORGET_AGAIN_MS
from perch.delivery.journals import ALONE_MS, REMEMBERED, TOLD_MS, Journals, Voice
from perch.delivery.sender import Sender
from perch.delivery.watermark import Watermark
from perch.model import Clock as ClockState
from sensor_agent.clock import RecordedClock
from sensor_agent.courier import REPLACED_TOLD_MS, Courier

A, B, C = "a" * 16, "b" * 16, "c" * 16
EPOCH = "e" * 32


def told(*answers: tuple[str, int]) -> tuple[Journals, list[Voice]]:
    """Hear answers, each of a journal at a moment."""
    known, voices = Journals(), []
    for journal, now_ms in answers:
        known, voice = journals.heard(known, journal, now_ms)
        voices.append(voice)
    return known, voices


def test_the_first_journal_counts_and_each_new_one_after_it() -> None:
    known, voices = told((A, 0), (A, 1), (B, 2), (C, 3))
    assert voices == [Voice.PRESENT, Voice.PRESENT, Voice.NEW, Voice.NEW]
    assert journals.ids(known) == (A, B, C)
    assert journals.trouble(known, 4) is None


def test_one_that_comes_back_is_foreign_and_told_of_until_it_has_long_been_silent() -> None:
    known, voices = told((A, 0), (B, 1), (A, 2), (B, 3), (A, ALONE_MS + 4))
    assert voices[2:] == [Voice.FOREIGN, Voice.PRESENT, Voice.FOREIGN]
    said = journals.trouble(known, ALONE_MS + 5) or ""
    assert A in said
    assert B in said
    assert journals.trouble(known, ALONE_MS + 4 + TOLD_MS) is None


@pytest.mark.parametrize("old", [[A, A, A], [A, C, A]])
def test_an_old_one_counts_again_once_nobody_else_has_answered_for_long(old: list[str]) -> None:
    answers = [(C, 0), (A, 1), (B, 2), (old[0], 100), (old[1], 99 + ALONE_MS), (old[2], 100 + ALONE_MS)]
    known, voices = told(*answers)
    assert voices[3:] == [Voice.FOREIGN, Voice.FOREIGN, Voice.NEW]
    assert known.present == A
    assert B in known.former


@given(st.lists(st.tuples(st.sampled_from([A, B, C]), st.integers(0, ALONE_MS // 2)), max_size=40))
def test_whoever_takes_turns_with_the_present_one_never_takes_its_place(answers: list[tuple[str, int]]) -> None:
    """Each answer is followed by one of the present journal within the time."""
    known, now_ms = told((A, 0), (C, 0), (B, 0))[0], 0
    for journal, passed in answers:
        now_ms += passed
        known, _ = journals.heard(known, journal, now_ms)
        known, voice = journals.heard(known, B, now_ms)
        assert voice is Voice.PRESENT


def test_ids_are_remembered_and_bounded() -> None:
    known, _ = told(*((f"{number:016}", number) for number in range(40)))
    assert len(journals.ids(known)) == REMEMBERED + 1
    assert journals.remembered(journals.ids(known)) == known


class Pair:
    """A sender that two collectors hear and answer, each with a journal of its own."""

    def __init__(self) -> None:
        self.sender = sending.linked(Sender(), connected=True)
        self.marks = {A: Watermark(), B: Watermark()}
        self.now_ms = self.sent = self.forgotten = 0

    def accept(self, count: int = 1) -> None:
        first = sending.next_number(self.sender, EPOCH)
        self.sender = sending.appended(self.sender, EPOCH, first, first + count - 1)

    def exchange(self, *there: str, passed: int = 1_000) -> None:
        """Send what is due and let the collectors that are there answer, in turn."""
        self.now_ms += passed
        self.sender, flights = sending.due(self.sender, self.now_ms, 0.5)
        for flight in flights:
            self.sent += flight.last - flight.first + 1
            for journal in there:
                self.marks[journal] = self.marks[journal].add(flight.first, flight.last)
                self.hear(journal, self.marks[journal])

    def hear(self, journal: str, have: Watermark) -> None:
        self.sender, settled = hearing.heard(self.sender, journal, EPOCH, have, self.now_ms)
        self.forgotten += settled.forgotten


def test_two_collectors_make_an_agent_send_all_again_once_and_no_more() -> None:
    pair = Pair()
    pair.accept(1_000)
    for _ in range(50):
        pair.exchange(A)
    assert (pair.sender.unsettled, pair.sent) == (0, 1_000)
    pair.accept()
    for _ in range(600):
        pair.exchange(A, B)
        pair.exchange(B, A)
        pair.accept()
    for _ in range(3):
        pair.exchange(A, B)
    assert pair.forgotten == 1
    assert pair.sent <= 2_000 + 2 * 601
    assert pair.sender.unsettled == 0
    assert pair.marks[B].upto == pair.marks[A].upto == 1_601


def test_an_old_journal_that_was_put_back_is_sent_what_it_missed() -> None:
    pair = Pair()
    pair.accept(10)
    pair.exchange(A)
    pair.accept(10)
    pair.exchange(B)
    for _ in range(5):
        pair.exchange(B)
    assert (pair.marks[A].upto, pair.marks[B].upto) == (10, 20)
    pair.accept()
    for _ in range(12):
        pair.exchange(A, passed=60_000)
    assert pair.marks[A].upto == 21
    assert pair.sender.unsettled == 0


def test_a_journal_that_falls_back_again_and_again_is_sent_all_once_in_a_while_and_told_of() -> None:
    """As two collectors do that run from copies of one data folder."""
    pair = Pair()
    pair.accept(100)
    pair.exchange(A)
    pair.exchange(A)
    for _ in range(600):
        pair.now_ms += 1_000
        pair.hear(A, Watermark(100))
        pair.hear(A, Watermark(50))
    assert pair.forgotten == 600_000 // FORGET_AGAIN_MS
    pair.hear(A, Watermark(49))
    assert A in (hearing.trouble(pair.sender, pair.now_ms) or "")


def test_a_second_loss_soon_after_the_first_is_made_good_later() -> None:
    pair = Pair()
    pair.accept(100)
    pair.exchange(A)
    pair.exchange(A)
    pair.hear(A, Watermark(20))
    pair.hear(A, Watermark(100))
    pair.hear(A, Watermark(10))
    assert (pair.forgotten, pair.sender.owes) == (1, True)
    pair.now_ms += FORGET_AGAIN_MS
    pair.hear(A, Watermark(100))
    assert (pair.forgotten, pair.sender.owes) == (2, False)


def test_what_a_false_answer_settled_beyond_a_hole_is_sent_after_the_true_one() -> None:
    pair = Pair()
    pair.accept(100)
    pair.hear(A, Watermark(40))
    pair.hear(A, Watermark(40, ((42, 10**6),)))
    assert pair.sender.unsettled == 1
    pair.marks[A] = Watermark(40)
    pair.exchange(A)
    pair.accept(10)
    for _ in range(3):
        pair.exchange(A)
    assert pair.marks[A].upto == 110
    assert pair.forgotten == 0


def test_an_answer_without_ranges_says_all_that_it_misses() -> None:
    pair = Pair()
    pair.accept(10)
    pair.sender = sending.dropped(pair.sender, EPOCH, 5, 5)
    pair.hear(A, Watermark(4, ((6, 10),)))
    assert pair.sender.unsettled == 0
    pair.hear(A, Watermark(4))
    assert pair.sender.unsettled == 5


def test_what_is_missed_is_sent_at_once_also_where_it_is_part_of_a_flight() -> None:
    pair = Pair()
    pair.accept(50)
    pair.exchange()
    pair.hear(A, Watermark(0, ((2, 50),)))
    pair.hear(A, Watermark(0))
    flights = sending.due(pair.sender, pair.now_ms, 0.5)[1]
    assert [(flight.first, flight.last) for flight in flights] == [(1, 50)]


def test_a_part_of_many_ranges_takes_back_nothing_that_another_part_settled() -> None:
    pair = Pair()
    pair.accept(100)
    for part in (Watermark(0, ((2, 10),)), Watermark(0, ((20, 30),)), Watermark(0, ((2, 10),))):
        pair.hear(A, part)
    assert pair.sender.unsettled == 100 - 9 - 11


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox.open(tmp_path / "outbox.db") as outbox:
        outbox.begin(EPOCH, "b" * 16)
        outbox.append(EPOCH, [AliveEvent(seq, seq, seq, ClockState.OK) for seq in range(1, 101)])
        yield outbox


def courier(outbox: Outbox) -> tuple[Courier, list[Publication]]:
    sent: list[Publication] = []

    def publish(publication: Publication) -> bool:
        sent.append(publication)
        return True

    made = Courier("hq", "pi-1", outbox, RecordedClock(0), publish, lambda: 0.5, 0)
    made.linked(connected=True, now_ms=0)
    return made, sent


def ack(journal: str, upto: int, *have: tuple[int, int]) -> Ack:
    return Ack(v=VERSION, journal=journal, epoch=EPOCH, upto=upto, have=have)


def test_a_courier_says_who_answers_and_lets_go_by_one_of_them(outbox: Outbox) -> None:
    at, sent = courier(outbox)
    at.heard(ack(A, 100), 1)
    at.heard(ack(B, 0), 2)
    assert at.unsettled == 100
    at.heard(ack(B, 100), 3)
    before = len(sent)
    for now_ms in range(10, 500, 10):
        at.heard(ack(A, 100), now_ms)
        at.heard(ack(B, 100), now_ms + 1)
    assert (at.unsettled, len(sent)) == (0, before)
    said = at.trouble_at(500) or ""
    assert A in said
    assert B in said
    assert at.trouble_at(500 + TOLD_MS) is None


def test_an_agent_tells_for_a_day_that_another_journal_took_the_place_of_the_one_it_knew(outbox: Outbox) -> None:
    """A collector whose disk was not there begins an empty journal, and may know nothing of the one before."""
    at, _ = courier(outbox)
    at.heard(ack(A, 100), 1)
    assert at.notice_at(1) is None
    at.heard(ack(B, 0), 2)
    told = at.notice_at(3) or ""
    assert f"{B} in place of {A}" in told
    assert at.notice_at(2 + REPLACED_TOLD_MS) is None


def test_it_is_remembered_over_a_restart_who_answered(outbox: Outbox) -> None:
    at, _ = courier(outbox)
    at.heard(ack(A, 100), 1)
    at.heard(ack(B, 100), 2)
    at.heard(ack(B, 100), 3)
    assert (outbox.journals, outbox.journal) == ((A, B), B)
    again, sent = courier(outbox)
    again.heard(ack(A, 100), 4)
    assert (again.unsettled, sent) == (0, [])
    assert again.trouble_at(5)


def test_what_a_false_answer_settled_is_unsettled_on_the_disk_too(outbox: Outbox) -> None:
    at, _ = courier(outbox)
    at.heard(ack(A, 40), 1)
    at.heard(ack(A, 40, (42, 10**6)), 2)
    assert courier(outbox)[0].unsettled == 1
    at.heard(ack(A, 41, (80, 90)), 3)
    assert at.unsettled == courier(outbox)[0].unsettled == 100 - 41 - 11
