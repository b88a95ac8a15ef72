"""Questions over days of many desks: Perch beside polars and DuckDB on Parquet of the same transitions, in one run.

Cold is a new process, from its start to its end; warm the second to sixth time in one. They must give
equal answers. `python -m benchmarks.history SPACES DAYS FOLDER` measures another size, in a folder that is kept.
"""

import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

from benchmarks import servers
from benchmarks.figures import Figure
from benchmarks.history_days import write

SPACES, DAYS = 200, 91
QUESTIONS = ("hours", "peak", "sizing")
OF_PAGES = ("week of all zones", "daily peaks of a zone", "hours of a zone", "months of all zones")
PEERS = ("polars", "duckdb")
COLD, WARM = 3, 5


class _Asked(NamedTuple):
    """What a process said; how long it took in all, and its processor, each again for each time that it was asked."""

    wall_s: float
    all_cpu_s: float
    s: Sequence[float]
    cpu_s: Sequence[float]
    found: Any
    mib: float


def figures() -> list[Figure]:
    """Measure a quarter of a year of 200 desks."""
    with servers.folder() as where:
        return measured(where, SPACES, DAYS)


def measured(where: Path, spaces: int, days: int) -> list[Figure]:
    """Write days of desks into a folder, where it has none, and ask."""
    found = []
    if not (where / "transitions.parquet").exists():
        written = write(where, spaces, days)
        size = (where / "history.db").stat().st_size / written.transitions
        found += [
            Figure("history.db", [size], "bytes a transition", "≤ 25"),
            Figure("words of a history taken in", [written.transitions / written.told_s], "transitions a second"),
            Figure("days of it put on sheets", [written.transitions / written.folded_s], "transitions a second"),
        ]
    for what in QUESTIONS:
        found += _beside_peers(what, where, spaces, days)
    for what in OF_PAGES:
        found.append(Figure(f"{what}, warm", _warm(_ask("perch", what, where, spaces, days, WARM + 1)), "ms", "≤ 50"))
    one = _ask("perch", "one space", where, spaces, days, WARM + 1)
    return [*found, Figure("one space, again", _warm(one), "ms", "≤ 10")]


def _beside_peers(what: str, where: Path, spaces: int, days: int) -> list[Figure]:
    cold: dict[str, list[_Asked]] = {}
    for _ in range(COLD):  # in turns, for the machine may have other work
        for who in ("perch", *PEERS):
            cold.setdefault(who, []).append(_ask(who, what, where, spaces, days, 1))
    warm = {who: _ask(who, what, where, spaces, days, WARM + 1) for who in cold}
    for who, said in warm.items():
        if not _alike(said.found, warm["perch"].found):
            raise AssertionError(f"{who} says otherwise of {what}: {said.found} and {warm['perch'].found}")
    ways: dict[str, dict[str, Sequence[float]]] = {
        f"{what}, new process": {who: [one.wall_s for one in asked] for who, asked in cold.items()},
        f"{what}, new process, processor": {who: [one.all_cpu_s for one in asked] for who, asked in cold.items()},
        f"{what}, again": {who: said.s[1:] for who, said in warm.items()},
        f"{what}, again, processor": {who: said.cpu_s[1:] for who, said in warm.items()},
    }
    found = []
    for way, taken in ways.items():
        found += [Figure(f"{way}, {who}", [second * 1000 for second in of], "ms") for who, of in taken.items()]
        ratios = [median(taken["perch"]) / median(taken[who]) for who in PEERS]
        aim = "≤ .2 of polars" if "again" in way else "≤ 1 of polars"
        found += [Figure(f"{way}, Perch ÷ {who}", [of], "×", aim) for who, of in zip(PEERS, ratios, strict=True)]
    return [*found, Figure(f"{what}, memory of Perch", [warm["perch"].mib], "MiB", "≤ 1024")]


def _warm(asked: _Asked) -> list[float]:
    return [seconds * 1000 for seconds in asked.s[1:]]


def _alike(one: Any, other: Any) -> bool:
    """Compare answers; ratios may differ by how they are rounded."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(abs(one[key] - other[key]) < 2e-9 for key in one)
    return bool(one == other)


def _ask(who: str, what: str, where: Path, spaces: int, days: int, times: int) -> _Asked:
    command = [
        sys.executable,
        "-m",
        "benchmarks.history_peers",
        who,
        what,
        str(where),
        str(spaces),
        str(days),
        str(times),
    ]
    began, busy = perf_counter(), _cpu_of_children_s()
    said = subprocess.run(command, check=True, capture_output=True, text=True)
    return _Asked(perf_counter() - began, _cpu_of_children_s() - busy, **json.loads(said.stdout))


def _cpu_of_children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    folder = Path(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    for figure in measured(folder, int(sys.argv[1]), int(sys.argv[2])):
        print(figure, flush=True)
