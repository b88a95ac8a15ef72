"""Reading a scenario: every value by its path, and what to write instead."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from api.planning.shapes import ChangeAsked, ScenarioAsked
from api.problems import wrong
from perch.history.planning.changes import Add, Change, Convert, Open, Remove
from perch.model import Site
from perch.settings.hours import WEEKDAYS, spans
from perch.settings.reading import RefusedError

LARGEST_BYTES = 65_536
_PATH = re.compile(r"\$\.([^`]+)")


def read_scenario(given: Mapping[str, Any]) -> ScenarioAsked:
    """Read the body of a scenario; raises ParametersError."""
    try:
        return msgspec.convert(given, ScenarioAsked)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at ")
        path = _PATH.search(place)
        remedy = "write it as ScenarioAsked of /api/v1/openapi.json says"
        raise wrong(path[1] if path else "body", f"{what}; {remedy}") from None


def read_changes(asked: ScenarioAsked, site: Site) -> Iterator[Change]:
    """Give the changes of a site; raises ParametersError."""
    zones = [zone.id for zone in site.zones]
    for number, change in enumerate(asked.changes):
        yield _change(change, f"changes[{number}]", zones)


def _change(asked: ChangeAsked, where: str, zones: Sequence[str]) -> Change:
    if sum(one is not None for one in (asked.remove, asked.add, asked.convert, asked.hours)) != 1:
        raise wrong(where, "is not exactly one of remove, add, convert and hours; write a change for each")
    if asked.remove == [] or asked.hours == {}:
        raise wrong(f"{where}.{'hours' if asked.remove is None else 'remove'}", "is empty; name at least one")
    if asked.remove is not None:
        return Remove(tuple(asked.remove))
    if asked.add is not None:
        if asked.add.zone not in (None, *zones):
            raise wrong(f"{where}.add.zone", f"there is no zone {asked.add.zone!r}; there are: {', '.join(zones)}")
        return Add(asked.add.kind, asked.add.count, asked.add.capacity)
    if asked.convert is not None:
        into = asked.convert
        return Convert(into.space, Add(into.kind, into.count, into.capacity))
    return _hours(asked.hours or {}, where)


def _hours(asked: Mapping[Any, str], where: str) -> Open:
    hours = {}
    for weekday, text in asked.items():
        try:
            hours[WEEKDAYS.index(weekday)] = spans(text) if text else ()
        except RefusedError as error:
            raise wrong(f"{where}.hours.{weekday}", f"{error.what}; {error.remedy}") from None
    return Open(hours)
