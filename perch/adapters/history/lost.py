"""How far one must read in `history.db` where spans were lost: back, and on, to what lies in none of them.

A statement that no lost span of its agent swallows counts, and unless one begins in its very millisecond, nothing
before it shows behind it: that moment *decides*. So a stretch is answered by what lies between the last such moment
before it and the first one after it. A period that was erased of a space is such a span, of that space alone.
"""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from perch.adapters.history import file
from perch.adapters.history.chunks import ROW_BYTES, chunks_of, rank, time_in
from perch.codes import DATING_CODES, DATINGS
from perch.history.source import BEGINNING_MS, END_MS, Stretch
from perch.history.told import LostSpan
from perch.model import Dating

Key = tuple[str, str, str]
"""A site, an agent, and a space."""

OF_ERASED = ""
"""Stands for the epoch of which an erased period would be."""


class Losers(NamedTuple):
    """Agents of a site that ever lost anything, and spaces of which anything was erased."""

    agents: frozenset[str]
    spaces: frozenset[str]

    def may_lack(self, of: Stretch) -> bool:
        """Tell whether anything of a stretch may be lost."""
        return of.agent in self.agents or of.space in self.spaces


class Around(NamedTuple):
    """Which rows answer a stretch (ms, both inclusive), and which lost spans are among and around them."""

    first_ms: int
    last_ms: int
    lost: tuple[LostSpan, ...]


def losers(db: sqlite3.Connection, site: str) -> Losers:
    """Name those of a site of which anything may be lost."""
    agents = db.execute("SELECT DISTINCT agent FROM lost WHERE site = ?", (site,)).fetchall()
    spaces = db.execute("SELECT DISTINCT space FROM erased WHERE site = ?", (site,)).fetchall()
    return Losers(frozenset(agent for (agent,) in agents), frozenset(space for (space,) in spaces))


def around(db: sqlite3.Connection, site: str, series: int | None, of: Stretch) -> Around:
    """Find what answers a stretch of an agent that lost spans, as the law of `read` has it."""
    agent = (site, of.agent, of.space)
    first_ms, earliest_ms = _back(db, agent, series, of.from_ms)
    last_ms, latest_ms = _on(db, agent, series, of.to_ms)
    return Around(first_ms, last_ms, _meeting(db, agent, earliest_ms, latest_ms))


def needed_from(db: sqlite3.Connection, of: Key, series: int, ms: int) -> int:
    """Say from when on rows of a series are needed by whoever reads from a moment on: what holds then, and later."""
    stated_ms = _stated_before(db, series, ms)
    if stated_ms is None:
        return ms
    decided_ms = _decided_before(db, of, series, ms)
    return stated_ms if decided_ms is None else decided_ms


def _back(db: sqlite3.Connection, agent: Key, series: int | None, ms: int) -> tuple[int, int]:
    """Say from when on rows, and from when on lost spans, decide what holds at a moment."""
    if series is None or _stated_before(db, series, ms) is None:
        begun_ms = _of_lost(db, "max(from_ms)", agent, "from_ms < ?1", ms)
        return ms, ms if begun_ms is None else begun_ms
    decided_ms = _decided_before(db, agent, series, ms)
    return (BEGINNING_MS, BEGINNING_MS) if decided_ms is None else (decided_ms, decided_ms)


def _on(db: sqlite3.Connection, agent: Key, series: int | None, ms: int) -> tuple[int, int]:
    """Say up to when rows, and up to when lost spans, tell how long what is stated before a moment holds."""
    if series is None or _stated_from(db, series, ms) is None:
        next_ms = _of_lost(db, "min(from_ms)", agent, "from_ms >= ?1", ms)
        return ms - 1, ms - 1 if next_ms is None else next_ms
    decided_ms = _decided_from(db, agent, series, ms)
    return (END_MS, END_MS) if decided_ms is None else (decided_ms, decided_ms)


def _decided_before(db: sqlite3.Connection, agent: Key, series: int, ms: int) -> int | None:
    """Give the last moment before another that decides."""
    while (stated_ms := _stated_before(db, series, ms)) is not None:
        spans = _meeting(db, agent, stated_ms, stated_ms)
        if _decides(db, series, stated_ms, spans):
            break
        begun_ms = min(span.from_ms for span in spans)
        ms = begun_ms + 1 if begun_ms < stated_ms else stated_ms
    return stated_ms


def _decided_from(db: sqlite3.Connection, agent: Key, series: int, ms: int) -> int | None:
    """Give the first moment from another on that decides."""
    while (stated_ms := _stated_from(db, series, ms)) is not None:
        spans = _meeting(db, agent, stated_ms, stated_ms)
        if _decides(db, series, stated_ms, spans):
            break
        over_ms = max(span.to_ms for span in spans)
        ms = over_ms if over_ms > stated_ms else stated_ms + 1
    return stated_ms


def _stated_before(db: sqlite3.Connection, series: int, ms: int) -> int | None:
    for key, body in reversed(chunks_of(db, series, ms, ms)):
        week_ms = file.week_start_ms(key)
        if place := rank(body, ms - week_ms):
            return week_ms + time_in(body, place - 1)
    return None


def _stated_from(db: sqlite3.Connection, series: int, ms: int) -> int | None:
    for key, body in chunks_of(db, series, ms, ms):
        week_ms = file.week_start_ms(key)
        place = rank(body, ms - week_ms)
        if place * ROW_BYTES < len(body):
            return week_ms + time_in(body, place)
    return None


def _decides(db: sqlite3.Connection, series: int, ms: int, spans: Sequence[LostSpan]) -> bool:
    """Tell whether a moment at which something was stated decides, with the lost spans that meet it."""
    if any(span.from_ms == ms for span in spans) or not any(span.to_ms == ms for span in spans):
        return not spans
    (body,) = (body for key, body in chunks_of(db, series, ms, ms) if key == file.chunk_key(series, ms))
    week_ms = file.week_start_ms(file.chunk_key(series, ms))
    rows = np.frombuffer(body, dtype=file.STATE_ROW)
    for row in rows[rows["time"] == ms - week_ms]:
        (epoch,) = db.execute("SELECT id FROM epoch WHERE epoch = ?", (int(row["epoch"]),)).fetchone()
        if not any(span.swallows(ms, epoch, int(row["seq"])) for span in spans):
            return True
    return False


def _of_lost(db: sqlite3.Connection, what: str, agent: Key, where: str, ms: int) -> int | None:
    """Ask one number of an agent's lost spans; None where there are none of the kind."""
    spans = (
        "SELECT from_ms FROM lost WHERE site = ?2 AND agent = ?3"
        " UNION ALL SELECT from_ms FROM erased WHERE site = ?2 AND space = ?4"
    )
    asked = f"SELECT {what} FROM ({spans}) WHERE {where}"  # noqa: S608 - words of our own
    found: int | None = db.execute(asked, (ms, *agent)).fetchone()[0]
    return found


def _meeting(db: sqlite3.Connection, agent: Key, from_ms: int, to_ms: int) -> tuple[LostSpan, ...]:
    rows = db.execute(
        "SELECT epoch, first_seq, last_seq, from_ms, to_ms, clock FROM lost"
        " WHERE site = ?1 AND agent = ?2 AND from_ms <= ?4 AND to_ms >= ?5"
        " UNION ALL SELECT ?6, 0, 0, from_ms, to_ms, ?7 FROM erased"
        " WHERE site = ?1 AND space = ?3 AND from_ms <= ?4 AND to_ms >= ?5"
        " ORDER BY from_ms, epoch, first_seq, last_seq, to_ms, clock",
        (*agent, to_ms, from_ms, OF_ERASED, DATING_CODES[Dating.OK]),
    )
    return tuple(
        LostSpan(epoch, first, last, begun_ms, ended_ms, DATINGS[clock])
        for epoch, first, last, begun_ms, ended_ms, clock in rows
    )
