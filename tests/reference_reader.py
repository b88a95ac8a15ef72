"""A plain reader of live states: the contract's live rule, written down once more from its sentence alone.

It shares no code with `perch.delivery`. Everything heard is kept with its moment, so that one can ask afterwards what
might have been shown at any time.
"""

import json
import threading
import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from perch.adapters.mqtt import Connection, Received
from perch.settings import Broker

LAG_MS = 1_000
"""On a busy machine this reader may hear so much later than the API that it is compared with."""


@dataclass(frozen=True)
class Word:
    """A message with both clocks of its receipt (ms)."""

    steady_ms: float
    wall_ms: float
    retained: bool
    said: dict[str, Any]


class ReferenceReader:
    """Hears all states and statuses of a site; a context manager."""

    def __init__(self, broker: Broker, site: str = "hq") -> None:
        self._states: dict[str, list[Word]] = {}
        self._statuses: dict[tuple[str, str], list[Word]] = {}
        self._agents: dict[str, str] = {}
        topics = [f"perch/v1/{site}/+/state/+", f"perch/v1/{site}/+/status"]
        self._connection = Connection(broker, "reference-reader", subscriptions=topics, on_message=self._hear)

    def __enter__(self) -> Self:
        self._connection.start()
        self._connection.ready(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.stop(1)

    def _hear(self, message: Received) -> None:
        _, _, _, agent, channel, *space = message.topic.split("/")
        word = Word(steady_ms(), time.time() * 1000, message.retained, json.loads(message.payload))
        if channel == "status":
            self._statuses.setdefault((agent, word.said["epoch"]), []).append(word)
        else:
            self._agents[space[0]] = agent
            self._states.setdefault(space[0], []).append(word)

    def state_at(self, space: str, at_ms: float) -> str:
        """Say what a space may have been shown as at a moment (steady ms)."""
        word = _last(self._states.get(space, []), at_ms)
        if word is None:
            return "unknown"
        said = word.said
        now_wall_ms = word.wall_ms + (at_ms - word.steady_ms)
        if at_ms - word.steady_ms > said["valid_for_ms"]:
            return "unknown"
        if said["clock"] == "ok" and now_wall_ms - said["sent_ms"] > said["valid_for_ms"]:
            return "unknown"
        if word.retained and (said["clock"] != "ok" or said["sent_ms"] > word.wall_ms):
            return "unknown"
        status = _last(self._statuses.get((self._agents[space], said["epoch"]), []), at_ms)
        if status is not None and not status.said["online"]:
            return "unknown"
        return str(said["state"])


def _last(words: list[Word], at_ms: float) -> Word | None:
    place = bisect_right(words, at_ms, key=lambda word: word.steady_ms)
    return words[place - 1] if place else None


def steady_ms() -> float:
    """Read the clock on which moments are told."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) * 1000


class Onlooker:
    """Asks again and again what is shown, until the end of its context, and keeps what was called free when."""

    def __init__(self, ask: Callable[[], dict[str, str]]) -> None:
        self._ask = ask
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="onlooker")
        self.seen: list[tuple[float, dict[str, str]]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stop.wait(0.03):
            asked_ms = steady_ms()
            shown = self._ask()
            self.seen.append((asked_ms, shown))

    def overdue_ms(self, reader: ReferenceReader, grace_ms: float) -> dict[str, float]:
        """Give for how long spaces were shown free that were not, nor had been within the grace; {} is right."""
        overdue: dict[str, float] = {}
        for (asked_ms, shown), (until_ms, _) in zip(self.seen, self.seen[1:], strict=False):
            for space, state in shown.items():
                if state == "free" and not _was_free(reader, space, asked_ms, grace_ms):
                    overdue[space] = overdue.get(space, 0) + until_ms - asked_ms
        return overdue


def _was_free(reader: ReferenceReader, space: str, at_ms: float, grace_ms: float) -> bool:
    begin_ms, end_ms = at_ms - grace_ms, at_ms + LAG_MS
    moments = (begin_ms + step * (end_ms - begin_ms) / 20 for step in range(21))
    return any(reader.state_at(space, moment) == "free" for moment in moments)
