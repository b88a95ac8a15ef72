"""Example: python -m benchmarks.accuracy room doors

Prints the tables of the sections named, or of all; where all ran, `docs/accuracy.md` and its drawings are renewed.
"""

import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from benchmarks.accuracy import report
from benchmarks.accuracy.sections import SECTIONS, run
from benchmarks.accuracy.tables import aims_table

PROCESSES = 2


def main(names: Sequence[str]) -> int:
    """Score, print, and renew the document; 2 where a name is unknown."""
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        print(f"no section is called {', '.join(unknown)}; there are {', '.join(SECTIONS)}", file=sys.stderr)
        return 2
    began = time.monotonic()
    sections = []
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as processes:
        for made in [processes.submit(run, name) for name in names or SECTIONS]:
            sections.append(made.result())
            print(f"\n{sections[-1]}", flush=True)
    aims = aims_table([aim for section in sections for aim in section.aims])
    print(f"\n{aims}\n\n{time.monotonic() - began:.0f} s")
    if not names:
        tables = {section.name: str(section) for section in sections}
        drawings = {name: text for section in sections for name, text in section.drawings.items()}
        report.write({**tables, "aims": str(aims)}, drawings)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
