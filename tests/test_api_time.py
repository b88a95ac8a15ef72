"""What time alone does to live states: staleness, new days, clocks that are set."""

import asyncio
import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.live.feed import Feed, Subscription
from api.live.feeds import Audience, Sight
from api.live.live import Live
from perch import contract
from perch.adapters.mqtt.connection import Received
from perch.contract import HEARTBEAT_S, VALID_FOR_MS, LiveState, Publication, Status
from perch.delivery.liveness import Instant
from perch.model import Clock, Reason, State
from tests.serving import EPOCH, a_site, a_space

LISBON = ZoneInfo("Europe/Lisbon")


@dataclass
class Hands:
    """A clock that moves only when it is told to."""

    wall_ms: int = int(datetime(2026, 11, 2, 23, 0, tzinfo=LISBON).timestamp() * 1000)
    mono_ms: int = 1_000_000

    def __call__(self) -> Instant:
        return Instant(self.wall_ms, self.mono_ms)

    def pass_ms(self, ms: int) -> None:
        """Let time pass."""
        self.wall_ms += ms
        self.mono_ms += ms


def live_through(live: Live, hands: Hands, ms: int) -> None:
    """Let time pass as it does for an API that runs: it looks each second."""
    for _ in range(ms // 1000):
        hands.pass_ms(1_000)
        live.settle()


def hear(live: Live, published: Publication) -> None:
    """Deliver something as the broker does when it is new."""
    live.hear(Received(published.topic, published.payload, retained=False))


def say(live: Live, hands: Hands, space: str = "d01", **changed: Any) -> None:
    """Let the agent of a space state that it is free."""
    usual: dict[str, Any] = {
        "v": 1,
        "epoch": EPOCH,
        "state": State.FREE,
        "probability": 0.03,
        "count": None,
        "reason": Reason.QUIET,
        "since_ms": hands.wall_ms,
        "sent_ms": hands.wall_ms,
        "clock": Clock.OK,
    }
    hear(live, contract.build_state("hq", "pi-1", space, LiveState(**{**usual, **changed})))


def state_of(live: Live, space: str = "d01") -> State:
    """Give the state that is shown."""
    shown = live.get("hq", space)
    assert shown is not None
    return shown.occupancy.state


def follow(live: Live) -> Subscription:
    """Subscribe to everything."""
    return feed_of(live).subscribe(lambda _: True, lambda: b"{}", None)


def feed_of(live: Live) -> Feed:
    """Give the feed of those who see everything."""
    return live.feeds.of(Audience("everybody", lambda _: True, Sight.EXACT), live.now().wall_ms * 1000)


async def _rest(subscription: Subscription) -> bytes:
    subscription.end()
    return b"".join([chunk async for chunk in subscription.chunks()])


def told(subscription: Subscription) -> list[tuple[str, Any]]:
    """End a subscription; gives its events but for the snapshot."""
    events = [one.splitlines() for one in asyncio.run(_rest(subscription)).decode().split("\n\n") if one]
    return [(name[7:], json.loads(data[6:])) for name, _, data in events if name != "event: snapshot"]


@given(st.integers(1_000, 200_000), st.integers(0, 300_000))
def test_a_state_is_shown_for_as_long_as_it_is_valid_and_no_longer(valid_ms: int, passed_ms: int) -> None:
    hands = Hands()
    live = Live((a_site(),), hands)
    say(live, hands, valid_for_ms=valid_ms)
    hands.pass_ms(passed_ms)
    live.settle()
    assert state_of(live) is (State.FREE if passed_ms <= valid_ms else State.UNKNOWN)


@given(st.integers(1_000, 100_000))
def test_whoever_calls_when_asked_to_shows_staleness_at_once(valid_ms: int) -> None:
    hands = Hands()
    live = Live((a_site(),), hands)
    say(live, hands, valid_for_ms=valid_ms)
    begin_ms = hands.mono_ms
    while state_of(live) is State.FREE:
        hands.pass_ms(live.settle())
        live.settle()
        assert hands.mono_ms - begin_ms <= valid_ms + 2


def test_a_clock_that_is_set_makes_old_states_unknown_at_once() -> None:
    hands = Hands()
    live = Live((a_site(),), hands)
    say(live, hands)
    hands.wall_ms += 3_600_000  # the machine slept, or its clock was an hour behind
    live.settle()
    assert state_of(live) is State.UNKNOWN


def test_silence_turns_an_agent_offline_and_readers_are_told() -> None:
    hands = Hands()
    live = Live((a_site(),), hands)
    hear(live, contract.build_status("hq", "pi-1", Status(v=1, online=True, epoch=EPOCH, run=1, version="1")))
    reader = follow(live)
    live_through(live, hands, 4 * HEARTBEAT_S * 1000)
    ((name, agent),) = told(reader)
    assert (name, agent["id"], agent["online"]) == ("agent", "pi-1", False)
    assert HEARTBEAT_S * 1000 * 3 == VALID_FOR_MS


@pytest.mark.parametrize(
    ("off_ms", "told"),
    [
        (0, None),
        (-59_000, None),
        (90_000, "its clock is 1 min ahead of the server's: see to both clocks"),
        (-7_200_000, "its clock is 2 hours behind the server's: see to both clocks"),
        (365 * 86_400_000, "its clock is 365 days ahead of the server's: see to both clocks"),
        (-365 * 86_400_000, "its clock is 365 days behind the server's: see to both clocks"),
    ],
)
def test_an_agent_whose_clock_is_off_is_told_of_until_it_is_right_again(off_ms: int, told: str | None) -> None:
    hands = Hands()
    live = Live([a_site()], hands)
    hear(live, contract.build_status("hq", "pi-1", Status(v=1, online=True, epoch=EPOCH, run=7)))
    say(live, hands, sent_ms=hands.wall_ms + off_ms)
    assert live.agent_item(("hq", "pi-1"), hands()).trouble == told
    say(live, hands)
    assert live.agent_item(("hq", "pi-1"), hands()).trouble is None


def test_a_new_day_brings_its_own_layout_and_readers_begin_anew() -> None:
    moving = (
        a_space("d01"),
        a_space("d02", valid_until=date(2026, 11, 3)),
        a_space("d03", valid_from=date(2026, 11, 3)),
        a_space("d04", agent="pi-1", valid_until=date(2026, 11, 3)),
        a_space("d04", agent="pi-2", valid_from=date(2026, 11, 3)),
    )
    hands = Hands()
    live = Live((a_site(spaces=moving),), hands)
    for space in ("d01", "d02", "d03", "d04"):
        say(live, hands, space, valid_for_ms=86_400_000)
    reader = follow(live)
    before = feed_of(live).last_id
    assert [key[1] for key, _ in live.all()] == ["d01", "d02", "d04"]
    hands.pass_ms(3_600_000)
    live.settle()
    assert [key[1] for key, _ in live.all()] == ["d01", "d03", "d04"]
    assert (state_of(live, "d01"), state_of(live, "d03")) == (State.FREE, State.UNKNOWN)
    assert state_of(live, "d04") is State.UNKNOWN  # what the agent before said of it no longer counts
    assert reader.ended
    assert feed_of(live).missed_since(before) is None


def test_a_new_day_without_a_change_disturbs_nobody() -> None:
    hands = Hands()
    live = Live((a_site(),), hands)
    say(live, hands, valid_for_ms=86_400_000)
    reader = follow(live)
    live_through(live, hands, 2 * 3_600_000)
    assert not reader.ended
    assert state_of(live) is State.FREE


def test_each_site_has_midnights_of_its_own() -> None:
    spaces = (a_space("d01", valid_from=date(2026, 11, 3)),)
    near, far = a_site("near", spaces=spaces), a_site("far", time_zone="Asia/Kathmandu", spaces=spaces)
    hands = Hands()  # it is the third of November in Kathmandu already
    live = Live((near, far), hands)
    assert [key for key, _ in live.all()] == [("far", "d01")]
    hands.pass_ms(3_600_000)
    live.settle()
    assert [key for key, _ in live.all()] == [("far", "d01"), ("near", "d01")]


# An API that stands still: its process was stopped, or its machine slept.


def test_what_was_about_to_be_said_before_an_api_stood_still_is_never_said() -> None:
    hands = Hands()
    live = Live((a_site(),), hands)
    live.settle()
    reader = follow(live)
    say(live, hands)
    hands.pass_ms(VALID_FOR_MS + 1_000)

    async def read() -> list[bytes]:
        return [chunk async for chunk in reader.chunks(wake=live.wake)]

    assert asyncio.run(read()) == []
    assert reader.ended
    assert state_of(live) is State.UNKNOWN


def test_what_came_while_an_api_stood_still_is_not_taken_for_new() -> None:
    """It waited in the connection, nobody knows for how long, unless the sender's clock tells."""
    hands = Hands()
    live = Live((a_site(),), hands)
    live.settle()
    hands.pass_ms(VALID_FOR_MS + 1_000)
    say(live, hands, "d01", clock=Clock.UNSYNCED)
    say(live, hands, "d02", sent_ms=hands.wall_ms - 10)
    assert (state_of(live, "d01"), state_of(live, "d02")) == (State.UNKNOWN, State.FREE)
    live_through(live, hands, 10_000)
    say(live, hands, "d01", clock=Clock.UNSYNCED)
    assert state_of(live, "d01") is State.FREE


def test_whoever_reads_events_can_tell_when_they_happened() -> None:
    hands = Hands()
    live = Live((a_site(),), hands)
    feed = feed_of(live)
    for _ in range(3):
        hands.pass_ms(500)
        say(live, hands, state=State.FREE if live.version % 2 else State.OCCUPIED)
        assert feed.last_id == hands.wall_ms * 1000
    hands.wall_ms -= 60_000
    before = feed.last_id
    say(live, hands, state=State.UNKNOWN)
    assert feed.last_id == before + 1
