"""Tells how the collector is doing: in its log when something turns, and in a file that the API reads."""

import logging
import os
from collections.abc import Mapping

import msgspec

from collector.alarms import Alarms
from collector.follower import Follower
from collector.former import former_journal
from collector.parts import Parts
from perch import __version__
from perch.adapters import age
from perch.adapters.health.collector import (
    CollectorHealth,
    LiveRowsHealth,
    ProjectionHealth,
    layouts_of,
    write_health,
)
from perch.adapters.influx.live import BestEffortWriter
from perch.adapters.mqtt.connection import ONE_NAME, Connection
from perch.delivery.liveness import Instant
from perch.errors import UnavailableError
from perch.settings import ServerSettings

log = logging.getLogger(__name__)

LOOK_MS = 500
WRITE_MS = 5_000
"""The file is written at least this often, so that an old one tells of a collector that is gone."""


AGENTS_NAMED = 100


class Reporter:
    """Looks at the parts twice a second; writes the file when something changed, and every few seconds anyway."""

    def __init__(self, settings: ServerSettings, parts: Parts, begin: Instant) -> None:
        self._folder = settings.data
        self._layouts = layouts_of(settings.sites, settings.elsewhere)
        self._parts = parts
        self._started_ms = begin.wall_ms
        self._look_ms = begin.mono_ms
        self._write_ms = begin.mono_ms
        self._written: CollectorHealth | None = None
        self.seen: CollectorHealth | None = None
        self._troubles: dict[str, str] = {}
        self._connected = False
        self._alarms = Alarms()
        self._former = former_journal(settings.data, parts.journal.id, begin.wall_ms)

    def __repr__(self) -> str:
        return f"<Reporter into {str(self._folder)!r}>"

    def settle(self, now: Instant) -> None:
        """Look, if it is time to; raises StorageError."""
        if now.mono_ms < self._look_ms:
            return
        self._look_ms = now.mono_ms + LOOK_MS
        self._tell_troubles()
        self._tell_connection()
        self.seen = health = self.look(now)
        self._alarms.settle(health)
        if now.mono_ms >= self._write_ms or _differs(health, self._written):
            self._write_ms = now.mono_ms + WRITE_MS
            self._written = health
            write_health(self._folder, health)

    def close(self, now: Instant) -> None:
        """Write the last figures; raises StorageError."""
        write_health(self._folder, self.look(now, running=False))

    def look(self, now: Instant, *, running: bool = True) -> CollectorHealth:
        """Give all figures as they are now."""
        parts, counts, refused = self._parts, self._parts.intake.counts, self._parts.inbox.refused
        problem = parts.connection.problem
        return CollectorHealth(
            version=__version__,
            written=age.mark(),
            written_ms=now.wall_ms,
            started_ms=self._started_ms,
            running=running,
            journal=parts.journal.id,
            end=parts.journal.end,
            broker=None if parts.connection.connected else problem.what if problem else "not connected yet",
            waiting=len(parts.inbox),
            overflowed=sum(refused.values()),
            throttled=dict(sorted(refused.items(), key=lambda one: -one[1])[:AGENTS_NAMED]),
            messages=counts.messages,
            events=counts.events,
            stored=counts.stored,
            repeats=counts.repeats,
            quarantined=dict(parts.quarantine.seen),
            strangers=counts.strangers,
            stranger_spaces=dict(counts.stranger_spaces),
            projections={follower.name: _projection(follower, parts.journal.end) for follower in parts.followers},
            live_rows=_live_rows(parts.writer),
            deferred=dict(counts.deferred),
            conflicts=dict(counts.conflicts),
            quarantine_kept=parts.quarantine.kept,
            others=parts.intake.others(now.mono_ms),
            pid=os.getpid(),
            former=self._former,
            layouts=self._layouts,
        )

    def _tell_connection(self) -> None:
        """Log each time that the broker is there anew."""
        connected = self._parts.connection.connected and self._parts.connection.rivalry is None
        if connected and not self._connected:
            log.info("connected to the broker at %s", self._parts.connection.place)
        self._connected = connected

    def _tell_troubles(self) -> None:
        """Log each trouble once when it comes, and when it is over."""
        for part, trouble in self._current().items():
            if trouble is None:
                if self._troubles.pop(part, None) is not None:
                    log.info("%s: all is well again", part)
            elif self._troubles.get(part) != trouble.what:
                self._troubles[part] = trouble.what
                log.warning("%s: %s; %s", part, trouble.what, trouble.remedy or "it is tried again")

    def _current(self) -> Mapping[str, UnavailableError | None]:
        followers = {f"projection {follower.name}": follower.trouble for follower in self._parts.followers}
        return {"broker": _trouble(self._parts.connection), **followers}


def _trouble(connection: Connection) -> UnavailableError | None:
    """Say what is wrong with the way to the broker; a rival for its name is one trouble, however often it comes."""
    rivalry = connection.rivalry
    return connection.problem or connection.denied if rivalry is None else UnavailableError(rivalry, ONE_NAME)


def _projection(follower: Follower, end: int) -> ProjectionHealth:
    trouble, position = follower.trouble, follower.position
    why = None if trouble is None else trouble.what
    tally = follower.tally()
    return ProjectionHealth(
        position=position, lag=max(0, end - position), trouble=why, expired=tally.expired, refused=tally.refused
    )


def _live_rows(writer: BestEffortWriter | None) -> LiveRowsHealth | None:
    return None if writer is None else LiveRowsHealth(dropped=writer.dropped, refused=writer.refused)


def _differs(health: CollectorHealth, written: CollectorHealth | None) -> bool:
    return (
        written is None
        or msgspec.structs.replace(health, written=written.written, written_ms=written.written_ms) != written
    )
