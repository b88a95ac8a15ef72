"""Putting a backup into an empty data folder, so that a collector goes on from there.

The journal takes a new id: what came after the backup is missing from it, and agents that see another id send again all
that they still keep. A history of the backup goes on with it, and InfluxDB, whose cursor is in no backup, is written
anew. The journal takes its place last: until then nothing in the folder can be taken for a server's data.
"""

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

from perch.adapters import api_file, audit_file, crash_points
from perch.adapters.backup.database_copy import Show, show_nothing
from perch.adapters.backup.making import DATABASES, HISTORY, JOURNAL
from perch.adapters.backup.manifest import BROKER, CONFIGURATION, DATA, Held, Manifest
from perch.adapters.history import file as history_file
from perch.adapters.journal import reader as journal_reader
from perch.adapters.journal.backup import renew_id
from perch.adapters.quarantine import reader as quarantine_reader
from perch.adapters.sqlite import is_in_use, reported, rights
from perch.adapters.whole_file import sync_folder
from perch.errors import DamagedError, StorageError

SCHEMAS = {
    JOURNAL: journal_reader.SCHEMA_VERSION,
    HISTORY: history_file.SCHEMA_VERSION,
    api_file.NAME: api_file.SCHEMA_VERSION,
    audit_file.NAME: audit_file.SCHEMA_VERSION,
    "quarantine.db": quarantine_reader.SCHEMA_VERSION,
}
HALF = ".restoring"
"""Where files lie in the data folder until all of them are there and right."""

_IGNORED = {"lost+found", HALF}
_OWNER_ONLY, _READABLE = 0o600, 0o640
_PIECE = 2**20
_ROOT = 0
_OTHER_BACKUP = "restore another backup; this one was changed since it was made, or its disk fails"


def require_known(backup: Path, manifest: Manifest) -> None:
    """Refuse a backup of a newer Perch, or one in which something is missing; raises StorageError."""
    names = {held.path.rpartition("/")[2]: held for held in manifest.files if held.path.startswith(f"{DATA}/")}
    if JOURNAL not in names:
        raise DamagedError(f"{backup} has no {JOURNAL}", "restore another backup")
    for name, held in names.items():
        if name not in SCHEMAS or (held.schema or 0) > SCHEMAS[name]:
            what = f"{backup} was made by a newer Perch, {manifest.perch} ({name}, schema {held.schema})"
            raise StorageError(what, "install that version of Perch here, or a newer one, and restore it then")
    for held in manifest.files:
        path = backup / held.path
        if not path.is_file() or path.stat().st_size != held.bytes:
            raise DamagedError(f"{path} is missing, or not as long as it was", _OTHER_BACKUP)


def require_own(backup: Path, manifest: Manifest, sites: Collection[str]) -> None:
    """Refuse a backup of sites that are not this server's; raises StorageError."""
    if strangers := set(manifest.sites) - set(sites):
        here = ", ".join(sorted(sites)) or "none"
        what = f"{backup} is of the site {', '.join(sorted(strangers))}, and this server's are: {here}"
        raise StorageError(what, "restore a backup of this server, or name the perch.toml of that one")


def require_empty(data: Path) -> None:
    """Refuse a folder in which anything is, save what a restore left that was ended half-way; raises StorageError."""
    if is_in_use(data / JOURNAL):
        raise StorageError(f"a collector is running in {data}", "stop it first, and move its data away")
    there = sorted(path.name for path in data.iterdir()) if data.is_dir() else []
    ours = set(DATABASES) - {JOURNAL} if HALF in there else set()
    if found := [name for name in there if name not in _IGNORED | ours]:
        what = f"{data} is not empty: {', '.join(found[:5])}{' …' if found[5:] else ''}"
        raise StorageError(what, "move what is there to another folder first: it may be newer than the backup")


def restore_data(backup: Path, manifest: Manifest, data: Path, show: Show = show_nothing) -> str:
    """Put a backup's databases into an empty folder; gives the new id of the journal. Raises StorageError."""
    require_known(backup, manifest)
    require_empty(data)
    wanted = [held for held in manifest.files if _is_wanted(held)]
    half = data / HALF
    try:
        for name in (HALF, *DATABASES):
            _remove(data / name)
        half.mkdir(parents=True)
        _require_room(data, wanted)
        done = _copy_all(backup, wanted, half, show)
        fresh = _renew(half, manifest)
        for path in sorted(done, key=lambda path: path.name == JOURNAL):
            _give(path, data, _OWNER_ONLY if path.name == api_file.NAME else _READABLE)
            path.rename(data / path.name)
            sync_folder(data)
            crash_points.reach("restore", "moved")
        half.rmdir()
    except OSError as error:
        raise StorageError(f"{data} cannot be written: {error.strerror}", rights(error)) from error
    return fresh


def restore_configuration(backup: Path, manifest: Manifest, folder: Path) -> list[Path]:
    """Put a backup's configuration into a folder, where none of it is yet; gives the files. Raises StorageError."""
    places = _places(manifest, CONFIGURATION, folder)
    if there := [path for path in places if os.path.lexists(path)]:
        raise StorageError(f"{there[0]} is there already", "move it away, or name another place for perch.toml")
    try:
        for target, held in places.items():
            target.parent.mkdir(0o750, parents=True, exist_ok=True)
            _copy(backup / held.path, target, held)
            _give(target, folder, _READABLE)
    except OSError as error:
        raise StorageError(f"{folder} cannot be written: {error.strerror}", rights(error)) from error
    return list(places)


def restore_broker(backup: Path, manifest: Manifest, folder: Path) -> list[Path]:
    """Put back who may come in at the broker, where none of it is there; gives the files. Raises StorageError."""
    places = _places(manifest, BROKER, folder)
    if any(map(os.path.lexists, places)):
        return []
    try:
        if places:
            folder.mkdir(0o750, parents=True, exist_ok=True)
        for target, held in places.items():
            _copy(backup / held.path, target, held)
            target.chmod(_OWNER_ONLY)
    except OSError as error:
        raise StorageError(f"{folder} cannot be written: {error.strerror}", "run this as root") from error
    return list(places)


def _places(manifest: Manifest, part: str, folder: Path) -> dict[Path, Held]:
    """Say where the files of a part of a backup belong below a folder."""
    some = (held for held in manifest.files if held.path.startswith(f"{part}/"))
    return {folder / held.path.removeprefix(f"{part}/"): held for held in some}


def _is_wanted(held: Held) -> bool:
    """Leave out a history of an older form: it would be emptied, and made anew."""
    name = held.path.removeprefix(f"{DATA}/")
    return name in SCHEMAS and (name != HISTORY or (held.schema or 0) >= history_file.STEPS[0].since)


def _require_room(data: Path, wanted: Collection[Held]) -> None:
    disk = os.statvfs(data)
    free, needed = disk.f_bavail * disk.f_frsize, sum(held.bytes for held in wanted)
    if free < needed:
        what = f"the disk of {data} has room for {free / 2**20:,.0f} MiB, the backup takes {needed / 2**20:,.0f}"
        raise StorageError(what, "free some space there, or set data to a folder on another disk")


def _copy_all(backup: Path, wanted: Collection[Held], half: Path, show: Show) -> list[Path]:
    total, before, done = sum(held.bytes for held in wanted), 0, []
    for held in wanted:
        target = half / held.path.removeprefix(f"{DATA}/")
        _copy(backup / held.path, target, held)
        before += held.bytes
        show(before, total)
        done.append(target)
    return done


def _copy(source: Path, target: Path, held: Held) -> None:
    """Copy a file and see that it is what the manifest says; raises DamagedError, OSError."""
    digest = hashlib.sha256()
    with source.open("rb") as read, target.open("xb") as written:
        for piece in iter(lambda: read.read(_PIECE), b""):
            digest.update(piece)
            written.write(piece)
        _sync(written)
    if digest.hexdigest() != held.sha256:
        target.unlink()
        raise DamagedError(f"{source} is damaged: it is not what it was when the backup was made", _OTHER_BACKUP)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _renew(half: Path, manifest: Manifest) -> str:
    """Give the journal a new id; a history that was made of it goes on with it."""
    fresh = renew_id(half / JOURNAL)
    history = half / HISTORY
    if history.exists():
        with reported(history), closing(sqlite3.connect(history)) as db, db:
            db.execute("UPDATE cursor SET journal = ? WHERE journal = ?", (fresh, manifest.journal))
    return fresh


def _give(path: Path, folder: Path, mode: int) -> None:
    """Make a file that of a folder's owner, where it is root who puts it there."""
    path.chmod(mode)
    there = folder.stat()
    if os.geteuid() == _ROOT and path.stat().st_uid != there.st_uid:
        os.chown(path, there.st_uid, there.st_gid)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
