"""What if: another number of spaces, read from a form and replayed beside what stands there."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from api.history import History
from api.planners import wording
from api.planners.asking import Asked, Wish, whole
from api.planners.wording import say, words
from perch.history.layout import layout_at
from perch.history.planning.changes import Add, Change, Remove
from perch.history.planning.demand import KINDS_BY_SIZE
from perch.history.planning.outcome import Outcome
from perch.history.planning.scenario import Scenario, scenario
from perch.model import Space

NAMES = ("remove", "add", "seats")
SEVERAL = ("without",)
_MOST = 10_000


def read_changes(asked: Asked, wish: Wish) -> list[Change]:
    """Read what is to be taken away and added: rooms one by one, as their sizes differ, others by their number."""
    there = _there(wish)
    removed = _removed(asked, there, by_size=wish.kind in KINDS_BY_SIZE)
    added = asked.take("add", whole(0, _MOST), 0)
    seats = asked.take("seats", whole(1, _MOST), 0) or None
    changes: list[Change] = [Remove(tuple(removed))] if removed else []
    return [*changes, Add(wish.kind, added, seats)] if added else changes


def _there(wish: Wish) -> list[Space]:
    at_ms = min(wish.to_ms, wish.now_ms) - 1
    return [space for space in layout_at([wish.site], at_ms).spaces.values() if space.kind is wish.kind]


def _removed(asked: Asked, there: Sequence[Space], *, by_size: bool) -> list[str]:
    names = [space.id for space in there]
    given = [name for name in asked.lists["without"] if name]
    if not by_size:
        for name in ("without", "seats"):
            if asked.texts.get(name):
                asked.complain(name, "this is for rooms alone; ask with `remove` and `add`")
        number = asked.take("remove", whole(0, _MOST), 0)
        if number > len(there):
            asked.complain("remove", say("remove_too_many", total=len(there)))
        return names[:number]
    if asked.texts.get("remove"):
        asked.complain("remove", "rooms differ in size; name those to take away with `without`")
    for name in given:
        if name not in names:
            asked.complain("without", f"no such room stands there at the end: {name[:64]!r}; name one of those offered")
    return list(dict.fromkeys(given))


def told(asked: Asked, wish: Wish, changes: Sequence[Change], current: int, history: History) -> dict[str, Any]:
    """Give the form of a scenario, and what came of it where one was asked for."""
    by_size = wish.kind in KINDS_BY_SIZE
    without = asked.lists["without"]
    fields = {
        "intro": say("scenario_intro", spaces=wording.spaces(wish.kind)),
        "rooms": [
            {"id": room.id, "name": room.name, "seats": room.capacity, "chosen": room.id in without}
            for room in _there(wish)
        ]
        if by_size
        else [],
        "by_size": by_size,
        "most": current,
        **{name: asked.texts.get(name, "") for name in NAMES},
        "kept": {"site": wish.site.id, "kind": wish.kind.value, **asked.window(wish.site)},
        "result": None,
    }
    if not changes:
        return fields
    source, calendar = history.source(), history.calendar(wish.site.id)
    found = scenario(wish.site, wish.from_ms, wish.to_ms, changes, source, calendar, wish.now_ms)
    changed = current + sum(change.count if isinstance(change, Add) else 0 for change in changes)
    changed -= sum(len(change.spaces) if isinstance(change, Remove) else 0 for change in changes)
    warned = replace(found, warnings=(*found.warnings, *history.caveats(wish.from_ms)))
    return {**fields, "result": _result(warned, wish, current, changed)}


def _result(found: Scenario, wish: Wish, current: int, changed: int) -> dict[str, Any]:
    away = wording.number(found.scenario.turn_aways_per_week)
    today, then = say("scenario_today"), say("scenario_changed")
    sentence = say(
        "scenario_sentence",
        changed=changed,
        total=current,
        spaces=wording.spaces(wish.kind, changed),
        value=wording.whoever(wish.kind, away),
        base=wording.number(found.baseline.turn_aways_per_week),
    )
    columns = words()["scenario_rows"].values(), _column(found.baseline), _column(found.scenario)
    return {
        "sentence": sentence,
        "columns": (say("scenario_what"), f"{today}: {current}", f"{then}: {changed}"),
        "rows": list(zip(*columns, strict=True)),
        "sessions": say("scenario_sessions", n=f"{found.sessions:,}"),
        "warnings": found.warnings,
    }


def _column(of: Outcome) -> Sequence[str]:
    between = wording.NO_NUMBER
    if of.interval is not None:
        low, high = of.interval
        between = say("bounds", low=wording.number(low), high=wording.number(high))
    amounts = wording.number(of.turn_aways_per_week), between, wording.number(of.full_hours_per_week)
    return *amounts, str(of.peak_concurrent)
