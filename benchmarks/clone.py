"""From `git clone` to a page that moves: `make demo` in a new folder and a new environment, package caches warm."""

import json
import os
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

from benchmarks import servers
from benchmarks.figures import Figure, wait_for

HERE = Path(__file__).resolve().parent.parent


def figures() -> list[Figure]:
    """Time it once: it takes a minute."""
    with servers.folder() as where:
        began = time.perf_counter()
        subprocess.run(["git", "clone", "--quiet", str(HERE), str(where / "perch")], check=True)
        demo = subprocess.Popen(
            ["make", "demo"], cwd=where / "perch", stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert demo.stdout is not None
        try:
            address = next(line for line in demo.stdout if "Perch is at" in line).split()[-1]
            page = time.perf_counter() - began
            wait_for(lambda: _known(address) > 0)
            moving = time.perf_counter() - began
        finally:
            os.killpg(demo.pid, signal.SIGINT)
            demo.wait(20)
            demo.stdout.close()
    return [Figure("clone to page", [page], "s"), Figure("clone to a page that moves", [moving], "s", "≤ 60")]


def _known(address: str) -> int:
    with urllib.request.urlopen(f"{address}/api/v1/summary", timeout=10) as answer:
        summary = json.load(answer)
    return int(summary["free"]) + int(summary["occupied"])
