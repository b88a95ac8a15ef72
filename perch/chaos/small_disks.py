"""Small disks that can be filled: a tmpfs per folder, mounted where no other process sees it and gone with this one."""

import ctypes
import errno
import os
import shutil
import subprocess
from pathlib import Path

from perch.errors import PerchError

CLONE_NEWNS = 0x20000
BALLOON = "balloon"
_CHUNK = b"\0" * 65_536


def keep_mounts_to_ourselves() -> bool:
    """Give this process mounts of its own, to be called before it has threads; False where only root could."""
    if os.geteuid() != 0 or ctypes.CDLL(None).unshare(CLONE_NEWNS) != 0:
        return False
    return subprocess.run(["mount", "--make-rprivate", "/"], check=False).returncode == 0  # noqa: S607


def mount(folder: Path, size_kib: int) -> None:
    """Make a folder a disk of so many KiB; raises PerchError."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_kib}k", "perch-chaos", str(folder)]
    if subprocess.run(command, check=False).returncode != 0:  # noqa: S603
        raise PerchError(f"{folder} cannot be made a small disk", "see what mount says above")


def unmount(folder: Path) -> None:
    """Take the disk away; what is on it stays in the folder."""
    beside = folder.with_name(folder.name + "-kept")
    shutil.copytree(folder, beside)
    subprocess.run(["umount", "--lazy", str(folder)], check=False)  # noqa: S603, S607
    shutil.copytree(beside, folder, dirs_exist_ok=True)
    shutil.rmtree(beside)


def fill(folder: Path) -> None:
    """Take all the room that is left."""
    handle = os.open(folder / BALLOON, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    chunk = _CHUNK
    try:
        while chunk:
            try:
                os.write(handle, chunk)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                chunk = chunk[: len(chunk) // 2]
    finally:
        os.close(handle)


def release(folder: Path) -> None:
    """Give the room back."""
    (folder / BALLOON).unlink(missing_ok=True)
