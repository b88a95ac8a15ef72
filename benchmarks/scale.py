"""What an event costs the collector at 10 to 50,000 spaces: processor time of each step, no network in it.

The same number of events, one a message, from agents of 16 spaces, at the pace of real desks (a space changes every 42
minutes): months of ten spaces, minutes of 50,000. A projection that is behind takes them in its own batches. Before
that every agent has stated each of its spaces once, as it does when it starts: that is no part of what an event costs.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks import servers, venue
from benchmarks.figures import Figure
from collector.history.projection import HistoryProjection
from collector.influx.projection import InfluxProjection
from collector.projection import BATCH_ENTRIES, Trailing, advance, resume
from perch import contract
from perch.adapters.history.store import HistoryReader, HistoryStore
from perch.adapters.influx.query import Bucket
from perch.adapters.influx.writing import Written
from perch.adapters.journal.store import JournalReader, Run
from perch.contract import VERSION, Batch, StateEvent
from perch.model import Site
from tests.influx_memory import MemoryInflux

SPACES = (10, 1_000, 10_000, 50_000)
EVENTS = 2 * BATCH_ENTRIES
EACH_MS = 2_500_000
RUNS = 3
STEPS = ("decode", "journal", "history", "rows for InfluxDB")


class Unparsed(MemoryInflux):
    """An InfluxDB that takes everything and keeps nothing."""

    def write(self, bucket: Bucket, lines: Sequence[str]) -> Written:
        """Let go of the lines."""
        del bucket, lines
        return Written()


def figures() -> list[Figure]:
    """Give µs per event by number of spaces, and the dearest ÷ the cheapest."""
    found: dict[tuple[str, int], list[float]] = {}
    with servers.folder() as where:
        for run in range(RUNS):
            for spaces in SPACES:
                for step, us in _cost(where / f"{spaces}-{run}", spaces).items():
                    found.setdefault((step, spaces), []).append(us)
    rows = [
        Figure(f"{step}, {spaces:,} spaces", found[step, spaces], "µs of processor an event")
        for step in STEPS
        for spaces in SPACES
    ]
    return [*rows, _ratio(found, "decode, journal, history", STEPS[:3]), _ratio(found, "all steps", STEPS)]


def _ratio(found: dict[tuple[str, int], list[float]], what: str, steps: Sequence[str]) -> Figure:
    totals = [[sum(costs) for costs in zip(*(found[step, spaces] for step in steps), strict=True)] for spaces in SPACES]
    ratios = [max(of_run) / min(of_run) for of_run in zip(*totals, strict=True)]
    return Figure(f"{what}, the dearest ÷ the cheapest", ratios, "×", "≤ 1.5")


def _cost(where: Path, spaces: int) -> dict[str, float]:
    where.mkdir()
    place = venue.site_of(spaces)
    runs = list(venue.messages(spaces, EVENTS, EVENTS * EACH_MS // spaces, after=venue.words_said_first(spaces)))
    payloads = [
        contract.build_up(
            "hq",
            run.stream.agent,
            Batch(v=VERSION, epoch=run.stream.epoch, boot=run.boot, sent_mono_ms=run.sent_mono_ms, events=_said(run)),
        ).payload
        for run in runs
    ]
    spent = {"decode": _spent(lambda: [contract.parse_up(payload) for payload in payloads])}
    begun = venue.journal_of(where / "journal.db", venue.first_words(spaces))
    spent["journal"] = _spent(lambda: venue.journal_of(where / "journal.db", iter(runs)))
    spent |= _followed(where, place, begun)
    return {step: seconds / EVENTS * 1e6 for step, seconds in spent.items()}


def _said(run: Run) -> tuple[StateEvent, ...]:
    return tuple(event for event in run.events if isinstance(event, StateEvent))


def _followed(where: Path, place: Site, begun: int) -> dict[str, float]:
    spent = {"history": 0.0, "rows for InfluxDB": 0.0}
    with ExitStack() as files:
        log = files.enter_context(JournalReader(where / "journal.db"))
        into_history = HistoryProjection(files.enter_context(HistoryStore.open(where / "history.db")), log)
        history = files.enter_context(HistoryReader(where / "history.db"))
        store = Unparsed()
        into_influx = InfluxProjection([place], log, history, lambda: store, where)
        trailing = Trailing(log, history.cursor)
        position, followed = resume(log, into_history), resume(trailing, into_influx)
        while position < begun:
            position = advance(log, into_history, position, min(BATCH_ENTRIES, begun - position + 1))
            followed = advance(trailing, into_influx, followed, BATCH_ENTRIES)
        while position < log.end():
            began = time.thread_time()
            position = advance(log, into_history, position, BATCH_ENTRIES)
            spent["history"] += time.thread_time() - began
            began = time.thread_time()
            followed = advance(trailing, into_influx, followed, BATCH_ENTRIES)
            spent["rows for InfluxDB"] += time.thread_time() - began
        assert followed == position
    return spent


def _spent(do: Callable[[], object]) -> float:
    began = time.thread_time()
    do()
    return time.thread_time() - began
