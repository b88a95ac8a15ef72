"""Days of many desks, written as `history.db` and as the Parquet file of the same transitions, both by space and time.

On working days a desk is taken and left 21 times between eight and eight, at weekends once: 11 million transitions for
1,000 desks in a year. One agent serves 16 desks, and vouches for them each quarter hour.
"""

from collections.abc import Iterator
from datetime import time
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np

from perch.adapters.cursor import Cursor
from perch.adapters.history.store import HistoryStore
from perch.history.told import Marked, Stated, Told
from perch.model import (
    DAY_MS,
    QUARTER_MS,
    Dating,
    Floor,
    OpenSpan,
    Purpose,
    Reason,
    Site,
    Space,
    SpaceKind,
    State,
    Zone,
)

START_MS = 1_767_571_200_000
"""Monday, 5 January 2026."""
OPEN = ((OpenSpan(time(8), time(20)),),) * 7
ZONE = "Europe/Lisbon"
OPEN_MS = (8 * 3_600_000, 20 * 3_600_000)
PER_AGENT, PER_ZONE = 16, 50
VISITS, VISITS_AT_WEEKENDS = 21, 1
EPOCH = "0" * 32


class Written(NamedTuple):
    """How many transitions were written, and in how many seconds history took them in and put them on sheets."""

    transitions: int
    told_s: float
    folded_s: float


def site_of(spaces: int) -> Site:
    """Give the site."""
    desks = tuple(
        Space(
            f"d{number:05d}",
            f"D{number}",
            "f1",
            f"z{number // PER_ZONE}",
            SpaceKind.DESK,
            1,
            Purpose.SHARED,
            frozenset(),
            f"pi-{number // PER_AGENT}",
        )
        for number in range(spaces)
    )
    zones = tuple(Zone(f"z{number}", "f1", f"z{number}") for number in range(-(-spaces // PER_ZONE)))
    agents = tuple(f"pi-{number}" for number in range(-(-spaces // PER_AGENT)))
    return Site("hq", "HQ", ZONE, None, (), OPEN, (Floor("f1", "First"),), zones, agents, desks)


def write(where: Path, spaces: int, days: int) -> Written:
    """Write `history.db` and `transitions.parquet` into a folder."""
    import polars as pl

    chance, total = np.random.default_rng(1), 0
    frames, telling_s = [], 0.0
    seqs = np.zeros(-(-spaces // PER_AGENT), dtype=np.int64)
    with HistoryStore.open(where / "history.db") as store:
        store.reset("0" * 16)
        for day in range(days):
            space, ms, occupied = days_transitions(chance, spaces, day)
            total += len(ms)
            frames.append(pl.DataFrame({"space": space.astype(np.int32), "time_ms": ms, "occupied": occupied}))
            thousandths = chance.integers(0, 1001, len(ms))
            told = list(_told(space, ms, occupied, thousandths, day, seqs))
            began = perf_counter()
            store.add(told, Cursor("0" * 16, day + 1))
            telling_s += perf_counter() - began
        began = perf_counter()
        while store.fold():
            pass
        folding_s = perf_counter() - began
    pl.concat(frames).sort("space", "time_ms").write_parquet(where / "transitions.parquet")
    return Written(total, telling_s, folding_s)


def days_transitions(chance: np.random.Generator, spaces: int, day: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the transitions of a day by space and time."""
    visits = VISITS_AT_WEEKENDS if day % 7 > 4 else VISITS
    times = np.sort(chance.integers(*OPEN_MS, (spaces, 2 * visits)), axis=1) + START_MS + day * DAY_MS
    occupied = np.tile(np.arange(2 * visits) % 2 == 0, spaces)
    return np.repeat(np.arange(spaces), 2 * visits), times.ravel(), occupied


def _told(
    space: np.ndarray, ms: np.ndarray, occupied: np.ndarray, thousandths: np.ndarray, day: int, seqs: np.ndarray
) -> Iterator[Told]:
    rows = zip(space.tolist(), ms.tolist(), occupied.tolist(), thousandths.tolist(), strict=True)
    for number, time_ms, is_occupied, thousandth in rows:
        agent = number // PER_AGENT
        seqs[agent] += 1
        state, reason = (State.OCCUPIED, Reason.MOTION) if is_occupied else (State.FREE, Reason.QUIET)
        yield Stated(
            "hq",
            f"pi-{agent}",
            EPOCH,
            int(seqs[agent]),
            time_ms,
            f"d{number:05d}",
            time_ms,
            state,
            thousandth / 1000,
            None,
            reason,
            Dating.OK,
        )
    for agent in range(len(seqs)):
        for quarter in range(1, 97):
            seqs[agent] += 1
            time_ms = START_MS + day * DAY_MS + quarter * QUARTER_MS
            yield Marked("hq", f"pi-{agent}", EPOCH, int(seqs[agent]), time_ms, time_ms)
