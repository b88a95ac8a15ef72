"""What the command line asks of a running collector: a file for each errand in its data folder, answered beside it.

The collector alone writes its databases, so whoever wants something done to them leaves a file and waits. An errand
stays until it is done, over a restart of the collector too; each can be done twice without harm. What somebody puts
there that is no errand is answered as one that failed; what is no file at all is left alone.
"""

import os
import secrets
import stat
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from perch.adapters.whole_file import write_whole
from perch.errors import StorageError

FOLDER = "errands"
_ERRAND, _ANSWER = ".errand", ".answer"
ANSWERS_KEPT = 100
"""So many answers are kept that nobody came for."""

MAX_BYTES = 2**20
"""An errand that names every message of a full quarantine is a fifth of this."""

Id = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""What SQLite can number."""


ModelId = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,31}\Z")]
Moment = Annotated[int, Meta(ge=0, le=2**53)]


class Replay(Struct, frozen=True, tag="replay"):
    """Take messages of the quarantine in once more."""

    ids: tuple[Id, ...]


class Discard(Struct, frozen=True, tag="discard"):
    """Let messages of the quarantine go for good."""

    ids: tuple[Id, ...]


class Rebuild(Struct, frozen=True, tag="rebuild"):
    """Make a projection anew from the journal."""

    projection: str


class Erase(Struct, frozen=True, tag="erase"):
    """Erase what was said of a space from one moment until before another (ms UTC)."""

    site: ModelId
    space: ModelId
    from_ms: Moment
    to_ms: Moment


Errand = Replay | Discard | Rebuild | Erase


class Refusal(Struct, frozen=True):
    """Why a message stays in the quarantine."""

    id: int
    code: str
    why: str


class Answer(Struct, frozen=True, kw_only=True):
    """How far an errand has come: `taken` of `total` messages or entries.

    Of a replay, `stored` and `known` are events, `refused` the messages that stay, or were gone before. `waits` is what
    is in the way of a rebuild at the moment, `rows` how many rows InfluxDB was given. `failed` says why it cannot be
    done at all, `remedy` what to do about that. `erased` are events that lost their content.
    """

    done: bool
    taken: int
    total: int
    stored: int = 0
    known: int = 0
    refused: tuple[Refusal, ...] = ()
    rows: int = 0
    erased: int = 0
    waits: str | None = None
    failed: str | None = None
    remedy: str | None = None


def failure(what: str, remedy: str | None = None) -> Answer:
    """Answer that an errand cannot be done."""
    writable = what.encode("utf-8", "backslashreplace").decode()
    return Answer(done=False, taken=0, total=0, failed=writable, remedy=remedy)


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
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"the folder {self._folder} cannot be made: {error.strerror}", "move away what is there instead"
            ) from error

    def leave(self, errand: Errand) -> str:
        """Ask for something; gives the name under which it is answered."""
        taken = [int(name.partition("-")[0]) for name in self.names() if name.partition("-")[0].isdecimal()]
        name = f"{max(taken, default=0) + 1:06d}-{secrets.token_hex(4)}"
        self._write(name + _ERRAND, msgspec.json.encode(errand))
        return name

    def names(self) -> list[str]:
        """Give the names of what is asked for, the oldest first: of regular files alone, which can be read at once."""
        try:
            with os.scandir(self._folder) as found:
                return sorted(
                    entry.name.removesuffix(_ERRAND)
                    for entry in found
                    if entry.name.endswith(_ERRAND) and entry.is_file(follow_symlinks=False)
                )
        except OSError as error:
            raise StorageError(f"{self._folder} cannot be read: {error.strerror}", "check its rights") from error

    def read(self, name: str) -> Errand | Answer | None:
        """Give an errand; the answer to it where it is none, and None where it is not there any more."""
        try:
            return _errand.decode(_read_regular(self._folder / (name + _ERRAND)))
        except FileNotFoundError:
            return None
        except OSError as error:
            return failure(f"the errand {name!r} cannot be read: {error.strerror}", "check its rights")
        except (ValueError, RecursionError) as error:  # msgspec's DecodeError is a ValueError
            return failure(f"{name!r} is no errand: {error}", "leave errands by the perch command")

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
        return all(other >= name for other in self.names())

    def withdraw(self, name: str) -> None:
        """Ask no more, and clear away the answer."""
        for ending in (_ERRAND, _ANSWER):
            self._remove(self._folder / (name + ending))

    def _write(self, name: str, body: bytes) -> None:
        write_whole(self._folder / name, body, "run this as the user that runs the collector, or as root")

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"{path} cannot be removed: {error.strerror}", "check its rights") from error


def _read_regular(path: Path) -> bytes:
    """Read a small file, whatever took its place since it was found; raises OSError, and ValueError if it is none."""
    held = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    with open(held, "rb") as file:
        look = os.fstat(held)
        if not stat.S_ISREG(look.st_mode) or look.st_size > MAX_BYTES:
            raise ValueError(f"not a file of at most {MAX_BYTES} bytes")
        return file.read(MAX_BYTES)
