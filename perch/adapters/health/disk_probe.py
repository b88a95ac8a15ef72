"""What a folder's file system offers: room, the right to write, and commits that reach the disk."""

import os
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

_MOUNTS = Path("/proc/self/mountinfo")
_BLOCK = b"\0" * 65_536


class Ground(NamedTuple):
    """What lies under a folder: `kind` is the file system's name (`ext4`, `nfs4`), empty where it is not told."""

    free_bytes: int
    total_bytes: int
    free_files: int | None
    read_only: bool
    kind: str


def ground_of(folder: Path) -> Ground:
    """Look at the file system that holds a folder; raises OSError."""
    seen = os.statvfs(folder)
    return Ground(
        free_bytes=seen.f_bavail * seen.f_frsize,
        total_bytes=seen.f_blocks * seen.f_frsize,
        free_files=seen.f_favail if seen.f_files else None,
        read_only=bool(seen.f_flag & os.ST_RDONLY),
        kind=_kind(os.stat(folder).st_dev),
    )


def time_to_write(folder: Path) -> float:
    """Write a small file, sync it, move it over another and remove it; gives the seconds, raises OSError."""
    begun_s = time.monotonic()
    number, name = tempfile.mkstemp(prefix=".perch-doctor-", dir=folder)
    moved = Path(name + ".moved")
    try:
        with os.fdopen(number, "wb", buffering=0) as file:
            written = 0
            while written < len(_BLOCK):  # a disk that is nearly full takes a part of it at first
                written += file.write(_BLOCK[written:])
            os.fsync(number)
        os.replace(name, moved)
        _sync_folder(folder)
    finally:
        for left in (Path(name), moved):
            left.unlink(missing_ok=True)
    return time.monotonic() - begun_s


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _kind(device: int) -> str:
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    of_device = (line.partition(" - ")[2].split() for line in lines if line.split()[2:3] == [wanted])
    return next((words[0] for words in of_device if words), "")
