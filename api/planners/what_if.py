"""What if: another number of spaces or other hours, read from a form and replayed beside what stands there."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from api.history.way import History
from api.planners import wording
from api.planners.asking import Asked, Wish, whole
from api.planners.wording import say, words
from perch.history.layout import layout_at
from perch.history.planning.changes import Add, Change, Open, Remove
from perch.history.planning.demand import KINDS_BY_SIZE
from perch.history.planning.outcome import Outcome
from perch.history.planning.scenario import Scenario, scenario
from perch.model import OpenSpan, Space
from perch.settings.hours import WEEKDAYS, spans
from perch.settings.reading import RefusedError

NAMES = ("remove", "add", "seats", "opens", "closes")
SEVERAL = ("without", "on")
_MOST = 10_000


def read_changes(asked: Asked, wish: Wish) -> list[Change]:
    """Read what is to be changed: rooms go one by one, as their sizes differ, others by their number."""
    removed = _removed(asked, _there(wish), wish)
    added = asked.take("add", whole(0, _MOST, say("to_add", spaces=wording.spaces(wish.kind))), 0)
    seats = asked.take("seats", whole(1, _MOST, say("seats_each")), 0) or None
    hours = _hours(asked)
    changes: list[Change] = [Remove(tuple(removed))] if removed else []
    changes += [Add(wish.kind, added, seats)] if added else []
    return [*changes, Open(hours)] if hours else changes


def _there(wish: Wish) -> list[Space]:
    at_ms = min(wish.to_ms, wish.now_ms) - 1
    return [space for space in layout_at([wish.site], at_ms).spaces.values() if space.kind is wish.kind]


def _removed(asked: Asked, there: Sequence[Space], wish: Wish) -> list[str]:
    names = [space.id for space in there]
    if wish.kind not in KINDS_BY_SIZE:
        for name in ("without", "seats"):
            if asked.texts.get(name):
                asked.complain(name, say("refused_for_rooms"))
        what = say("to_remove", spaces=wording.spaces(wish.kind))
        return names[: asked.take("remove", whole(0, len(there), what), 0)]
    if asked.texts.get("remove"):
        asked.complain("remove", say("refused_not_rooms"))
    given = [name for name in asked.lists["without"] if name]
    for name in given:
        if name not in names:
            asked.complain("without", say("refused_no_room", room=name[:64]))
    return list(dict.fromkeys(given))


def _hours(asked: Asked) -> Mapping[int, tuple[OpenSpan, ...]]:
    """Read opening hours for some weekdays: none at all where both times are left out."""
    days = [day for day in asked.lists["on"] if day]
    strange = [day for day in days if day not in WEEKDAYS]
    opens, closes = asked.texts.get("opens", ""), asked.texts.get("closes", "")
    if strange:
        asked.complain("on", say("refused_weekday", day=strange[0][:64], days=", ".join(WEEKDAYS)))
    if (opens or closes) and not days:
        asked.complain("on", say("refused_no_days"))
    if bool(opens) != bool(closes):
        asked.complain("closes" if opens else "opens", say("refused_one_time"))
        return {}
    try:
        hours = spans(f"{opens}-{closes}") if opens else ()
    except RefusedError as error:
        asked.complain("opens", f"{error.what}; {error.remedy}")
        return {}
    return {WEEKDAYS.index(day): tuple(hours) for day in days if day in WEEKDAYS}


def told(asked: Asked, wish: Wish, changes: Sequence[Change], history: History) -> dict[str, Any]:
    """Give the form of a scenario, and what came of it where one was asked for."""
    by_size, there = wish.kind in KINDS_BY_SIZE, _there(wish)
    without, days = asked.lists["without"], asked.lists["on"]
    fields = {
        "intro": say("scenario_intro", spaces=wording.spaces(wish.kind)),
        "rooms": [
            {"id": room.id, "name": room.name, "seats": room.capacity, "chosen": room.id in without} for room in there
        ]
        if by_size
        else [],
        "days": [
            {"id": day, "name": name, "chosen": day in days}
            for day, name in zip(WEEKDAYS, words()["weekdays_short"], strict=True)
        ],
        "by_size": by_size,
        "most": len(there),
        **{name: asked.texts.get(name, "") for name in NAMES},
        "kept": {"site": wish.site.id, "kind": wish.kind.value, **asked.window(wish.site)},
        "result": None,
    }
    if not changes:
        return fields
    of_kind = replace(wish.site, spaces=tuple(space for space in wish.site.spaces if space.kind is wish.kind))
    source, calendar = history.source(), history.calendar(wish.site.id)
    found = scenario(of_kind, wish.from_ms, wish.to_ms, changes, source, calendar, wish.now_ms)
    warned = replace(found, warnings=(*found.warnings, *history.caveats(wish.from_ms)))
    return {**fields, "result": _result(warned, wish, len(there), changes)}


def _result(found: Scenario, wish: Wish, current: int, changes: Sequence[Change]) -> dict[str, Any]:
    changed = current + sum(change.count for change in changes if isinstance(change, Add))
    changed -= sum(len(change.spaces) for change in changes if isinstance(change, Remove))
    today, then = say("scenario_today"), say("scenario_changed")
    columns = words()["scenario_rows"].values(), _column(found.baseline), _column(found.scenario)
    return {
        "sentence": _sentence(found, wish, current, changed, any(isinstance(change, Open) for change in changes)),
        "columns": (say("scenario_what"), f"{today}: {current}", f"{then}: {changed}"),
        "rows": list(zip(*columns, strict=True)),
        "sessions": say(
            "scenario_sessions", n=wording.digits(f"{found.sessions:,}"), coverage=wording.percent(found.coverage)
        ),
        "warnings": found.warnings,
    }


def _sentence(found: Scenario, wish: Wish, current: int, changed: int, has_hours: bool) -> str:
    """Say how many visits a week would have found none."""
    base = wording.number(found.baseline.turn_aways_per_week)
    away = found.scenario.turn_aways_per_week
    if away is None:
        days = wording.listed([words()["weekdays"][weekday] for weekday in found.opens_longer])
        least = wording.visits(wording.number(found.scenario.bounds.turn_aways_per_week[0]))
        return say("scenario_unknown", days=days, value=least, base=base)
    value = wording.visits(wording.number(away))
    if has_hours and changed == current:
        return say("scenario_hours", value=value, base=base)
    named = {"spaces": wording.spaces(wish.kind, changed), "value": value, "base": base}
    return say("scenario_both" if has_hours else "scenario_sentence", changed=changed, total=current, **named)


def _column(of: Outcome) -> Sequence[str]:
    between = wording.NO_NUMBER
    if of.interval is not None:
        low, high = of.interval
        between = say("bounds", low=wording.number(low), high=wording.number(high))
    numbers = (of.turn_aways_per_week, of.full_hours_per_week, of.peak_concurrent)
    away, full, peak = (_bounded(number, *span) for number, span in zip(numbers, of.bounds, strict=True))
    return away, between, full, peak


def _bounded(value: float | None, low: float, high: float | None) -> str:
    """Write a number with its bounds, where these read otherwise; what it is at least where it is not known."""
    if value is None or high is None:
        return say("at_least", low=wording.number(low))
    lowest, highest = wording.number(low), wording.number(high)
    text = wording.number(value)
    return text if lowest == highest else f"{text} ({say('bounds', low=lowest, high=highest)})"
