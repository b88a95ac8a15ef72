"""Delivery as values: numbers, acknowledgements and retries, held against sets and an imaginary wire."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from perch.delivery import sender as sending
from perch.delivery.receiver import Verdict, judge
from perch.delivery.sender import BATCH, FIRST_RETRY_MS, WINDOW, Flight, Sender
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


def test_a_number_out_of_order_is_refused_and_changes_nothing() -> None:
    before = sending.append(Sender(), "a", 1)
    with pytest.raises(IllegalEventError, match="does not follow"):
        sending.append(before, "a", 3)
    assert before == sending.append(Sender(), "a", 1)


def with_events(count: int) -> Sender:
    sender = sending.linked(Sender(), connected=True)
    for seq in range(1, count + 1):
        sender = sending.append(sender, "a", seq)
    return sender


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
    sender, _ = sending.heard(with_events(5), "j1", "a", Watermark(5))
    assert sender.unsettled == 0
    sender, settled = sending.heard(sender, "j2", "a", Watermark(5))
    assert (settled.forgotten, settled.ranges) == (("a",), ((1, 5),))
    sender, settled = sending.heard(sender, "j3", "a", Watermark(2))
    assert sender.unsettled == 3


def test_what_is_kept_no_longer_is_never_sent_again_and_blocks_nothing() -> None:
    sender, _ = sending.heard(with_events(500), "j1", "a", Watermark(500))
    sender = sending.purged(sender, {"a": 501})
    sender, _ = sending.heard(sender, "j2", "a", Watermark(0))
    sender = sending.append(sender, "a", 501)
    assert sender.unsettled == 1
    assert [(flight.first, flight.last) for flight in sending.due(sender, 0, 0.5)[1]] == [(501, 501)]


def test_an_acknowledgement_that_falls_back_makes_the_agent_send_again_once() -> None:
    sender, _ = sending.heard(with_events(5), "j", "a", Watermark(5))
    sender, settled = sending.heard(sender, "j", "a", Watermark(1))
    assert (settled.forgotten, sender.unsettled) == (("a",), 4)
    sender, settled = sending.heard(sender, "j", "a", Watermark(1))
    assert (settled.forgotten, sender.unsettled) == ((), 4)


def test_an_acknowledgement_of_numbers_never_given_out_settles_only_what_exists() -> None:
    sender, settled = sending.heard(with_events(2), "j", "a", Watermark(900, ((950, 960),)))
    assert (settled.ranges, sender.unsettled) == (((1, 2),), 0)
    assert sending.append(sender, "a", 3).unsettled == 1


def test_an_acknowledgement_of_an_unknown_epoch_is_ignored() -> None:
    sender, settled = sending.heard(with_events(2), "j", "b", Watermark(9))
    assert (settled.ranges, sender.unsettled) == ((), 2)


class ImaginaryWire(RuleBasedStateMachine):
    """A sender and a receiver over a wire that loses, repeats and reorders; either may restart from what is durable."""

    @initialize()
    def begin(self) -> None:
        self.now = 0
        self.sender = sending.linked(Sender(), connected=True)
        self.accepted: list[tuple[str, int]] = []
        self.stored: dict[str, Watermark] = {}
        self.times_stored: dict[tuple[str, int], int] = {}
        self.wire: list[Flight] = []
        self.acks: list[tuple[str, Watermark]] = []
        self.epoch = "e0"
        self.durable_settled: dict[str, Watermark] = {}
        self.kept_from: dict[str, int] = {}
        self.journal = "journal"

    @rule(count=st.integers(1, 5))
    def accept(self, count: int) -> None:
        lane = next((lane for lane in self.sender.lanes if lane.epoch == self.epoch), None)
        first = 1 if lane is None else lane.last + 1
        for seq in range(first, first + count):
            self.sender = sending.append(self.sender, self.epoch, seq)
            self.accepted.append((self.epoch, seq))

    @rule(passed=st.integers(0, 2 * FIRST_RETRY_MS), chance=st.floats(0, 0.99))
    def send(self, passed: int, chance: float) -> None:
        self.now += passed
        self.sender, flights = sending.due(self.sender, self.now, chance)
        self.wire += flights

    @rule(at=st.integers(0, 99), repeat=st.booleans())
    def deliver(self, at: int, repeat: bool) -> None:
        if self.wire:
            flight = self.wire[at % len(self.wire)]
            if not repeat:
                self.wire.remove(flight)
            self.receive(flight)

    def receive(self, flight: Flight) -> None:
        watermark = self.stored.get(flight.epoch, Watermark())
        numbers = [Numbered(seq) for seq in range(flight.first, flight.last + 1)]
        for event, verdict in judge(watermark, numbers, lambda _: True):
            if verdict is Verdict.STORE and event.seq is not None:
                key = (flight.epoch, event.seq)
                self.times_stored[key] = self.times_stored.get(key, 0) + 1
        self.stored[flight.epoch] = watermark.add(flight.first, flight.last)
        self.acks.append((flight.epoch, self.stored[flight.epoch]))

    @rule()
    def lose(self) -> None:
        self.wire.clear()

    @precondition(lambda self: self.acks)
    @rule(at=st.integers(0, 99), keep=st.booleans())
    def acknowledge(self, at: int, keep: bool) -> None:
        epoch, have = self.acks[at % len(self.acks)]
        if not keep:
            self.acks.remove((epoch, have))
        self.hear(epoch, have)

    def hear(self, epoch: str, have: Watermark) -> None:
        self.sender, settled = sending.heard(self.sender, self.journal, epoch, have)
        if settled.forgotten:
            self.durable_settled.clear()
        for first, last in settled.ranges:
            self.durable_settled[epoch] = self.durable_settled.get(epoch, Watermark()).add(first, last)

    @rule()
    def restart_the_agent(self) -> None:
        lanes = tuple(
            replace(lane, settled=self.kept_no_longer(lane, self.durable_settled.get(lane.epoch, Watermark())))
            for lane in self.sender.lanes
        )
        self.epoch = f"e{len(lanes)}"
        self.sender = sending.linked(Sender(lanes, journal=self.sender.journal), connected=True)

    @staticmethod
    def kept_no_longer(lane: sending.Lane, settled: Watermark) -> Watermark:
        return settled.add(1, lane.kept_from - 1) if lane.kept_from > 1 else settled

    @rule()
    def purge(self) -> None:
        kept_from = {}
        for lane in self.sender.lanes:
            settled = self.durable_settled.get(lane.epoch, Watermark())
            first = max(settled.upto + 1, self.kept_from.get(lane.epoch, 1))
            kept_from[lane.epoch] = self.kept_from[lane.epoch] = first
        self.sender = sending.purged(self.sender, kept_from)

    @rule()
    def lose_the_journal(self) -> None:
        """The collector starts a new journal: what agents kept no longer is gone, all else must come again."""
        self.journal += "'"
        self.stored = {epoch: Watermark() for epoch in self.stored}
        self.times_stored.clear()
        self.acks.clear()

    @rule()
    def reconnect(self) -> None:
        self.wire.clear()
        self.acks.clear()
        self.sender = sending.linked(sending.linked(self.sender, connected=False), connected=True)

    @invariant()
    def what_is_let_go_is_stored(self) -> None:
        """Once the agent has heard of the journal that there is."""
        if not hasattr(self, "sender") or self.sender.journal != self.journal:
            return
        for lane in self.sender.lanes:
            stored = self.stored.get(lane.epoch, Watermark())
            let_go = [seq for seq in range(lane.kept_from, lane.last + 1) if seq in lane.settled]
            assert all(seq in stored for seq in let_go)

    @invariant()
    def nothing_is_stored_twice(self) -> None:
        assert all(times == 1 for times in getattr(self, "times_stored", {}).values())

    def teardown(self) -> None:
        """Once the wire is good, everything accepted and still kept arrives, each exactly once."""
        if not hasattr(self, "sender"):
            return
        self.reconnect()
        self.accept(1)
        for _ in range(1_000):
            if not self.sender.unsettled:
                break
            self.now += 60_000 * 2
            self.sender, flights = sending.due(self.sender, self.now, 0.5)
            for flight in flights:
                self.receive(flight)
            for epoch, have in self.acks:
                self.hear(epoch, have)
            self.acks.clear()
        assert self.sender.unsettled == 0
        kept = [(epoch, seq) for epoch, seq in self.accepted if seq >= self.kept_from.get(epoch, 1)]
        assert all(self.times_stored.get(event) == 1 for event in kept)
        assert all(times == 1 for times in self.times_stored.values())


TestImaginaryWire = ImaginaryWire.TestCase
TestImaginaryWire.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
