"""Where other threads leave things for the loop that owns them.

`queue.SimpleQueue.get` with a timeout is not used: interrupted by a signal close to its end it may wait for ever, as
CPython takes a negative rest of the time for none at all, and a process that is told to stop would not stop.
"""

import threading
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Mailbox(Generic[Item]):
    """A queue of any length: any thread may `put`, one thread may `take`."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._some = threading.Event()

    def __repr__(self) -> str:
        return f"<Mailbox with {len(self)} items>"

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Item) -> None:
        """Leave an item; never waits."""
        self._items.append(item)
        if not self._some.is_set():
            self._some.set()

    def take(self, wait_s: float = 0) -> Item | None:
        """Give the oldest item; None if none came within `wait_s`."""
        if not self._items:
            self._some.clear()
            if not self._items and (wait_s <= 0 or not self._some.wait(wait_s)):
                return None
        return self._items.popleft() if self._items else None
