"""A backup as one file: an ordinary tar archive of its folder."""

import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from perch.adapters.backup.manifest import NAME, is_inside
from perch.adapters.whole_file import sync_folder
from perch.errors import DamagedError, StorageError

ENDING = ".tar"
_OWNER_ONLY = 0o600
_BY_HAND = "unpack it with tar -xf where there is room, and name the folder that comes out"


@contextmanager
def beside(archive: Path) -> Iterator[Path]:
    """Give a folder on an archive's disk that is gone afterwards; raises StorageError where there can be none."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=".perch-", dir=archive.parent))
    except OSError as error:
        raise StorageError(f"nothing can be written beside {archive}: {error.strerror}", _BY_HAND) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def pack(folder: Path, archive: Path) -> None:
    """Write a backup's folder as an archive, which takes its name when it is whole; raises StorageError.

    It is written beside the folder, which lies where only its owner may look.
    """
    written = folder.with_name("packed")
    try:
        with written.open("xb") as file:
            with tarfile.open(fileobj=file, mode="w") as packed:
                packed.add(folder, folder.name, filter=_owner_only)
            file.flush()
            os.fsync(file.fileno())
        written.chmod(_OWNER_ONLY)
        written.rename(archive)
        sync_folder(archive.parent)
    except OSError as error:
        raise StorageError(f"{archive} cannot be written: {error.strerror}", "name another disk") from error


def unpack(archive: Path, folder: Path) -> Path:
    """Take a backup out of an archive; gives its folder. What no backup has is not taken. Raises StorageError."""
    target = folder / "backup"
    try:
        with tarfile.open(archive, "r:") as packed:
            for entry in packed:
                name = entry.name.removeprefix("backup/")
                if entry.isreg() and (name == NAME or is_inside(name)):
                    path = target / name
                    path.parent.mkdir(0o700, parents=True, exist_ok=True)
                    taken = packed.extractfile(entry)
                    with path.open("xb") as written:
                        shutil.copyfileobj(taken, written)  # type: ignore[arg-type]  # a regular file has a content
    except tarfile.TarError as error:
        raise DamagedError(f"{archive} is no backup, or damaged: {error}", "restore another backup") from error
    except OSError as error:
        raise StorageError(f"{archive} cannot be unpacked: {error.strerror}", _BY_HAND) from error
    return target


def _owner_only(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mode &= 0o700
    return entry
