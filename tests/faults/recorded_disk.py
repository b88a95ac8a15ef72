"""A real disk under a recorder, and what is wrong with an outbox or a journal that comes from it."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from perch.adapters.journal.store import Journal, JournalReader
from perch.adapters.outbox.store import Outbox
from perch.contract import Event
from perch.errors import PerchError
from tests.faults.disk_worker import event

ROOT = Path(__file__).parents[2]

Lost = Callable[[Path, dict[str, int]], list[str]]
"""Looks into a folder after a power cut, knowing the last number accepted of each epoch; says what is wrong."""


def compiled(folder: Path) -> Path:
    """Compile the recorder of what a program does to its files."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler: scripts/get-parts")
    library, source = folder / "disk.so", Path(__file__).with_name("disk.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl", "-lpthread"], check=True)
    return library


def work(shim: Path, place: Path, *words: str, fails: str | None = None) -> tuple[Path, Path]:
    """Let a worker work on a recorded disk; gives its folder and the record."""
    folder, trace = place / "data", place / "trace"
    folder.mkdir()
    shimmed = {"LD_PRELOAD": str(shim), "PERCH_DISK_FOLDER": str(folder), "PERCH_DISK_TRACE": str(trace)}
    if fails is not None:
        shimmed["PERCH_DISK_FAILS"] = fails
    command = [sys.executable, "-m", "tests.faults.disk_worker", words[0], str(folder), *words[1:]]
    subprocess.run(command, cwd=ROOT, env=os.environ | shimmed, check=True, timeout=120)
    return folder, trace


def accepted(marks: bytes) -> dict[str, int]:
    """Read the last number that was accepted of each epoch."""
    return {epoch: int(last) for epoch, last in (line.split() for line in marks.decode().splitlines())}


def lost_of_outbox(folder: Path, accepted: dict[str, int]) -> list[str]:
    path = folder / "outbox.db"
    try:
        with Outbox.open(path) as outbox:
            kept = {lane.epoch for lane in outbox.lanes()}
            wrong = [
                f"epoch {epoch[:2]} up to {last}"
                for epoch, last in accepted.items()
                if epoch not in kept or outbox.read(epoch, 1, last) != tuple(map(event, range(1, last + 1)))
            ]
        return wrong + damage(path)
    except (PerchError, sqlite3.Error, TypeError, LookupError) as error:  # what it holds may be anything
        return [str(error)] if accepted else []


def lost_of_journal(folder: Path, accepted: dict[str, int]) -> list[str]:
    path = folder / "journal.db"
    try:
        with Journal.open(path), JournalReader(path) as reader:
            stored: dict[str, list[Event]] = {}
            for entry in reader.read(0, 1_000_000):
                stored.setdefault(entry.epoch, []).append(entry.event)
            wrong = [
                f"epoch {epoch[:2]} up to {last}"
                for epoch, last in accepted.items()
                if stored.get(epoch, [])[:last] != [event(seq) for seq in range(1, last + 1)]
            ]
        return wrong + damage(path)
    except (PerchError, sqlite3.Error, TypeError, LookupError) as error:  # what it holds may be anything
        return [str(error)] if accepted else []


def damage(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        return [row[0] for row in db.execute("PRAGMA integrity_check") if row[0] != "ok"]


KINDS: dict[str, Lost] = {"outbox": lost_of_outbox, "journal": lost_of_journal}
