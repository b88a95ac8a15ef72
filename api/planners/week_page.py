"""The week: when is it fullest, and how full is each hour?"""

from collections.abc import Iterator, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response

from api.access import Matter
from api.history import History
from api.history_resources import TheHistory
from api.moments import zone_of
from api.parameters import TheLive, TheReader, required
from api.planners import wording
from api.planners.asking import Asked, Wish
from api.planners.charts import Cell, heat_map
from api.planners.frame import answered, api_address, definitions, form
from api.planners.numbers import Told, hours_asked, tell
from api.planners.wording import say, words
from perch.history.question import Answer, HourRow, Question, Resolution
from perch.history.unobserved import COVERAGE_WANTED

router = APIRouter(include_in_schema=False)
KNOWN = ("site", "kind", "from", "to")
FIGURES = ("peak_concurrent", "avg_daily_peak", "time_used_ratio", "coverage")


@router.get("/week", dependencies=[required(Matter.HISTORY_OF_GROUPS)])
def week_page(request: Request, live: TheLive, reader: TheReader, history: TheHistory) -> Response:
    """Show what hours of the week are like."""
    asked = Asked(request, live, reader, KNOWN)
    return answered(request, reader, "week", asked, lambda: _context(asked, history))


def _context(asked: Asked, history: History) -> dict[str, Any]:
    wish = asked.read_wish()
    asked.finish()
    told = [tell(metric, wish, history) for metric in FIGURES]
    hours = hours_of(wish, history)
    busy = busiest(hours)
    return {
        "form": form(asked, "week"),
        "window": wording.window(wish.from_ms, told[0].answer.to_ms, zone_of(wish.site.time_zone)),
        "heading": heading(wish, busy),
        "more": _more(wish, busy, told[0]),
        "picture": picture(wish, hours, busy),
        "caption": caption(wish),
        "figures": told,
        "warnings": wording.once(text for answer in (hours, *(of.answer for of in told)) for text in answer.warnings),
        "weekdays": list(_weekdays(hours)),
        "hours": list(map(_hour, _rows(hours))),
        "json": api_address(
            "history/peak_concurrent", wish, asked, kind=wish.kind.value, resolution=Resolution.HOUR_OF_WEEK.value
        ),
        "definitions": definitions(FIGURES),
    }


def hours_of(wish: Wish, history: History) -> Answer:
    """Ask for the peaks of all hours of the week."""
    window = (wish.from_ms, wish.to_ms, Resolution.HOUR_OF_WEEK)
    question = Question("peak_concurrent", *window, hours=hours_asked(wish.site), kind=wish.kind.value)
    return history.answer(question, wish.site, wish.now_ms)


def _rows(hours: Answer) -> list[HourRow]:
    return [row for row in hours.rows if isinstance(row, HourRow)]


def busiest(hours: Answer) -> HourRow | None:
    """Give the hour with the highest mean peak, the first of several; None where nothing was observed."""
    seen = [row for row in _rows(hours) if row.value is not None and row.coverage]
    return max(seen, key=lambda row: row.value or 0, default=None)


def _end(wish: Wish) -> int:
    return min(wish.to_ms, wish.now_ms) - 1


def heading(wish: Wish, busy: HourRow | None) -> str:
    """Say which hour is the fullest."""
    total, kind = wish.standing(_end(wish)), wish.kind
    if not total and busy is None:
        return say("none_there", site=wish.site.name, spaces=wording.spaces(kind))
    if busy is None:
        return say("week_none", spaces=wording.spaces(kind))
    if not busy.value:
        return say("week_idle", space=wording.spaces(kind, 1))
    hour, value = wording.hour(busy.weekday, busy.hour), wording.number(busy.value)
    return say("week_peak", hour=hour, value=value, total=total, spaces=wording.spaces(kind, total))


def _more(wish: Wish, busy: HourRow | None, peak: Told) -> list[str]:
    """Say how the peak is meant, when it was highest, and whether spaces came or went."""
    if busy is None or not busy.value:
        return []
    weeks = say("weeks", n=busy.weeks) if busy.weeks != 1 else say("weeks_one")
    said = [say("week_peak_how", weeks=weeks, most=peak.value, at=peak.at, lasted=peak.lasted)]
    before, total = wish.standing(wish.from_ms), wish.standing(_end(wish))
    return said if before == total else [*said, say("week_changed", before=before, total=total)]


def picture(wish: Wish, hours: Answer, busy: HourRow | None) -> str:
    """Draw the hours of the week; nothing where there are none."""
    rows, total = _rows(hours), wish.standing(_end(wish))
    if not rows or busy is None:
        return ""
    cells = {(row.weekday, row.hour): _cell(row, total, row is busy and bool(row.value)) for row in rows}
    label = say(
        "week_label",
        spaces=wording.spaces(wish.kind),
        hour=wording.hour(busy.weekday, busy.hour),
        value=wording.number(busy.value),
        total=total,
    )
    return heat_map(cells, words()["weekdays_short"], label)


def caption(wish: Wish) -> str:
    """Say what the picture shows."""
    return say("week_picture", spaces=wording.spaces(wish.kind).capitalize(), total=wish.standing(_end(wish)))


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
