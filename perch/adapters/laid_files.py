"""Laying files down so that a second time changes nothing and no change of an operator is lost.

What was laid is written down with its hash. A file that is as it was laid is replaced by a newer one; one that somebody
changed stays, and the newer one is laid beside it with `.new` behind its name.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from perch.adapters.whole_file import write_whole
from perch.errors import StorageError

RECORD = "etc/perch/.installed.json"
_READABLE = 0o644
_ROOT_REMEDY = "run this as root, or name another root with --root"


class Outcome(StrEnum):
    """What becomes of a file."""

    WRITTEN = "written"
    REPLACED = "replaced"
    SAME = "as it was"
    KEPT = "kept"
    BESIDE = "kept, for it was changed; the new one is beside it as .new"


@dataclass(frozen=True, slots=True)
class Laid:
    """A file by its absolute path; one that is laid `once` is the operator's from then on, whatever is in it."""

    path: str
    text: str
    mode: int = _READABLE
    once: bool = False
    secret: bool = False


def outcomes(root: Path, files: Sequence[Laid]) -> dict[str, Outcome]:
    """Say what `lay` would do; raises StorageError."""
    record = _read_record(root)
    return {file.path: _outcome(_at(root, file.path), file, record) for file in files}


def lay(root: Path, files: Sequence[Laid]) -> dict[str, Outcome]:
    """Lay files down below a root; gives what became of each. Raises StorageError."""
    done = outcomes(root, files)
    record = dict(_read_record(root))
    try:
        for file in files:
            path, outcome = _at(root, file.path), done[file.path]
            if outcome in (Outcome.WRITTEN, Outcome.REPLACED):
                path.parent.mkdir(parents=True, exist_ok=True)
                write_whole(path, file.text.encode(), _ROOT_REMEDY, mode=file.mode)
            if outcome in (Outcome.WRITTEN, Outcome.REPLACED, Outcome.SAME):
                record[file.path] = _hash(file.text.encode())
                _beside(path).unlink(missing_ok=True)  # it was taken over, or is of no use any more
            if outcome is Outcome.BESIDE:
                write_whole(_beside(path), file.text.encode(), _ROOT_REMEDY, mode=file.mode)
        _write_record(root, record)
    except OSError as error:
        raise StorageError(f"{error.filename or root} cannot be written: {error.strerror}", _ROOT_REMEDY) from error
    return done


def _outcome(path: Path, file: Laid, record: Mapping[str, str]) -> Outcome:
    try:
        there = path.read_bytes()
    except FileNotFoundError:
        return Outcome.WRITTEN
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}", _ROOT_REMEDY) from error
    if there == file.text.encode():
        return Outcome.SAME
    if file.once:
        return Outcome.KEPT
    return Outcome.REPLACED if record.get(file.path) == _hash(there) else Outcome.BESIDE


def _read_record(root: Path) -> Mapping[str, str]:
    path = root / RECORD
    try:
        told = json.loads(path.read_bytes())
        return {str(key): str(value) for key, value in told.items()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}", _ROOT_REMEDY) from error
    except (ValueError, AttributeError, RecursionError):
        return {}  # then every file that differs counts as changed, and none is lost


def _write_record(root: Path, record: Mapping[str, str]) -> None:
    path, body = root / RECORD, json.dumps(record, indent=1, sort_keys=True).encode()
    if not path.exists() or path.read_bytes() != body:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, body, _ROOT_REMEDY, mode=_READABLE)


def _at(root: Path, path: str) -> Path:
    return root / path.removeprefix("/")


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".new")


def _hash(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
