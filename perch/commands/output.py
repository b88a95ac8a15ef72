"""What commands print: JSON, aligned tables, and complaints with what to do."""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from perch.errors import Complaint, InputError, PerchError

_SPACES = frozenset("\u00a0\u202f")
"""Python calls no space printable but the plain one."""


def print_json(value: object) -> None:
    """Print a value as JSON that a person can read as well."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows in columns that line up: numbers to the right, texts to the left."""
    lines = [tuple(header), *(tuple("–" if cell is None else one_line(str(cell)) for cell in row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (_aligned(cell, width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def print_error(error: PerchError, *, as_json: bool) -> None:
    """Say what went wrong and what to do: in words on stderr, or as JSON on stdout."""
    complaints = error.complaints if isinstance(error, InputError) else (Complaint("", error.what, error.remedy),)
    if as_json:
        print_json({"ok": False, "errors": [_as_dict(complaint) for complaint in complaints]})
        return
    for complaint in complaints:
        what = f"{complaint.where}: {complaint.what}" if complaint.where else complaint.what
        warn(what, complaint.remedy)


def one_line(text: str) -> str:
    """Write what somebody else may have written, an agent or a file: nothing of it commands the reader's terminal."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter in _SPACES else "·" for letter in text)


def shortened(text: str) -> str:
    """Write paths in this folder as one would type them."""
    here = f"{Path.cwd()}/"
    return text if here == "//" else text.replace(here, "")


def warn(what: str, remedy: str = "") -> None:
    """Tell the user something on stderr."""
    told = f"perch: {what}" + (f"\n{remedy}" if remedy else "")
    click.echo(shortened("\n  ".join(map(one_line, told.split("\n")))), file=sys.stderr)


def _as_dict(complaint: Complaint) -> dict[str, str]:
    return {"where": complaint.where, "what": complaint.what, "remedy": complaint.remedy}


def _aligned(cell: str, width: int) -> str:
    is_number = cell[:1].isdigit() or cell[:1] == "-"
    return cell.rjust(width) if is_number else cell.ljust(width)
