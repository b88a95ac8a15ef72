"""What members may ask of planning: whole weeks that are over, groups of at least five shared spaces; told in bands.

Weeks begin on Mondays, so that no two questions differ by a few hours, and a question about planning is about four at
least. A change may not name a single space. What is left of an answer says of each number in which band it lies.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from fastapi import HTTPException

from api.history.for_members import METRICS, cells_observed
from api.history.way import History
from api.history.windows_for_members import LATE_MS, hour_before
from api.live.shapes import ProblemCause
from api.moments import zone_of
from api.problems import ParametersError, wrong
from perch.history.bands import fewest, large_enough
from perch.history.cells import FEWEST_SPACES, reach_of, site_of
from perch.history.layout import standings
from perch.history.planning.changes import Add, Change, Open
from perch.history.question import Scope
from perch.model import DAY_MS, OpenSpan, Site, SpaceKind

USUAL_SHARE = 0.95
LEAST_MS = 27 * DAY_MS
"""Four weeks, of which one may have lost an hour."""

Window = tuple[int, int]
_MONDAY = "members ask planning of whole weeks; begin and end on a Monday, such as 2026-03-02"


def site_for_members(history: History, site: Site, windows: Sequence[Window], zone: str | None = None) -> Site:
    """Give of a site the cells that members are told of, of the whole site or of zones.

    How many seats a space has is left out: nothing may hang on which space of a cell it was.
    """
    told = site_of(site, cells_observed(history, site, reach_of(Scope.SITE, zone), windows))
    return replace(told, spaces=tuple(replace(space, capacity=None) for space in told.spaces))


def members_now_ms(site: Site, now_ms: int) -> int:
    """Give what is the present moment as far as members are told."""
    return hour_before(now_ms - LATE_MS, site)


def require_weeks(site: Site, windows: Mapping[tuple[str, str], Window], now_ms: int, least_ms: int = 0) -> None:
    """Refuse windows of anything but whole weeks that are over; raises ParametersError."""
    causes: list[ProblemCause] = []
    for names, window in windows.items():
        causes += [ProblemCause(name, _MONDAY) for name, ms in zip(names, window, strict=True) if not _begins(site, ms)]
        if window[1] > members_now_ms(site, now_ms):
            causes.append(ProblemCause(names[1], "members ask planning of weeks that are over for a day; end earlier"))
        if window[1] - window[0] < least_ms:
            causes.append(ProblemCause(names[0], "members ask planning of four weeks at least; begin earlier"))
    if causes:
        raise ParametersError(causes)


def _begins(site: Site, ms: int) -> bool:
    """Tell whether a week of a site begins at a moment."""
    local = datetime.fromtimestamp(ms / 1000, zone_of(site.time_zone))
    return local.weekday() == 0 and (local.hour, local.minute, local.second, local.microsecond) == (0, 0, 0, 0)


def require_usual_share(share: float) -> None:
    """Refuse another share than the usual one: answers to several would tell of single days; raises ParametersError."""
    if share != USUAL_SHARE:
        raise wrong("share", "members cannot choose this; leave it out")


def require_metric(metric: str) -> None:
    """Refuse what tells how people behave; raises HTTPException."""
    if metric not in METRICS:
        raise HTTPException(403, f"members read {', '.join(sorted(METRICS))}; not {metric}")


def require_many(
    site: Site, windows: Iterable[Window], where: str, *, kind: SpaceKind | None = None, zone: str | None = None
) -> None:
    """Refuse groups that are fewer than five spaces at some moment; raises ParametersError."""
    rows = [row for row in standings(site) if kind in (None, row.space.kind) and zone in (None, row.space.zone)]
    if not all(large_enough(rows, *window) for window in windows):
        raise wrong(where, f"there are fewer than {FEWEST_SPACES} shared spaces at some moment; ask for a larger group")


def fewest_of(site: Site, windows: Iterable[Window], zone: str | None) -> int:
    """Say how many spaces stand there at least, at any moment of some windows."""
    rows = [row for row in standings(site) if zone in (None, row.space.zone)]
    return min(fewest(rows, *window) for window in windows)


def require_changes(changes: Sequence[Change]) -> None:
    """Refuse changes that name single spaces, or parts of hours; raises ParametersError."""
    causes = []
    for number, change in enumerate(changes):
        if isinstance(change, Open) and not all(
            _is_of_hours(span) for spans in change.hours.values() for span in spans
        ):
            what = "members ask for full hours, such as 10:00-16:00"
            causes.append(ProblemCause(f"changes[{number}].hours", what))
        elif not isinstance(change, Add | Open):
            what = "members cannot name single spaces; add some, or change hours"
            causes.append(ProblemCause(f"changes[{number}]", what))
    if causes:
        raise ParametersError(causes)


def _is_of_hours(span: OpenSpan) -> bool:
    return not any(edge is not None and (edge.minute or edge.second) for edge in (span.start, span.until))


def kinds_of_many(site: Site, window: Window, changes: Sequence[Change]) -> frozenset[SpaceKind]:
    """Give the kinds that are enough spaces; raises ParametersError where a change is of another."""
    for number, change in enumerate(changes):
        if isinstance(change, Add):
            require_many(site, [window], f"changes[{number}].add.kind", kind=change.kind)
    rows = standings(site)
    many = {kind for kind in SpaceKind if large_enough([row for row in rows if row.space.kind is kind], *window)}
    if not many:
        raise wrong("site", f"there is no kind of which {FEWEST_SPACES} shared spaces stand there all the time")
    return frozenset(many)
