"""What happens, to many readers at once: numbered events, a window to resume from, a bounded queue per reader."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

WINDOW_EVENTS = 5_000
QUEUE_EVENTS = 1_000
KEEP_ALIVE_S = 15.0


class Sight(Enum):
    """How a reader sees what happens: in coarse words, or as it is."""

    COARSE = "coarse"
    EXACT = "exact"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: `subject` is what a subscriber's condition is asked about.

    In coarse words it has a number of its own, so that a gap between two tells of nothing that has none (then 0, and
    `coarse` is empty). It is never larger than `id`.
    """

    id: int
    subject: object
    frame: bytes
    coarse_id: int = 0
    coarse: bytes = b""

    def number(self, sight: Sight) -> int:
        """Give its number as it is seen."""
        return self.id if sight is Sight.EXACT else self.coarse_id

    def seen(self, sight: Sight) -> bytes:
        """Give the frame as it is seen."""
        return self.frame if sight is Sight.EXACT else self.coarse


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

    def __init__(self, wants: Condition, frames: Iterator[bytes], sight: Sight = Sight.EXACT) -> None:
        self.wants = wants
        self.sight = sight
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
    so a reader can tell how old an event is that reaches it late.
    """

    def __init__(self, first_id: int) -> None:
        self._first_id = first_id
        """From here on everything is in the window."""
        self._window: deque[Event] = deque(maxlen=WINDOW_EVENTS)
        self._subscriptions: set[Subscription] = set()
        self.last_id = first_id
        self.last_coarse_id = first_id

    def __repr__(self) -> str:
        return f"<Feed at {self.last_id}, {len(self._subscriptions)} readers>"

    @property
    def readers(self) -> int:
        """How many subscriptions are open."""
        return len(self._subscriptions)

    def publish(self, name: str, subject: object, data: bytes, at_us: int = 0, coarse: bytes | None = None) -> None:
        """Number an event and give it to whoever wants it; `coarse` is what coarse sight is told, if anything."""
        self.last_id = max(self.last_id + 1, at_us)
        if len(self._window) == WINDOW_EVENTS:
            self._first_id = self._window[0].id
        event = Event(self.last_id, subject, frame(name, self.last_id, data))
        if coarse is not None:
            self.last_coarse_id = number = max(self.last_coarse_id + 1, at_us)
            event = replace(event, coarse_id=number, coarse=frame(name, number, coarse))
        self._window.append(event)
        for subscription in tuple(self._subscriptions):
            told = event.seen(subscription.sight)
            if told and subscription.wants(subject) and not subscription.put(told):
                self._subscriptions.discard(subscription)

    def missed_since(self, number: int, sight: Sight = Sight.EXACT) -> tuple[Event, ...] | None:
        """Give what came after an event, None where that cannot be told any more."""
        if not self._first_id <= number <= self.last_id:
            return None
        return tuple(event for event in self._window if event.number(sight) > number)

    def subscribe(
        self,
        wants: Condition,
        snapshot: Callable[[], bytes],
        last_seen: int | None,
        at_us: int = 0,
        sight: Sight = Sight.EXACT,
    ) -> Subscription:
        """Open a subscription, resumed after `last_seen`; where that cannot be, it starts with `reset` and snapshot."""
        missed = None if last_seen is None else self.missed_since(last_seen, sight)
        if missed is not None:
            frames = [event.seen(sight) for event in missed if wants(event.subject)]
        else:
            number = self._number_now(sight, at_us)
            reset = [] if last_seen is None else [frame("reset", number, b"{}")]
            frames = [*reset, frame("snapshot", number, snapshot())]
        subscription = Subscription(wants, iter(frames), sight)
        self._subscriptions.add(subscription)
        return subscription

    def _number_now(self, sight: Sight, at_us: int) -> int:
        """Number the present moment, after all that has happened."""
        self.last_id = max(self.last_id, at_us)
        self.last_coarse_id = max(self.last_coarse_id, at_us)
        return self.last_id if sight is Sight.EXACT else self.last_coarse_id

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
        self._first_id = self.last_coarse_id = self.last_id
        self._window.clear()

    def end(self) -> None:
        """Close every subscription."""
        for subscription in self._subscriptions:
            subscription.end()
        self._subscriptions.clear()
