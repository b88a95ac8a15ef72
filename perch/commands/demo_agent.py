"""One agent of the demo: the real agent, its mock pins moved by simulated people or by the recorded room."""

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, cycle, dropwhile
from pathlib import Path

import click

from perch.adapters.tables.csv_files import read_readings
from perch.commands.demo_history import HEAD_START_MS
from perch.commands.stopping import stop_on_signals, stop_with_parent
from perch.model import Reading
from perch.settings import load_agent, load_site
from perch.venue import network, recordings
from perch.venue.live import live_readings
from sensor_agent import replay

BEGIN_MS = 1_513_956_000_000
"""2017-12-22T15:20:00Z, which happens now: the room is empty, and in five minutes somebody comes."""

PAUSE_MS = 30_000
"""Between two blocks of the recording."""

File = click.Path(path_type=Path)


@click.command()
@click.option("--config", type=File, required=True)
@click.option("--site", type=File, required=True)
@click.option("--seed", type=int, required=True)
@click.option("--end-with-parent", type=int, required=True)
def run(config: Path, site: Path, seed: int, end_with_parent: int) -> None:
    """Run until told to stop."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stop = stop_on_signals()
    stop_with_parent(stop, end_with_parent)
    settings = load_agent(config, {})
    fresh = not (settings.data / "outbox.db").exists()
    head_start_ms = HEAD_START_MS if fresh else 0
    from_ms = time.time_ns() // 1_000_000 - head_start_ms
    if (settings.site, settings.agent) == network.RECORDED:
        readings = recorded_readings(from_ms, BEGIN_MS - head_start_ms)
    else:
        readings = live_readings(load_site(site), settings.agent, seed, from_ms)
    replay.run(settings, readings, stop, speed=1.0, start_ms=from_ms, head_start_ms=head_start_ms)


def recorded_readings(from_ms: int, begin_ms: int) -> Iterator[Reading]:
    """Give the recorded room's motion, begun at some moment of the recording, as if it happened from another moment on.

    It goes on from block to block, over and over again.
    """
    blocks = [list(read_readings(recordings.readings_of(block), {"pir1", "pir2"})) for block in recordings.BLOCKS]
    begun = list(dropwhile(lambda reading: reading.time_ms < begin_ms, blocks[0]))
    next_ms = from_ms
    for block in chain([begun], cycle([*blocks[1:], blocks[0]])):
        shift_ms = next_ms - block[0].time_ms
        for reading in block:
            yield replace(reading, time_ms=reading.time_ms + shift_ms)
        next_ms = block[-1].time_ms + shift_ms + PAUSE_MS


if __name__ == "__main__":
    run()
