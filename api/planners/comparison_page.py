"""Before and after: did a change help? A sentence, how sure it is, and both periods beside each other."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response

from api.entrance.access import Matter
from api.history.of_groups import observed_site
from api.history.resources import TheHistory
from api.history.way import History
from api.moments import zone_of
from api.parameters import TheLive, TheReader, required
from api.planners import wording
from api.planners.asking import Asked
from api.planners.frame import answered, day_field, definitions, option
from api.planners.planning_page import meanings
from api.planners.wording import say, words
from api.planning.resources import compared
from api.turns import taking_turns
from perch.history.definitions import DEFINITIONS
from perch.history.planning.comparison import Compared, Comparison, Period
from perch.history.planning.weekdays import LEAST_WEEKS
from perch.model import Site

router = APIRouter(include_in_schema=False)
DAYS = ("before_from", "before_to", "after_from", "after_to")
KNOWN = ("site", "metric", "zone", "control_zone", *DAYS)
METRICS = tuple(name for name in DEFINITIONS if name != "coverage")
USUAL_METRIC = "time_used_ratio"


@router.get("/comparison", dependencies=[required(Matter.HISTORY_OF_GROUPS)])
@taking_turns
def comparison_page(request: Request, live: TheLive, reader: TheReader, history: TheHistory) -> Response:
    """Show what changed between two periods."""
    asked = Asked(request, live, reader, history, KNOWN)
    return answered(request, reader, "comparison", asked, lambda: _context(asked, history), _fields(asked))


def _context(asked: Asked, history: History) -> dict[str, Any]:
    site = asked.read_site()
    of = _read(asked, site)
    asked.finish()
    observed = observed_site(history, site, [of.before, of.after])
    found = compared(history, of, site, observed, asked.now_ms)
    zone = zone_of(site.time_zone)
    both = found.before, found.after
    shown = {name: asked.texts[name] for name in ("zone", "control_zone") if asked.texts.get(name)}
    query = {"site": site.id, "metric": of.metric, **_days(asked, site), **shown}
    return {
        "form": _fields(asked),
        "where": _where(of, site),
        "heading": heading(found, of, site),
        "more": list(_more(found, of)),
        "warnings": found.warnings,
        "columns": list(words()["columns_comparison"].values()),
        "rows": list(
            zip(words()["rows_comparison"].values(), *(_column(one, of.metric, zone) for one in both), strict=True)
        ),
        "json": f"/api/v1/planning/comparison?{urlencode(query)}",
        "definitions": [*meanings("difference"), *definitions([of.metric, "coverage"])],
    }


def _read(asked: Asked, site: Site) -> Compared:
    metric = asked.take("metric", _known(METRICS), USUAL_METRIC)
    zones = _known([zone.id for zone in site.zones])
    zone, control = (asked.take(name, zones, "") or None for name in ("zone", "control_zone"))
    if control is not None and zone in (None, control):
        asked.complain("control_zone", say("refused_control"))
    texts = _days(asked, site)
    before = asked.read_between("before_from", "before_to", site, texts)
    after = asked.read_between("after_from", "after_to", site, texts)
    if after[1] > 1 and after[0] < before[1]:
        asked.complain("after_from", say("refused_overlap"))
    return Compared(metric, before, after, zone, control)


def _known(names: Sequence[str]) -> Any:
    def read(text: str) -> str:
        if text not in names:
            raise ValueError(say("refused_unknown", text=text[:64], known=", ".join(names)))
        return text

    return read


def _days(asked: Asked, site: Site) -> Mapping[str, str]:
    """Give the four days as they were asked for; by default the two halves of the usual weeks."""
    first, last = asked.usual_days(site)
    middle = first + timedelta(weeks=(last - first).days // 14)
    usual = (first, middle, middle, last)
    return {name: asked.texts.get(name) or day.isoformat() for name, day in zip(DAYS, usual, strict=True)}


def _fields(asked: Asked) -> dict[str, Any]:
    """Give the form, as it was filled in or is taken to be."""
    site, texts = asked.site, asked.texts
    zones = [(zone.id, zone.name) for zone in site.zones]
    metrics = [(name, wording.metric_name(name)) for name in METRICS]
    chosen = {"metric": texts.get("metric") or USUAL_METRIC}
    selects = {
        "site": [(each.id, each.name) for each in asked.sites],
        "metric": metrics,
        "zone": [("", say("zone_all")), *zones],
        "control_zone": [("", say("control_none")), *zones],
    }
    return {
        "selects": {
            name: [
                option(value, text, chosen.get(name, site.id if name == "site" else texts.get(name, "")))
                for value, text in options
            ]
            for name, options in selects.items()
        },
        "days": [day_field(name, text) for name, text in _days(asked, site).items()],
    }


def _where(of: Compared, site: Site) -> str:
    names = {zone.id: zone.name for zone in site.zones}
    return f"{site.name} · {names[of.zone]}" if of.zone else site.name


def heading(found: Comparison, of: Compared, site: Site) -> str:
    """Say what changed, or that nothing can be told."""
    name = wording.metric_name(of.metric)
    if found.difference is None or found.interval is None:
        return say("comparison_few", before=found.before.weeks, after=found.after.weeks, least=LEAST_WEEKS)
    low, high = found.interval
    if low <= 0 <= high:
        return say("comparison_none", name=name)
    least, most = sorted((abs(low), abs(high)))
    changed = "comparison_rose" if low > 0 else "comparison_fell"
    numbers = {"by": difference(of.metric, abs(found.difference)), "low": _bare(of.metric, least)}
    sentence = say(changed, name=name, high=_bare(of.metric, most), **numbers)
    zones = {zone.id: zone.name for zone in site.zones}
    return f"{sentence} {say('comparison_control', zone=zones[of.control_zone])}" if of.control_zone else sentence


def _more(found: Comparison, of: Compared) -> Iterator[str]:
    if found.difference is None or found.interval is None:
        return
    low, high = found.interval
    yield say("comparison_interval", low=_signed(of.metric, low), high=_signed(of.metric, high))
    if found.bounds is not None and difference(of.metric, found.bounds[0]) != difference(of.metric, found.bounds[1]):
        least, most = found.bounds
        yield say("comparison_bounds", low=_signed(of.metric, least), high=_signed(of.metric, most))


def difference(metric: str, value: float) -> str:
    """Write by how much a number changed, with its unit."""
    unit, bare = DEFINITIONS[metric].unit, _bare(metric, value)
    if unit == "seconds":
        return bare
    return (
        say("points", n=bare) if unit == "ratio" else f"{bare} {words()['units_one' if bare == '1' else 'units'][unit]}"
    )


def _bare(metric: str, value: float) -> str:
    """Write a change without its unit, where it has one that can be left out."""
    unit = DEFINITIONS[metric].unit
    if unit == "seconds":
        return wording.seconds(value)
    return wording.number(value * 100) if unit == "ratio" else wording.number(value)


def _signed(metric: str, value: float) -> str:
    sign = "+" if value > 0 else "\N{MINUS SIGN}" if value < 0 else ""
    return f"{sign}{difference(metric, abs(value))}"


def _column(of: Period, metric: str, zone: ZoneInfo) -> Sequence[str]:
    value = wording.measured(metric, of.value)
    between = wording.bounds(metric, of.low, of.high) or value
    window = wording.window(of.from_ms, of.to_ms, zone)
    return window, str(of.days), str(of.weeks), value, between, wording.percent(of.coverage)
