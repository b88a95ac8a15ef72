"""Planning: how many would have done, and what another number would mean."""

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from api.entrance.access import Matter
from api.history.resources import TheHistory
from api.history.way import History
from api.moments import zone_of
from api.parameters import TheLive, TheReader, required
from api.planners import wording
from api.planners.asking import Asked, Wish, a_share
from api.planners.charts import Curve, shortfall
from api.planners.frame import answered, api_address, definitions, form
from api.planners.numbers import observed
from api.planners.what_if import NAMES, SEVERAL, read_changes, told
from api.planners.wording import say
from api.planning.resources import sized
from api.turns import taking_turns
from perch.history.planning.definitions import PLANS
from perch.history.planning.sizing import Shortfall, Sizing

router = APIRouter(include_in_schema=False)
USUAL_SHARE = 0.95
_NEAR = 4
PARTS = ("desks_for_days", "desks_for_time", "curve", "turn_aways_per_week", "full_hours_per_week", "peak_concurrent")


@router.get("/planning", dependencies=[required(Matter.HISTORY_OF_GROUPS)])
@taking_turns
def planning_page(request: Request, live: TheLive, reader: TheReader, history: TheHistory) -> Response:
    """Show how many spaces of a kind would have done, and replay another number if asked."""
    asked = Asked(request, live, reader, history, ("site", "kind", "from", "to", "share", *NAMES), SEVERAL)
    return answered(request, reader, "planning", asked, lambda: _context(asked, history))


def _context(asked: Asked, history: History) -> dict[str, Any]:
    wished = asked.read_wish()
    wish, left_out = observed(wished, history, [wished.kind])
    share = asked.take("share", a_share, USUAL_SHARE)
    changes = read_changes(asked, wish)
    asked.finish()
    found = size(wish, share, history)
    points = shown_points(found)
    near = [point for point in points if abs(point.desks - (found.desks_for_days or 0)) <= _NEAR]
    return {
        "form": form(asked, "planning"),
        "window": wording.window(wish.from_ms, found.to_ms, zone_of(wish.site.time_zone)),
        "heading": heading(wish, found, share),
        "more": list(more(found, share)),
        "warnings": [*left_out, *found.warnings],
        "coverage": coverage(found.coverage),
        "picture": picture(wish, found, share),
        "caption": say("curve_picture", space=wording.spaces(wish.kind, 1)),
        "columns": [say(f"curve_{name}", spaces=_title(wish)) for name in ("desks", "short", "without")],
        "near": list(map(_point, near)),
        "points": list(map(_point, points)) if len(points) > len(near) else [],
        "json": api_address("planning/sizing", wish, asked, kind=wish.kind.value, share=f"{share:g}"),
        "definitions": [*meanings(*PARTS), *definitions(["coverage"])],
        "what_if": told(asked, wish, changes, history),
        "comparison": f"/comparison?{urlencode({'site': wish.site.id})}",
        "share": f"{share:g}",
    }


def size(wish: Wish, share: float, history: History) -> Sizing:
    """Ask how many would have done."""
    return sized(history, wish.site, wish.site, (wish.from_ms, wish.to_ms), wish.kind, share, wish.now_ms)


def heading(wish: Wish, found: Sizing, share: float) -> str:
    """Say how many would have done."""
    if found.desks_for_days is None:
        return say("planning_none", spaces=wording.spaces(wish.kind))
    enough = found.desks_for_days
    return say("planning_enough", enough=enough, spaces=wording.spaces(wish.kind, enough), share=wording.percent(share))


def more(found: Sizing, share: float) -> Iterator[str]:
    """Say how sure that is, from how much, and what could not be seen."""
    if found.desks_for_days is None or found.interval is None:
        return
    low, high = found.interval
    known = {"total": found.current, "low": low, "share": wording.percent(share), "for_time": found.desks_for_time}
    yield say("planning_stands_open", **known) if high is None else say("planning_stands", high=high, **known)
    if found.bounds.desks_for_days is not None and len(set(found.bounds.desks_for_days)) > 1:
        least, most = found.bounds.desks_for_days
        yield say("planning_bounds", low=least, high=most)
    name = "planning_days" if found.full_days else "planning_days_none"
    yield say(name, days=found.days, full=found.full_days)
    if found.unseen is not None:
        yield say("planning_unseen", unseen=found.unseen.desks_for_days, assumption=say("assumption"))


def coverage(share: float | None) -> str:
    """Say how much was observed."""
    return say("coverage", coverage=wording.percent(share)) if share else say("coverage_none")


def shown_points(found: Sizing) -> Sequence[Shortfall]:
    """Leave out the numbers that are too few on every day, but for the largest of them."""
    short = sum(point.short_days_ratio == 1 for point in found.curve)
    return found.curve[max(short - 1, 0) :]


def picture(wish: Wish, found: Sizing, share: float) -> str:
    """Draw the shortfall; nothing where there is no number."""
    if found.desks_for_days is None or found.interval is None:
        return ""
    points = [(point.desks, point.short_days_ratio) for point in shown_points(found)]
    enough, names = found.desks_for_days, wording.spaces(wish.kind)
    curve = Curve(
        points,
        enough,
        found.interval,
        found.current,
        1 - share,
        say("curve_enough", n=enough),
        say("curve_current", n=found.current),
        say("curve_axis", spaces=names),
    )
    label = say("curve_label", spaces=names, enough=enough, share=wording.percent(share), total=found.current)
    return shortfall(curve, label)


def meanings(*names: str) -> list[dict[str, Any]]:
    """Say what numbers of planning mean."""
    return [wording.meaning(PLANS[name], "plans") for name in names]


def _title(wish: Wish) -> str:
    return wording.spaces(wish.kind).capitalize()


def _point(point: Shortfall) -> Sequence[str]:
    without = wording.mean(point.people_without) if point.short_days_ratio else "0"
    return str(point.desks), wording.percent(point.short_days_ratio), without
