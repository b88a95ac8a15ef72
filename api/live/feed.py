"""What happens, to many readers at once: numbered events, a window to resume from, a bounded queue per reader."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import NamedTuple

WINDOW_EVENTS = 5_000
QUEUE_EVENTS = 1_000
KEEP_ALIVE_S = 15.0


class Event(NamedTuple):
    """Something that happened: `subject` is what a subscriber's condition is asked about."""

    id: int
    name: str
    subject: object
    data: bytes

    def frame(self) -> bytes:
        """Give it as it is sent."""
        return frame(self.name, self.id, self.data)


Condition = Callable[[object], bool]
Push = Callable[[bytes], bool]
"""Writes to a reader at once; False, and nothing is written, where the reader is not ready for it."""


def _refuse(_frame: bytes) -> bool:
    return False


def frame(name: str, number: int, data: bytes) -> bytes:
    """Write an event in the format of server-sent events; the data is one line of JSON."""
    return b"event: %s\nid: %d\ndata: %s\n\n" % (name.encode(), number, data)


class Subscription:
    """One reader's queue; a reader that does not keep up is cut off and may resume with the last id it saw."""

    def __init__(self, wants: Condition, frames: Iterator[bytes]) -> None:
        self.wants = wants
        self.ended = False
        self._frames = deque(frames)
        self._push: Push = _refuse
        self._is_at_rest = False
        self._ready = asyncio.Event()
        self._ready.set()

    def __repr__(self) -> str:
        return f"<Subscription, {len(self._frames)} waiting{', ended' if self.ended else ''}>"

    def put(self, frame: bytes) -> bool:
        """Push a frame, or queue it where something else is still to be written; False once the reader is too slow."""
        if self._is_at_rest and not self._frames and self._push(frame):
            return True
        if len(self._frames) >= QUEUE_EVENTS:
            self.break_off()
            return False
        self._frames.append(frame)
        self._ready.set()
        return True

    def end(self) -> None:
        """Let the reader see what is queued, then the end."""
        self.ended = True
        self._ready.set()

    def break_off(self) -> None:
        """End without another word."""
        self._frames.clear()
        self.end()

    async def chunks(
        self, keep_alive_s: float = KEEP_ALIVE_S, wake: Callable[[], object] = lambda: None, push: Push | None = None
    ) -> AsyncIterator[bytes]:
        """Give what to write: all that is queued, or a comment when nothing was queued for so many seconds.

        `wake` is called before each: if the process stood still it makes what is queued void. Where there is `push`,
        frames go that way while nothing is queued.
        """
        self._push = push or _refuse
        while True:
            try:
                async with asyncio.timeout(keep_alive_s):
                    self._is_at_rest = True
                    await self._ready.wait()
            except TimeoutError:
                self._is_at_rest = False
                yield b": still here\n\n"
                continue
            self._is_at_rest = False
            wake()
            self._ready.clear()
            if self._frames:
                chunk = b"".join(self._frames)
                self._frames.clear()
                yield chunk
            if self.ended and not self._frames:
                return


class Feed:
    """Numbers events upward from `first_id`, which must lie beyond the ids of earlier runs.

    A number is the moment of its event (`at_us`, wall clock), or one more than the number before where that is larger:
    so a reader can tell how old an event is that reaches it late. Where there is `resumable_us`, nobody resumes from
    longer ago than that, and so nobody learns of moments longer ago.
    """

    def __init__(self, first_id: int, resumable_us: int | None = None) -> None:
        self._first_id = first_id
        """From here on everything is in the window."""
        self._resumable_us = resumable_us
        self._window: deque[Event] = deque(maxlen=WINDOW_EVENTS)
        self._subscriptions: set[Subscription] = set()
        self.last_id = first_id

    def __repr__(self) -> str:
        return f"<Feed at {self.last_id}, {len(self._subscriptions)} readers>"

    @property
    def readers(self) -> int:
        """How many subscriptions are open."""
        return len(self._subscriptions)

    def publish(self, name: str, subject: object, data: bytes, at_us: int = 0) -> None:
        """Number an event and give it to whoever wants it."""
        self.last_id = max(self.last_id + 1, at_us)
        if len(self._window) == WINDOW_EVENTS:
            self._first_id = self._window[0].id
        event = Event(self.last_id, name, subject, data)
        self._window.append(event)
        if not self._subscriptions:
            return
        told = event.frame()
        for subscription in tuple(self._subscriptions):
            if subscription.wants(subject) and not subscription.put(told):
                self._subscriptions.discard(subscription)

    def missed_since(self, number: int, at_us: int = 0) -> tuple[Event, ...] | None:
        """Give what came after an event, None where that cannot be told any more."""
        oldest = self._first_id if self._resumable_us is None else max(self._first_id, at_us - self._resumable_us)
        if not oldest <= number <= self.last_id:
            return None
        return tuple(event for event in self._window if event.id > number)

    def subscribe(
        self, wants: Condition, snapshot: Callable[[], bytes], last_seen: int | None, at_us: int = 0
    ) -> Subscription:
        """Open a subscription, resumed after `last_seen`; where that cannot be, it starts with `reset` and snapshot."""
        missed = None if last_seen is None else self.missed_since(last_seen, at_us)
        if missed is not None:
            frames = [event.frame() for event in missed if wants(event.subject)]
        else:
            self.last_id = max(self.last_id, at_us)
            reset = [] if last_seen is None else [frame("reset", self.last_id, b"{}")]
            frames = [*reset, frame("snapshot", self.last_id, snapshot())]
        subscription = Subscription(wants, iter(frames))
        self._subscriptions.add(subscription)
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """Close a subscription."""
        self._subscriptions.discard(subscription)

    def begin_anew(self) -> None:
        """Close every subscription, and let nobody resume from before now: what they know no longer holds."""
        self._forget()
        self.end()

    def break_off(self) -> None:
        """Do the same at once: what was not sent yet may be past its time."""
        self._forget()
        for subscription in self._subscriptions:
            subscription.break_off()
        self._subscriptions.clear()

    def _forget(self) -> None:
        self.last_id += 1
        self._first_id = self.last_id
        self._window.clear()

    def end(self) -> None:
        """Close every subscription."""
        for subscription in self._subscriptions:
            subscription.end()
        self._subscriptions.clear()
