"""Delivery as values: numbers, acknowledgements and retries, held against sets and against the table of standings."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from perch.delivery import hearing, journals
from perch.delivery import sender as sending
from perch.delivery.hearing import FORGET_AGAIN_MS
from perch.delivery.journals import Voice
from perch.delivery.receiver import Verdict, judge
from perch.delivery.sender import BATCH, FIRST_RETRY_MS, WINDOW, Sender
from perch.delivery.standing import TABLE, Move, Standing
from perch.delivery.watermark import Watermark
from perch.errors import IllegalEventError

spans = st.tuples(st.integers(1, 60), st.integers(0, 12)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def filled(ranges: Iterable[tuple[int, int]]) -> Watermark:
    watermark = Watermark()
    for first, last in ranges:
        watermark = watermark.add(first, last)
    return watermark


@given(st.lists(spans, max_size=12), spans)
def test_a_watermark_is_the_set_of_the_numbers_added(ranges: list[tuple[int, int]], asked: tuple[int, int]) -> None:
    watermark = filled(ranges)
    model = {seq for first, last in ranges for seq in range(first, last + 1)}
    assert {seq for seq in range(1, 80) if seq in watermark} == model
    missing = {seq for first, last in watermark.missing(*asked) for seq in range(first, last + 1)}
    assert missing == set(range(asked[0], asked[1] + 1)) - model
    assert watermark.highest == max(model, default=0)
    edges = [watermark.upto, *(edge for pair in watermark.have for edge in pair)]
    assert all(later > earlier + 1 for earlier, later in zip(edges[::2], edges[1::2], strict=False))


@given(st.lists(spans, max_size=12), st.randoms())
def test_a_watermark_does_not_depend_on_the_order_of_arrival(ranges: list[tuple[int, int]], chance: Any) -> None:
    shuffled = ranges[:]
    chance.shuffle(shuffled)
    assert filled(ranges) == filled(shuffled)


@given(st.lists(spans, max_size=6), st.lists(spans, max_size=6), spans)
def test_many_ranges_are_added_as_one_after_the_other_and_what_is_present_is_not_missing(
    here: list[tuple[int, int]], ranges: list[tuple[int, int]], asked: tuple[int, int]
) -> None:
    watermark = filled(here).add_all([*ranges, (5, 4)])
    assert watermark == filled([*here, *ranges])
    both = sorted([*watermark.present(*asked), *watermark.missing(*asked)])
    assert [seq for first, last in both for seq in range(first, last + 1)] == list(range(asked[0], asked[1] + 1))
    assert all(seq in watermark for first, last in watermark.present(*asked) for seq in range(first, last + 1))


@pytest.mark.parametrize("bad", [(0, 3), (5, 4)])
def test_a_watermark_refuses_what_is_no_range(bad: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="no range"):
        Watermark().add(*bad)


class Numbered:
    def __init__(self, seq: int | None) -> None:
        self.seq = seq


@given(st.lists(spans, max_size=6), st.lists(st.integers(1, 70), max_size=20))
def test_an_event_is_stored_once_and_every_further_arrival_is_a_repeat_or_a_conflict(
    stored: list[tuple[int, int]], arriving: list[int]
) -> None:
    seen = {seq for first, last in stored for seq in range(first, last + 1)}
    for event, verdict in judge(filled(stored), [Numbered(seq) for seq in arriving], lambda event: event.seq != 7):
        assert event.seq is not None
        assert verdict is (
            Verdict.STORE if event.seq not in seen else Verdict.CONFLICT if event.seq == 7 else Verdict.REPEAT
        )
        seen.add(event.seq)


def test_an_event_without_a_number_gets_no_verdict() -> None:
    assert list(judge(Watermark(), [Numbered(None)], lambda _: True)) == []


@pytest.mark.parametrize(
    ("move", "why"),
    [
        (lambda sender: sending.appended(sender, "a", 3, 3), "does not follow"),
        (lambda sender: sending.appended(sender, "a", 1, 2), "1 is waiting"),
        (lambda sender: sending.appended(sender, "a", 2, 1), "is"),
        (lambda sender: sending.skipped(sender, "a", 1, 1), "1 is waiting"),
        (lambda sender: sending.skipped(sender, "a", 5, 6), "does not follow"),
        (lambda sender: sending.dropped(sender, "a", 1, 2), "2 is unborn"),
        (lambda sender: sending.dropped(sender, "b", 1, 1), "1 is unborn"),
        (lambda sender: sending.dropped(sender, "a", 0, 1), "is"),
    ],
)
def test_what_the_table_does_not_allow_is_refused_and_changes_nothing(
    move: Callable[[Sender], Sender], why: str
) -> None:
    before = sending.appended(Sender(), "a", 1, 1)
    with pytest.raises(IllegalEventError, match=why):
        move(before)
    assert before == sending.appended(Sender(), "a", 1, 1)


def with_events(count: int) -> Sender:
    return sending.appended(sending.linked(Sender(), connected=True), "a", 1, count)


def test_nothing_is_sent_while_disconnected() -> None:
    sender = sending.linked(with_events(3), connected=False)
    assert sending.due(sender, 0, 0.5) == (sender, ())
    assert sender.deadline is None


@given(st.integers(1, 1500))
def test_flights_hold_at_most_a_batch_and_the_window_is_never_exceeded(count: int) -> None:
    sender, flights = sending.due(with_events(count), 0, 0.5)
    assert len(flights) <= WINDOW
    assert all(flight.last - flight.first < BATCH for flight in flights)
    covered = [seq for flight in flights for seq in range(flight.first, flight.last + 1)]
    assert covered == list(range(1, min(count, WINDOW * BATCH) + 1))
    assert sending.due(sender, 0, 0.5)[1] == ()


def test_an_overdue_flight_is_sent_again_ever_less_often() -> None:
    sender, _ = sending.due(with_events(1), 0, 0.5)
    waits, now = [], 0
    for _ in range(6):
        deadline = sender.deadline
        assert deadline is not None
        waits.append(deadline - now)
        assert sending.due(sender, deadline - 1, 0.5)[1] == ()
        now = deadline
        sender, again = sending.due(sender, now, 0.5)
        assert [(flight.first, flight.last) for flight in again] == [(1, 1)]
    assert waits == [5_000, 10_000, 20_000, 40_000, 60_000, 60_000]


def test_a_lost_connection_makes_everything_in_flight_due_again() -> None:
    sender, first = sending.due(with_events(3), 0, 0.5)
    sender = sending.linked(sending.linked(sender, connected=False), connected=True)
    assert [(f.first, f.last) for f in sending.due(sender, 1, 0.5)[1]] == [(f.first, f.last) for f in first]


def test_another_journal_makes_the_agent_send_all_that_it_keeps() -> None:
    sender, _ = hearing.heard(with_events(5), "j1", "a", Watermark(5), 0)
    assert sender.unsettled == 0
    sender, settled = hearing.heard(sender, "j2", "a", Watermark(5), 0)
    assert (settled.forgotten, settled.ranges, sender.unsettled) == (True, (), 5)
    sender, settled = hearing.heard(sender, "j2", "a", Watermark(5), 0)
    assert (settled.forgotten, settled.ranges, sender.unsettled) == (False, ((1, 5),), 0)


def test_what_is_kept_no_longer_is_never_sent_again_and_blocks_nothing() -> None:
    sender, _ = hearing.heard(with_events(500), "j1", "a", Watermark(500), 0)
    sender = sending.dropped(sender, "a", 1, 100)
    sender = sending.dropped(sender, "a", 150, 500)
    sender, _ = hearing.heard(sender, "j2", "a", Watermark(0), 0)
    sender = sending.appended(sender, "a", 501, 501)
    assert sender.unsettled == 50
    flights = sending.due(sender, 0, 0.5)[1]
    assert [(flight.first, flight.last) for flight in flights] == [(101, 149), (501, 501)]


def test_numbers_that_could_not_be_written_are_used_up_and_never_sent() -> None:
    sender = sending.skipped(with_events(2), "a", 3, 9)
    sender = sending.appended(sender, "a", 10, 10)
    assert sender.unsettled == 3
    assert [(flight.first, flight.last) for flight in sending.due(sender, 0, 0.5)[1]] == [(1, 2), (10, 10)]


def test_an_acknowledgement_that_falls_back_makes_the_agent_send_again_once() -> None:
    sender, _ = hearing.heard(with_events(5), "j", "a", Watermark(5), 0)
    sender, settled = hearing.heard(sender, "j", "a", Watermark(1), 0)
    assert (settled.forgotten, sender.unsettled) == (True, 4)
    sender, settled = hearing.heard(sender, "j", "a", Watermark(1), 0)
    assert (settled.forgotten, sender.unsettled) == (False, 4)


def test_an_acknowledgement_of_numbers_never_given_out_settles_only_what_exists() -> None:
    sender, settled = hearing.heard(with_events(2), "j", "a", Watermark(900, ((950, 960),)), 0)
    assert (settled.ranges, sender.unsettled) == (((1, 2),), 0)
    assert sending.appended(sender, "a", 3, 3).unsettled == 1


def test_an_acknowledgement_of_an_unknown_epoch_is_ignored() -> None:
    sender, settled = hearing.heard(with_events(2), "j", "b", Watermark(9), 0)
    assert (settled.ranges, sender.unsettled) == ((), 2)


class Numbers(RuleBasedStateMachine):
    """Every number of a sender, moved by the table one by one, stands where the sender says that it does."""

    @initialize()
    def begin(self) -> None:
        self.sender = sending.linked(Sender(), connected=True)
        self.stands: dict[tuple[str, int], Standing] = {}
        self.now = 0
        self.forgot: int | None = None
        self.owes = False
        self.upto: dict[str, int] = {}

    def move(self, numbers: Iterable[tuple[str, int]], move: Move) -> None:
        for number in numbers:
            self.stands[number] = TABLE[self.stands.get(number, Standing.UNBORN), move]

    def numbers(self, epoch: str, first: int, last: int) -> list[tuple[str, int]]:
        return [(epoch, seq) for seq in range(first, last + 1)]

    def last(self, epoch: str) -> int:
        return max((seq for one, seq in self.stands if one == epoch), default=0)

    @rule(epoch=st.sampled_from("ab"), count=st.integers(1, 70), written=st.booleans())
    def give_out(self, epoch: str, count: int, written: bool) -> None:
        first = self.last(epoch) + 1
        take = sending.appended if written else sending.skipped
        self.sender = take(self.sender, epoch, first, first + count - 1)
        self.move(self.numbers(epoch, first, first + count - 1), Move.APPEND if written else Move.SKIP)

    @rule(epoch=st.sampled_from("ab"), span=spans)
    def drop(self, epoch: str, span: tuple[int, int]) -> None:
        moved = self.numbers(epoch, *span)
        if all((self.stands.get(number, Standing.UNBORN), Move.DROP) in TABLE for number in moved):
            self.sender = sending.dropped(self.sender, epoch, *span)
            self.move(moved, Move.DROP)
        else:
            with pytest.raises(IllegalEventError):
                sending.dropped(self.sender, epoch, *span)

    @rule(passed=st.integers(0, 2 * FIRST_RETRY_MS))
    def send(self, passed: int) -> None:
        self.now += passed
        self.sender, flights = sending.due(self.sender, self.now, 0.5)
        for flight in flights:
            self.move(self.numbers(flight.epoch, flight.first, flight.last), Move.SEND)

    @rule(connected=st.booleans())
    def link(self, connected: bool) -> None:
        self.sender = sending.linked(self.sender, connected)
        self.move(list(self.stands), Move.UNLINK)

    @rule(
        epoch=st.sampled_from("abc"),
        claimed=st.lists(spans, max_size=3),
        journal=st.sampled_from(["j0", "j0", "j1", "j2"]),
        passed=st.integers(0, FORGET_AGAIN_MS),
    )
    def hear(self, epoch: str, claimed: list[tuple[int, int]], journal: str, passed: int) -> None:
        self.now += passed
        have = filled(claimed)
        before = self.sender.journals
        voice = journals.heard(before, journal, self.now)[1]
        self.sender, settled = hearing.heard(self.sender, journal, epoch, have, self.now)
        assert settled.heeded == (voice is not Voice.FOREIGN)
        self.owes |= voice is Voice.PRESENT and have.upto < self.upto.get(epoch, 0)
        may = self.forgot is None or self.now - self.forgot >= FORGET_AGAIN_MS
        assert settled.forgotten == (voice is Voice.NEW or (voice is Voice.PRESENT and self.owes and may))
        if settled.forgotten:
            self.move(list(self.stands), Move.FORGET)
            self.upto.clear()
            self.forgot, self.owes = self.now, False
        if voice is Voice.PRESENT:
            self.learn(epoch, have)

    def learn(self, epoch: str, have: Watermark) -> None:
        mine = [(one, seq) for one, seq in self.stands if one == epoch]
        settled = {seq for number in mine if self.stands[number] is Standing.SETTLED for seq in number[1:]}
        beyond = [seq for seq in settled if seq > have.upto and seq not in have]
        if have.upto + 1 in settled or (beyond and not have.have):
            self.move([number for number in mine if number[1] not in have], Move.MISS)
        self.move([number for number in mine if number[1] in have], Move.ACKNOWLEDGE)
        if self.last(epoch):
            self.upto[epoch] = have.upto

    @invariant()
    def every_number_stands_where_the_table_put_it(self) -> None:
        for epoch in "ab" if hasattr(self, "stands") else "":
            for seq in range(1, self.last(epoch) + 2):
                assert sending.standing(self.sender, epoch, seq) is self.stands.get((epoch, seq), Standing.UNBORN)


TestNumbers = Numbers.TestCase
TestNumbers.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
