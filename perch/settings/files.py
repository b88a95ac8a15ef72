"""Reading the files that settings stand in; a file that will not do is refused with what to do."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perch.errors import Complaint, InputError
from perch.settings.reading import Reader, RefusedError, text
from perch.settings.table import Complaints, Table

MAX_BYTES = 16 * 1024 * 1024
_AT_LINE = re.compile(r"^(?P<what>.*) \(at line (?P<line>\d+), column \d+\)$", re.DOTALL)
_AT_END = " (at end of document)"
_MANY_PARTS = re.compile(r"""(?<![\w"'-])(?:(?:[\w-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){40}""")


def open_toml(path: Path, complaints: Complaints, environment: Mapping[str, str] | None = None) -> Table:
    """Read a TOML file as a table that the environment overrides as `PERCH_…`; raises InputError if it is no TOML."""
    return Table(toml_values(path), str(path), complaints, variable="PERCH", environment=environment)


def toml_values(path: Path) -> dict[str, Any]:
    """Read a TOML file as it stands; raises InputError if it is no TOML."""
    try:
        content = read_text(path)
    except RefusedError as refused:
        raise InputError((Complaint(str(path), refused.what, refused.remedy),)) from None
    if found := _MANY_PARTS.search(content):  # which take the parser the square of their number
        line = content.count("\n", 0, found.start()) + 1
        what, remedy = "a key of more than 40 parts", "no key has more than three: take out what stands here"
        raise InputError((Complaint(f"{path}:{line}", what, remedy),))
    try:
        return tomllib.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError((_syntax_complaint(path, content, error),)) from None


def read_text(path: Path) -> str:
    """Read a UTF-8 file, with or without a byte order mark; raises RefusedError, which does not name the file."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise RefusedError(f"this is larger than {MAX_BYTES} bytes", "is it the right file?")
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        raise RefusedError("there is no such file", "check the name, or make the file") from None
    except UnicodeDecodeError as error:
        raise RefusedError(f"this is not UTF-8 text (byte {error.start})", "save it as UTF-8") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise RefusedError(f"this cannot be read: {why}", "check the file, and who may read it") from None


def path_beside(folder: Path) -> Reader[Path]:
    """Make a reader of paths; relative ones are taken from the folder of the file they are written in."""

    def read(value: object) -> Path:
        return folder / text(value)

    return read


def file_beside(folder: Path) -> Reader[Path]:
    """Make a reader of paths at which there must be a file that can be read."""

    def read(value: object) -> Path:
        path = folder / text(value)
        if not os.path.isfile(path) or not os.access(path, os.R_OK):
            raise RefusedError(f"there is no file {path} that may be read", "check the path, and who may read the file")
        return path

    return read


def _syntax_complaint(path: Path, content: str, error: Exception) -> Complaint:
    what = "nested too deeply" if isinstance(error, RecursionError) else str(error)
    line: str | int = ""
    if found := _AT_LINE.match(what):
        what, line = found["what"], found["line"]
    elif what.endswith(_AT_END):
        what, line = what.removesuffix(_AT_END) + ", but the file ends", content.count("\n") + 1
    where = f"{path}:{line}" if line else str(path)
    return Complaint(where, f"this is not TOML: {what}", "see https://toml.io for how it is written")
