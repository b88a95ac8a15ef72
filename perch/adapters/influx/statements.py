"""Asking InfluxDB for what was stated, and for the epochs that are known to have lived: questions, and their answers.

What was stated of a space is a table of integers, a row for each statement in the order in which they count. Columns
are named below; EPOCH is a number that `Epochs` gives out.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from perch.adapters.influx.line_protocol import NS_PER_MS
from perch.adapters.influx.query import Bucket, InfluxQuery
from perch.adapters.influx.writing import EARLIEST_MS, LATEST_MS, quoted
from perch.codes import DATING_CODES, REASON_CODES, STATE_CODES
from perch.history.source import NO_COUNT, Integers
from perch.model import DAY_MS, Dating, Reason, State

TIME, SEQ, EPOCH, STATE, REASON, CLOCK, THOUSANDTHS, COUNT, CARRIED, SINCE = range(10)

NO_TABLE: Integers = np.zeros((0, SINCE + 1), dtype=np.int64)

SPACE_DAYS = 7_000
"""So much is asked at once: a thousand spaces for a week, or one for twenty years."""

NAMES_AT_ONCE = 500

_FIELDS = "epoch, seq, state, reason, clock, probability, people, counted, carried, since"

Key = tuple[str, str]
"""An agent, and a space of which it states something."""


class Epochs:
    """Numbers for epochs of agents, in the order in which they are met."""

    def __init__(self) -> None:
        self.names: list[Key] = []
        self._numbers: dict[Key, int] = {}

    def __repr__(self) -> str:
        return f"<Epochs: {len(self.names)}>"

    def number(self, agent: str, epoch: str) -> int:
        """Give the number of an epoch."""
        number = self._numbers.setdefault((agent, epoch), len(self.names))
        if number == len(self.names):
            self.names.append((agent, epoch))
        return number

    def known(self, agent: str, epoch: str) -> int | None:
        """Give the number of an epoch that was met before."""
        return self._numbers.get((agent, epoch))


class Question(NamedTuple):
    """What to ask about a site: questions to one InfluxDB, answered with epochs by number."""

    query: InfluxQuery
    site: str
    epochs: Epochs

    def stated(self, keys: Collection[Key], from_ms: int, to_ms: int) -> dict[Key, Integers]:
        """Give what was stated in [from_ms, to_ms), with what is carried there at the beginning of days."""
        found: dict[Key, list[Integers]] = {}
        wanted = set(keys)
        for names in _in_parts(sorted({space for _, space in wanted})):
            for start_ms, end_ms in self._pieces(len(names), from_ms, to_ms):
                where = f"{_one_of('space', names)} AND {_between(start_ms, end_ms)}"
                for key, table in self._tables(where, ""):
                    if key in wanted:
                        found.setdefault(key, []).append(table)
        return {key: np.concatenate(tables) for key, tables in found.items()}

    def last_before(self, keys: Collection[Key], before_ms: int) -> dict[Key, Integers]:
        """Give the last statement of each before a moment."""
        return self._single(keys, f"carried = 0 AND {_between(EARLIEST_MS, before_ms)}", "DESC")

    def first_after(self, keys: Collection[Key], from_ms: int) -> dict[Key, Integers]:
        """Give the first statement of each from a moment on, and beside it one that its agent had been offline."""
        later = _between(from_ms, LATEST_MS)
        found = self._single(keys, f"carried = 0 AND {later}", "ASC")
        offline = self._single(keys, f"carried = 0 AND reason = '{Reason.AGENT_OFFLINE}' AND {later}", "ASC")
        for key, table in offline.items():
            first = found.get(key, table)
            if table[0, TIME] == first[0, TIME] and (table != first).any():
                found[key] = np.concatenate((first, table))
        return found

    def marks(self, agents: Collection[str], from_ms: int, to_ms: int) -> Iterator[tuple[int, int]]:
        """Give the numbers of epochs that were met, and when they are known to have lived in [from_ms, to_ms)."""
        for agent, values in self._alive("epoch", agents, from_ms, to_ms):
            for ns, epoch in values:
                number = self.epochs.known(agent, epoch)
                if number is not None:
                    yield number, ns // NS_PER_MS

    def alive_after(self, agents: Collection[str], from_ms: int) -> Iterator[int]:
        """Give the numbers of epochs that were met and are known to have lived at a moment or later."""
        for agent, values in self._alive("DISTINCT(epoch)", agents, from_ms, LATEST_MS):
            for _, epoch in values:
                number = self.epochs.known(agent, epoch)
                if number is not None:
                    yield number

    def edges(self, measurement: str, field: str, from_ms: int, to_ms: int) -> tuple[int, int] | None:
        """Give when the first and the last row of a site are in [from_ms, to_ms); None where there is none."""
        ask = f"SELECT {field} FROM {measurement} WHERE {self._at_site} AND {_between(from_ms, to_ms)} ORDER BY time"  # noqa: S608
        found = [self.query.rows(f"{ask} {order} LIMIT 1", Bucket.SPACES) for order in ("ASC", "DESC")]
        if not all(found):
            return None
        first_ms, last_ms = (int(rows[0]["time"]) // NS_PER_MS for rows in found)
        return first_ms, last_ms

    def _single(self, keys: Collection[Key], where: str, order: str) -> dict[Key, Integers]:
        wanted, then = set(keys), f" ORDER BY time {order} LIMIT 1"
        return {
            key: table
            for names in _in_parts(sorted({space for _, space in wanted}))
            for key, table in self._tables(f"{_one_of('space', names)} AND {where}", then)
            if key in wanted
        }

    def _tables(self, where: str, then: str) -> Iterator[tuple[Key, Integers]]:
        influxql = f"SELECT {_FIELDS} FROM statement WHERE {self._at_site} AND {where} GROUP BY agent, space{then}"  # noqa: S608
        for series in self.query.series(influxql, Bucket.SPACES):
            agent, space = series["tags"]["agent"], series["tags"]["space"]
            yield (agent, space), self._table(agent, series["values"])

    def _table(self, agent: str, values: Sequence[Sequence[Any]]) -> Integers:
        """Make a table of rows as they are in an answer: the time, and the fields in their order."""
        ns, epoch, seq, state, reason, clock, probability, people, counted, carried, since = zip(*values, strict=True)
        counts = np.where(np.array(counted) == 1, np.array(people, dtype=np.int64), NO_COUNT)
        numbers = {name: self.epochs.number(agent, name) for name in dict.fromkeys(epoch)}
        columns = (
            np.array(ns, dtype=np.int64) // NS_PER_MS,
            seq,
            [numbers[name] for name in epoch],
            [_STATES[name] for name in state],
            [_REASONS[name] for name in reason],
            [_DATINGS[name] for name in clock],
            np.rint(np.array(probability, dtype=np.float64) * 1000),
            *(counts, carried, since),
        )
        return np.stack([np.asarray(column).astype(np.int64) for column in columns], axis=1)

    def _alive(
        self, fields: str, agents: Collection[str], from_ms: int, to_ms: int
    ) -> Iterator[tuple[str, Sequence[Sequence[Any]]]]:
        for names in _in_parts(sorted(agents)):
            where = f"{self._at_site} AND {_one_of('agent', names)} AND {_between(from_ms, to_ms)}"
            influxql = f"SELECT {fields} FROM alive WHERE {where} GROUP BY agent"  # noqa: S608 - quoted
            for series in self.query.series(influxql, Bucket.SPACES):
                yield series["tags"]["agent"], series["values"]

    def _pieces(self, spaces: int, from_ms: int, to_ms: int) -> Iterator[tuple[int, int]]:
        """Cut a window so that no answer is too long; of a long one only what lies between first and last statement."""
        piece_ms = max(SPACE_DAYS // spaces, 1) * DAY_MS
        if to_ms - from_ms > piece_ms:
            edges = self.edges("statement", "seq", EARLIEST_MS, LATEST_MS)
            if edges is None:
                return
            from_ms, to_ms = max(from_ms, edges[0]), min(to_ms, edges[1] + 1)
        for start_ms in range(from_ms, to_ms, piece_ms):
            yield start_ms, min(start_ms + piece_ms, to_ms)

    @property
    def _at_site(self) -> str:
        return f'"site" = {quoted(self.site)}'


_STATES: Mapping[str, int] = {name.value: STATE_CODES[name] for name in State}
_REASONS: Mapping[str, int] = {name.value: REASON_CODES[name] for name in Reason}
_DATINGS: Mapping[str, int] = {name.value: DATING_CODES[name] for name in Dating}


def _between(from_ms: int, to_ms: int) -> str:
    first_ns, end_ns = (min(max(ms, EARLIEST_MS), LATEST_MS) * NS_PER_MS for ms in (from_ms, to_ms))
    return f"time >= {first_ns} AND time < {end_ns}"


def _one_of(tag: str, names: Sequence[str]) -> str:
    """Ask for tags that are ids, in which nothing has to be escaped."""
    return f'"{tag}" = {quoted(names[0])}' if len(names) == 1 else f'"{tag}" =~ /^({"|".join(names)})$/'


def _in_parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[start : start + NAMES_AT_ONCE] for start in range(0, len(names), NAMES_AT_ONCE))
