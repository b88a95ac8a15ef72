"""What is a number of a group, and what would be the history of one space: a group must never hold exactly one.

Where a metric is about some spaces of a group alone, rooms, desks, or what has a calendar, these may not be one either.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from perch.history.asked import group_of_space, rows_asked
from perch.history.definitions import OF_BOOKINGS
from perch.history.layout import Standing
from perch.history.question import Answer, HourRow, Question, Row
from perch.model import Purpose, Site, Space, SpaceKind

ALONE = "Left out is what is a single space at some moment of the window: its history is not for your role."
FEW_KNOWN = "There is no number where too few spaces were observed: it would be their own history."
_NEARLY = 1e-9
_OF_ONE_KIND = {"solo_share": SpaceKind.ROOM, "size_mismatch": SpaceKind.ROOM, "camping": SpaceKind.DESK}


def shared_of(site: Site) -> Site:
    """Give a site with its shared spaces alone; itself where it has no others."""
    if all(space.purpose is Purpose.SHARED for space in site.spaces):
        return site
    shared = tuple(space for space in site.spaces if space.purpose is Purpose.SHARED)
    names = {space.id for space in shared}
    return replace(site, spaces=shared, bookings=tuple(feed for feed in site.bookings if feed.space in names))


def without_single(site: Site, question: Question, until_ms: int) -> Site:
    """Give a site without the groups of a question that are a single space sometime; itself where there are none."""
    groups: dict[str, list[Standing]] = {}
    for row in rows_asked(question, site, until_ms):
        groups.setdefault(group_of_space(question, site, row.space), []).append(row)
    dropped: set[int] = set()
    for rows in groups.values():
        about = _about(question, site, rows)
        if is_single(rows, question.from_ms, until_ms) or is_single(about, question.from_ms, until_ms):
            dropped.update(id(row.space) for row in rows)
    if not dropped:
        return site
    return replace(site, spaces=tuple(space for space in site.spaces if id(space) not in dropped))


def without_few(answer: Answer, site: Site, fewest: int) -> Answer:
    """Give an answer without the numbers that rest on no more known time than so many spaces have.

    Beside spaces that fell silent, a row of a large group would be the history of those that did not.
    """
    groups: dict[str, list[Standing]] = {}
    for row in rows_asked(answer.question, site, answer.to_ms):
        groups.setdefault(group_of_space(answer.question, site, row.space), []).append(row)
    about = {name: _about(answer.question, site, rows) for name, rows in groups.items()}
    window = (answer.question.from_ms, answer.to_ms)
    told: list[Row | HourRow] = list(answer.rows)
    few = [spaces_known(row, about.get(row.scope, ()), window) <= fewest + _NEARLY for row in told]
    if not any(is_few and row.value is not None for row, is_few in zip(told, few, strict=True)):
        return answer
    rows: Any = tuple(emptied(row) if is_few else row for row, is_few in zip(told, few, strict=True))
    return replace(answer, rows=rows, warnings=(*answer.warnings, FEW_KNOWN))


def spaces_known(row: Row | HourRow, standing: Iterable[Standing], window: tuple[int, int]) -> float:
    """Give how many spaces would have as much known time as those of a row have together."""
    from_ms, to_ms = (row.start_ms, row.end_ms) if isinstance(row, Row) else window
    stood_ms = sum(max(0, min(of.to_ms, to_ms) - max(of.from_ms, from_ms)) for of in standing)
    at_most = (row.coverage or 0.0) * stood_ms / max(to_ms - from_ms, 1)
    return at_most if row.spaces_known is None else min(at_most, row.spaces_known)


def emptied(row: Row | HourRow) -> Row | HourRow:
    """Take the number from a row."""
    if isinstance(row, Row):
        return row._replace(value=None, low=None, high=None, peak=None)
    return row._replace(value=None, low=None, high=None, p50=None, p90=None, max=None)


def is_single(rows: Iterable[Standing], from_ms: int, to_ms: int) -> bool:
    """Tell whether exactly one space stands there at some moment of [from_ms, to_ms)."""
    inside = [row for row in rows if row.from_ms < to_ms and row.to_ms > from_ms]
    edges = {from_ms, to_ms, *(max(row.from_ms, from_ms) for row in inside), *(min(row.to_ms, to_ms) for row in inside)}
    return any(sum(row.from_ms <= at_ms < row.to_ms for row in inside) == 1 for at_ms, _ in pairwise(sorted(edges)))


def _about(question: Question, site: Site, rows: Sequence[Standing]) -> list[Standing]:
    kind = _OF_ONE_KIND.get(question.metric)
    booked = {feed.space for feed in site.bookings} if question.metric in OF_BOOKINGS else None
    return [row for row in rows if _counts(row.space, kind) and (booked is None or row.space.id in booked)]


def _counts(space: Space, kind: SpaceKind | None) -> bool:
    return kind in (None, space.kind)
