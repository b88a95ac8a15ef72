"""How the collector is doing, as one small file that it writes every few seconds and anybody may read."""

import hashlib
import math
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from perch.adapters.age import Mark, age_seconds
from perch.adapters.whole_file import write_whole
from perch.errors import StorageError
from perch.model import Site

FILE_NAME = "collector.json"
STALE_S = 15.0
"""A file that is older was left behind by a collector that is gone, or hangs."""

_DIGEST_CHARS = 16


class ProjectionHealth(Struct, frozen=True, kw_only=True):
    """How far a projection has come; `lag` is entries to go, `trouble` why it waits (None while all is well).

    Since the start, `expired` rows were older than their bucket keeps, and `refused` ones are in the file of those.
    """

    position: int
    lag: int
    trouble: str | None = None
    expired: int = 0
    refused: int = 0


class LiveRowsHealth(Struct, frozen=True, kw_only=True):
    """Rows of what is true now that were let go while InfluxDB was away, or that it refused."""

    dropped: int
    refused: int


class FormerJournal(Struct, frozen=True, kw_only=True):
    """A journal of `end` events that was here before, and was missed at `missed_ms` (ms UTC): another one was begun."""

    id: str
    end: int
    missed_ms: int


class CollectorHealth(Struct, frozen=True, kw_only=True):
    """What the collector counted since `started_ms`; `running` is False in its last words.

    `started_ms` and `written_ms` are wall clock (ms UTC), for people to read; its age is told by the mark `written`.

    `messages` are all it received, `overflowed` those it had no room for; `events` came in batches, of which `stored`
    are new and `repeats` were known. `quarantined` counts by code over all times, `quarantine_kept` those that are
    there. `strangers` are stored events of spaces that no layout names, `stranger_spaces` some of them by
    `site/agent/space`. `broker` is why it is not connected, None while it is.

    By `site/agent`, of a hundred at most: `throttled` are messages let go because there were too many, `deferred` ones
    that brought too many new names or gaps (neither is acknowledged, both may be sent again), `conflicts` events with
    other content than is stored under their identity. `others` are the journals of other collectors that answer agents
    at the same broker. `pid` is its process; `former` the journal that was in this folder before, if not long ago.
    `layouts` are digests of what it knows of its sites (see `layouts_of`), None where its version did not say so yet.
    """

    version: str
    written: Mark
    written_ms: int
    started_ms: int
    running: bool
    journal: str
    end: int
    broker: str | None
    waiting: int
    overflowed: int
    messages: int
    events: int
    stored: int
    repeats: int
    quarantined: dict[str, int]
    strangers: int
    stranger_spaces: dict[str, int]
    projections: dict[str, ProjectionHealth]
    live_rows: LiveRowsHealth | None = None
    throttled: dict[str, int] = {}
    deferred: dict[str, int] = {}
    conflicts: dict[str, int] = {}
    quarantine_kept: int = 0
    others: tuple[str, ...] = ()
    pid: int = 0
    former: FormerJournal | None = None
    layouts: dict[str, str] | None = None

    def silent_s(self, now: Mark) -> float:
        """Tell for how long its collector has written nothing; for ever, where the machine was started anew since."""
        silent_s = age_seconds(self.written, now)
        return math.inf if silent_s is None else silent_s

    def otherwise(self, sites: Iterable[Site]) -> list[str]:
        """Name the sites of which it goes by another layout than is given; none where it did not say yet."""
        told = layouts_of(sites) if self.layouts is not None else {}
        return [site for site, digest in told.items() if (self.layouts or {}).get(site) not in ("", digest)]

    def is_stale(self, now: Mark) -> bool:
        """Tell whether its collector has stopped, or has not written for too long."""
        return not self.running or self.silent_s(now) > STALE_S


def layouts_of(sites: Iterable[Site], elsewhere: Iterable[str] = ()) -> dict[str, str]:
    """Give a digest of each site as it was read, by which a change is seen; of those that others serve an empty one."""
    return {site.id: _digest(site) for site in sites} | dict.fromkeys(elsewhere, "")


def _digest(site: Site) -> str:
    return hashlib.sha256(msgspec.json.encode(site, order="deterministic")).hexdigest()[:_DIGEST_CHARS]


def says_others(journals: tuple[str, ...]) -> str:
    """Say that other collectors answer the same agents."""
    named = " and ".join(journals)
    return f"another collector with journal {named} answers agents at this broker"


def write_health(folder: Path, health: CollectorHealth) -> None:
    """Put the file into a data folder, whole or not at all; raises StorageError."""
    write_whole(folder / FILE_NAME, msgspec.json.encode(health) + b"\n")


def read_health(folder: Path) -> CollectorHealth | None:
    """Read the file of a data folder, None where no collector ever wrote one; raises StorageError."""
    path = folder / FILE_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=CollectorHealth)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise StorageError(
            f"{path} cannot be read: {error}", "start the collector again: it writes a new one"
        ) from error
