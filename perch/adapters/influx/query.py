"""Reading InfluxDB 1.8 and 2.x: InfluxQL over `/query`, the one query language and path that both have."""

import http.client
import json
import ssl
from base64 import b64encode
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from perch.adapters.scrubbing import Scrubber
from perch.errors import PerchError, StorageError, UnavailableError
from perch.settings.values import Influx

JsonRow = dict[str, Any]

_NOT_OF_THE_QUESTION = frozenset({404, 413, 429})


class Bucket(Enum):
    """Which of Perch's two buckets (databases in 1.8): single spaces, or zones, which more people may read."""

    SPACES = "spaces"
    ZONES = "zones"


class QueryError(UnavailableError):
    """InfluxDB refuses a statement; it may be busy or about to stop, so our own statements are worth another try."""


def is_version_1(settings: Influx) -> bool:
    """Tell whether the settings name databases, as 1.8 has them, rather than buckets."""
    return settings.database is not None


def database_of(settings: Influx, bucket: Bucket) -> str:
    """Give the database of a bucket; in 2.x a bucket is its own database, by the mapping that each bucket has."""
    spaces, zones = settings.bucket, settings.zones_bucket
    if is_version_1(settings):
        spaces, zones = settings.database or spaces, settings.zones_database or zones
    return spaces if bucket is Bucket.SPACES else zones


def read_secret(path: Path | None) -> str:
    """Read a token or password file, '' where none is set; raises StorageError."""
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}", "make the file readable for this process") from error


def login_scrubber(settings: Influx) -> Scrubber:
    """Give what takes the login out of an answer: a proxy may say back what it was shown. Raises StorageError."""
    secret = read_secret(settings.password_file if is_version_1(settings) else settings.token_file)
    return Scrubber({secret.encode(), b64encode(f"{settings.username}:{secret}".encode())})


class InfluxQuery:
    """Asks an InfluxDB by InfluxQL; a connection per question, so any thread may ask and a restart does no harm."""

    def __init__(self, settings: Influx, timeout_s: float = 30.0) -> None:
        self._settings = settings
        self._scrubber = login_scrubber(settings)
        self._timeout_s = timeout_s
        self._headers = {"Accept": "application/json", **_authorization(settings)}

    def rows(self, influxql: str, bucket: Bucket) -> list[JsonRow]:
        """Give the rows of a SELECT or SHOW: columns and tags by name, `time` in integer nanoseconds.

        Raises QueryError for a statement that InfluxDB refuses, UnavailableError where it does not answer.
        """
        return [
            {**series.get("tags", {}), **dict(zip(series["columns"], values, strict=True))}
            for series in self._ask("GET", influxql, bucket)
            for values in series.get("values", ())
        ]

    def series(self, influxql: str, bucket: Bucket) -> list[JsonRow]:
        """Give the answer to a SELECT as it came, by series: `tags`, `columns`, `values`; raises as `rows` does."""
        return self._ask("GET", influxql, bucket)

    def run(self, influxql: str, bucket: Bucket) -> None:
        """Carry out a statement that changes something; raises QueryError and UnavailableError."""
        self._ask("POST", influxql, bucket)

    def health(self) -> PerchError | None:
        """Tell what keeps InfluxDB from being used: no answer, a refused login, a missing database; None if nothing."""
        try:
            for bucket in Bucket:
                self.rows("SELECT mark FROM alive WHERE time > now() LIMIT 1", bucket)
        except PerchError as error:
            return error
        return None

    def _ask(self, method: str, influxql: str, bucket: Bucket) -> list[JsonRow]:
        database = database_of(self._settings, bucket)
        parameters = {"q": influxql, "db": database, "rp": "autogen", "epoch": "ns"}
        status, body = self._exchange(method, urlencode(parameters))
        told = _decode(body)
        if status == 401:
            raise UnavailableError(f"{self._where}: login refused", "check the token, or user name and password")
        if status >= 500 or status in _NOT_OF_THE_QUESTION:
            raise UnavailableError(f"{self._where}: answers {status}", remedy_of(status))
        result: JsonRow = next(iter(told.get("results", ())), {})
        complaint = told.get("error") or told.get("message") or result.get("error")
        if complaint:
            said = self._scrubber.clean(str(complaint).encode()).decode()
            raise _refusal(f"{self._where}: {said}", database)
        if status != 200 or "results" not in told:
            raise UnavailableError(f"{self._where}: answers {status}", "check that this is an InfluxDB 1.8 or 2.x")
        series: list[JsonRow] = result.get("series", [])
        return series

    @property
    def _where(self) -> str:
        return f"InfluxDB at {self._settings.url}"

    def _exchange(self, method: str, query: str) -> tuple[int, bytes]:
        form = {"Content-Type": "application/x-www-form-urlencoded"} if method == "POST" else {}
        connection, path = _connect(self._settings.url, self._timeout_s)
        try:
            if method == "POST":
                connection.request(method, path, query.encode(), {**self._headers, **form})
            else:
                connection.request(method, f"{path}?{query}", headers=self._headers)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise unavailable(self._settings, error) from error
        finally:
            connection.close()


def unavailable(settings: Influx, error: object) -> UnavailableError:
    """Say that InfluxDB does not answer; the caller tries again later."""
    return UnavailableError(
        f"InfluxDB at {settings.url} does not answer: {error}", "start it, or correct [influx] url in perch.toml"
    )


def remedy_of(status: int) -> str:
    """Say what to do about a status with which InfluxDB, or what stands before it, answers to everything."""
    if status in (401, 403):
        return "check the token or password, and its rights"
    if status == 404:
        return "check that this is an InfluxDB 1.8 or 2.x, and that the bucket or database exists"
    if status == 413:
        return "raise the limit for the size of requests in InfluxDB, or in the proxy before it"
    return "see its log, and that of a proxy before it; it is tried again"


def _refusal(what: str, database: str) -> PerchError:
    if "not found" in what:
        return UnavailableError(what, f"create {database!r} in InfluxDB, or let this login read it")
    return QueryError(what, f"check what this login may do in {database!r}")


def _decode(body: bytes) -> JsonRow:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _connect(url: str, timeout_s: float) -> tuple[http.client.HTTPConnection, str]:
    parts = urlsplit(url)
    path = f"{parts.path.rstrip('/')}/query"
    host = parts.hostname or ""
    if parts.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, parts.port, timeout=timeout_s, context=context), path
    return http.client.HTTPConnection(host, parts.port, timeout=timeout_s), path


def _authorization(settings: Influx) -> Mapping[str, str]:
    if not is_version_1(settings):
        return {"Authorization": f"Token {read_secret(settings.token_file)}"}
    if settings.username is None:
        return {}
    login = f"{settings.username}:{read_secret(settings.password_file)}"
    return {"Authorization": f"Basic {b64encode(login.encode()).decode()}"}


def of_sites(sites: Iterable[str]) -> str:
    """Give the condition of an InfluxQL question after rows of some sites (ids, which need no quoting)."""
    return "WHERE " + " OR ".join(f"site = '{site}'" for site in sites)
