"""Which spaces an agent has told Home Assistant of, kept in its data folder, so that they can be taken back."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from perch.adapters.whole_file import write_whole
from perch.model import is_id

FILE_NAME = "homeassistant.json"
MOST = 1000
"""Names that an agent had long ago are forgotten: Home Assistant has heard of their end by then, or never will."""


def read_announced(folder: Path) -> tuple[str, ...]:
    """Read the spaces told of so far, oldest first; none where there is no file that can be understood."""
    try:
        told = msgspec.json.decode((folder / FILE_NAME).read_bytes(), type=list[str])
    except (OSError, msgspec.DecodeError):
        return ()
    return tuple(filter(is_id, told))


def write_announced(folder: Path, spaces: Iterable[str]) -> None:
    """Keep the spaces told of, oldest first; raises StorageError."""
    newest = list(dict.fromkeys(spaces))[-MOST:]
    write_whole(folder / FILE_NAME, msgspec.json.encode(newest) + b"\n")


def forget_announced(folder: Path) -> None:
    """Remove the file, if there is one that can be."""
    try:
        (folder / FILE_NAME).unlink(missing_ok=True)
    except OSError:
        return
