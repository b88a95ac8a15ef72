"""How long `perch --help` takes, beside Python starting and doing nothing."""

import subprocess
import sys
import time

from benchmarks.figures import Figure, perch

RUNS = 9


def figures() -> list[Figure]:
    """Time the command and its peer in turn."""
    helped, bare = [], []
    for _ in range(RUNS):
        helped.append(_seconds(perch("--help")))
        bare.append(_seconds([sys.executable, "-c", "pass"]))
    return [
        Figure("perch --help", helped, "s", "≤ 0.2"),
        Figure("python -c pass, for comparison", bare, "s"),
    ]


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began
