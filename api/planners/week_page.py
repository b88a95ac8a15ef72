"""The week: when is it fullest, and how full is each hour?"""

from collections.abc import Iterator, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response

from api.entrance.access import Matter
from api.history.resources import TheHistory
from api.history.way import History
from api.moments import zone_of
from api.parameters import TheLive, TheReader, required
from api.planners import wording
from api.planners.asking import Asked, Wish
from api.planners.charts import Cell, heat_map
from api.planners.frame import answered, api_address, definitions, form
from api.planners.numbers import Told, hours_asked, observed, tell
from api.planners.wording import say, words
from api.turns import taking_turns
from perch.history.calendar import DAY_MS
from perch.history.planning.busiest import Busiest, busiest, run_of
from perch.history.question import Answer, HourRow, Question, Resolution, Row
from perch.history.unobserved import COVERAGE_WANTED

router = APIRouter(include_in_schema=False)
KNOWN = ("site", "kind", "from", "to")
FIGURES = ("peak_concurrent", "avg_daily_peak", "time_used_ratio", "coverage")
_MOST_HOURS_MS = 520 * 7 * DAY_MS
"""Of so long a time, the last of a window, hours are compared one by one."""
_FOLLOWING = 2
_NAMED = 6
_TOLD_APART = 0.1
"""Bounds that are nearer to each other read alike."""


@router.get("/week", dependencies=[required(Matter.HISTORY_OF_GROUPS)])
@taking_turns
def week_page(request: Request, live: TheLive, reader: TheReader, history: TheHistory) -> Response:
    """Show what hours of the week are like."""
    asked = Asked(request, live, reader, history, KNOWN)
    return answered(request, reader, "week", asked, lambda: _context(asked, history))


def _context(asked: Asked, history: History) -> dict[str, Any]:
    wished = asked.read_wish()
    asked.finish()
    wish, left_out = observed(wished, history, [wished.kind])
    told = [tell(metric, wish, history) for metric in FIGURES]
    hours = hours_of(wish, history)
    busy = busiest_of(wish, hours, history)
    warnings = (text for answer in (hours, *(of.answer for of in told)) for text in answer.warnings)
    return {
        "form": form(asked, "week"),
        "window": wording.window(wish.from_ms, told[0].answer.to_ms, zone_of(wish.site.time_zone)),
        "heading": heading(wish, busy),
        "more": _more(wish, busy, told[0]),
        "picture": picture(wish, hours, busy),
        "caption": caption(wish),
        "figures": told,
        "warnings": wording.once([*left_out, *warnings]),
        "weekdays": list(_weekdays(hours)),
        "hours": list(map(_hour, _rows(hours))),
        "json": api_address(
            "history/peak_concurrent", wish, asked, kind=wish.kind.value, resolution=Resolution.HOUR_OF_WEEK.value
        ),
        "definitions": definitions(FIGURES),
    }


def hours_of(wish: Wish, history: History) -> Answer:
    """Ask for the peaks of all hours of the week."""
    return _ask(wish, history, wish.from_ms, Resolution.HOUR_OF_WEEK)


def busiest_of(wish: Wish, hours: Answer, history: History) -> Busiest | None:
    """Find the hour with the highest mean peak, and those that cannot be told from it; None of nothing observed."""
    if not any(row.value and row.coverage for row in _rows(hours)):
        return busiest(_rows(hours), (), history.calendar(wish.site.id))
    by_hour = _ask(wish, history, max(wish.from_ms, hours.to_ms - _MOST_HOURS_MS), Resolution.HOUR)
    rows = (row for row in by_hour.rows if isinstance(row, Row))
    return busiest(_rows(hours), rows, history.calendar(wish.site.id))


def _ask(wish: Wish, history: History, from_ms: int, resolution: Resolution) -> Answer:
    hours, kind = hours_asked(wish.site), wish.kind.value
    question = Question("peak_concurrent", from_ms, wish.to_ms, resolution, hours=hours, kind=kind)
    return history.answer(question, wish.site, wish.now_ms)


def _rows(hours: Answer) -> list[HourRow]:
    return [row for row in hours.rows if isinstance(row, HourRow)]


def _end(wish: Wish) -> int:
    return min(wish.to_ms, wish.now_ms) - 1


def heading(wish: Wish, busy: Busiest | None) -> str:
    """Say which hour is the fullest."""
    total, kind = wish.standing(_end(wish)), wish.kind
    if not total and busy is None:
        return say("none_there", site=wish.site.name, spaces=wording.spaces(kind))
    if busy is None:
        return say("week_none", spaces=wording.spaces(kind))
    if not busy.row.value:
        return say("week_idle", space=wording.spaces(kind, 1))
    return peak_sentence("week", wish, busy)


def peak_sentence(page: str, wish: Wish, busy: Busiest) -> str:
    """Name the busiest hour, those that follow closely, or say that none stands out."""
    value, total = wording.number(busy.row.value), wish.most
    gaps = {
        "value": value,
        "total": total,
        "spaces": wording.spaces(wish.kind, total),
        "of_spaces": wording.of_spaces(wish.kind, total),
    }
    own = (busy.row.weekday, busy.row.hour)
    run = run_of([own, *busy.near])
    if run is not None:
        return say(f"{page}_peak", hour=wording.hours(*run), **gaps)
    hour = wording.hour(*own)
    if len(busy.near) <= _FOLLOWING:
        others = wording.listed([wording.hour(*one) for one in busy.near])
        return say(f"{page}_peak_followed", hour=hour, others=others, **gaps)
    return say(f"{page}_peak_many", hour=hour, n=len(busy.near), **gaps)


def _more(wish: Wish, busy: Busiest | None, peak: Told) -> list[str]:
    """Say how the peak is meant, how sure it is, when it was highest, and whether spaces came or went."""
    if busy is None or not busy.row.value:
        return []
    row = busy.row
    weeks = say("weeks", n=row.weeks) if row.weeks != 1 else say("weeks_one")
    said = [say("week_peak_how", weeks=weeks, most=peak.value, at=peak.at, lasted=peak.lasted)]
    if busy.interval is None:
        said.append(say("week_peak_unsure"))
    elif busy.interval[1] - busy.interval[0] >= _TOLD_APART:
        low, high = map(wording.mean, busy.interval)
        said.append(say("week_peak_sure", low=low, high=high))
    if row.low is not None and row.high is not None and row.high - row.low >= _TOLD_APART:
        said.append(say("week_peak_bounds", low=wording.mean(row.low), high=wording.mean(row.high)))
    if len(busy.near) > _FOLLOWING and run_of([(row.weekday, row.hour), *busy.near]) is None:
        named = [wording.hour(*one) for one in busy.near[:_NAMED]]
        more = len(busy.near) - len(named)
        said.append(
            say("week_peak_near", hours=wording.listed(named) if not more else ", ".join(named), more=_and(more))
        )
    before, total = wish.standing(wish.from_ms), wish.standing(_end(wish))
    return said if before == total else [*said, say("week_changed", before=before, total=total)]


def _and(more: int) -> str:
    return f" {say('and_more', n=more)}" if more else ""


def picture(wish: Wish, hours: Answer, busy: Busiest | None) -> str:
    """Draw the hours of the week; nothing where there are none."""
    rows, total = _rows(hours), wish.most
    if not rows or busy is None:
        return ""
    cells = {(row.weekday, row.hour): _cell(row, total, row is busy.row and bool(row.value)) for row in rows}
    label = say(
        "week_label",
        spaces=wording.spaces(wish.kind),
        hour=wording.hour(busy.row.weekday, busy.row.hour),
        value=wording.number(busy.row.value),
        total=total,
    )
    return heat_map(cells, words()["weekdays_short"], label)


def caption(wish: Wish) -> str:
    """Say what the picture shows."""
    return say("week_picture", spaces=wording.spaces(wish.kind).capitalize(), total=wish.most)


def _cell(row: HourRow, total: int, is_peak: bool) -> Cell:
    observed = row.coverage or 0.0
    share = row.value / total if row.value is not None and total and observed else None
    text = wording.mean(row.value) if observed else wording.NO_NUMBER
    return Cell(text, share, observed < COVERAGE_WANTED, is_peak)


def _weekdays(hours: Answer) -> Iterator[Sequence[str]]:
    """Give the busiest hour of each weekday."""
    for weekday, name in enumerate(words()["weekdays"], start=1):
        of_day = [row for row in _rows(hours) if row.weekday == weekday and row.value is not None and row.coverage]
        if of_day:
            row = max(of_day, key=lambda row: row.value or 0)
            yield name, f"{row.hour:02}:00", wording.mean(row.value), wording.mean(row.p90), wording.number(row.max)


def _hour(row: HourRow) -> Sequence[str]:
    spread = wording.mean(row.p50), wording.mean(row.p90), wording.number(row.max)
    lowest, highest = wording.mean(row.low), wording.mean(row.high)
    between = say("bounds", low=lowest, high=highest)
    name = f"{words()['weekdays_short'][row.weekday - 1]} {row.hour:02}:00"
    return name, wording.mean(row.value), between, *spread, str(row.weeks), wording.percent(row.coverage)
