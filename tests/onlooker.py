"""Asks again and again what is shown, and compares it with what might have been, as a reference reader has it."""

import threading
import time
from collections.abc import Callable
from typing import Self

from perch.chaos.listener import Listener

LAG_S = 1.0
"""On a busy machine the listener may hear so much later than the API that it is compared with."""


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
            asked_s = time.monotonic()
            shown = self._ask()
            self.seen.append((asked_s, shown))

    def overdue_s(self, listener: Listener, grace_s: float) -> dict[str, float]:
        """Give for how long spaces were shown free that were not, nor had been within the grace; {} is right."""
        overdue: dict[str, float] = {}
        for (asked_s, shown), (until_s, _) in zip(self.seen, self.seen[1:], strict=False):
            for space, state in shown.items():
                if state == "free" and not _was_free(listener, space, asked_s, grace_s):
                    overdue[space] = overdue.get(space, 0) + until_s - asked_s
        return overdue


def _was_free(listener: Listener, space: str, at_s: float, grace_s: float) -> bool:
    begin_s, end_s = at_s - grace_s, at_s + LAG_S
    moments = (begin_s + step * (end_s - begin_s) / 20 for step in range(21))
    return any(listener.state_at(space, moment) == "free" for moment in moments)
