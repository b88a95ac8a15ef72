"""What an outbox or a journal has accepted survives a power cut at any moment; without syncing it would not."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from perch.adapters.journal import Journal, JournalReader
from perch.adapters.outbox import Outbox
from perch.contract import Event
from perch.errors import PerchError
from tests.faults.disk_worker import event
from tests.faults.imagined_disk import Deed, ImaginedDisk, read_trace

ROOT = Path(__file__).parents[2]
CUTS, MANY_CUTS = 60, 1_000

Lost = Callable[[Path, dict[str, int]], list[str]]
"""Looks into a folder after a power cut, knowing the last number accepted of each epoch; says what is wrong."""


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recorder of what a program does to its files."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler: scripts/get-parts")
    library = tmp_path_factory.mktemp("disk") / "disk.so"
    source = Path(__file__).with_name("disk.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl", "-lpthread"], check=True)
    return library


@pytest.fixture(scope="session")
def recorded(shim: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Path, list[Deed]]]:
    """A function that gives the folder and the deeds of a worker, each recorded once."""
    known: dict[tuple[str, ...], tuple[Path, list[Deed]]] = {}

    def record(*words: str) -> tuple[Path, list[Deed]]:
        if words not in known:
            place = tmp_path_factory.mktemp("recorded")
            folder, trace = place / "data", place / "trace"
            folder.mkdir()
            shimmed = {"LD_PRELOAD": str(shim), "PERCH_DISK_FOLDER": str(folder), "PERCH_DISK_TRACE": str(trace)}
            command = [sys.executable, "-m", "tests.faults.disk_worker", words[0], str(folder), *words[1:]]
            subprocess.run(command, cwd=ROOT, env=os.environ | shimmed, check=True, timeout=120)
            known[words] = folder, list(read_trace(trace))
        return known[words]

    return record


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


def cut_at_random(place: tuple[Path, list[Deed]], lost: Lost, cuts: int, seed: int, work: Path) -> dict[int, list[str]]:
    """Cut the power at so many random moments; gives what was wrong afterwards, by moment."""
    folder, deeds = place
    chance = random.Random(seed)  # noqa: S311  # nothing secret
    disk, done, wrong = ImaginedDisk(folder), 0, {}
    for moment in sorted(chance.choices(range(len(deeds) + 1), k=cuts)):
        for deed in deeds[done:moment]:
            disk.apply(deed)
        done = moment
        left = work / "left"
        left.mkdir()
        disk.cut(chance, left)
        accepted = dict(line.split() for line in disk.marks.decode().splitlines())
        if found := lost(left, {epoch: int(last) for epoch, last in accepted.items()}):
            wrong[moment] = found
        shutil.rmtree(left)
    return wrong


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_accepted_survives_power_cuts(
    kind: str, recorded: Callable[..., tuple[Path, list[Deed]]], tmp_path: Path
) -> None:
    assert cut_at_random(recorded(kind), KINDS[kind], CUTS, seed=1, work=tmp_path) == {}


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_what_was_accepted_survives_a_thousand_power_cuts(
    kind: str, recorded: Callable[..., tuple[Path, list[Deed]]], tmp_path: Path
) -> None:
    assert cut_at_random(recorded(kind), KINDS[kind], MANY_CUTS, seed=2, work=tmp_path) == {}


@pytest.mark.parametrize("kind", KINDS)
def test_without_syncing_it_would_not(
    kind: str, recorded: Callable[..., tuple[Path, list[Deed]]], tmp_path: Path
) -> None:
    """The negative control: a file that is not synced loses what it accepted."""
    assert cut_at_random(recorded(kind, "careless"), KINDS[kind], 40, seed=3, work=tmp_path) != {}
