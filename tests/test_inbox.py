"""What waits for the collector: bounded, each agent in its turn, and none at the expense of another."""

import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.inbox import GROUP, Inbox
from collector.queues import MESSAGE_BYTES, THROTTLED_ROOM, TRAFFIC_OF_AN_AGENT
from perch.adapters.mqtt.connection import Received
from perch.delivery import allowance as tokens
from perch.delivery.allowance import Allowance, Bucket
from tests.examples import usually
from tests.parts import until

KIB = 1024
AGENTS = {("hq", f"pi-{number}") for number in range(100)}


def message(agent: str, number: int = 0, size: int = 200, channel: str = "up") -> Received:
    return Received(f"perch/v1/hq/{agent}/{channel}", number.to_bytes(4, "big") + bytes(size - 4), False)


def numbers(inbox: Inbox, agent: str) -> list[int]:
    """Empty an inbox; give the messages of an agent in the order in which they came out."""
    arrivals = [arrival for group in iter(lambda: inbox.take(0), []) for arrival in group]
    return [int.from_bytes(one.payload[:4], "big") for one in arrivals if one.topic.startswith(f"perch/v1/hq/{agent}/")]


spendings = st.lists(st.tuples(st.integers(0, 5_000), st.floats(0.1, 30)), max_size=30)


@given(spendings, st.floats(1, 20), st.floats(0.1, 50))
def test_nobody_ever_gets_more_than_the_burst_and_the_rate(
    asked: list[tuple[int, float]], burst: float, per_s: float
) -> None:
    allowance, now_ms = Allowance(burst, per_s), 0
    bucket, got = tokens.full(allowance, 0), 0.0
    for pause_ms, cost in asked:
        now_ms += pause_ms
        wait_ms = tokens.wait_ms(allowance, bucket, cost, now_ms)
        paid = tokens.spend(allowance, bucket, cost, now_ms)
        assert (paid is None) == (wait_ms > 0)
        assert tokens.spend(allowance, bucket, cost, now_ms + wait_ms + 1) is not None
        if paid is not None:
            bucket, got = paid, got + min(cost, burst)
        assert got <= burst + per_s * now_ms / 1000 + 1e-6


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    allowance = Allowance(10, 1)
    assert tokens.spend(allowance, Bucket(5, 1_000), 2, 0) == Bucket(3, 1_000)


def test_messages_of_one_agent_stay_in_order_and_none_is_let_go_while_there_is_room() -> None:
    inbox = Inbox(AGENTS)
    broker = threading.Thread(target=lambda: [inbox.put(message("pi-1", number)) for number in range(5_000)])
    broker.start()
    taken: list[bytes] = []
    while len(taken) < 5_000:
        group = inbox.take(10)
        assert len(group) < GROUP + 20
        taken += [arrival.payload[:4] for arrival in group]
    broker.join()
    assert taken == [number.to_bytes(4, "big") for number in range(5_000)]
    assert inbox.refused == {}


def test_a_neighbour_waits_for_no_more_than_its_turn() -> None:
    """A thousand full batches came before its one message, which is in the very next group."""
    inbox = Inbox(AGENTS)
    for number in range(1_000):
        inbox.put(message("pi-1", number, 11 * KIB))
    inbox.put(message("pi-2"))
    group = inbox.take(0)
    assert [arrival.topic for arrival in group].count("perch/v1/hq/pi-2/up") == 1
    assert sum(len(arrival.payload) for arrival in group) < 1.1 * 2**20


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(4, 3_000)), max_size=80), st.integers(4, 40))
@usually(40)
def test_an_inbox_holds_no_more_than_it_has_room_for_and_always_has_some_for_a_newcomer(
    coming: list[tuple[int, int]], room_kib: int
) -> None:
    inbox = Inbox(AGENTS, room_bytes=room_kib * KIB)
    kept: dict[int, list[int]] = {agent: [] for agent in range(4)}
    waiting = 0
    for number, (agent, size) in enumerate(coming):
        before = sum(inbox.refused.values())
        is_newcomer = not kept[agent]
        had_room = size + MESSAGE_BYTES <= room_kib * KIB - waiting
        inbox.put(message(f"pi-{agent}", number, size))
        if sum(inbox.refused.values()) == before:
            kept[agent].append(number)
            waiting += size + MESSAGE_BYTES
        else:
            assert not (is_newcomer and had_room)
        assert waiting <= room_kib * KIB
    assert len(inbox) == sum(map(len, kept.values()))
    taken = {agent: numbers(inbox, f"pi-{agent}") for agent in range(1)}
    assert taken == {0: kept[0]}
    assert len(inbox) == 0


def test_whoever_has_used_up_its_allowance_is_let_through_at_its_rate_and_its_neighbours_are_whole() -> None:
    inbox = Inbox(AGENTS, clock_ms=lambda: 0)
    size = 16 * KIB - MESSAGE_BYTES
    for number in range(int(2 * TRAFFIC_OF_AN_AGENT.burst / (16 * KIB))):
        inbox.put(message("pi-1", number, size))
        if not number % 1_000:
            inbox.put(message("pi-2", number))
    taken = numbers(inbox, "pi-1")
    assert 0.5 * TRAFFIC_OF_AN_AGENT.burst <= len(taken) * 16 * KIB <= 1.1 * TRAFFIC_OF_AN_AGENT.burst
    while inbox.take(0):
        pass
    for number in range(2_000):
        inbox.put(message("pi-1", number, size))
    assert len(inbox) * 16 * KIB <= 2 * TRAFFIC_OF_AN_AGENT.burst
    drained = [arrival for _ in range(100) for arrival in inbox.take(0)]
    assert len(inbox) * 16 * KIB <= THROTTLED_ROOM or len(drained) * 16 * KIB < TRAFFIC_OF_AN_AGENT.burst
    assert inbox.refused.keys() == {"hq/pi-1"}
    for number in range(50):
        inbox.put(message("pi-2", number))
    assert len([one for one in inbox.take(0) if one.topic == "perch/v1/hq/pi-2/up"]) == 50


def test_what_is_held_back_comes_when_its_time_has_come() -> None:
    inbox = Inbox(AGENTS)
    size = 16 * KIB - MESSAGE_BYTES
    for number in range(int(TRAFFIC_OF_AN_AGENT.burst / (16 * KIB)) + 3):
        inbox.put(message("pi-1", number, size))
        if len(inbox) > 500:
            inbox.take(0)
    while inbox.take(0):
        pass
    for number in range(3):
        inbox.put(message("pi-1", number, size))
    waiting = len(inbox)
    assert waiting
    until(lambda: (inbox.take(0.1), len(inbox))[1] == 0)
    assert inbox.refused == {}


def test_live_states_are_not_held_up_by_the_events_of_their_agent() -> None:
    inbox = Inbox(AGENTS, clock_ms=lambda: 0)
    size = 16 * KIB - MESSAGE_BYTES
    for number in range(int(1.5 * TRAFFIC_OF_AN_AGENT.burst / (16 * KIB))):
        inbox.put(message("pi-1", number, size))
        if len(inbox) > 500:
            inbox.take(0)
    while inbox.take(0):
        pass
    inbox.put(message("pi-1", channel="state/d01"))
    assert [arrival.topic for arrival in inbox.take(0)] == ["perch/v1/hq/pi-1/state/d01"]


def test_inventing_names_gains_nothing() -> None:
    """Thousands of agents that no layout names have together no more than two have."""
    inbox = Inbox(AGENTS, clock_ms=lambda: 0)
    size = 16 * KIB - MESSAGE_BYTES
    taken = 0
    for number in range(int(4 * TRAFFIC_OF_AN_AGENT.burst / (16 * KIB))):
        inbox.put(message(f"x{number}", number, size))
        if not number % 100:
            taken += len(inbox.take(0))
    while group := inbox.take(0):
        taken += len(group)
    assert TRAFFIC_OF_AN_AGENT.burst < taken * 16 * KIB < 2.2 * TRAFFIC_OF_AN_AGENT.burst
    assert len(inbox.refused) <= 502
    inbox.put(message("pi-7"))
    assert [arrival.topic for arrival in inbox.take(0)] == ["perch/v1/hq/pi-7/up"]


@pytest.mark.parametrize("topic", ["perch/v1/hq/pi-1/upward", "perch/v1/HQ/pi-1/up", "perch/v1/x"])
def test_a_topic_of_nobodys_is_taken_for_the_quarantine_and_an_acknowledgement_is_not(topic: str) -> None:
    inbox = Inbox(AGENTS)
    inbox.put(message("pi-1", channel="ack"))
    inbox.put(Received(topic, b"?", False))
    assert [arrival.topic for arrival in inbox.take(0)] == [topic]


def test_an_agent_that_keeps_to_its_window_is_at_most_slowed_down_and_never_let_go() -> None:
    """A week's outbox and more: 131,000 events as fast as they are taken, then 2,000 a second."""
    inbox, size, window = Inbox(AGENTS), 6_000, 32
    at_once = int(TRAFFIC_OF_AN_AGENT.burst / (size + MESSAGE_BYTES))
    began, sent, taken = time.monotonic(), 0, 0
    while taken < at_once + 3 * window:
        while sent - taken < window:
            inbox.put(message("pi-1", sent, size))
            sent += 1
        taken += len(inbox.take(1))
    assert inbox.refused == {}
    held_s = (taken - at_once) * (size + MESSAGE_BYTES) / TRAFFIC_OF_AN_AGENT.per_s
    assert time.monotonic() - began > 0.5 * held_s
    assert at_once * 50 > 120_000
    assert TRAFFIC_OF_AN_AGENT.per_s / (size + MESSAGE_BYTES) * 50 > 2_000


def test_agents_may_come_while_it_is_counted_what_was_let_go() -> None:
    many = {("hq", f"pi-{number}") for number in range(3_000)}
    inbox = Inbox(many)
    broker = threading.Thread(target=lambda: [inbox.put(message(agent)) for _, agent in sorted(many)])
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        broker.start()
        while broker.is_alive():
            assert inbox.refused == {}
    finally:
        sys.setswitchinterval(before)
        broker.join()
