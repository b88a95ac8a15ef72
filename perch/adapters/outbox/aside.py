"""Outboxes that cannot be read: set aside under another name, so that an agent can begin a fresh one and go on."""

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from perch.adapters.outbox.store import Outbox
from perch.errors import DamagedError, StorageError

log = logging.getLogger("perch.outbox")

KEEP = 2
"""Files set aside that are kept, the newest; they wait for somebody who wants to look at them."""

_PARTS = ("", "-wal")


def open_or_begin(path: Path, open_outbox: Callable[[Path], Outbox]) -> tuple[Outbox, str | None]:
    """Open an outbox; one that is damaged is set aside and a fresh one begun.

    Tells also in a sentence what lies aside, None where nothing does. Raises StorageError where not even a fresh one
    can be written.
    """
    try:
        outbox = open_outbox(path)
    except DamagedError as error:
        set_aside(path, error)
        outbox = _begun(path, open_outbox)
    return outbox, _told(path)


def put_back(outbox: Outbox) -> str | None:
    """See that an open outbox is where it belongs: where it was removed or replaced, it is written anew.

    Tells in a sentence what was done, None where all is well. What stands in its place is set aside. Raises
    StorageError where it cannot be written; it goes on as it is then.
    """
    if outbox.is_in_place():
        return None
    path = outbox.path
    outbox.take_place(lambda: _clear(path))
    told = f"the outbox {path} was removed or replaced while it was in use; it was written anew, and nothing is lost"
    log.error("%s", told)
    return told


def set_aside(path: Path, why: StorageError) -> Path:
    """Move an outbox that nobody has open to another name, which is given; raises StorageError."""
    number = max((int(one.suffix[1:]) for one in aside(path)), default=0) + 1
    target = path.with_name(f"{path.name}.damaged.{number}")
    try:
        for part in _PARTS:
            with suppress(FileNotFoundError):
                path.with_name(path.name + part).rename(target.with_name(target.name + part))
    except OSError as error:
        raise StorageError(f"{path} cannot be used and cannot be moved: {error.strerror}", "move it away") from error
    log.error("%s: it was set aside as %s; what it held and was not delivered is lost", why.what, target.name)
    for old in aside(path)[:-KEEP]:
        _remove(old)
    return target


def aside(path: Path) -> list[Path]:
    """Give the outboxes that were set aside, oldest first."""
    found = (one for one in path.parent.glob(f"{path.name}.damaged.*") if one.suffix[1:].isdecimal())
    return sorted(found, key=lambda one: int(one.suffix[1:]))


def _begun(path: Path, open_outbox: Callable[[Path], Outbox]) -> Outbox:
    """Begin a fresh outbox; on a full disk the room of those set aside is worth more than they are."""
    for old in aside(path):
        try:
            return open_outbox(path)
        except StorageError:
            _remove(old)
    return open_outbox(path)


def _clear(path: Path) -> None:
    if any(path.with_name(path.name + part).exists() for part in _PARTS):
        set_aside(path, StorageError(f"{path} is not the file that the agent has open"))


def _remove(old: Path) -> None:
    for part in _PARTS:
        old.with_name(old.name + part).unlink(missing_ok=True)


def _told(path: Path) -> str | None:
    lying = aside(path)
    if not lying:
        return None
    return f"an outbox that could not be read was set aside as {lying[-1]}; remove it once it is of no use"
