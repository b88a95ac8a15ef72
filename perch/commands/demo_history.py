"""Eight weeks of simulated history, written into the demo's journal before its collector starts."""

import time
from collections.abc import Iterator
from pathlib import Path

from perch.adapters.journal.store import Journal, Run, Stream
from perch.contract import MAX_EVENTS
from perch.delivery.watermark import Watermark
from perch.model import Site
from perch.settings import ServerSettings
from perch.settings.holidays import closed_days
from perch.venue.past import Authored, history

DAYS = 56
HEAD_START_MS = 20 * 60_000
"""At its first start an agent of the demo lives through so much in a moment, so that every state is known at once."""

RUNS_AT_ONCE = 100


def seed_history(settings: ServerSettings, seed: int, days: int = DAYS) -> Iterator[int]:
    """Fill an empty journal up to where the agents begin, step by step; gives how many events it holds after each step.

    A journal that holds something is left as it is. Raises StorageError where another process writes it.
    """
    with Journal.open(Path(settings.data) / "journal.db") as journal:
        if journal.end:
            return
        until_ms = time.time_ns() // 1_000_000 - HEAD_START_MS
        runs: list[Run] = []
        for site in settings.sites:
            for run in runs_of(site, history(site, days, until_ms, seed, closed_days(site))):
                runs.append(run)
                if len(runs) >= RUNS_AT_ONCE:
                    yield _append(journal, runs)
        yield _append(journal, runs)


def runs_of(site: Site, told: Iterator[Authored]) -> Iterator[Run]:
    """Group what agents told as they would have sent it: each its own events, as many as fit in a message."""
    waiting: dict[str, list[Authored]] = {}
    for one in told:
        batch = waiting.setdefault(one.agent, [])
        if batch and (batch[0].epoch != one.epoch or len(batch) == MAX_EVENTS):
            yield _run(site, batch)
            batch.clear()
        batch.append(one)
    yield from (_run(site, batch) for batch in waiting.values())


def _run(site: Site, batch: list[Authored]) -> Run:
    last = batch[-1]
    stream = Stream(site.id, last.agent, last.epoch)
    return Run(stream, last.epoch[:16], None, last.received_ms, tuple(one.event for one in batch))


def _append(journal: Journal, runs: list[Run]) -> int:
    settled = {run.stream: Watermark(run.last) for run in runs}
    end = journal.append(runs, settled)
    runs.clear()
    return end
