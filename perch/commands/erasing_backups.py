"""Erasing in data that no collector works on: backups, and what was restored from one."""

import shutil
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path

import msgspec

from perch.adapters.audit_file import AuditFile
from perch.adapters.backup.database_copy import verify_copy
from perch.adapters.backup.making import HISTORY, JOURNAL
from perch.adapters.backup.manifest import DATA, Held, Manifest, read_manifest, sha256_of, write_manifest
from perch.adapters.journal.reader import JournalReader
from perch.adapters.sqlite import open_alone, reported
from perch.adapters.whole_file import sync_folder
from perch.delivery.erasing import Erasure
from perch.errors import StorageError

_PART, _OLD = ".erasing", ".erased"
_OWNER_ONLY = 0o600


def known_beside(backup: Path, sites: Iterable[str]) -> list[Erasure]:
    """Give what was erased of some sites by the word of the backups that lie beside one."""
    of, found = frozenset(sites), dict[tuple[str, str, int, int], Erasure]()
    for path in sorted(backup.parent.glob(f"*/{DATA}/{JOURNAL}")):
        with suppress(StorageError), JournalReader(path) as journal:
            found |= {erasure.period: erasure for _, erasure in journal.erasures() if erasure.site in of}
    return list(found.values())


def erase_in_data(data: Path, erasures: Sequence[Erasure]) -> int:
    """Erase in a data folder that nobody writes; gives how many events lost their content. Raises PerchError."""
    from collector.offline import erase_again

    audit = AuditFile(data)
    for of in erasures:
        audit.erase(of.site, of.space, of.from_ms, of.to_ms)
    return erase_again(data, erasures)


def erase_in(backup: Path, erasures: Sequence[Erasure]) -> int:
    """Erase in a backup, which is written anew beside itself first; raises PerchError."""
    manifest = read_manifest(backup)
    wanted = [erasure for erasure in erasures if erasure.site in manifest.sites]
    part, old = (backup.with_name(f".{backup.name}{ending}") for ending in (_PART, _OLD))
    try:
        for left in (part, old):
            if left.exists():
                shutil.rmtree(left)
        if not wanted:
            return 0
        shutil.copytree(backup, part)
        erased = erase_in_data(part / DATA, wanted)
        write_manifest(part, _settled(part, manifest))
        backup.rename(old)
        part.rename(backup)
        sync_folder(backup.parent)
        shutil.rmtree(old)
    except OSError as error:
        raise StorageError(f"{backup} cannot be written anew: {error.strerror}", "check rights and room") from error
    return erased


def _settled(folder: Path, manifest: Manifest) -> Manifest:
    """Leave of the data what a backup has, each as one file, and say what that is now."""
    names = {held.path for held in manifest.files}
    for name in (JOURNAL, HISTORY):
        if f"{DATA}/{name}" in names:
            path = folder / DATA / name
            with reported(path), closing(open_alone(path)) as db:
                db.execute("PRAGMA journal_mode = DELETE")
    for path in sorted((folder / DATA).iterdir()):
        if f"{DATA}/{path.name}" not in names:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    held = tuple(_seen(folder, one) if one.path.startswith(f"{DATA}/") else one for one in manifest.files)
    with JournalReader(folder / DATA / JOURNAL) as journal:
        events = journal.end()
    return msgspec.structs.replace(manifest, files=held, events=events)


def _seen(folder: Path, held: Held) -> Held:
    path = folder / held.path
    path.chmod(_OWNER_ONLY)
    schema = verify_copy(path)
    return Held(path=held.path, bytes=path.stat().st_size, sha256=sha256_of(path), schema=schema)
