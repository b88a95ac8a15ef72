"""What is booked, from the calendars of a site's spaces: read when it is asked for, and never written anywhere."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from perch.adapters.bookings.calendar_fetch import fetch
from perch.adapters.bookings.calendar_times import MOST_BYTES, times_in
from perch.errors import PerchError
from perch.history.asked import Booking, Bookings
from perch.history.definitions import OF_BOOKINGS
from perch.history.question import Question
from perch.model import DAY_MS, BookingFeed, Site

KEPT_S = 600.0
"""For so long what a calendar said of a window is good for the next question."""

MOST_KEPT = 1_000
AT_ONCE = 4


class Booked(NamedTuple):
    """Bookings by space, and what is wrong with the calendars that could not be read, in sentences."""

    bookings: Bookings
    troubles: tuple[str, ...]


class _Read(NamedTuple):
    bookings: Sequence[Booking]
    trouble: str
    read_s: float


class BookingFeeds:
    """Reads calendars and remembers their times for a while; any thread may ask."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, fetch_url: Callable[[str], bytes] = fetch) -> None:
        self._clock = clock
        self._fetch = fetch_url
        self._turn = Lock()
        self._kept: dict[tuple[BookingFeed, str, int, int], _Read] = {}

    def __repr__(self) -> str:
        return f"<BookingFeeds, {len(self._kept)} windows kept>"

    def booked_for(self, question: Question, site: Site) -> Booked:
        """Give the bookings that a question needs: none, and no calendar is read, unless its metric is of bookings."""
        if question.metric not in OF_BOOKINGS:
            return Booked({}, ())
        return self.booked(site, question.from_ms, question.to_ms)

    def booked(self, site: Site, from_ms: int, to_ms: int) -> Booked:
        """Give the bookings that begin within a day of [from_ms, to_ms), so that nobody else's follow unseen.

        A calendar that cannot be read leaves its space out.
        """
        from_ms, to_ms = from_ms - DAY_MS, to_ms + DAY_MS
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(lambda feed: self._read(feed, site.time_zone, from_ms, to_ms), site.bookings))
        read = list(zip(site.bookings, answers, strict=True))
        return Booked(
            {feed.space: of.bookings for feed, of in read if not of.trouble},
            tuple(f"The calendar of {feed.space} is left out: {of.trouble}." for feed, of in read if of.trouble),
        )

    def _read(self, feed: BookingFeed, time_zone: str, from_ms: int, to_ms: int) -> _Read:
        key = feed, time_zone, from_ms, to_ms
        now_s = self._clock()
        with self._turn:
            known = self._kept.get(key)
        if known is not None and now_s - known.read_s < KEPT_S:
            return known
        try:
            read = _Read(times_in(self._body(feed), from_ms, to_ms, time_zone), "", now_s)
        except PerchError as error:
            read = _Read((), error.sentence, now_s)
        with self._turn:
            self._kept[key] = read
            while len(self._kept) > MOST_KEPT:
                del self._kept[next(iter(self._kept))]
        return read

    def _body(self, feed: BookingFeed) -> bytes:
        if feed.url is not None:
            return self._fetch(feed.url)
        try:
            with Path(feed.file or "").open("rb") as file:
                return file.read(MOST_BYTES + 1)
        except OSError as error:
            remedy = "check the path in site.toml, and who may read the file"
            raise PerchError(f"its file cannot be read ({error.strerror})", remedy) from None
