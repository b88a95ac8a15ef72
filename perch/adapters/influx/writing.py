"""Writing InfluxDB 1.8 and 2.x with `influxdb-client`: ready lines through its synchronous API, in batches of our own.

The client's own batching drops silently when the server is down, so it is not used. A line that InfluxDB refuses is
found by halving its batch and is handed back; the others are stored. Rows are repeatable, so writing one again after an
error changes nothing. The client costs tens of megabytes: it is imported when a writer is made, not before.
"""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from perch.adapters import crash_points
from perch.adapters.closing import Closing
from perch.adapters.influx.line_protocol import NS_PER_MS
from perch.adapters.influx.probe import kept_hours
from perch.adapters.influx.query import (
    Bucket,
    InfluxQuery,
    JsonRow,
    QueryError,
    database_of,
    is_version_1,
    login_scrubber,
    read_secret,
    remedy_of,
    unavailable,
)
from perch.errors import PerchError, UnavailableError
from perch.settings.values import Influx

if TYPE_CHECKING:
    from influxdb_client.rest import ApiException

MAX_LINES = 5_000
EARLIEST_MS = -9_223_372_036_854
LATEST_MS = 9_223_372_036_854
"""The times that fit into InfluxDB's nanoseconds, in milliseconds: the years 1677 to 2262."""

_HOUR_MS = 3_600_000
_TOO_LARGE = 413
_REFUSED = frozenset({400, _TOO_LARGE, 422})
_BEYOND_RETENTION = re.compile(r"beyond retention policy dropped=(\d+)|dropped (\d+) points outside retention policy")


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line that InfluxDB will not have, and what it said."""

    line: str
    why: str


@dataclass(frozen=True, slots=True)
class Written:
    """What became of lines that are not stored: refused one by one, or older than the bucket keeps."""

    refused: tuple[RefusedLine, ...] = ()
    expired: int = 0

    def __add__(self, other: "Written") -> "Written":
        return Written(self.refused + other.refused, self.expired + other.expired)


class LineWriter(Protocol):
    """Takes ready lines; a line taken twice is one row. Not for two threads at once. Raises UnavailableError only."""

    def write(self, bucket: Bucket, lines: Sequence[str]) -> Written:
        """Store lines, all but those it hands back."""
        ...


class RowStore(LineWriter, Protocol):
    """Lines that can be deleted and asked about, too. Raises UnavailableError, and QueryError for a wrong question."""

    @property
    def target(self) -> str:
        """What tells this store from others."""
        ...

    def prepare(self) -> None:
        """Make ready what can be made ready from here."""
        ...

    def delete(self, bucket: Bucket, measurement: str, from_ms: int, to_ms: int, tags: Mapping[str, str]) -> None:
        """Delete the rows of [from_ms, to_ms) that have these tags."""
        ...

    def oldest_ms(self, bucket: Bucket) -> int | None:
        """Give the moment before which a bucket keeps no rows; None where it keeps all, or does not say."""
        ...

    def query(self, influxql: str, bucket: Bucket) -> list[JsonRow]:
        """Give the rows of an InfluxQL question."""
        ...


class InfluxWriter(Closing):
    """Writes and deletes rows, and reads them back by InfluxQL; for one thread at a time."""

    def __init__(self, settings: Influx, timeout_s: float = 30.0) -> None:
        from influxdb_client.client.influxdb_client import InfluxDBClient
        from influxdb_client.client.write_api import SYNCHRONOUS

        self._settings = settings
        self._timeout_s = timeout_s
        self._scrubber = login_scrubber(settings)
        self._org = settings.org or "-"
        self._queries = InfluxQuery(settings, timeout_s)
        self._client = InfluxDBClient(
            url=settings.url,
            token=_token(settings),
            auth_basic=settings.username is not None,  # a token cannot carry every password
            org=self._org,
            timeout=int(timeout_s * 1000),
        )
        self._writes = self._client.write_api(write_options=SYNCHRONOUS)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()  # type: ignore[no-untyped-call]  # the library leaves it out

    @property
    def target(self) -> str:
        """What tells this InfluxDB and its two buckets from others."""
        return " ".join((self._settings.url, *(self._target(bucket) for bucket in Bucket)))

    def prepare(self) -> None:
        """Create the databases of an InfluxDB 1.8 where that is allowed; buckets of 2.x are made by their operator."""
        if is_version_1(self._settings):
            for bucket in Bucket:
                self._create(database_of(self._settings, bucket))

    def write(self, bucket: Bucket, lines: Sequence[str]) -> Written:
        """Store lines, in batches of at most MAX_LINES; hands back what InfluxDB refused.

        Raises UnavailableError where InfluxDB does not answer or refuses everything; writing all again is then right.
        """
        written = Written()
        for start in range(0, len(lines), MAX_LINES):
            written += self._write_batch(bucket, lines[start : start + MAX_LINES])
        return written

    def delete(self, bucket: Bucket, measurement: str, from_ms: int, to_ms: int, tags: Mapping[str, str]) -> None:
        """Delete the rows of [from_ms, to_ms) that have these tags; raises UnavailableError."""
        first_ns = max(from_ms, EARLIEST_MS) * NS_PER_MS
        end_ns = min(to_ms, LATEST_MS) * NS_PER_MS
        if first_ns >= end_ns:
            return
        if is_version_1(self._settings):
            self._delete_by_statement(bucket, measurement, first_ns, end_ns, tags)
        else:
            self._delete_by_predicate(bucket, measurement, first_ns, end_ns, tags)

    def oldest_ms(self, bucket: Bucket) -> int | None:
        """Give the moment before which a bucket keeps no rows, by this machine's clock; raises UnavailableError."""
        hours = kept_hours(self._settings, bucket, self._timeout_s)
        return time.time_ns() // NS_PER_MS - hours * _HOUR_MS if hours else None

    def query(self, influxql: str, bucket: Bucket) -> list[JsonRow]:
        """Give the rows of an InfluxQL question; raises QueryError and UnavailableError."""
        return self._queries.rows(influxql, bucket)

    def health(self) -> PerchError | None:
        """Tell what keeps InfluxDB from being used, None if nothing does."""
        return self._queries.health()

    def _create(self, database: str) -> None:
        try:
            self._queries.run(f'CREATE DATABASE "{database}"', Bucket.SPACES)
        except QueryError:
            return  # Only an administrator may; whether the database is there is seen at the first write.

    def _write_batch(self, bucket: Bucket, lines: Sequence[str]) -> Written:
        from influxdb_client.rest import ApiException

        try:
            self._post(bucket, "\n".join(lines).encode())
        except ApiException as refusal:
            return self._after_refusal(bucket, lines, refusal)
        return Written()

    def _after_refusal(self, bucket: Bucket, lines: Sequence[str], refusal: "ApiException") -> Written:
        if refusal.status not in _REFUSED:
            raise self._refused_altogether(refusal) from refusal
        why = self._reason(refusal)
        if expired := _BEYOND_RETENTION.search(why):
            return Written(expired=int(expired[1] or expired[2]))
        if len(lines) == 1 and refusal.status == _TOO_LARGE:
            raise self._refused_altogether(refusal) from refusal
        if len(lines) == 1:
            return Written(refused=(RefusedLine(lines[0], why),))
        middle = len(lines) // 2
        return self._write_batch(bucket, lines[:middle]) + self._write_batch(bucket, lines[middle:])

    def _post(self, bucket: Bucket, body: bytes) -> None:
        from urllib3.exceptions import HTTPError

        try:
            self._writes.write(self._target(bucket), self._org, body)
            crash_points.reach("influx", "sent")
        except (HTTPError, OSError) as error:
            raise unavailable(self._settings, error) from error

    def _target(self, bucket: Bucket) -> str:
        name = database_of(self._settings, bucket)
        return f"{name}/autogen" if is_version_1(self._settings) else name

    def _delete_by_statement(
        self, bucket: Bucket, measurement: str, first_ns: int, end_ns: int, tags: Mapping[str, str]
    ) -> None:
        where = [f"time >= {first_ns}", f"time < {end_ns}"]
        where += [f'"{name}" = {quoted(value)}' for name, value in tags.items()]
        statement = f'DELETE FROM "{measurement}" WHERE {" AND ".join(where)}'  # noqa: S608 (every value is quoted)
        self._queries.run(statement, bucket)

    def _delete_by_predicate(
        self, bucket: Bucket, measurement: str, first_ns: int, end_ns: int, tags: Mapping[str, str]
    ) -> None:
        from influxdb_client.rest import ApiException
        from urllib3.exceptions import HTTPError

        equal = {"_measurement": measurement, **tags}
        predicate = " AND ".join(f'{name}="{_escaped(value)}"' for name, value in equal.items())
        try:
            # InfluxDB 2 counts the end as part of the span.
            self._client.delete_api().delete(
                _rfc3339(first_ns), _rfc3339(end_ns - 1), predicate, self._target(bucket), self._org
            )
        except ApiException as refusal:
            raise self._refused_altogether(refusal) from refusal
        except (HTTPError, OSError) as error:
            raise unavailable(self._settings, error) from error

    def _refused_altogether(self, refusal: "ApiException") -> UnavailableError:
        what = f"InfluxDB at {self._settings.url} answers {refusal.status}: {self._reason(refusal)}"
        return UnavailableError(what, remedy_of(int(refusal.status or 0)))

    def _reason(self, refusal: "ApiException") -> str:
        said = str(refusal.body or refusal.reason).strip()
        return self._scrubber.clean(said.encode()).decode()


def quoted(text: str) -> str:
    """Quote a string for InfluxQL."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _rfc3339(ns: int) -> str:
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def _token(settings: Influx) -> str:
    if not is_version_1(settings):
        return read_secret(settings.token_file)
    if settings.username is None:
        return ""
    return f"{settings.username}:{read_secret(settings.password_file)}"
