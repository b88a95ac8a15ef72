"""What an address asks to see of spaces: the filters of the API's lists, read leniently and written down again.

A value that does not exist asks for nothing: whoever mistypes an address gets a page, and sees there what is chosen.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from api.live.selection import Selection
from api.pages.languages import Words, say
from perch.model import Site, Space, SpaceKind, State

NAMES = ("site", "floor", "zone", "kind", "feature", "min_capacity", "state")
FINER = ("zone", "feature", "min_capacity")
SEATS = (2, 4, 6, 8, 10, 12, 20)


def wish_of(given: Mapping[str, str], sites: Iterable[Site]) -> Selection:
    """Read what is asked for; floors and zones are those of the sites."""
    among = list(sites)
    floors = {floor.id for site in among for floor in site.floors}
    zones = {zone.id for site in among for zone in site.zones}
    kind, state = given.get("kind"), given.get("state")
    seats = given.get("min_capacity", "")
    return Selection(
        site=_one_of(given.get("site"), {site.id for site in among}),
        floor=_one_of(given.get("floor"), floors),
        zone=_one_of(given.get("zone"), zones),
        kind=SpaceKind(kind) if kind in set(SpaceKind) else None,
        state=State(state) if state in set(State) else None,
        feature=(given.get("feature") or "")[:64] or None,
        min_capacity=int(seats) if seats.isdecimal() and seats.isascii() and 0 < int(seats[:6]) <= 10_000 else None,
    )


def _one_of(value: str | None, known: set[str]) -> str | None:
    return value if value in known else None


def asked(wish: Selection) -> dict[str, str]:
    """Give what is asked for by the names of the address."""
    return {name: str(value) for name in NAMES if (value := getattr(wish, name)) is not None}


def href(path: str, wish: Selection, **changed: str | None) -> str:
    """Give the address of a wish with some of it changed."""
    values = {**asked(wish), **changed}
    return f"{path}?" + urlencode({name: values[name] for name in NAMES if values.get(name) is not None})


def zone_field(wish: Selection, site: Site, words: Words) -> dict[str, Any]:
    """Give the field that asks for a zone."""
    known = {zone.id: zone.name for zone in site.zones}
    return field("zone", words["zone"], words["any_zone"], known, wish.zone)


def feature_field(wish: Selection, spaces: Iterable[Space], words: Words) -> dict[str, Any]:
    """Give the field that asks for what a space has."""
    known = {feature: feature for feature in sorted({feature for space in spaces for feature in space.features})}
    if wish.feature is not None:
        known.setdefault(wish.feature, wish.feature)
    return field("feature", words["feature"], words["any_feature"], known, wish.feature)


def seats_field(wish: Selection, spaces: Iterable[Space], words: Words) -> dict[str, Any]:
    """Give the field that asks for seats."""
    most = max((space.capacity or 1 for space in spaces), default=1)
    numbers = {*(seats for seats in SEATS if seats <= most), *filter(None, [wish.min_capacity])}
    known = {str(seats): say(words, "seats_from", n=seats) for seats in sorted(numbers)}
    chosen = None if wish.min_capacity is None else str(wish.min_capacity)
    return field("min_capacity", words["seats"], words["any_seats"], known, chosen)


def field(
    name: str, label: str, anything: str, known: Mapping[str, str], chosen: str | None, *, everything: str = ""
) -> dict[str, Any]:
    """Give a field to choose from; `everything` is the value that asks for nothing."""
    options = [{"value": everything, "text": anything, "chosen": chosen is None}]
    options += [{"value": value, "text": text, "chosen": value == chosen} for value, text in known.items()]
    return {"name": name, "label": label, "options": options}
