"""Versions of what Perch runs on."""

import sqlite3
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version

from perch import __version__
from perch.doctor.findings import Finding, ok, warn

EARLIEST_SQLITE = (3, 38)
_PACKAGES = ("paho-mqtt", "msgspec")


def look_at_versions(more: Sequence[str] = ()) -> Iterator[Finding]:
    """Name the versions of Perch, Python, SQLite and packages; `more` names further packages."""
    python = ".".join(map(str, sys.version_info[:3]))
    packages = ", ".join(f"{name} {_version(name)}" for name in (*_PACKAGES, *more))
    what = f"perch {__version__}, Python {python}, SQLite {sqlite3.sqlite_version}, {packages}"
    found = sqlite3.sqlite_version_info[:3]
    if found < EARLIEST_SQLITE:
        yield warn("versions", what, f"SQLite before {'.'.join(map(str, EARLIEST_SQLITE))} was never tried: upgrade it")
    elif has_wal_reset_bug(found):
        yield ok("versions", f"{what} (this SQLite is safe as Perch uses it; let no other program write Perch's files)")
    else:
        yield ok("versions", what)


def has_wal_reset_bug(sqlite: tuple[int, ...]) -> bool:
    """Tell whether two connections that write a file in WAL mode may damage it (https://sqlite.org/wal.html)."""
    mended = {(3, 44): (3, 44, 6), (3, 50): (3, 50, 7), (3, 51): (3, 51, 3)}.get((sqlite[0], sqlite[1]))
    return sqlite < mended if mended is not None else (3, 7) <= sqlite < (3, 52)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"
