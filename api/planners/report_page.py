"""The report: everything for a decision on a few sheets of A4, with what the numbers mean."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request, Response

from api.entrance.access import Matter
from api.history.of_groups import is_left_out
from api.history.resources import TheHistory
from api.history.way import History
from api.moments import zone_of
from api.parameters import TheLive, TheReader, required
from api.planners import planning_page, week_page, wording
from api.planners.asking import Asked, Wish, kinds_of
from api.planners.charts import Bar, bars
from api.planners.frame import answered, definitions, form
from api.planners.numbers import hours_asked, observed, tell, tell_all
from api.planners.planning_page import USUAL_SHARE, size
from api.planners.wording import say, words
from api.turns import taking_turns
from perch.history.alone import ALONE
from perch.history.planning.busiest import Busiest
from perch.history.planning.sizing import Sizing
from perch.history.question import Answer, Hours, Question, Row, Scope
from perch.model import SpaceKind

router = APIRouter(include_in_schema=False)
METRICS = ("peak_concurrent", "avg_daily_peak", "time_used_ratio", "coverage")
OF_ROOMS = ("solo_share", "size_mismatch")


@router.get("/report", dependencies=[required(Matter.HISTORY_OF_GROUPS)])
@taking_turns
def report_page(request: Request, live: TheLive, reader: TheReader, history: TheHistory) -> Response:
    """Show all that a planner wants to hand on."""
    asked = Asked(request, live, reader, history, ("site", "from", "to"))
    return answered(request, reader, "report", asked, lambda: _context(asked, history))


def _context(asked: Asked, history: History) -> dict[str, Any]:
    wished = asked.read_wish()
    asked.finish()
    wish, left_out = observed(wished, history, tuple(SpaceKind))
    used, known = (tell_all(metric, wish, history) for metric in ("time_used_ratio", "coverage"))
    wishes = [replace(wish, kind=kind) for kind in kinds_of(wish.site)]
    window = (wish.from_ms, wish.to_ms)
    seen = [of for of in wishes if not is_left_out(history, wish.site, window, wish.now_ms, of.kind)]
    kinds = [_kind(of, history) for of in seen]
    of_all = _said_of_all(kinds)
    zones = _zones(wish, history)
    zone = zone_of(wish.site.time_zone)
    hours = say("hours_open" if hours_asked(wish.site) is Hours.OPEN else "hours_all")
    return {
        "form": form(asked, "report"),
        "window": wording.window(wish.from_ms, used.answer.to_ms, zone),
        "lead": [kind["lead"] for kind in kinds if kind["lead"]]
        + [say("report_used", used=used.bounded, hours=hours, coverage=known.value)],
        "figures": [kind["figures"] for kind in kinds],
        "kinds": kinds,
        "zone_warnings": zones.warnings,
        "bars": bars(list(_bars(zones, wish)), say("report_zones")) if zones.rows else "",
        "zones": list(_zone_rows(zones, wish)),
        "warnings": wording.once([*left_out, *used.answer.warnings, *of_all, *([] if seen == wishes else [ALONE])]),
        "made": say("report_made", now=wording.moment(wish.now_ms, zone)),
        "definitions": [
            *planning_page.meanings("desks_for_days", "desks_for_time"),
            *definitions([*METRICS, *(OF_ROOMS if any(of.kind is SpaceKind.ROOM for of in seen) else ())]),
        ],
    }


def _kind(wish: Wish, history: History) -> dict[str, Any]:
    """Give the section of one kind."""
    hours = week_page.hours_of(wish, history)
    busy = week_page.busiest_of(wish, hours, history)
    found = size(wish, USUAL_SHARE, history)
    peak, *others = (tell(metric, wish, history) for metric in METRICS)
    rooms = [tell(metric, wish, history) for metric in OF_ROOMS] if wish.kind is SpaceKind.ROOM else []
    said = (text for told in (peak, *others, *rooms) for text in told.answer.warnings)
    name, total = words()["kind_names"][wish.kind], found.current
    return {
        "name": name,
        "lead": " ".join(_lead(wish, busy, found)),
        "warnings": wording.once([*hours.warnings, *said, *found.warnings]),
        "figures": (name, str(total), peak.bounded, peak.at or wording.NO_NUMBER, *(of.bounded for of in others)),
        "rooms": [(told.name, told.value, told.bounds or wording.NO_NUMBER) for told in rooms],
        "week": week_page.picture(wish, hours, busy),
        "week_caption": week_page.caption(wish),
        "curve": planning_page.picture(wish, found, USUAL_SHARE),
        "curve_caption": say("curve_picture", space=wording.spaces(wish.kind, 1)),
        "heading": planning_page.heading(wish, found, USUAL_SHARE),
        "more": list(planning_page.more(found, USUAL_SHARE)),
    }


def _said_of_all(kinds: Sequence[dict[str, Any]]) -> list[str]:
    """Take the warnings that all of several kinds have away from them, to be said once."""
    if len(kinds) < 2:
        return []
    first, *others = (kind["warnings"] for kind in kinds)
    common = [text for text in first if all(text in said for said in others)]
    for kind in kinds:
        kind["warnings"] = [text for text in kind["warnings"] if text not in common]
    return common


def _lead(wish: Wish, busy: Busiest | None, found: Sizing) -> Iterator[str]:
    total = found.current
    if busy is not None and busy.row.value:
        yield week_page.peak_sentence("report", wish, busy)
    if found.desks_for_days is not None:
        enough, share = found.desks_for_days, wording.percent(USUAL_SHARE)
        named = wording.spaces(wish.kind, enough)
        yield say("report_enough", enough=enough, spaces=named, share=share, total=total)


def _zones(wish: Wish, history: History) -> Answer:
    hours = hours_asked(wish.site)
    question = Question("time_used_ratio", wish.from_ms, wish.to_ms, scope=Scope.ZONE, hours=hours)
    return history.answer(question, wish.site, wish.now_ms)


def _named(zones: Answer, wish: Wish) -> Iterator[tuple[str, Row]]:
    """Give the rows in the layout's order, with what people call each zone."""
    rows = {row.scope: row for row in zones.rows if isinstance(row, Row)}
    return ((zone.name, rows[zone.id]) for zone in wish.site.zones if zone.id in rows)


def _bars(zones: Answer, wish: Wish) -> Iterator[Bar]:
    for name, row in _named(zones, wish):
        yield Bar(name, wording.percent(row.value), row.value, row.low, row.high)


def _zone_rows(zones: Answer, wish: Wish) -> Iterator[Sequence[str]]:
    for name, row in _named(zones, wish):
        between = wording.bounds("time_used_ratio", row.low, row.high) or wording.percent(row.value)
        yield name, wording.percent(row.value), between, wording.percent(row.coverage)
