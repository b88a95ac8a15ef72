"""Trying inputs by seed: what was tried, how long it took, and the first input that did what it must not."""

import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.fuzz.targets import Target, targets

TARGETS_SHARE = 100
NS_PER_MS = 1_000_000


class FoundError(AssertionError):
    """An input did what it must not: the target, the seed and number that make it again, and the input."""


@dataclass
class Tried:
    """What one target was given: inputs, KiB, time, how many were refused, and the slowest input, ms per KiB.

    An input below 1 KiB counts as 1 KiB. Time is the processor's; an input that seems slow is timed again.
    """

    inputs: int = 0
    refused: int = 0
    size: int = 0
    ns: int = 0
    slowest_ns_per_kib: int = 0
    slowest: str = ""

    def __add__(self, other: "Tried") -> "Tried":
        slower = max(self, other, key=lambda tried: tried.slowest_ns_per_kib)
        return Tried(
            self.inputs + other.inputs,
            self.refused + other.refused,
            self.size + other.size,
            self.ns + other.ns,
            slower.slowest_ns_per_kib,
            slower.slowest,
        )


@dataclass
class Report:
    """What a campaign tried, by target."""

    by_target: dict[str, Tried] = field(default_factory=dict)

    def __add__(self, other: "Report") -> "Report":
        names = dict.fromkeys([*self.by_target, *other.by_target])
        return Report({name: self.by_target.get(name, Tried()) + other.by_target.get(name, Tried()) for name in names})

    @property
    def inputs(self) -> int:
        """How many inputs were tried."""
        return sum(tried.inputs for tried in self.by_target.values())

    def __str__(self) -> str:
        head = "| reader or writer | inputs | refused | mean size, bytes | mean, µs | slowest, ms per KiB |"
        rows = [_row(name, tried) for name, tried in self.by_target.items() if tried.inputs]
        total = sum(self.by_target.values(), Tried())
        return "\n".join([head, "|---|---|---|---|---|---|", *rows, _row("all", total)])


def _row(name: str, tried: Tried) -> str:
    share = tried.refused / tried.inputs
    mean_us, slowest = tried.ns / tried.inputs / 1000, tried.slowest_ns_per_kib / NS_PER_MS
    size = tried.size / tried.inputs
    return f"| {name} | {tried.inputs:,} | {share:.0%} | {size:,.0f} | {mean_us:,.0f} | {slowest:.2f} |"


def try_inputs(seed: int, inputs: int, folder: Path, first: int = 0, only: str = "") -> Report:
    """Try inputs of all targets, numbered from `first`; raises FoundError at the first that does what it must not."""
    report = Report()
    everything = targets(folder)
    places = [target for target in everything for _ in range(target.share)]
    assert len(places) == TARGETS_SHARE
    for number in range(first, first + inputs):
        target = places[number * 37 % TARGETS_SHARE]
        if only in target.name:
            try_one(target, seed, number, report.by_target.setdefault(target.name, Tried()))
    return report


def try_one(target: Target, seed: int, number: int, tried: Tried) -> None:
    """Try one input of a target and add it to what was tried; raises FoundError."""
    made = target.make(Random(f"{seed}/{number}"))  # noqa: S311 (nothing secret is drawn)
    size = len(made) if isinstance(made, bytes | str) else len(repr(made))
    try:
        ready = target.put(made)
        start = time.thread_time_ns()
        came = target.use(ready)
        ns = time.thread_time_ns() - start
        target.check(made, came)
    except Exception as error:
        again = f"python -m tests.fuzz --seed {seed} --first {number} --inputs 1"
        where = "".join(traceback.format_tb(error.__traceback__)[-1:])
        raise FoundError(f"{target.name}: {error!r}\n{where}{again}\n{made!r}"[:10_000]) from error
    tried.inputs += 1
    tried.refused += isinstance(came, Exception)
    tried.size += size
    tried.ns += ns
    if ns * 1024 > tried.slowest_ns_per_kib * max(size, 1024):
        ns = min(ns, *(_timed(target, ready) for _ in range(3)))
        if ns * 1024 > tried.slowest_ns_per_kib * max(size, 1024):
            tried.slowest_ns_per_kib = ns * 1024 // max(size, 1024)
            tried.slowest = f"{target.name} {number}"


def _timed(target: Target, ready: object) -> int:
    start = time.thread_time_ns()
    target.use(ready)
    return time.thread_time_ns() - start
