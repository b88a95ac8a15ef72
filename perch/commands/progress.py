"""How far a long job has come: one line that is written over, on a terminal only, and only when it takes a while."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TextIO, TypeVar

T = TypeVar("T")

FIRST_S, EVERY_S = 1.0, 0.2
LOOK_EACH = 1_024


class Progress:
    """Writes to `stream` if it is a terminal; a context manager that leaves no trace of its line."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._due_s = clock() + FIRST_S
        self._width = 0
        self._is_shown = self._stream.isatty()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._write("")

    def say(self, text: str) -> None:
        """Show a line at once."""
        self._write(text)

    def counted(self, items: Iterable[T], total: int, what: str, look_each: int = LOOK_EACH) -> Iterator[T]:
        """Pass items on, and show now and then how many of `total` have passed."""
        for number, item in enumerate(items):
            if number % look_each == 0 and self._clock() >= self._due_s:
                self._due_s = self._clock() + EVERY_S
                self._write(f"{100 * number // max(total, 1)} % of {total:,} {what}")
            yield item

    def show_bytes(self, done: int, total: int) -> None:
        """Show now and then how many of so many bytes are done."""
        if self._clock() >= self._due_s:
            self._due_s = self._clock() + EVERY_S
            self._write(f"{100 * done // max(total, 1)} % of {total / 2**20:,.0f} MiB")

    def _write(self, text: str) -> None:
        if not self._is_shown or not (text or self._width):
            return
        self._stream.write(f"\r{text.ljust(self._width)}" + ("" if text else "\r"))
        self._stream.flush()
        self._width = len(text)
