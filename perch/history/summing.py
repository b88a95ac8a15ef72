"""From words to quarter hours: what all series of a site were for how long, on a day whose words are to go."""

from collections.abc import Sequence

import numpy as np

from perch.history.layout import Tenure
from perch.history.source import OCCUPIED, HistorySource
from perch.history.summed import FAR, NEVER, QUARTERS, Flags, Integers, QuarterSums
from perch.history.timeline import Timeline
from perch.history.together import HeldTogether, Window, hold_together
from perch.model import DAY_MS, QUARTER_MS


def sum_up(site: str, spoken: Sequence[tuple[int, Tenure]], day: int, source: HistorySource) -> QuarterSums:
    """Sum up what some series tell of a UTC day; those of which nothing is known are left out."""
    window = Window(day * DAY_MS, (day + 1) * DAY_MS)
    held = hold_together(site, [(of, window.from_ms, window.to_ms) for _, of in spoken], source)
    of, places = held.timeline(window), np.arange(len(spoken))
    bounds = _bounds(window, places)
    occupied_ms, known_ms, out_ms, counted_ms = (_by_quarter(column) for column in of.spent(bounds.ravel()))
    chosen = np.flatnonzero((known_ms.any(axis=1)) | (out_ms.any(axis=1)))
    stated, before, after = _words(held, day, len(spoken))
    return QuarterSums(
        day,
        np.array([number for number, _ in spoken], dtype=np.int64)[chosen],
        occupied_ms[chosen],
        known_ms[chosen],
        out_ms[chosen],
        counted_ms[chosen],
        stated[chosen],
        _lent(held, day, len(spoken))[chosen],
        before[chosen],
        after[chosen],
        *_counts(of, window, chosen),
    )


def _bounds(window: Window, places: Integers) -> Integers:
    """Give the keys of the 97 bounds of the quarter hours of some places."""
    quarters_ms = np.arange(window.from_ms, window.to_ms + 1, QUARTER_MS, dtype=np.int64)
    return window.key(places[:, np.newaxis], quarters_ms[np.newaxis, :])


def _by_quarter(spent: Integers) -> Integers:
    """Drop what lies between the last bound of a place and the first of the next."""
    return np.append(spent, 0).reshape(-1, QUARTERS + 1)[:, :QUARTERS]


def _words(held: HeldTogether, day: int, places: int) -> tuple[Flags, Integers, Integers]:
    """Say in which quarter hours of the day anything was stated, and when last before and first after it."""
    stated = np.zeros((places, QUARTERS), dtype=np.bool_)
    before, after = np.full(places, NEVER), np.full(places, FAR)
    quarter = held.rows.time_ms // QUARTER_MS - day * QUARTERS
    within = (quarter >= 0) & (quarter < QUARTERS)
    stated[held.place[within], quarter[within]] = True
    early, late = quarter < 0, quarter >= QUARTERS
    np.maximum.at(before, held.place[early], quarter[early] + day * QUARTERS)
    np.minimum.at(after, held.place[late], quarter[late] + day * QUARTERS)
    return stated, before, after


def _lent(held: HeldTogether, day: int, places: int) -> Flags:
    """Say in which quarter hours some is known only because the agent said so when it came back."""
    lent = np.zeros((places, QUARTERS), dtype=np.bool_)
    if not len(held.rows):
        return lent
    vouched_ms = np.array([vouch.until_ms for vouch in held.rows.vouches], dtype=np.int64)[held.rows.epoch]
    begins_ms = np.maximum(np.maximum(vouched_ms, held.rows.time_ms), day * DAY_MS)
    ends_ms = np.minimum(held.until_ms, (day + 1) * DAY_MS)
    for place in np.flatnonzero((held.until_ms > vouched_ms) & (begins_ms < ends_ms)).tolist():
        first, last = int(begins_ms[place]) // QUARTER_MS, -(-int(ends_ms[place]) // QUARTER_MS)
        lent[held.place[place], first - day * QUARTERS : last - day * QUARTERS] = True
    return lent


def _counts(of: Timeline, window: Window, chosen: Integers) -> tuple[Integers, Integers, Integers, Integers]:
    """Say how long each series of some was occupied by how many that were counted, quarter hour by quarter hour."""
    counting = (of.state == OCCUPIED) & (of.count >= 0)
    own = np.isin(chosen, np.unique(of.start_ms[counting] // window.stride))
    places, bounds = np.flatnonzero(own), _bounds(window, chosen[own])
    found: list[Integers] = [np.zeros((4, 0), dtype=np.int64)]
    for count in np.unique(of.count[counting]).tolist() if bounds.size else ():
        spent_ms = _by_quarter(of.integral(counting & (of.count == count), bounds.ravel()))
        place, quarter = np.nonzero(spent_ms)
        found.append(np.stack((places[place], quarter, np.full(len(place), count), spent_ms[place, quarter])))
    table = np.concatenate(found, axis=1)
    count_of, quarter, count, spent_ms = table[:, np.lexsort((table[2], table[1], table[0]))]
    return count_of, quarter, count, spent_ms
