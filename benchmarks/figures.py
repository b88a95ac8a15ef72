"""A figure as it is printed, and what several benchmarks need to get one."""

import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured, several times; `aim` says in words what it should be."""

    what: str
    values: Sequence[float]
    unit: str
    aim: str = ""

    def __str__(self) -> str:
        low, middle, high = min(self.values), statistics.median(self.values), max(self.values)
        aim = f"  (aim {self.aim})" if self.aim else ""
        return f"{self.what}: {middle:.3g} {self.unit} [{low:.3g} to {high:.3g}, n={len(self.values)}]{aim}"


def wait_for(condition: Callable[[], object], timeout_s: float = 60.0, pause_s: float = 0.005) -> None:
    """Poll until something is so; raises TimeoutError."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("a benchmark waited in vain")
        time.sleep(pause_s)


def resident_mib(pid: int) -> float:
    """Give the resident memory of a process in MiB."""
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * PAGE_BYTES / 2**20


def cpu_s(pid: int) -> float:
    """Give the processor time that a process has used, in seconds."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def perch(*arguments: str) -> list[str]:
    """Give the command line of the `perch` command of this environment."""
    return [sys.executable, "-m", "perch.commands", *arguments]
