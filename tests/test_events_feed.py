"""The feed: every reader sees every change that it wants once and in order, or is told that it cannot."""

import asyncio
from collections.abc import AsyncIterator, Generator

from hypothesis import given
from hypothesis import strategies as st

from api.live.feed import KEEP_ALIVE_S, QUEUE_EVENTS, WINDOW_EVENTS, Feed, Subscription, frame
from tests.examples import usually

FIRST = 1_000


def subscribe(feed: Feed, last_seen: int | None = None) -> Subscription:
    """Open a subscription to everything."""
    return feed.subscribe(lambda _: True, lambda: b"{}", last_seen)


async def read(subscription: Subscription) -> bytes:
    """Give what is queued, as one chunk."""
    return await anext(subscription.chunks())


def seen(subscription: Subscription) -> list[tuple[str, int]]:
    """Give names and numbers of what is queued; the subscription must have something."""
    text = asyncio.run(read(subscription)).decode()
    events = [dict(line.split(": ", 1) for line in one.splitlines()) for one in text.split("\n\n") if one]
    return [(event["event"], int(event["id"])) for event in events]


def test_a_new_reader_begins_with_a_snapshot() -> None:
    assert seen(subscribe(Feed(FIRST))) == [("snapshot", FIRST)]


def test_what_happens_afterwards_has_increasing_numbers() -> None:
    feed = Feed(FIRST)
    subscription = subscribe(feed)
    feed.publish("space", "d01", b"{}")
    feed.publish("agent", "pi-1", b"{}")
    assert seen(subscription) == [("snapshot", FIRST), ("space", FIRST + 1), ("agent", FIRST + 2)]


def test_a_reader_resumes_after_the_last_event_it_saw() -> None:
    feed = Feed(FIRST)
    for _ in range(5):
        feed.publish("space", "d01", b"{}")
    assert seen(subscribe(feed, FIRST + 3)) == [("space", FIRST + 4), ("space", FIRST + 5)]
    assert seen(subscribe(feed, FIRST))[0] == ("space", FIRST + 1)


def test_a_reader_who_missed_nothing_waits_for_what_comes() -> None:
    feed = Feed(FIRST)
    feed.publish("space", "d01", b"{}")
    subscription = subscribe(feed, FIRST + 1)
    feed.publish("space", "d02", b"{}")
    assert seen(subscription) == [("space", FIRST + 2)]


def test_a_reader_who_cannot_resume_is_told_and_begins_anew() -> None:
    feed = Feed(FIRST)
    feed.publish("space", "d01", b"{}")
    for unknown in (-1, FIRST - 1, FIRST + 2, 10**17):
        assert seen(subscribe(feed, unknown)) == [("reset", FIRST + 1), ("snapshot", FIRST + 1)]


def test_the_window_to_resume_from_is_bounded() -> None:
    feed = Feed(FIRST)
    for _ in range(WINDOW_EVENTS + 1):
        feed.publish("space", "d01", b"{}")
    assert seen(subscribe(feed, FIRST))[0][0] == "reset"
    assert len(feed.missed_since(FIRST + 1) or ()) == WINDOW_EVENTS


def test_nobody_resumes_across_a_new_layout() -> None:
    feed = Feed(FIRST)
    reader = subscribe(feed)
    feed.publish("space", "d01", b"{}")
    known = feed.last_id
    feed.begin_anew()
    assert reader.ended
    assert seen(subscribe(feed, known))[0][0] == "reset"


def test_a_slow_reader_is_cut_off_and_a_quick_one_is_not() -> None:
    feed = Feed(FIRST)
    slow, quick = subscribe(feed), subscribe(feed)
    seen(quick)
    for _ in range(QUEUE_EVENTS + 10):
        feed.publish("space", "d01", b"{}")
        seen(quick)
    assert (slow.ended, quick.ended, feed.readers) == (True, False, 1)
    assert asyncio.run(_drained(slow)) == []


@given(st.lists(st.sampled_from(["desk", "room", "reconnect"]), max_size=60))
def test_whoever_reconnects_with_the_last_number_misses_nothing(steps: list[str]) -> None:
    feed = Feed(FIRST)
    published: list[int] = []
    got: list[int] = []
    subscription = feed.subscribe(lambda subject: subject == "desk", lambda: b"{}", None)
    last = seen(subscription)[-1][1]
    for step in [*steps, "reconnect"]:
        if step == "reconnect":
            feed.leave(subscription)
            subscription = feed.subscribe(lambda subject: subject == "desk", lambda: b"{}", last)
            missed = asyncio.run(_drained(subscription))
            got += missed
            last = max([last, *missed])
        else:
            feed.publish("space", step, b"{}")
            if step == "desk":
                published.append(feed.last_id)
    assert got == published


async def _drained(subscription: Subscription) -> list[int]:
    subscription.end()
    chunks = [chunk async for chunk in subscription.chunks()]
    return [int(line[4:]) for line in b"".join(chunks).decode().splitlines() if line.startswith("id: ")]


class Turn:
    """Lets everything else that is ready run once."""

    def __await__(self) -> Generator[None, None, None]:
        yield


class Line:
    """What is written to one reader: what was pushed and what was sent, in the order of the writing."""

    def __init__(self, feed: Feed) -> None:
        self.subscription = subscribe(feed)
        self.written: list[int] = []
        self.is_ready = True

    def push(self, frame: bytes) -> bool:
        """Take a frame at once, if ready."""
        if self.is_ready:
            self._write(frame)
        return self.is_ready

    async def send(self, pauses: asyncio.Semaphore) -> None:
        """Send as a server does: each chunk takes as long as `pauses` say, in which frames may be published."""
        async for chunk in self.subscription.chunks(push=self.push):
            await pauses.acquire()
            self._write(chunk)

    def _write(self, chunk: bytes) -> None:
        self.written += [int(line[4:]) for line in chunk.decode().splitlines() if line.startswith("id: ")]


@usually(50)
@given(st.lists(st.sampled_from(["publish", "turn", "ready", "busy", "sent"]), max_size=60))
def test_what_is_pushed_and_what_is_queued_comes_once_and_in_order(steps: list[str]) -> None:
    async def run() -> list[int]:
        feed = Feed(FIRST)
        line, pauses = Line(feed), asyncio.Semaphore(0)
        sending = asyncio.create_task(line.send(pauses))
        for step in steps:
            if step == "publish":
                feed.publish("space", "d01", b"{}")
            elif step == "sent":
                pauses.release()
            elif step != "turn":
                line.is_ready = step == "ready"
            await Turn()
        for _ in steps:
            pauses.release()
        pauses.release()
        line.subscription.end()
        await sending
        return line.written

    assert asyncio.run(run()) == [FIRST + number for number in range(steps.count("publish") + 1)]


def test_a_reader_at_rest_is_written_to_at_once() -> None:
    async def run() -> list[int]:
        feed = Feed(FIRST)
        line, pauses = Line(feed), asyncio.Semaphore(1)
        sending = asyncio.create_task(line.send(pauses))
        while not line.written:
            await Turn()
        await Turn()
        feed.publish("space", "d01", b"{}")
        at_once = line.written[:]
        sending.cancel()
        return at_once

    assert asyncio.run(run()) == [FIRST, FIRST + 1]


def test_a_silent_feed_sends_a_comment_now_and_then() -> None:
    subscription = subscribe(Feed(FIRST))
    assert asyncio.run(_first(3, subscription.chunks(keep_alive_s=0.01)))[1:] == [b": still here\n\n"] * 2
    assert KEEP_ALIVE_S == 15


async def _first(number: int, chunks: AsyncIterator[bytes]) -> list[bytes]:
    return [await anext(chunks) for _ in range(number)]


def test_an_event_is_one_frame() -> None:
    assert frame("space", 7, b'{"a":1}') == b'event: space\nid: 7\ndata: {"a":1}\n\n'


def test_where_moments_are_not_told_afterwards_nobody_resumes_from_longer_ago() -> None:
    feed = Feed(FIRST, resumable_us=100)
    for at_us in (FIRST + 50, FIRST + 200):
        feed.publish("space", "d01", b"{}", at_us)
    now_us = FIRST + 220
    assert feed.missed_since(FIRST + 119, now_us) is None
    assert [event.id for event in feed.missed_since(FIRST + 120, now_us) or ()] == [FIRST + 200]
    assert Feed(FIRST).missed_since(FIRST, FIRST + 10**9) == ()
