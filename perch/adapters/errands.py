"""What the command line asks of a running collector: a file for each errand in its data folder, answered beside it.

The collector alone writes its databases, so whoever wants something done to them leaves a file and waits. An errand
stays until it is done, over a restart of the collector too; each can be done twice without harm.
"""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from perch.errors import StorageError

FOLDER = "errands"
_ERRAND, _ANSWER = ".errand", ".answer"
ANSWERS_KEPT = 100
"""So many answers are kept that nobody came for."""


class Replay(Struct, frozen=True, tag="replay"):
    """Take messages of the quarantine in once more."""

    ids: tuple[int, ...]


class Rebuild(Struct, frozen=True, tag="rebuild"):
    """Make a projection anew from the journal."""

    projection: str


Errand = Replay | Rebuild


class Refusal(Struct, frozen=True):
    """Why a message stays in the quarantine."""

    id: int
    code: str
    why: str


class Answer(Struct, frozen=True, kw_only=True):
    """How far an errand has come: `taken` of `total` messages or entries.

    Of a replay, `stored` and `known` are events, `refused` the messages that stay. `waits` is what is in the way of a
    rebuild at the moment, `rows` how many rows InfluxDB was given. `failed` says why it cannot be done at all.
    """

    done: bool
    taken: int
    total: int
    stored: int = 0
    known: int = 0
    refused: tuple[Refusal, ...] = ()
    rows: int = 0
    waits: str | None = None
    failed: str | None = None


_errand: msgspec.json.Decoder[Errand] = msgspec.json.Decoder(Errand)
_answer = msgspec.json.Decoder(Answer)


class Errands:
    """The folder of one data folder. Raises StorageError where it cannot be read or written."""

    def __init__(self, data: Path) -> None:
        self._folder = data / FOLDER

    def __repr__(self) -> str:
        return f"<Errands in {str(self._folder)!r}>"

    def prepare(self) -> None:
        """Make the folder, whose files its owner may remove whoever left them there."""
        self._folder.mkdir(parents=True, exist_ok=True)

    def leave(self, errand: Errand) -> str:
        """Ask for something; gives the name under which it is answered."""
        taken = [
            int(path.stem.partition("-")[0]) for path in self._folder.glob(f"*{_ERRAND}") if path.stem[:1].isdigit()
        ]
        name = f"{max(taken, default=0) + 1:06d}-{secrets.token_hex(4)}"
        self._write(name + _ERRAND, msgspec.json.encode(errand))
        return name

    def pending(self) -> Iterator[tuple[str, Errand]]:
        """Give what is asked for, the oldest first; what is no errand is removed."""
        for path in sorted(self._folder.glob(f"*{_ERRAND}")):
            try:
                errand = _errand.decode(path.read_bytes())
            except (OSError, msgspec.DecodeError):
                self._remove(path)
                continue
            yield path.stem, errand

    def tell(self, name: str, answer: Answer) -> None:
        """Say how far an errand has come; one that is done, or failed, is asked for no more."""
        self._write(name + _ANSWER, msgspec.json.encode(answer))
        if answer.done or answer.failed:
            self._remove(self._folder / (name + _ERRAND))
            for path in sorted(self._folder.glob(f"*{_ANSWER}"))[:-ANSWERS_KEPT]:
                self._remove(path)

    def answer(self, name: str) -> Answer | None:
        """Give the newest answer, None while there is none."""
        try:
            return _answer.decode((self._folder / (name + _ANSWER)).read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise StorageError(f"the answer in {self._folder} cannot be read: {error}", "check its rights") from error

    def is_next(self, name: str) -> bool:
        """Tell whether nothing older is asked for."""
        return all(path.stem >= name for path in self._folder.glob(f"*{_ERRAND}"))

    def withdraw(self, name: str) -> None:
        """Ask no more, and clear away the answer."""
        for ending in (_ERRAND, _ANSWER):
            self._remove(self._folder / (name + ending))

    def _write(self, name: str, body: bytes) -> None:
        path = self._folder / name
        beside = path.with_name(f".{name}.new")
        try:
            beside.write_bytes(body)
            os.replace(beside, path)
        except OSError as error:
            raise StorageError(
                f"{path} cannot be written: {error.strerror}",
                "run this as the user that runs the collector, or as root",
            ) from error

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"{path} cannot be removed: {error.strerror}", "check its rights") from error
