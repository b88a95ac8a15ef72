"""Words of a journal (ids of spaces and boots) and their numbers, and which streams mention them."""

import sqlite3
from collections.abc import Iterable

from perch.adapters.journal.codec import Kept
from perch.contract import StateEvent

STREAMS_REMEMBERED = 5_000


class Words(dict[str, int]):
    """Numbers of words, and back; a new word gets the next number, and is `fresh` until it is committed."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.texts: dict[int, str] = dict(db.execute("SELECT word, text FROM word"))
        super().__init__((text, number) for number, text in self.texts.items())
        (last,) = db.execute("SELECT last_word FROM journal").fetchone() or (0,)
        self.last = max(last, *self.texts, 0)
        self.fresh: list[tuple[int, str]] = []

    def __missing__(self, text: str) -> int:
        self.last += 1
        number = self[text] = self.last
        self.texts[number] = text
        self.fresh.append((number, text))
        return number


class Mentions:
    """Which words each stream mentions, as far as it was asked lately; noted once for each stream and word."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._known: dict[int, set[int]] = {}

    def note(self, stream: int, boot: str, events: Iterable[Kept], words: Words) -> None:
        """Note what a run of a stream mentions, within a transaction."""
        known = self._known.get(stream)
        if known is None:
            if len(self._known) > STREAMS_REMEMBERED:
                self._known.clear()
            known = {word for (word,) in self._db.execute("SELECT word FROM mention WHERE stream = ?", (stream,))}
            self._known[stream] = known
        named = {event.space for event in events if type(event) is StateEvent}
        new = {words[boot], *map(words.__getitem__, named)} - known
        if new:
            self._db.executemany("INSERT INTO mention VALUES (?, ?)", [(stream, word) for word in new])
            known |= new

    def forget(self) -> None:
        """Know nothing any more but what is in the file."""
        self._known.clear()
