"""An InfluxDB in memory that understands what Perch writes, and can be told to fail."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from perch.adapters.influx.query import Bucket, JsonRow
from perch.adapters.influx.writing import RefusedLine, Written
from perch.errors import UnavailableError
from tests.line_parser import Parsed, Value, parse


@lru_cache(maxsize=100_000)
def _parsed(line: str) -> Parsed:
    return parse(line)


_LATER = (
    r"SELECT carried FROM occupancy WHERE site = '([a-z0-9-]+)' AND space = '([a-z0-9-]+)'"
    r" AND time >= (\d+)ms AND carried = 0 LIMIT 1"
)
Series = tuple[str, frozenset[tuple[str, str]]]


@dataclass
class MemoryInflux:
    """Rows by bucket, series and nanosecond; `fail_in` lets the call after so many fail, in the midst of a batch."""

    rows: dict[tuple[Bucket, Series, int], dict[str, Value]] = field(default_factory=dict)
    fail_in: int | None = None
    target: str = "memory"
    deletes: int = 0

    def prepare(self) -> None:
        self._count()

    def write(self, bucket: Bucket, lines: Sequence[str]) -> Written:
        fails = self._fails()
        refused: list[RefusedLine] = []
        for line in lines[: len(lines) // 2 if fails else None]:
            parsed = _parsed(line)
            if not -(2**63) < parsed.ns < 2**63:
                refused.append(RefusedLine(line, "out of range"))
                continue
            self.rows[bucket, (parsed.measurement, frozenset(parsed.tags.items())), parsed.ns] = parsed.fields
        if fails:
            raise UnavailableError("InfluxDB is away")
        return Written(tuple(refused))

    def delete(self, bucket: Bucket, measurement: str, from_ms: int, to_ms: int, tags: Mapping[str, str]) -> None:
        self._count()
        self.deletes += 1
        for key in list(self.rows):
            where, (name, of), ns = key
            matches = (where, name) == (bucket, measurement) and frozenset(tags.items()) <= of
            if matches and from_ms * 10**6 <= ns < to_ms * 10**6:
                del self.rows[key]

    def oldest_ms(self, bucket: Bucket) -> int | None:
        del bucket
        return None

    def query(self, influxql: str, bucket: Bucket) -> list[JsonRow]:
        self._count()
        if later := re.fullmatch(_LATER, influxql):
            site, space, from_ms = later.groups()
            of = {("site", site), ("space", space)}
            found = sorted(
                ns
                for (where, (name, tags), ns), row in self.rows.items()
                if (where, name) == (bucket, "occupancy") and of <= tags
                if ns >= int(from_ms) * 10**6 and not row["carried"]
            )
            return [{"time": ns} for ns in found[:1]]
        asked = re.fullmatch(r"SELECT mark FROM alive WHERE (site = '[a-z0-9-]+'(?: OR )?)+ LIMIT 1", influxql)
        assert asked, influxql
        sites = {("site", site) for site in re.findall(r"'([a-z0-9-]+)'", influxql)}
        alive = [tags for where, (name, tags), _ in self.rows if (where, name) == (bucket, "alive")]
        return [{"mark": 1} for tags in alive if tags & sites][:1]

    def _count(self) -> None:
        if self._fails():
            raise UnavailableError("InfluxDB is away")

    def _fails(self) -> bool:
        if self.fail_in is None:
            return False
        self.fail_in -= 1
        if self.fail_in >= 0:
            return False
        self.fail_in = None
        return True
