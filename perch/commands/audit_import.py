"""Looks from a TRUTH file: every row is one, at its moment; what cannot be right is refused before any is stored."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from perch.adapters.audit_file import MOST_LOOKS, AuditFile, Outcome, Tapped
from perch.adapters.tables.csv_files import CountedRow, read_truth
from perch.adapters.tables.csv_times import format_time
from perch.errors import Complaint, InputError, StorageError
from perch.history.layout import Standing, by_space, standing_at, standings
from perch.history.looks import Look
from perch.model import DAY_MS, Site

MOST_NAMED = 20
MOST_PEOPLE = 10_000

Problem = tuple[str, str]
"""What is wrong, and what to do."""


@dataclass(frozen=True, slots=True)
class Imported:
    """How many looks were new, how many were there already, and at how many spaces."""

    added: int
    known: int
    spaces: int


def import_truth(path: Path, site: Site, audit: AuditFile, now_ms: int, kept_days: int) -> Imported:
    """Store the rows of a file as looks at a site, all or none; raises InputError and StorageError."""
    looks = [Look(row.space, row.time_ms // 1000 * 1000, row.count) for row in _rows(path)]
    stored: dict[tuple[str, int], set[int]] = {}
    for look in audit.looks(site.id):
        stored.setdefault((look.space, look.time_ms), set()).add(look.people)
    _refuse(path, looks, site, stored, now_ms, kept_days)
    new = [look for look in looks if (look.space, look.time_ms) not in stored]
    outcomes = audit.add([_named(site.id, look) for look in new], now_ms)
    if Outcome.OTHER in outcomes:
        raise StorageError("the audit changed while the file was read", "run it again")
    added = outcomes.count(Outcome.NEW)
    return Imported(added, len(looks) - added, len({look.space for look in looks}))


def _rows(path: Path) -> Iterator[CountedRow]:
    for number, row in enumerate(read_truth(path)):
        if number >= MOST_LOOKS:
            what = f"there are more than {MOST_LOOKS} rows, which is all that an audit keeps"
            raise InputError((Complaint(str(path), what, "leave out what is not needed"),))
        yield row


def _named(site: str, look: Look) -> Tapped:
    """Give a look an id of its own place and moment, so that the same file adds nothing the second time."""
    return Tapped(f"import {site}/{look.space} {look.time_ms // 1000}", site, look)


def _refuse(
    path: Path,
    looks: Sequence[Look],
    site: Site,
    stored: dict[tuple[str, int], set[int]],
    now_ms: int,
    kept_days: int,
) -> None:
    """Raise InputError with what is wrong with the rows, the first ones by number and the others as a number."""
    layout, seen = by_space(standings(site)), dict[tuple[str, int], int]()
    found: list[Complaint] = []
    for number, look in enumerate(looks, 1):
        key = look.space, look.time_ms
        problem = (
            _of_place(look, site.id, layout)
            or _of_time(look, now_ms, kept_days)
            or _of_overlap(look, seen.get(key), stored.get(key))
        )
        seen.setdefault(key, number)
        if problem is not None:
            found.append(Complaint(f"{path}: row {number}", *problem))
    if len(found) > MOST_NAMED:
        rest = f"{len(found) - MOST_NAMED} more rows cannot be looks"
        raise InputError((*found[:MOST_NAMED], Complaint(str(path), rest, "correct these and try again")))
    if found:
        raise InputError(tuple(found))


def _of_place(look: Look, site: str, layout: dict[str, list[Standing]]) -> Problem | None:
    if look.space not in layout:
        close = difflib.get_close_matches(look.space, layout, n=1)
        remedy = f"did you mean {close[0]}?" if close else "see the layout for the ids of its spaces, or name --site"
        return f"{site} has no space {look.space[:64]!r}", remedy
    if standing_at(layout[look.space], look.time_ms) is None:
        return f"by the layout {look.space} did not stand there at {format_time(look.time_ms)}", "correct one of them"
    return None


def _of_time(look: Look, now_ms: int, kept_days: int) -> Problem | None:
    at = format_time(look.time_ms)
    if look.time_ms > now_ms:
        return f"{at} lies ahead: nobody has seen it yet", "correct the time, or its offset"
    if kept_days and look.time_ms < now_ms - kept_days * DAY_MS:
        return f"{at} is older than the {kept_days} days for which looks are kept", "leave it out, or see audit_days"
    if look.people > MOST_PEOPLE:
        return f"{look.people} people are more than a space holds", f"write 0 to {MOST_PEOPLE}"
    return None


def _of_overlap(look: Look, row: int | None, stored: set[int] | None) -> Problem | None:
    at = format_time(look.time_ms)
    if row is not None:
        return f"row {row} is a look at {look.space} at {at} too", "keep one of them"
    if stored is not None and look.people not in stored:
        there = " and ".join(map(str, sorted(stored)))
        return f"{look.space} had {there} people at {at} by a look that is stored already", "find out which is right"
    return None
