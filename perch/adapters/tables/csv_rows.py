"""The lines of a CSV file, gzipped or not, one row a line, in constant memory; every broken line is complained of."""

import csv
import gzip
import stat
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from operator import itemgetter
from pathlib import Path
from typing import TextIO, TypeVar

from perch.errors import Complaint, InputError
from perch.settings.reading import RefusedError, shown

MOST_NAMED = 20
GZIP_MAGIC = b"\x1f\x8b"

T = TypeVar("T")


def read_rows(path: Path, columns: Sequence[str], convert: Callable[[Sequence[str]], T]) -> Iterator[T]:
    """Give what `convert` makes of the cells of each row, in the order of `columns`; whatever it refuses is left out.

    The columns of the file may stand in any order, and others beside them are ignored. Raises InputError at once where
    the file cannot be read or lacks a column; and at the end if any row was broken, with the first `MOST_NAMED` by
    line and the others counted. So what was given is whole only once the end was reached.
    """
    broken = _Broken(path)
    with _opened(path) as file:
        lines = _lines(file, broken)
        header, pick = _columns(path, next(lines, (1, []))[1], columns)
        for number, cells in lines:
            try:
                if len(cells) != len(header):
                    raise RefusedError(f"{len(cells)} cells under {len(header)} columns", f"write {','.join(header)}")
                row = convert(pick(cells))
            except RefusedError as refused:
                broken.add(number, refused.what, refused.remedy)
            else:
                yield row
    broken.settle()


class _Broken:
    """The broken rows of a file: the first ones in full, the others as a number."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._named: list[Complaint] = []
        self._more = 0

    def add(self, line: int, what: str, remedy: str) -> None:
        """Note a broken row."""
        if len(self._named) < MOST_NAMED:
            self._named.append(Complaint(f"{self._path}:{line}", what, remedy))
        else:
            self._more += 1

    def settle(self) -> None:
        """Raise InputError if any row was broken."""
        if self._more:
            rest = Complaint(str(self._path), f"{self._more} more rows are broken", "correct these and try again")
            raise InputError((*self._named, rest))
        if self._named:
            raise InputError(tuple(self._named))


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """Open a regular file as text; whatever goes wrong while it is read becomes an InputError."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise _unreadable(path, "it is no regular file", "write it to a file first: it is read more than once")
        with path.open("rb") as raw:
            zipped = raw.read(len(GZIP_MAGIC)) == GZIP_MAGIC
            raw.seek(0)
            # Bytes that are no UTF-8 are shown in the complaint about their row instead of ending the reading.
            with TextIOWrapper(gzip.open(raw) if zipped else raw, "utf-8-sig", errors="replace") as file:
                yield file
    except FileNotFoundError:
        raise _unreadable(path, "there is no such file", "check the name") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _unreadable(path, f"it is damaged: {error}", "copy or compress it again") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise _unreadable(path, f"it cannot be read: {why}", "check the file, and who may read it") from None


def _unreadable(path: Path, what: str, remedy: str) -> InputError:
    return InputError((Complaint(str(path), what, remedy),))


def _lines(file: TextIO, broken: _Broken) -> Iterator[tuple[int, list[str]]]:
    """Take each line apart that is not empty; a quote that is not closed spoils its own line only."""
    for number, line in enumerate(file, 1):
        stripped = line.rstrip("\n")
        if '"' not in stripped:
            if stripped:
                yield number, stripped.split(",")
            continue
        try:
            yield number, next(csv.reader([stripped], strict=True))
        except csv.Error as error:
            broken.add(number, f"this is not CSV: {error}", "look at the quotes in this row")


def _columns(
    path: Path, header: Sequence[str], columns: Sequence[str]
) -> tuple[tuple[str, ...], Callable[[Sequence[str]], Sequence[str]]]:
    """Find where the columns stand: the header, and a function that picks their cells of a row."""
    names = tuple(name.strip() for name in header)
    missing = [name for name in columns if names.count(name) != 1]
    if missing:
        what = f"there must be one column {', '.join(missing)}; the first line is {shown(','.join(header))}"
        raise InputError((Complaint(f"{path}:1", what, f"begin the file with {','.join(columns)}"),))
    return names, itemgetter(*map(names.index, columns))
