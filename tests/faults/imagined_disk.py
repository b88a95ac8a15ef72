"""A disk that forgets: replays what a program did to its files (`disk.c`) and gives what a power cut may leave of it.

What was synced is there. Of what was written since, each sector of 512 bytes is there or not, as chance has it; of
files made, removed or renamed since their folder was synced, so many as chance has it, in order.
"""

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

SECTOR = 512
_HEAD = struct.Struct("<iiqq")


class What(IntEnum):
    """What a program did."""

    OPEN = 1
    WRITE = 2
    TRUNCATE = 3
    SYNC = 4
    CLOSE = 5
    UNLINK = 6
    RENAME = 7


class Deed(NamedTuple):
    """One deed: `offset` is where it wrote or to which length it cut."""

    what: What
    fd: int
    offset: int
    data: bytes


def read_trace(path: Path) -> Iterator[Deed]:
    """Read what the shim told."""
    raw, at = path.read_bytes(), 0
    while at + _HEAD.size <= len(raw):
        what, fd, offset, length = _HEAD.unpack_from(raw, at)
        at += _HEAD.size
        yield Deed(What(what), fd, offset, raw[at : at + length])
        at += length


@dataclass(eq=False)
class _File:
    synced: bytearray = field(default_factory=bytearray)
    since: list[tuple[int, bytes | None]] = field(default_factory=list)
    """Writes (offset, bytes) and cuts (length, None) that were not synced."""

    def after(self, chance: random.Random, kept: float) -> bytes:
        """Give what a power cut leaves: of each unsynced sector, with the probability `kept`, its new content."""
        body = bytearray(self.synced)
        for offset, data in self.since:
            if data is None:
                if chance.random() < kept:
                    _cut(body, offset)
                continue
            for start, piece in _sectors(offset, data):
                if chance.random() < kept:
                    _put(body, start, piece)
        return bytes(body)

    def sync(self) -> None:
        for offset, data in self.since:
            _cut(self.synced, offset) if data is None else _put(self.synced, offset, data)
        self.since.clear()


Names = dict[str, _File]


class ImaginedDisk:
    """Files under one folder; `apply` deeds in their order, and `cut` the power between any two."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._names: Names = {}
        self._synced_names: list[Names] = [{}]
        self._open: dict[int, _File | None] = {}
        self.marks = bytearray()
        """What was written to the file `marks`: what the program said that it had done."""

    def apply(self, deed: Deed) -> None:
        """Take in a deed."""
        match deed.what:
            case What.OPEN:
                self._open[deed.fd] = self._opened(deed.data.decode(), cut=deed.offset == 1)
            case What.WRITE | What.TRUNCATE:
                file = self._open[deed.fd]
                assert file is not None
                file.since.append((deed.offset, deed.data if deed.what is What.WRITE else None))
                if file is self._names.get("marks"):
                    self.marks += deed.data
            case What.SYNC:
                file = self._open[deed.fd]
                if file is None:
                    self._synced_names = [dict(self._names)]
                else:
                    file.sync()
            case What.CLOSE:
                self._open.pop(deed.fd, None)
            case What.UNLINK:
                self._names.pop(self._name(deed.data.decode()), None)
                self._synced_names.append(dict(self._names))
            case What.RENAME:
                old, _, new = deed.data.decode().partition("\0")
                if self._name(old) in self._names:
                    self._names[self._name(new)] = self._names.pop(self._name(old))
                    self._synced_names.append(dict(self._names))

    def cut(self, chance: random.Random, into: Path) -> None:
        """Write into an empty folder what a power cut leaves now."""
        kept = chance.choice((0.0, 0.05, 0.5, 0.95, 1.0))
        for name, file in chance.choice(self._synced_names).items():
            (into / name).write_bytes(file.after(chance, kept))

    def _opened(self, path: str, *, cut: bool) -> _File | None:
        name = self._name(path)
        if not name:
            return None  # the folder itself
        if name not in self._names:
            self._names[name] = _File()
            self._synced_names.append(dict(self._names))
        elif cut:
            self._names[name].since.append((0, None))
        return self._names[name]

    def _name(self, path: str) -> str:
        return path.removeprefix(self._folder).strip("/")


def _sectors(offset: int, data: bytes) -> Iterator[tuple[int, bytes]]:
    """Cut a write at the borders of sectors."""
    start = 0
    while start < len(data):
        end = min(len(data), start + SECTOR - (offset + start) % SECTOR)
        yield offset + start, data[start:end]
        start = end


def _put(body: bytearray, offset: int, data: bytes) -> None:
    if len(body) < offset:
        body.extend(bytes(offset - len(body)))
    body[offset : offset + len(data)] = data


def _cut(body: bytearray, length: int) -> None:
    if len(body) < length:
        body.extend(bytes(length - len(body)))
    del body[length:]
