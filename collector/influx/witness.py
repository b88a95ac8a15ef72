"""Does InfluxDB have what it says it took? A row that was just written is read back, and looked for again later.

An InfluxDB on a full disk may answer 204 to rows that it does not keep, and 200 without rows to questions about those
that it had. So now and then the newest row of a batch becomes a witness: it must be there, value for value, right after
it was written, and as long as nobody has deleted or rewritten it. That costs a small question each half minute.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from perch.adapters.influx.line_protocol import NS_PER_MS
from perch.adapters.influx.query import Bucket, JsonRow
from perch.adapters.influx.writing import RowStore, Written
from perch.errors import UnavailableError

LOOK_BACK_S = 30.0
MISSES = 3
"""So often in a row must a witness be missing before what was written counts as lost."""

UNSTEADY = "alive"
"""Rows of this measurement come and go by themselves: the last evidence of an epoch is one only until a later comes."""

_REMEDY = "see its log and the space on its disk; it is tried again, and written anew where its rows are lost"


class Witness(NamedTuple):
    """A row that must be there: how its line begins and ends, what to ask for it, and its fields."""

    series: str
    ns: int
    influxql: str
    fields: Mapping[str, str | int | float]

    @property
    def measurement(self) -> str:
        """What kind of row it is."""
        return self.series.partition(",")[0]

    def is_rewritten_by(self, line: str) -> bool:
        """Tell whether a line is of the same point."""
        return line.startswith(self.series + " ") and line.endswith(f" {self.ns}")


def witness_of(line: str) -> Witness | None:
    """Take a line apart; None where it has names or texts that would have to be unescaped."""
    if "\\" in line or line.count(" ") != 2:
        return None
    series, fields, ns = line.split(" ")
    measurement, *tags = series.split(",")
    where = [f"time = {ns}", *("\"{}\" = '{}'".format(*tag.split("=")) for tag in tags)]
    if measurement == UNSTEADY or "'" in series:
        return None
    influxql = f'SELECT * FROM "{measurement}" WHERE {" AND ".join(where)} LIMIT 1'  # noqa: S608 - checked just above
    return Witness(series, int(ns), influxql, dict(map(_field, fields.split(","))))


def _field(text: str) -> tuple[str, str | int | float]:
    name, _, value = text.partition("=")
    if value.startswith('"'):
        return name, value[1:-1]
    return name, int(value[:-1]) if value.endswith("i") else float(value)


class WitnessedStore:
    """A store of rows whose word is checked; one thread at a time. Raises UnavailableError where it does not hold.

    `rows`, `expired` and `refused` count what was written, was older than its bucket keeps, and was not taken.
    `has_lost` is set once a witness is missing again and again, and is for its owner to clear.
    """

    def __init__(self, inner: RowStore, mono_s: Callable[[], float] = time.monotonic) -> None:
        self._inner = inner
        self._mono_s = mono_s
        self._witnesses: dict[Bucket, Witness] = {}
        self._looked_s: dict[Bucket, float] = {}
        self._misses = dict.fromkeys(Bucket, 0)
        self.has_lost = False
        self.rows = self.expired = self.refused = 0

    def __repr__(self) -> str:
        return f"<WitnessedStore of {self._inner!r}, {len(self._witnesses)} witnesses>"

    @property
    def target(self) -> str:
        """What tells this store from others."""
        return self._inner.target

    def prepare(self) -> None:
        """Make ready what can be made ready from here, and see that what was there still is."""
        self._inner.prepare()
        for bucket, witness in list(self._witnesses.items()):
            if self._is_there(bucket, witness):
                self._misses[bucket] = 0
                continue
            if self._is_past(bucket, witness):
                del self._witnesses[bucket]
                self._misses[bucket] = 0
                continue
            self._misses[bucket] += 1
            if self._misses[bucket] < MISSES:
                raise UnavailableError(f"InfluxDB has lost a row of {witness.measurement} that it had", _REMEDY)
            del self._witnesses[bucket]
            self._misses[bucket] = 0
            self.has_lost = True

    def write(self, bucket: Bucket, lines: Sequence[str]) -> Written:
        """Store lines, and now and then read one back."""
        witness = self._witnesses.get(bucket)
        if witness is not None and any(map(witness.is_rewritten_by, lines)):
            del self._witnesses[bucket]
        written = self._inner.write(bucket, lines)
        self.expired += written.expired
        self.refused += len(written.refused)
        self.rows += len(lines) - written.expired - len(written.refused)
        if not written.expired and not written.refused:
            self._look_back(bucket, lines)
        return written

    def delete(self, bucket: Bucket, measurement: str, from_ms: int, to_ms: int, tags: Mapping[str, str]) -> None:
        """Delete rows; a witness among them is one no more."""
        witness = self._witnesses.get(bucket)
        if witness is not None and witness.measurement == measurement and from_ms <= witness.ns // NS_PER_MS < to_ms:
            del self._witnesses[bucket]
        self._inner.delete(bucket, measurement, from_ms, to_ms, tags)

    def oldest_ms(self, bucket: Bucket) -> int | None:
        """Give the moment before which a bucket keeps no rows."""
        return self._inner.oldest_ms(bucket)

    def query(self, influxql: str, bucket: Bucket) -> list[JsonRow]:
        """Give the rows of an InfluxQL question."""
        return self._inner.query(influxql, bucket)

    def _look_back(self, bucket: Bucket, lines: Sequence[str]) -> None:
        now_s = self._mono_s()
        if now_s - self._looked_s.get(bucket, -LOOK_BACK_S) < LOOK_BACK_S:
            return
        witness = next((found for line in reversed(lines) if (found := witness_of(line)) is not None), None)
        if witness is None:
            return
        if not self._is_there(bucket, witness):
            raise UnavailableError(
                f"InfluxDB took a row of {witness.measurement} and does not have it afterwards", _REMEDY
            )
        self._looked_s[bucket] = now_s
        self._witnesses[bucket] = witness

    def _is_past(self, bucket: Bucket, witness: Witness) -> bool:
        """Tell whether a witness is gone because its bucket keeps rows only so long."""
        oldest_ms = self._inner.oldest_ms(bucket)
        return oldest_ms is not None and witness.ns < oldest_ms * NS_PER_MS

    def _is_there(self, bucket: Bucket, witness: Witness) -> bool:
        found = self._inner.query(witness.influxql, bucket)
        return any(witness.fields.items() <= row.items() for row in found)
