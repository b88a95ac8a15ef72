"""Example: python -m benchmarks collector spaces

Runs the benchmarks named, or all of them, and prints a row for each figure: median, range, and the aim.
"""

import importlib
import platform
import sys

from benchmarks.figures import Figure

ALL = (
    "startup",
    "agent",
    "inputs",
    "estimator",
    "spaces",
    "page",
    "latency",
    "streams",
    "disk",
    "collector",
    "drain",
    "size",
    "scale",
    "growth",
    "network",
    "year",
    "history",
    "planning",
    "forecast",
    "forecast_ceiling",
    "influx",
    "influx_files",
    "telegraf",
    "clone",
)


def main(names: list[str]) -> int:
    """Run the benchmarks; 2 where a name is unknown."""
    unknown = [name for name in names if name not in ALL]
    if unknown:
        print(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(ALL)}", file=sys.stderr)
        return 2
    print(f"{platform.machine()}, {platform.python_implementation()} {platform.python_version()}; medians [range]")
    for name in names or ALL:
        figures: list[Figure] = importlib.import_module(f"benchmarks.{name}").figures()
        for figure in figures:
            print(f"{name:10} {figure}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
