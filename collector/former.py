"""Whether a journal has vanished: a collector that finds none begins another one, and must not be silent about it."""

import logging
from pathlib import Path

from perch.adapters.health.collector import FormerJournal, read_health
from perch.errors import StorageError

REMEMBERED_MS = 7 * 86_400_000

log = logging.getLogger("collector.health")


def former_journal(folder: Path, journal: str, now_ms: int) -> FormerJournal | None:
    """Give the journal that was here before this one, by the collector's last words; for a week, over restarts."""
    try:
        last = read_health(folder)
    except StorageError:
        return None
    if last is None:
        return None
    if last.journal != journal and last.end:
        log.warning(
            "the journal %s (events: %d) is gone, and another one, %s, in its place: put it back, or restore a"
            " backup, unless that was meant",
            last.journal,
            last.end,
            journal,
        )
        return FormerJournal(id=last.journal, end=last.end, missed_ms=now_ms)
    known = last.former
    return None if known is None or known.id == journal or now_ms - known.missed_ms > REMEMBERED_MS else known
