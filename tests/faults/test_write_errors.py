"""Disks that are full or fail now and then: what was accepted is there, whatever else could not be written."""

import errno
from pathlib import Path

import pytest

from tests.faults.recorded_disk import KINDS, accepted, compiled, work

ERRORS = (errno.ENOSPC, errno.EIO)
PER_MILLE = (3, 30)


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What lets writes fail."""
    return compiled(tmp_path_factory.mktemp("shim"))


@pytest.mark.parametrize("error", ERRORS, ids=lambda number: errno.errorcode[number])
@pytest.mark.parametrize("kind", KINDS)
def test_what_was_accepted_survives_write_errors(kind: str, error: int, shim: Path, tmp_path: Path) -> None:
    some = 0
    for rate in PER_MILLE:
        for seed in (1, 2):
            place = tmp_path / f"{rate}-{seed}"
            place.mkdir()
            folder, _ = work(shim, place, kind, fails=f"{error}:{rate}:{seed}")
            marks = accepted((folder / "marks").read_bytes())
            some += len(marks)
            assert KINDS[kind](folder, marks) == [], f"{rate} per mille, seed {seed}"
    assert some > 0
