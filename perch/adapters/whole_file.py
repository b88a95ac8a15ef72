"""Writing files so that a reader, and a power cut, find the old one or the new one, and never half of one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from perch.errors import StorageError


def write_whole(
    path: Path,
    body: bytes,
    remedy: str = "check the disk and the rights",
    *,
    mode: int | None = None,
    owner: tuple[int, int] | None = None,
) -> None:
    """Put a file in its place, on the disk when this returns; raises StorageError, and the old one stays.

    With `mode` (as 0o600) nobody else has ever had more rights to it than that; `owner` are ids of user and group.
    """
    beside = path.with_name(f".{path.name}.new")  # always the same, so that none are left over
    try:
        _write(beside, body, mode, owner)
        os.replace(beside, path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise StorageError(f"{path} cannot be written: {error.strerror}", remedy) from error


@contextmanager
def whole_file(path: Path, remedy: str = "check the disk and the rights") -> Iterator[BinaryIO]:
    """Open a file that takes its place, on the disk, when all of it is written; raises StorageError.

    Whatever else is raised meanwhile leaves nothing behind, and the old file stays.
    """
    beside = path.with_name(f".{path.name}.new")
    try:
        with beside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        sync_folder(path.parent)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}", remedy) from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def _write(path: Path, body: bytes, mode: int | None, owner: tuple[int, int] | None) -> None:
    if mode is not None:
        path.unlink(missing_ok=True)  # whoever made it may have it open
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
        path.chmod(mode)
    with path.open("wb") as file:
        file.write(body)
        file.flush()
        if owner is not None:
            os.fchown(file.fileno(), *owner)
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make sure that names which were given, taken or changed in a folder survive a power cut; raises OSError."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(held)
    finally:
        os.close(held)
