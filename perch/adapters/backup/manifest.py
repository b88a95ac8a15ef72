"""What a backup says of itself: `manifest.json`, written last, when all that it names was looked at."""

import hashlib
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from perch.errors import DamagedError, StorageError

NAME = "manifest.json"
FORMAT = 1
DATA, CONFIGURATION, BROKER = "data", "config", "broker"
"""The folders in a backup: databases, the files of the configuration, and who may come in at the broker."""

_MAX_BYTES = 16 * 2**20
_DEPTH = 2
_Size = Annotated[int, Meta(ge=0)]


class Held(Struct, frozen=True, kw_only=True):
    """A file of a backup, by its path in it; `schema` is a database's version."""

    path: str
    bytes: _Size
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    schema: int | None = None


class Manifest(Struct, frozen=True, kw_only=True):
    """What a backup holds: when it was made, by which Perch, of which journal up to which event, and each file.

    `secrets` names the files of the configuration that hold secrets: they are not in the backup; `elsewhere` those
    that lie outside of its folder. `config` is the configuration's file name.
    """

    format: int
    perch: str
    made: str
    sites: tuple[str, ...]
    journal: str
    events: _Size
    config: str
    files: tuple[Held, ...]
    secrets: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """How much room its files take."""
        return sum(held.bytes for held in self.files)


class _Head(Struct, frozen=True):
    format: int


_decoder = msgspec.json.Decoder(Manifest)
_head = msgspec.json.Decoder(_Head)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write it into a backup's folder; raises OSError."""
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    (folder / NAME).write_bytes(text + b"\n")


def read_manifest(folder: Path) -> Manifest:
    """Read what a backup says of itself; raises StorageError with what to do where it is none that can be used."""
    path = folder / NAME
    try:
        with path.open("rb") as file:
            body = file.read(_MAX_BYTES)
    except OSError as error:
        what = f"{folder} is no backup of Perch: {path.name} cannot be read ({error.strerror})"
        raise StorageError(what, "name the folder that perch backup made") from error
    try:
        form = _head.decode(body).format
        if form > FORMAT:
            what = f"{folder} was made by a newer Perch (backups of form {form}; this one knows {FORMAT})"
            raise StorageError(what, "install that Perch here first, or a newer one")
        manifest = _decoder.decode(body)
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"{path} is damaged: {error}", "restore another backup") from error
    if strange := [held.path for held in manifest.files if not is_inside(held.path)]:
        raise DamagedError(f"{path} names files that no backup has: {strange[0]}", "restore another backup")
    return manifest


def is_inside(path: str) -> bool:
    """Tell whether a path is one of a backup's own: a database's, the broker's, or one of the configuration."""
    parts = PurePosixPath(path).parts
    if path != "/".join(parts) or ".." in parts or "\0" in path or len(parts) < _DEPTH:
        return False
    return parts[0] == CONFIGURATION or (parts[0] in (DATA, BROKER) and len(parts) == _DEPTH)


def sha256_of(path: Path) -> str:
    """Give the hash of a file; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def told(manifest: Manifest) -> dict[str, Any]:
    """Give what a person or a program wants to know of a backup."""
    return {
        "made": manifest.made,
        "perch": manifest.perch,
        "sites": list(manifest.sites),
        "journal": manifest.journal,
        "events": manifest.events,
        "bytes": manifest.bytes,
        "left_out": list(manifest.secrets),
        "elsewhere": list(manifest.elsewhere),
    }
