"""A journal of a year of many desks, as agents would have told it: each change and each mark a message of its own.

The days are those of `history_days`, shifted so that the last one is over now, so that a collector goes on from there.
"""

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.history_days import PER_AGENT, START_MS, days_transitions
from perch.adapters.journal.store import Journal, Run, Stream
from perch.contract import AliveEvent, Event, StateEvent
from perch.delivery.watermark import Watermark
from perch.model import DAY_MS, QUARTER_MS, Clock, Reason, State

BOOT = "0123456789abcdef"
MINUTE_MS = 60_000
TRAVELLED_MS = 40
TOGETHER = 1_000
"""Messages to a transaction."""

SAID = {True: (State.OCCUPIED, Reason.MOTION), False: (State.FREE, Reason.QUIET)}


def stream_of(agent: int) -> Stream:
    """Name the stream of an agent."""
    return Stream("hq", f"pi-{agent}", f"{agent:032x}")


def write_journal(path: Path, spaces: int, days: int) -> int:
    """Write the journal under another name and put it in its place; gives how many events it holds."""
    part = path.with_name("part.db")
    for name in (part.name, f"{part.name}-wal", f"{part.name}-shm", f"{part.name}.lock"):
        path.with_name(name).unlink(missing_ok=True)
    runs = _runs(spaces, days)
    with Journal.open(part) as journal:
        while some := list(islice(runs, TOGETHER)):
            journal.append(some, {run.stream: Watermark(run.last, ()) for run in some})
        end = journal.end
    part.rename(path)
    return end


def _runs(spaces: int, days: int) -> Iterator[Run]:
    chance = np.random.default_rng(1)
    seqs = [0] * -(-spaces // PER_AGENT)
    streams = [stream_of(agent) for agent in range(len(seqs))]
    today_ms = time.time_ns() // 1_000_000 // DAY_MS * DAY_MS
    start_ms = today_ms - days * DAY_MS
    for day in range(days):
        space, ms, occupied = days_transitions(chance, spaces, day)
        order = np.argsort(ms, kind="stable")
        ms = ms + (start_ms - START_MS)
        rows = zip(space[order].tolist(), ms[order].tolist(), occupied[order].tolist(), strict=True)
        marked_ms = start_ms + day * DAY_MS
        for number, wall_ms, is_occupied in rows:
            while marked_ms <= wall_ms:
                yield from _marks(streams, seqs, marked_ms, start_ms)
                marked_ms += QUARTER_MS
            yield _change(streams, seqs, number, wall_ms, start_ms, is_occupied=is_occupied)
        while marked_ms < start_ms + (day + 1) * DAY_MS:
            yield from _marks(streams, seqs, marked_ms, start_ms)
            marked_ms += QUARTER_MS


def _change(
    streams: Sequence[Stream], seqs: list[int], space: int, wall_ms: int, start_ms: int, *, is_occupied: bool
) -> Run:
    agent = space // PER_AGENT
    seqs[agent] += 1
    state, reason = SAID[is_occupied]
    mono_ms = wall_ms - start_ms + MINUTE_MS
    chance = (seqs[agent] % 1000) / 1000
    event = StateEvent(seqs[agent], f"d{space:05d}", state, chance, None, reason, wall_ms, mono_ms, Clock.OK)
    return _run(streams[agent], event, wall_ms, mono_ms)


def _marks(streams: Sequence[Stream], seqs: list[int], wall_ms: int, start_ms: int) -> Iterator[Run]:
    for agent, stream in enumerate(streams):
        seqs[agent] += 1
        mono_ms = wall_ms - start_ms + MINUTE_MS
        yield _run(stream, AliveEvent(seqs[agent], wall_ms, mono_ms, Clock.OK), wall_ms, mono_ms)


def _run(stream: Stream, event: Event, wall_ms: int, mono_ms: int) -> Run:
    return Run(stream, BOOT, mono_ms, wall_ms + TRAVELLED_MS, (event,))
