"""What an outbox or a journal has accepted survives a power cut at any moment; without syncing it would not."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.imagined_disk import Deed, ImaginedDisk, read_trace
from tests.faults.recorded_disk import KINDS, Lost, accepted, compiled, work

CUTS, MANY_CUTS = 60, 1_000

Record = Callable[..., tuple[Path, list[Deed]]]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """A function that gives the folder and the deeds of a worker, each recorded once."""
    shim = compiled(tmp_path_factory.mktemp("shim"))
    known: dict[tuple[str, ...], tuple[Path, list[Deed]]] = {}

    def record(*words: str) -> tuple[Path, list[Deed]]:
        if words not in known:
            folder, trace = work(shim, tmp_path_factory.mktemp("recorded"), *words)
            known[words] = folder, list(read_trace(trace))
        return known[words]

    return record


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
        if found := lost(left, accepted(disk.marks)):
            wrong[moment] = found
        shutil.rmtree(left)
    return wrong


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_accepted_survives_power_cuts(kind: str, recorded: Record, tmp_path: Path) -> None:
    assert cut_at_random(recorded(kind), KINDS[kind], CUTS, seed=1, work=tmp_path) == {}


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_what_was_accepted_survives_a_thousand_power_cuts(kind: str, recorded: Record, tmp_path: Path) -> None:
    assert cut_at_random(recorded(kind), KINDS[kind], MANY_CUTS, seed=2, work=tmp_path) == {}


@pytest.mark.parametrize("kind", KINDS)
def test_without_syncing_it_would_not(kind: str, recorded: Record, tmp_path: Path) -> None:
    """The negative control: a file that is not synced loses what it accepted."""
    assert cut_at_random(recorded(kind, "careless"), KINDS[kind], 40, seed=3, work=tmp_path) != {}
