"""Example: python -m tests.fuzz --inputs 1000000 --seed 1 --processes 2

Tries hostile inputs on everything that reads what others wrote, and prints what was tried. An input that does what it
must not ends it with exit code 1 and is printed with the seed and number that make it again.
"""

import argparse
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.fuzz.campaign import FoundError, Report, try_inputs

CHUNK = 5_000


def main() -> int:
    """Run a campaign; 1 where an input did what it must not."""
    asked = _arguments()
    start = time.monotonic()
    try:
        report = _run(asked.inputs, asked.seed, asked.first, asked.processes, asked.only)
    except FoundError as found:
        sys.stderr.write(f"{found}\n")
        return 1
    print(report)  # noqa: T201 (this is its output)
    print(f"{report.inputs:,} inputs, seed {asked.seed}, {time.monotonic() - start:.0f} s")  # noqa: T201
    slowest = max(report.by_target.values(), key=lambda tried: tried.slowest_ns_per_kib)
    print(f"slowest input: {slowest.slowest}")  # noqa: T201
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--only", default="", help="part of the names of the targets to try")
    return parser.parse_args()


def _run(inputs: int, seed: int, first: int, processes: int, only: str) -> Report:
    chunks = [(seed, min(CHUNK, first + inputs - at), at, only) for at in range(first, first + inputs, CHUNK)]
    if processes == 1:
        return sum(map(_chunk, chunks), Report())
    with ProcessPoolExecutor(processes) as pool:
        return sum(pool.map(_chunk, chunks), Report())


def _chunk(chunk: tuple[int, int, int, str]) -> Report:
    seed, inputs, first, only = chunk
    with tempfile.TemporaryDirectory() as folder:
        return try_inputs(seed, inputs, Path(folder), first, only)


if __name__ == "__main__":
    sys.exit(main())
