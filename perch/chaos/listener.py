"""Hears live states and applies the contract's live rule to them, knowing nothing but its words.

Written anew on purpose: it shares no rule with `perch.delivery`. A state may be believed until more than `valid_for_ms`
passed since its receipt or, where its `clock` is `ok`, since `sent_ms`; one that was delivered as retained not at all
where its clock is not `ok` or `sent_ms` is ahead; and none of an epoch whose newest status is offline. Moments are
monotonic seconds.
"""

import json
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

from perch.adapters.mqtt.connection import Connection, Received
from perch.settings.values import Broker

LATEST_S = 60.0
"""By so much a bad link may delay what passes through it."""

FORGOTTEN_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Said:
    """A state of a space, as this listener heard it.

    `heard_s` is its receipt, `fresh_s` that of the newest one that was not retained, `ends_s` when it may no longer be
    believed, and `late_s` when the last of all states so far may no longer be, by one whom they reach late.
    """

    agent: str
    epoch: str
    state: str
    heard_s: float
    fresh_s: float
    ends_s: float
    late_s: float


@dataclass(frozen=True, slots=True)
class Presence:
    """A status of an epoch of an agent."""

    heard_s: float
    online: bool


Word = TypeVar("Word", Said, Presence)


class Listener:
    """Hears all states and statuses of a site, and keeps what it heard in the last so many seconds.

    `backlog` holds for each agent its newest epoch, how many events it has to deliver, and when it said so.
    """

    def __init__(self, broker: Broker, site: str, client_id: str, keep_s: float = float("inf")) -> None:
        self._keep_s = keep_s
        self._said: dict[str, list[Said]] = {}
        self._presence: dict[tuple[str, str], list[Presence]] = {}
        self._lock = threading.Lock()
        self.backlog: dict[str, tuple[str, int, float]] = {}
        self.longest_s = 0.0
        self.up_since_s = float("inf")
        topics = [f"perch/v1/{site}/+/state/+", f"perch/v1/{site}/+/status"]
        self._connection = Connection(
            broker, client_id, subscriptions=topics, on_message=self._hear, on_connection=self._linked
        )

    def __repr__(self) -> str:
        return f"<Listener, {len(self._said)} spaces heard>"

    def __enter__(self) -> Self:
        self.start()
        self._connection.ready(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Connect."""
        self._connection.start()

    def stop(self) -> None:
        """Disconnect."""
        self._connection.stop(1.0)

    def newest(self, space: str) -> Said | None:
        """Give the newest state of a space, None where nothing was heard."""
        with self._lock:
            said = self._said.get(space)
            return said[-1] if said else None

    def offline_since_s(self, agent: str, epoch: str) -> float | None:
        """Give since when an epoch's newest statuses say that it is offline, None where they do not."""
        with self._lock:
            since_s: float | None = None
            for presence in reversed(self._presence.get((agent, epoch), ())):
                if presence.online:
                    break
                since_s = presence.heard_s
            return since_s

    def state_at(self, space: str, at_s: float) -> str:
        """Say what a space may have been shown as at a moment that is not forgotten yet."""
        with self._lock:
            said = _last(self._said.get(space, ()), at_s)
            if said is None or at_s >= said.ends_s:
                return "unknown"
            presence = _last(self._presence.get((said.agent, said.epoch), ()), at_s)
            return "unknown" if presence is not None and not presence.online else said.state

    def _linked(self, up: bool) -> None:
        self.up_since_s = time.monotonic() if up else float("inf")

    def _hear(self, received: Received) -> None:
        """Take in a message, on the connection's thread; what cannot be read was sent to annoy."""
        parts = received.topic.split("/")
        try:
            told = json.loads(received.payload)
            with self._lock:
                if parts[4] == "status":
                    self._hear_status(parts[3], told)
                else:
                    self._hear_state(parts[3], parts[5], told, received.retained)
        except (ValueError, KeyError, TypeError, IndexError, RecursionError):
            return

    def _hear_status(self, agent: str, told: dict[str, object]) -> None:
        now_s, epoch, online = time.monotonic(), str(told["epoch"]), told["online"] is True
        if online:
            outbox = told.get("outbox", -1)
            self.backlog[agent] = (epoch, outbox if isinstance(outbox, int) else -1, now_s)
        self._keep(self._presence.setdefault((agent, epoch), []), Presence(now_s, online))

    def _hear_state(self, agent: str, space: str, told: dict[str, object], retained: bool) -> None:
        now_s, wall_ms = time.monotonic(), time.time_ns() // 1_000_000
        valid_ms, sent_ms = told["valid_for_ms"], told["sent_ms"]
        if not isinstance(valid_ms, int) or not isinstance(sent_ms, int) or told["v"] != 1:
            return
        self.longest_s = max(self.longest_s, valid_ms / 1000)
        dated = told["clock"] == "ok"
        since_heard_s = now_s if retained and (not dated or sent_ms > wall_ms) else now_s + valid_ms / 1000
        since_sent_s = now_s + (sent_ms + valid_ms - wall_ms) / 1000 if dated else float("inf")
        kept = self._said.setdefault(space, [])
        before = kept[-1] if kept else None
        said = Said(
            agent,
            str(told["epoch"]),
            str(told["state"]),
            heard_s=now_s,
            fresh_s=now_s if not retained else before.fresh_s if before else 0.0,
            ends_s=max(now_s, min(since_heard_s, since_sent_s)),
            late_s=max(before.late_s if before else 0.0, min(since_sent_s, now_s + valid_ms / 1000 + LATEST_S)),
        )
        self._keep(kept, said)

    def _keep(self, words: list[Word], word: Word) -> None:
        """Keep a word, and forget those that nobody may ask for any more."""
        words.append(word)
        gone = bisect_left(words, word.heard_s - self._keep_s, key=lambda one: one.heard_s)
        if gone > FORGOTTEN_AT_ONCE:
            del words[: gone - 1]


def _last(words: Sequence[Word], at_s: float) -> Word | None:
    place = bisect_right(words, at_s, key=lambda one: one.heard_s)
    return words[place - 1] if place else None
