"""Sender and receiver over an imaginary wire that loses, repeats, reorders and delays, held against plain sets.

Either side restarts from what is durable, or from an old copy of it, at any step. A disk is a few sets; the outbox and
the journal themselves have tests of their own.
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from perch.delivery import hearing, journals
from perch.delivery import sender as sending
from perch.delivery.receiver import Verdict, judge
from perch.delivery.sender import FIRST_RETRY_MS, Flight, Lane, Sender
from perch.delivery.watermark import Watermark

Identity = tuple[str, int]


class Event(NamedTuple):
    """What is told under a number: something that happened nowhere else, or that other numbers are lost."""

    seq: int | None
    what: int
    lost: frozenset[Identity] = frozenset()


@dataclass
class Disk:
    """What an agent finds again: events, which of them are acknowledged, and what it gave up without having said so."""

    kept: dict[str, dict[int, Event]] = field(default_factory=dict)
    settled: dict[str, set[int]] = field(default_factory=dict)
    heard: dict[str, int] = field(default_factory=dict)
    journals: tuple[str, ...] = ()
    given_up: set[Identity] = field(default_factory=set)

    def lanes(self) -> tuple[Lane, ...]:
        return tuple(self._lane(epoch, events) for epoch, events in self.kept.items() if events)

    def _lane(self, epoch: str, events: dict[int, Event]) -> Lane:
        last = max(events)
        gone, settled = Watermark(), Watermark()
        for seq in range(1, last + 1):
            if seq not in events:
                gone = gone.add(seq, seq)
            if seq not in events or seq in self.settled.get(epoch, ()):
                settled = settled.add(seq, seq)
        return Lane(epoch, last, settled, gone, self.heard.get(epoch, 0))


@dataclass
class Journal:
    """What a collector finds again."""

    id: str
    stored: dict[Identity, Event] = field(default_factory=dict)
    marks: dict[str, Watermark] = field(default_factory=dict)

    def settle(self, epoch: str, seq: int) -> None:
        self.marks[epoch] = self.marks.get(epoch, Watermark()).add(seq, seq)


class Agent:
    """One life of an agent over a disk: a sender, an epoch of its own, and the numbers that it could not write."""

    def __init__(self, disk: Disk, epoch: str) -> None:
        self.disk, self.epoch, self.seq = disk, epoch, 0
        self.missed: set[Identity] = set()
        self.sender = sending.linked(Sender(disk.lanes(), journals=journals.remembered(disk.journals)), connected=True)
        disk.kept[epoch] = {}

    def accept(self, what: int, lost: frozenset[Identity] = frozenset()) -> Identity:
        self.seq += 1
        self.disk.kept[self.epoch][self.seq] = Event(self.seq, what, lost)
        self.sender = sending.appended(self.sender, self.epoch, self.seq, self.seq)
        return self.epoch, self.seq

    def miss(self) -> None:
        self.seq += 1
        self.missed.add((self.epoch, self.seq))
        self.sender = sending.skipped(self.sender, self.epoch, self.seq, self.seq)

    def drop(self, epoch: str, seq: int) -> Event:
        self.sender = sending.dropped(self.sender, epoch, seq, seq)
        return self.disk.kept[epoch].pop(seq)

    def hear(self, journal: str, epoch: str, have: Watermark, now_ms: int) -> None:
        self.sender, settled = hearing.heard(self.sender, journal, epoch, have, now_ms)
        disk = self.disk
        if not settled.heeded:
            return
        if settled.forgotten:
            disk.settled.clear()
            disk.heard.clear()
        disk.journals = settled.journals
        disk.heard[epoch] = have.upto
        for first, last in settled.missed:
            disk.settled.setdefault(epoch, set()).difference_update(range(first, last + 1))
        for first, last in settled.ranges:
            disk.settled.setdefault(epoch, set()).update(range(first, last + 1))

    def due(self, now_ms: int, chance: float = 0.5) -> Iterator[tuple[str, tuple[Event, ...]]]:
        self.sender, flights = sending.due(self.sender, now_ms, chance)
        for flight in flights:
            yield flight.epoch, tuple(self._events(flight))

    def _events(self, flight: Flight) -> list[Event]:
        kept = self.disk.kept[flight.epoch]
        return [kept[seq] for seq in range(flight.first, flight.last + 1) if seq in kept]


class ImaginaryWire(RuleBasedStateMachine):
    """An agent, its collector, and all that may happen to them and between them."""

    @initialize()
    def begin(self) -> None:
        self.now = self.told = self.names = 0
        self.journal = Journal("j0")
        self.rival = Journal("rival")
        self.agent = Agent(Disk(), "e0")
        self.truth: dict[Identity, Event] = {}
        self.excused: set[Identity] = set()
        self.wire: list[tuple[str, tuple[Event, ...]]] = []
        self.acks: list[tuple[str, str, Watermark]] = []
        self.times_stored: dict[Identity, int] = {}
        self.old_disk: Disk | None = None
        self.old_journal: Journal | None = None

    def name(self, kind: str) -> str:
        self.names += 1
        return f"{kind}{self.names}"

    def accept_one(self, agent: Agent, lost: frozenset[Identity] = frozenset()) -> None:
        self.told += 1
        epoch, seq = agent.accept(self.told, lost)
        self.truth[epoch, seq] = agent.disk.kept[epoch][seq]

    def confess(self, agent: Agent) -> None:
        """Say what was given up or could not be written, as soon as that is possible."""
        lost = frozenset(agent.disk.given_up | agent.missed)
        if lost:
            self.accept_one(agent, lost)
            agent.disk.given_up.clear()
            agent.missed.clear()

    @rule(count=st.integers(1, 5))
    def accept(self, count: int) -> None:
        if self.agent.missed:
            self.confess(self.agent)
        for _ in range(count):
            self.accept_one(self.agent)

    @rule(count=st.integers(1, 5))
    def all_goes_well(self, count: int) -> None:
        self.accept(count)
        for message in list(self.agent.due(self.now)):
            self.receive(*message)
            self.agent.hear(*self.acks.pop(), self.now)

    @rule(count=st.integers(1, 3))
    def fail_to_write(self, count: int) -> None:
        for _ in range(count):
            self.agent.miss()

    @rule(passed=st.integers(0, 2 * FIRST_RETRY_MS), chance=st.floats(0, 0.99))
    def send(self, passed: int, chance: float) -> None:
        self.now += passed
        self.wire += self.agent.due(self.now, chance)

    @rule(at=st.integers(0, 99), repeat=st.booleans())
    def deliver(self, at: int, repeat: bool) -> None:
        if self.wire:
            message = self.wire[at % len(self.wire)]
            if not repeat:
                self.wire.remove(message)
            self.receive(*message)

    def receive(self, epoch: str, events: tuple[Event, ...]) -> None:
        """Do what a collector does, in one transaction."""
        journal = self.journal
        mark = journal.marks.get(epoch, Watermark())
        for event, verdict in judge(mark, events, lambda event: self.is_stored(epoch, event)):
            assert verdict is not Verdict.CONFLICT, "nobody lied"
            if verdict is Verdict.STORE and event.seq is not None:
                self.times_stored[epoch, event.seq] = self.times_stored.get((epoch, event.seq), 0) + 1
                journal.stored[epoch, event.seq] = event
                for identity in ((epoch, event.seq), *event.lost):
                    journal.settle(*identity)
        self.acks.append((journal.id, epoch, journal.marks.get(epoch, Watermark())))

    def is_stored(self, epoch: str, event: Event) -> bool:
        stored = self.journal.stored.get((epoch, event.seq or 0))
        return stored is None or stored == event

    @rule(at=st.integers(0, 99))
    def lie(self, at: int) -> None:
        """Somebody sends other content under an identity that is stored: a conflict, and nothing changes."""
        if self.journal.stored:
            epoch, seq = sorted(self.journal.stored)[at % len(self.journal.stored)]
            forged = Event(seq, -1)
            mark = self.journal.marks[epoch]
            verdicts = judge(mark, [forged], lambda event: self.is_stored(epoch, event))
            assert [verdict for _, verdict in verdicts] == [Verdict.CONFLICT]

    @precondition(lambda self: self.acks)
    @rule(at=st.integers(0, 99), keep=st.booleans())
    def acknowledge(self, at: int, keep: bool) -> None:
        ack = self.acks[at % len(self.acks)]
        if not keep:
            self.acks.remove(ack)
        self.agent.hear(*ack, self.now)
        if self.agent.disk.given_up:
            self.confess(self.agent)

    @rule(count=st.integers(1, 4))
    def make_room(self, count: int) -> None:
        """Acknowledged events go first, as they do after 48 hours; then the oldest others are given up."""
        agent, disk = self.agent, self.agent.disk
        kept = [(epoch, seq) for epoch, events in disk.kept.items() for seq in sorted(events)]
        settled = [(epoch, seq) for epoch, seq in kept if seq in disk.settled.get(epoch, ())]
        for epoch, seq in settled[:count]:
            event = agent.drop(epoch, seq)
            self.excused |= {(epoch, seq), *event.lost}
        if not settled:
            for epoch, seq in kept[:count]:
                event = agent.drop(epoch, seq)
                disk.given_up |= {(epoch, seq), *event.lost}

    @rule(copied=st.booleans())
    def restart_the_agent(self, copied: bool) -> None:
        """It finds its disk again, of which somebody may have made a copy meanwhile."""
        if copied:
            self.old_disk = deepcopy(self.agent.disk)
        self.agent = Agent(self.agent.disk, self.name("e"))

    @precondition(lambda self: self.old_disk is not None)
    @rule()
    def put_an_old_copy_of_the_disk_into_the_agent(self) -> None:
        """What was accepted since then is gone with the disk that held it."""
        assert self.old_disk is not None
        disk = deepcopy(self.old_disk)
        here = {(epoch, seq) for epoch, events in disk.kept.items() for seq in events} | disk.given_up
        confessed = {one for events in disk.kept.values() for event in events.values() for one in event.lost}
        self.excused |= self.truth.keys() - here - confessed
        self.agent = Agent(disk, self.name("e"))

    @precondition(lambda self: self.old_disk is not None)
    @rule(count=st.integers(1, 3))
    def a_clone_speaks(self, count: int) -> None:
        """A second agent runs from a copy of the disk, in the same name, for a while; then it is seen and taken out."""
        clone = Agent(deepcopy(self.old_disk or Disk()), self.name("e"))
        for _ in range(count):
            self.accept_one(clone)
        self.wire += clone.due(self.now)
        self.excused |= {(clone.epoch, seq) for seq in range(1, count + 1)}

    @rule()
    def back_the_journal_up(self) -> None:
        self.old_journal = deepcopy(self.journal)

    @rule()
    def lose_the_journal(self) -> None:
        """A backup is restored, which makes a new id; where there is none, a new journal is begun."""
        journal = deepcopy(self.old_journal or Journal(""))
        journal.id = self.name("j")
        self.journal = journal
        self.times_stored = dict.fromkeys(journal.stored, 1)

    @rule(at=st.integers(0, 99))
    def another_collector_answers_too(self, at: int) -> None:
        """It has a data folder of its own, and hears what the agent sends as well."""
        if self.wire:
            epoch, events = self.wire[at % len(self.wire)]
            for event in events:
                if event.seq is not None:
                    self.rival.settle(epoch, event.seq)
            self.acks.append((self.rival.id, epoch, self.rival.marks[epoch]))

    @rule()
    def reconnect(self) -> None:
        """What was on its way, both ways, is lost."""
        self.wire.clear()
        self.acks.clear()
        self.agent.sender = sending.linked(sending.linked(self.agent.sender, connected=False), connected=True)

    @invariant()
    def nothing_is_stored_twice_or_otherwise_than_it_was_told(self) -> None:
        if hasattr(self, "agent"):
            assert all(times == 1 for times in self.times_stored.values())
            assert all(self.truth[identity] == event for identity, event in self.journal.stored.items())

    @invariant()
    def what_counts_as_settled_is_settled_in_the_journal_that_there_is(self) -> None:
        if not hasattr(self, "agent") or self.agent.sender.journals.present != self.journal.id:
            return
        for epoch, settled in self.agent.disk.settled.items():
            mark = self.journal.marks.get(epoch, Watermark())
            assert all(seq in mark for seq in settled)

    @invariant()
    def a_lost_span_never_covers_what_is_still_kept(self) -> None:
        if hasattr(self, "agent"):
            events = self.agent.disk.kept.items()
            covered = {one for _, several in events for event in several.values() for one in event.lost}
            here = {(epoch, seq) for epoch, several in events for seq in several}
            assert not here & (covered | self.agent.disk.given_up | self.agent.missed)

    def teardown(self) -> None:
        """Once the wire is whole, all that was accepted is stored or confessed, each exactly once."""
        if not hasattr(self, "agent"):
            return
        self.reconnect()
        self.accept(1)
        for _ in range(1_000):
            self.now += 120_000
            for message in list(self.agent.due(self.now)):
                self.receive(*message)
            for ack in self.acks:
                self.agent.hear(*ack, self.now)
            self.acks.clear()
            if self.agent.disk.given_up:
                self.confess(self.agent)
            elif not self.agent.sender.unsettled:
                break
        assert self.agent.sender.unsettled == 0
        assert self.agent.sender.journals.present == self.journal.id
        stored = self.journal.stored
        confessed = {one for event in stored.values() for one in event.lost}
        assert self.truth.keys() - self.excused - stored.keys() - confessed == set()
        for epoch, events in self.agent.disk.kept.items():
            assert all(stored.get((epoch, seq)) == event or (epoch, seq) in confessed for seq, event in events.items())
        self.nothing_is_stored_twice_or_otherwise_than_it_was_told()
        self.numbers_are_without_gaps(confessed)

    def numbers_are_without_gaps(self, confessed: set[Identity]) -> None:
        """Up to the last stored event of the present epoch every number is stored or confessed."""
        epoch = self.agent.epoch
        known = {seq for one, seq in {*self.journal.stored, *confessed, *self.excused} if one == epoch}
        assert set(range(1, self.agent.seq + 1)) <= known


def test_nothing_is_lost_or_stored_twice_whatever_happens_on_the_way() -> None:
    run_state_machine_as_test(ImaginaryWire, settings=settings(max_examples=120, stateful_step_count=30, deadline=None))


@pytest.mark.long
def test_nothing_is_lost_or_stored_twice_in_thousands_of_ways() -> None:
    run_state_machine_as_test(ImaginaryWire, settings=settings(max_examples=800, stateful_step_count=60, deadline=None))
