"""From words to sheets: what all series of a site tell of some days, in arrays over all of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from perch.history.layout import Tenure
from perch.history.sheets import CODES, NOTHING, OUT, SILENT, Bytes, Flags, Sheet
from perch.history.source import BEGINNING_MS, END_MS, HistorySource, Integers
from perch.history.timeline import Timeline
from perch.history.together import HeldTogether, Window, hold_together
from perch.model import DAY_MS


def fold(
    site: str, spoken: Sequence[tuple[int, Tenure]], first_day: int, last_day: int, source: HistorySource
) -> list[Sheet]:
    """Put what some series tell of the days from the first to the last (exclusive) on sheets."""
    window = Window(first_day * DAY_MS, last_day * DAY_MS)
    held = hold_together(site, [(of, window.from_ms, window.to_ms) for _, of in spoken], source)
    numbers = np.array([number for number, _ in spoken], dtype=np.int64)
    told = _told(held, window, len(spoken))
    return [_sheet(day, told, numbers) for day in range(first_day, last_day)]


def for_ever(agent: str, space: str) -> Tenure:
    """Let an agent serve a space for ever."""
    return Tenure(space, agent, BEGINNING_MS, END_MS)


class _Told(NamedTuple):
    """What all places were over a window: their steps by key, the changes by time, and what is behind them."""

    window: Window
    places: int
    of: Timeline
    code: Bytes
    stated_keys: Integers
    held: HeldTogether
    time_ms: Integers
    place: Integers
    turn: Bytes
    before: Integers
    after: Integers


def _told(held: HeldTogether, window: Window, places: int) -> _Told:
    of = held.timeline(window)
    code = (of.state + OUT * of.out + SILENT * of.silent).astype(np.uint8)
    count = np.where(of.state == NOTHING, -1, of.count)
    of = Timeline(of.start_ms, of.state, count, of.out, of.silent)
    place, offset = np.divmod(of.start_ms, window.stride)
    changed = np.append(False, (code[1:] != code[:-1]) | (count[1:] != count[:-1]))
    changed &= (offset > 1) & (offset < window.stride - 1)
    at = np.flatnonzero(changed)
    at = at[np.argsort(offset[at], kind="stable")]
    return _Told(
        window,
        places,
        of,
        code,
        window.key(held.place, held.rows.time_ms),
        held,
        window.from_ms + offset[at] - 1,
        place[at],
        (code[at - 1] * CODES + code[at]).astype(np.uint8),
        count[at - 1],
        count[at],
    )


def _sheet(day: int, told: _Told, numbers: Integers) -> Sheet:
    start_ms = day * DAY_MS
    all_places = np.arange(told.places)
    keys = told.window.key(all_places, np.full(told.places, start_ms))
    at = np.searchsorted(told.of.start_ms, keys, side="right") - 1
    code, count = told.code[at], told.of.count[at]
    first, last = np.searchsorted(told.time_ms, (start_ms + 1, start_ms + DAY_MS)).tolist()
    place = told.place[first:last]
    speaks = code != NOTHING
    speaks[place] = True
    chosen = np.flatnonzero(speaks)
    number_of = np.cumsum(speaks) - 1
    before, after = told.before[first:last], told.after[first:last]
    counted = bool((before >= 0).any() or (after >= 0).any())
    return Sheet(
        day,
        numbers[chosen],
        code[chosen],
        count[chosen],
        _since(told, keys)[chosen],
        _lent(told, start_ms)[chosen],
        told.time_ms[first:last] - start_ms,
        number_of[place],
        told.turn[first:last],
        before if counted else None,
        after if counted else None,
    )


def _since(told: _Told, keys: Integers) -> Integers:
    """Say of each place when what holds at a moment was stated."""
    since_ms = np.full(told.places, BEGINNING_MS)
    if len(told.stated_keys):
        at = np.searchsorted(told.stated_keys, keys, side="right") - 1
        own = (at >= 0) & (told.held.place[np.maximum(at, 0)] == np.arange(told.places))
        since_ms[own] = told.held.rows.time_ms[at[own]]
    return since_ms


def _lent(told: _Told, start_ms: int) -> Flags:
    """Say in which places some of a day is known only because the agent said so when it came back."""
    lent = np.zeros(told.places, dtype=np.bool_)
    rows = told.held.rows
    if len(rows):
        vouched_ms = np.array([vouch.until_ms for vouch in rows.vouches], dtype=np.int64)[rows.epoch]
        begins_ms = np.maximum(vouched_ms, rows.time_ms)
        borrowed = (told.held.until_ms > vouched_ms) & (told.held.until_ms > start_ms)
        lent[told.held.place[borrowed & (begins_ms < start_ms + DAY_MS)]] = True
    return lent
