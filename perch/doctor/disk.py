"""Disk: room, rights, and commits that reach it."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from perch.adapters.health.disk_probe import Ground, ground_of, time_to_write
from perch.doctor.findings import Finding, fault, ok, warn

MIB = 2**20
LEAST_FREE_BYTES = 50 * MIB
SLOW_S = 1.0
NETWORKED = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs", "fuse.glusterfs", "afs"})
FLEETING = frozenset({"tmpfs", "ramfs"})
_ROOM = "make room there, or move data to a larger disk"


def look_at_disk(
    folder: Path,
    roomy_bytes: int,
    ground: Callable[[Path], Ground] = ground_of,
    write: Callable[[Path], float] = time_to_write,
) -> Iterator[Finding]:
    """Look at a data folder and what lies under it; less than `roomy_bytes` free deserves a warning."""
    if not folder.is_dir():
        yield from _missing(folder)
        return
    under = ground(folder)
    yield from _room(folder, under, roomy_bytes)
    yield from _foreign(folder)
    if under.kind in NETWORKED:
        what = f"{folder} is on a network file system ({under.kind}), where databases are not safe"
        yield fault("disk", what, "put data on a local disk")
    elif under.kind in FLEETING:
        yield warn("disk", f"{folder} is in memory ({under.kind}): a restart forgets it", "put data on a disk")
    yield from _writing(folder, under, write)


def _missing(folder: Path) -> Iterator[Finding]:
    above = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if folder.exists() or not above.is_dir():
        yield fault("disk", f"{above} is no folder", "move it away, or correct data in the configuration")
    elif os.access(above, os.W_OK):
        yield ok("disk", f"{folder} is not there yet and is made at the first start")
    else:
        yield fault("disk", f"{folder} is not there and cannot be made", "make it, and give it to the user of Perch")


def _room(folder: Path, under: Ground, roomy_bytes: int) -> Iterator[Finding]:
    free = f"{under.free_bytes // MIB:,} MiB are free for {folder}"
    if under.free_bytes < LEAST_FREE_BYTES:
        yield fault("disk", f"only {free}", _ROOM)
    elif under.free_bytes < roomy_bytes:
        yield warn("disk", free, _ROOM)
    if under.free_files == 0:
        yield fault("disk", f"no further file fits on the disk of {folder}", "remove files that nobody needs there")


def _foreign(folder: Path) -> Iterator[Finding]:
    """Find files that the folder's owner may not write: left by somebody who once ran Perch as root."""
    owner = folder.stat().st_uid
    foreign = sorted(file.name for file in folder.iterdir() if file.is_file() and file.stat().st_uid != owner)
    if foreign:
        remedy = f"chown --recursive --reference={folder} {folder}"
        yield fault("disk", f"{', '.join(foreign[:5])} in {folder} belong to another user than the folder", remedy)


def _writing(folder: Path, under: Ground, write: Callable[[Path], float]) -> Iterator[Finding]:
    if under.read_only:
        yield fault("disk", f"{folder} is on a disk that is mounted read-only", "see why with dmesg, and remount it")
        return
    try:
        took_s = write(folder)
    except OSError as error:
        yield _unwritable(folder, error)
        return
    if took_s > SLOW_S:
        yield warn(
            "disk", f"a small write to {folder} took {took_s:.1f} s", "see what keeps the disk busy, or replace it"
        )
    else:
        yield ok(
            "disk", f"{under.free_bytes // MIB:,} MiB free for {folder}; a write is safe in {took_s * 1000:.0f} ms"
        )


def _unwritable(folder: Path, error: OSError) -> Finding:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return fault("disk", f"the disk of {folder} is full", _ROOM)
    if error.errno == errno.EROFS:
        return fault("disk", f"{folder} is on a disk that is mounted read-only", "see why with dmesg, and remount it")
    if isinstance(error, PermissionError):
        return fault("disk", f"this user may not write in {folder}", "run the doctor as the user of Perch, or chown it")
    return fault("disk", f"{folder} cannot be written: {error.strerror}", "check the disk; dmesg may say more")
