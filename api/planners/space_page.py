"""One space: what was observed of it through a day or a week, and why it was said."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response

from api.entrance.access import Reader
from api.history.way import History
from api.live.live import Live
from api.moments import parse_moment
from api.pages.languages import words_in as states_and_reasons
from api.planners import wording
from api.planners.asking import Asked
from api.planners.charts import Piece, Strip, timeline
from api.planners.frame import answered, definitions, form
from api.planners.stretches import Stretch, stretches
from api.planners.wording import language, say, words
from api.problems import not_found
from perch.history.calendar import DAY_MS, Calendar
from perch.history.question import Hours, Question, Row
from perch.model import Site, Space

MOST_DAYS = 31
METRICS = ("time_used_ratio", "coverage")


def space_page(request: Request, live: Live, reader: Reader, history: History, site: str, space: str) -> Response:
    """Show one space through time, to a reader who may see that."""
    asked = Asked(request, live, reader, history, ("from", "to"), usual_days=1)
    asked.texts["site"] = site
    return answered(request, reader, "space", asked, lambda: _context(asked, _found(asked, reader, space), history))


def _found(asked: Asked, reader: Reader, space: str) -> Space:
    """Give the latest row of a space that the reader may see; raises HTTPException."""
    site = next((site for site in asked.sites if site.id == asked.texts["site"]), None)
    rows = [row for row in site.spaces if row.id == space and reader.may_see(site.id, row)] if site else []
    if not rows:
        raise not_found(f"there never was a space {asked.texts['site'][:64]}/{space[:64]}; choose one from the list")
    return rows[-1]


def _context(asked: Asked, space: Space, history: History) -> dict[str, Any]:
    site = asked.site
    calendar = history.calendar(site.id)
    from_ms, to_ms = asked.read_window(site)
    if to_ms - from_ms > (MOST_DAYS + 1) * DAY_MS:
        asked.complain("from", say("space_too_long", days=MOST_DAYS))
    asked.finish()
    seen_ms = min(to_ms, asked.now_ms)
    found = stretches(site, space.id, from_ms, seen_ms, history.source()) if seen_ms > from_ms else []
    window = wording.window(from_ms, to_ms, calendar.zone)
    heading, more, warnings = _sentences(space, site, (from_ms, to_ms, asked.now_ms), history)
    days = list(strips(found, calendar, from_ms, to_ms))
    query = {"site": site.id, "space": space.id, **asked.window(site)}
    return {
        "form": form(asked, "space"),
        "window": window,
        "heading": heading,
        "more": more,
        "warnings": warnings,
        "space": space,
        "traits": say("space_traits", kind=words()["kind_names"][space.kind], zone=_zone_name(site, space)),
        "steps": list(_steps(asked, calendar, from_ms, to_ms)),
        "picture": timeline(days, say("space_label", name=space.name, window=window)) if found else "",
        "states": states_and_reasons(language())["states"],
        "rows": [_row(one, calendar, is_one_day=len(days) == 1) for one in found],
        "counted": any(one.people is not None for one in found),
        "json": f"/api/v1/history/transitions?{urlencode(query)}",
        "definitions": definitions(METRICS),
    }


def _zone_name(site: Site, space: Space) -> str:
    return next((zone.name for zone in site.zones if zone.id == space.zone), space.zone)


def _sentences(
    space: Space, site: Site, window: tuple[int, int, int], history: History
) -> tuple[str, str, Sequence[str]]:
    """Say how much of its opening hours the space was in use; of all hours where it was closed throughout."""
    from_ms, to_ms, now_ms = window
    alone = replace(site, spaces=tuple(row for row in site.spaces if row.id == space.id))
    is_open = len(history.calendar(site.id).opening_ms(from_ms, min(to_ms, now_ms))) > 0
    hours = Hours.OPEN if is_open else Hours.ALL
    answer = history.answer(Question(METRICS[0], from_ms, to_ms, hours=hours), alone, now_ms)
    row = next((row for row in answer.rows if isinstance(row, Row)), None)
    if row is None:
        return f"{space.name}: {say('space_empty')}", "", ()
    if row.value is None:
        return say("space_none" if is_open else "space_none_closed", name=space.name), "", answer.warnings
    between = ""
    if wording.bounds(METRICS[0], row.low, row.high):
        between = say("space_observed_bounds", low=wording.percent(row.low), high=wording.percent(row.high))
    heading = say("space_used" if is_open else "space_used_closed", name=space.name, used=wording.percent(row.value))
    return heading, say("space_observed", coverage=wording.percent(row.coverage), bounds=between), answer.warnings


def strips(found: Sequence[Stretch], calendar: Calendar, from_ms: int, to_ms: int) -> Iterator[Strip]:
    """Cut what was observed into days."""
    day = calendar.day_of(from_ms)
    while (start_ms := calendar.day_start_ms(day)) < to_ms:
        end_ms = calendar.day_start_ms(day + timedelta(days=1))
        pieces = [
            Piece(max(one.from_ms, start_ms) - start_ms, min(one.to_ms, end_ms) - start_ms, one.state)
            for one in found
            if one.from_ms < end_ms and one.to_ms > start_ms
        ]
        opening = (calendar.opening_ms(start_ms, end_ms) - start_ms).tolist()
        spans = list(zip(opening[::2], opening[1::2], strict=True))
        name = f"{words()['weekdays_short'][day.weekday()]} {day.day}"
        note = "" if spans else say("closed")
        yield Strip(name, end_ms - start_ms, pieces, spans, _ticks(day, calendar, start_ms, end_ms), note)
        day += timedelta(days=1)


def _ticks(day: date, calendar: Calendar, start_ms: int, end_ms: int) -> list[tuple[int, str]]:
    """Mark every sixth hour where the wall clock shows it."""
    hours = [(parse_moment(f"{day}T{hour:02}:00", calendar.zone) - start_ms, str(hour)) for hour in (6, 12, 18)]
    return [(0, "0"), *hours, (end_ms - start_ms, "24")]


def _steps(asked: Asked, calendar: Calendar, from_ms: int, to_ms: int) -> Iterator[dict[str, str]]:
    """Lead to the time before and after, and from the day to its week and back."""
    first, last = calendar.day_of(from_ms), calendar.day_of(to_ms - 1)
    length = last - first + timedelta(days=1)
    monday = first - timedelta(days=first.weekday())
    yield _step(asked, "space_before", first - length, length)
    if length.days != 1:
        yield _step(asked, "space_day", min(last, max(first, calendar.day_of(asked.now_ms))), timedelta(days=1))
    if (length.days, first) != (7, monday):
        yield _step(asked, "space_week", monday, timedelta(days=7))
    if to_ms < asked.now_ms:
        yield _step(asked, "space_after", first + length, length)


def _step(asked: Asked, name: str, first: date, length: timedelta) -> dict[str, str]:
    return {"word": say(name), "href": f"{asked.path}?" + urlencode({"from": first, "to": first + length})}


def _row(one: Stretch, calendar: Calendar, *, is_one_day: bool) -> dict[str, Any]:
    local = calendar.local(one.from_ms)
    day = "" if is_one_day else f"{words()['weekdays_short'][local.weekday()]} {local.day} "
    if one.reason is not None:
        why = states_and_reasons(language())["reasons"][one.reason]
    else:
        why = say("before_all") if one.is_first else say("unsaid")
    return {
        "from": say("space_goes_back") if one.goes_back else f"{day}{local:%H:%M:%S}",
        "iso": local.isoformat(),
        "lasted": wording.seconds((one.to_ms - one.from_ms) / 1000),
        "state": one.state,
        "people": "" if one.people is None else one.people,
        "why": why,
    }
