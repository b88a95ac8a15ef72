"""What an InfluxDB says before anybody logs in, and how long its databases keep rows."""

import http.client
import json
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from perch.adapters.influx.query import (
    Bucket,
    InfluxQuery,
    QueryError,
    database_of,
    is_version_1,
    read_secret,
    unavailable,
)
from perch.errors import UnavailableError
from perch.settings import Influx

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


class Greeting(NamedTuple):
    """Version as the server writes it, and how much its clock is ahead of ours (s; None where it tells no time)."""

    version: str
    ahead_s: float | None


def greet(settings: Influx, timeout_s: float) -> Greeting:
    """Ask a server for its version and its time; raises UnavailableError."""
    _, headers, _ = _get(settings, "/ping", timeout_s, {})
    version = headers.get("X-Influxdb-Version")
    if version is None:
        raise UnavailableError(
            f"what answers at {settings.url} is no InfluxDB", "correct url under [influx] in the configuration"
        )
    return Greeting(version, _ahead_s(headers.get("Date")))


def kept_hours(settings: Influx, bucket: Bucket, timeout_s: float) -> int | None:
    """Give how many hours a bucket keeps its rows, 0 for ever; None where it does not say. Raises UnavailableError."""
    name = database_of(settings, bucket)
    if is_version_1(settings):
        return _kept_by_policy(InfluxQuery(settings, timeout_s), name, bucket)
    login = {"Authorization": f"Token {read_secret(settings.token_file)}"}
    status, _, body = _get(settings, f"/api/v2/buckets?{urlencode({'name': name})}", timeout_s, login)
    try:
        (found,) = json.loads(body)["buckets"]
        return sum(rule["everySeconds"] for rule in found["retentionRules"]) // 3600 if status == 200 else None
    except (ValueError, LookupError, TypeError):
        return None


def _kept_by_policy(queries: InfluxQuery, name: str, bucket: Bucket) -> int | None:
    try:
        policies = queries.rows(f'SHOW RETENTION POLICIES ON "{name}"', bucket)
    except QueryError:
        return None
    chosen = next((policy for policy in policies if policy.get("default")), None)
    found = _DURATION.fullmatch(str(chosen["duration"])) if chosen else None
    return None if found is None else int(found[1] or 0)


def _get(
    settings: Influx, path: str, timeout_s: float, headers: Mapping[str, str]
) -> tuple[int, http.client.HTTPMessage, bytes]:
    parts = urlsplit(settings.url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}{path}", headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise unavailable(settings, error) from error
    finally:
        connection.close()


def _ahead_s(date: str | None) -> float | None:
    """Compare a `Date` header, which is cut to the second, with the clock of this machine."""
    try:
        return None if date is None else parsedate_to_datetime(date).timestamp() + 0.5 - time.time()
    except ValueError:
        return None
