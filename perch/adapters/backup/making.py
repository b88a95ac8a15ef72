"""Making a backup of a server: each of its databases as it is at one moment, its configuration, and a manifest.

It is made under another name and takes its own once everything in it was read back, so that a folder with a backup's
name is a whole backup. What can be had again is left out: InfluxDB is written anew from the journal. Passwords are left
out as well. What agents know their broker by is not, nor what watches sign with: without them all would begin anew. So
whoever has a backup can pass for the server.
"""

import os
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from perch import __version__
from perch.adapters import api_file, audit_file, crash_points
from perch.adapters.backup import manifest as backup_manifest
from perch.adapters.backup.database_copy import Show, asked, copy_database, show_nothing, verify_copy
from perch.adapters.backup.manifest import BROKER, CONFIGURATION, DATA, Held, Manifest, sha256_of
from perch.adapters.broker.files import ROSTER
from perch.adapters.configuration_files import ConfigurationFiles
from perch.adapters.sqlite import reported, rights
from perch.adapters.whole_file import sync_folder
from perch.errors import DamagedError, StorageError

JOURNAL, HISTORY = "journal.db", "history.db"
DATABASES = (HISTORY, JOURNAL, api_file.NAME, audit_file.NAME, "quarantine.db")
"""In the order in which they are copied: history never knows more than the journal beside it."""
BROKER_FILES = ("ca.key", "ca.pem", ROSTER)
"""What cannot be made anew of what the broker reads; its certificate is, by the same authority."""

_OWNER_ONLY, _OWNERS_FOLDER = 0o600, 0o700
_ROOT = 0
_SPARE_BYTES = 32 * 2**20
_PREFIX, _PART = "perch-", ".part"
_END = "SELECT max(floor, coalesce((SELECT max(position + count - 1) FROM run), 0)), let_go FROM journal"


@dataclass(frozen=True, slots=True)
class Subject:
    """What is backed up: a data folder, the configuration at `config`, and whose sites these are.

    `broker` is the folder of the broker's files, None where Perch does not make them.
    """

    data: Path
    config: Path
    files: ConfigurationFiles
    sites: Sequence[str]
    broker: Path | None = None


def back_up(subject: Subject, to: Path, now: datetime, show: Show = show_nothing) -> Manifest:
    """Make a backup at a path where there is none; raises StorageError, and leaves nothing behind then."""
    require_new(to)
    sources = [path for name in DATABASES if (path := subject.data / name).exists()]
    if subject.data / JOURNAL not in sources:
        raise StorageError(f"no collector has ever written in {subject.data}", "check data in perch.toml")
    part = to.with_name(f".{to.name}{_PART}")
    try:
        with suppress(FileNotFoundError):
            shutil.rmtree(part)  # of one that was ended in the middle
        part.mkdir(_OWNERS_FOLDER)
        _require_room(part, sources)
        manifest = _fill(part, subject, sources, now, show)
        _give_back(part, subject.data)
        _sync(part)
        crash_points.reach("backup", "whole")
        part.rename(to)
        sync_folder(to.parent)
    except OSError as error:
        raise StorageError(f"{to} cannot be written: {error.strerror}", rights(error)) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return manifest


def require_new(to: Path) -> None:
    """Refuse a name that something has already; raises StorageError."""
    if os.path.lexists(to):
        raise StorageError(f"{to} is there already", "name another one, or a folder in which each gets a name")


def dated(folder: Path, now: datetime) -> Path:
    """Give the name of a backup that is made now in a folder of backups."""
    return folder / f"{_PREFIX}{now.astimezone(UTC):%Y-%m-%dT%H-%M-%SZ}"


def let_go(folder: Path, keep: int) -> list[Path]:
    """Remove all but the newest backups that `dated` named in a folder; gives them. Raises StorageError.

    One that cannot be removed keeps none of the others.
    """
    there = sorted(path for path in folder.glob(f"{_PREFIX}*Z") if (path / backup_manifest.NAME).is_file())
    gone = there[: max(0, len(there) - keep)]
    kept = [(path, error) for path in gone if (error := _removed(path)) is not None]
    if kept:
        path, error = kept[0]
        what = f"{len(kept)} that should go cannot be removed: {path}: {error.strerror or error}"
        raise StorageError(what, f"remove them as root, or first: chown -R --reference={folder} {folder}/{_PREFIX}*")
    return gone


def _removed(path: Path) -> OSError | None:
    """Remove a backup; gives what kept it from being removed."""
    try:
        shutil.rmtree(path)
    except OSError as error:
        return error
    return None


def room_needed(sources: Sequence[Path]) -> int:
    """Give how many bytes copies of databases take at most, with what is still in their logs."""
    logs = [log for path in sources if (log := path.with_name(path.name + "-wal")).exists()]
    return sum(path.stat().st_size for path in (*sources, *logs))


def _require_room(folder: Path, sources: Sequence[Path]) -> None:
    disk = os.statvfs(folder)
    free, needed = disk.f_bavail * disk.f_frsize, room_needed(sources) + _SPARE_BYTES
    if free < needed:
        what = f"the disk of {folder.parent} has room for {free / 2**20:,.0f} MiB, this needs {needed / 2**20:,.0f}"
        raise StorageError(what, "free some space there, or name a folder on another disk")


def _fill(part: Path, subject: Subject, sources: Sequence[Path], now: datetime, show: Show) -> Manifest:
    held = _copy_databases(part / DATA, sources, show)
    journal, events = _journal_in(part / DATA / JOURNAL)
    if (part / DATA / HISTORY).exists() and not _is_of(part / DATA / HISTORY, journal, events):
        (part / DATA / HISTORY).unlink()  # it is being made anew, and will be once more
        held = [one for one in held if one.path != f"{DATA}/{HISTORY}"]
    held += [_copy(subject.config.parent / path, part, Path(CONFIGURATION, path)) for path in subject.files.inside]
    held += [_copy(path, part, Path(BROKER, path.name)) for path in _at_the_broker(subject.broker)]
    manifest = Manifest(
        format=backup_manifest.FORMAT,
        perch=__version__,
        made=f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        sites=tuple(sorted(subject.sites)),
        journal=journal,
        events=events,
        config=subject.config.name,
        files=tuple(held),
        secrets=tuple(str(path) for path in subject.files.secrets),
        elsewhere=tuple(str(path) for path in subject.files.elsewhere),
    )
    backup_manifest.write_manifest(part, manifest)
    return manifest


def _copy_databases(folder: Path, sources: Sequence[Path], show: Show) -> list[Held]:
    folder.mkdir(_OWNERS_FOLDER)
    total, before, held = room_needed(sources), 0, []
    for source in sources:
        copy = folder / source.name

        def shown(done: int, _of: int, before: int = before) -> None:
            show(min(before + done, total), total)

        copy_database(source, copy, shown)
        copy.chmod(_OWNER_ONLY)
        schema = verify_copy(copy)
        size = copy.stat().st_size
        held.append(Held(path=f"{DATA}/{copy.name}", bytes=size, sha256=sha256_of(copy), schema=schema))
        before += size
    return held


def _journal_in(copy: Path) -> tuple[str, int]:
    """Give the id of a journal, and how many events were ever in it: as many as its last position says."""
    (id_,), (end, let_go) = asked(copy, "SELECT id FROM journal"), asked(copy, _END)
    (events,) = asked(copy, "SELECT coalesce(sum(count), 0) FROM run")
    if not isinstance(events, int) or not isinstance(let_go, int) or events + let_go != end:
        what = f"{copy} has {events} events and let go of {let_go}, and its last is number {end}"
        raise DamagedError(what, "restore another backup")
    return str(id_), events + let_go


def _is_of(history: Path, journal: str, events: int) -> bool:
    """Tell whether a history was made of what a journal holds."""
    with closing(sqlite3.connect(f"file:{history}?mode=ro&immutable=1", uri=True)) as db, reported(history):
        row = db.execute("SELECT journal, position FROM cursor").fetchone()
    return row is not None and row[0] == journal and row[1] <= events


def _at_the_broker(folder: Path | None) -> list[Path]:
    """Give what of the broker's files cannot be made anew; raises StorageError where they may not be looked at."""
    if folder is None:
        return []
    try:
        return [folder / name for name in BROKER_FILES if name in os.listdir(folder)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageError(f"{folder} cannot be read: {error.strerror}", "run this as root") from error


def _copy(source: Path, part: Path, path: Path) -> Held:
    copy = part / path
    copy.parent.mkdir(_OWNERS_FOLDER, parents=True, exist_ok=True)
    try:
        body = source.read_bytes()
    except OSError as error:
        raise StorageError(f"{source} cannot be read: {error.strerror}", "run this as root") from error
    copy.touch(_OWNER_ONLY)
    copy.write_bytes(body)
    return Held(path=path.as_posix(), bytes=len(body), sha256=sha256_of(copy))


def _give_back(part: Path, data: Path) -> None:
    """Give what root makes among the backups of the service's user to that user, who is to remove it one day."""
    whose = part.parent.stat()
    if os.geteuid() == _ROOT and whose.st_uid == data.stat().st_uid != _ROOT:
        for path in (part, *part.rglob("*")):
            os.chown(path, whose.st_uid, whose.st_gid)


def _sync(part: Path) -> None:
    """See that all of it survives a power cut."""
    for path in (*part.rglob("*"), part):
        held = os.open(path, os.O_RDONLY)
        try:
            os.fsync(held)
        finally:
            os.close(held)
