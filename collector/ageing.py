"""When what history keeps is too old: by the clock of the journal itself, so that a rebuild comes to the same.

A moment has passed once an agent with a set clock said so and the collector's own clock agreed: of one clock that is
years ahead nothing is let go of.
"""

from collections.abc import Callable, Iterator, Sequence

from perch.adapters.journal.store import Entry
from perch.contract import AliveEvent, StateEvent
from perch.model import DAY_MS, Clock
from perch.settings import Retention

FOR_EVER = Retention(transitions_days=0, quarter_hours_days=0)

ALL_DAYS = -(2**31)
"""Before every day that can be named."""


def boundaries(
    entries: Sequence[Entry], retention: Retention, kept_from: Callable[[], int | None]
) -> Iterator[tuple[int, int, int]]:
    """Name the places of entries that show that words before a day, and sums before another, are too old.

    Days are UTC's, since 1970; those before which words are kept no more already are not named again.
    """
    if not retention.transitions_days or not entries:
        return
    found = kept_from()
    kept = ALL_DAYS if found is None else found
    if max(entry.received_ms for entry in entries) // DAY_MS - retention.transitions_days <= kept:
        return
    for place, entry in enumerate(entries):
        today = _passed_ms(entry) // DAY_MS
        if today - retention.transitions_days > kept:
            kept = today - retention.transitions_days
            yield place, kept, _before(today, retention.quarter_hours_days)


def _before(today: int, days: int) -> int:
    return today - days if days else ALL_DAYS


def _passed_ms(entry: Entry) -> int:
    """Give a moment that has surely passed."""
    event = entry.event
    if isinstance(event, StateEvent | AliveEvent) and event.clock is Clock.OK:
        return min(event.wall_ms, entry.received_ms)
    return ALL_DAYS * DAY_MS
