"""Sites and sensors as the files that Perch reads."""

import csv
from collections.abc import Iterable, Sequence
from io import StringIO

from perch.model import OpenSpan, SensedSpace, Sensor, Site
from perch.settings.hours import WEEKDAYS
from perch.settings.layout import COLUMNS
from perch.settings.written import toml


def site_toml(site: Site) -> str:
    """Write `site.toml` without its spaces, which stand in `spaces.csv`, and without plans."""
    head: dict[str, object] = {"id": site.id, "name": site.name, "time_zone": site.time_zone}
    if site.country:
        head["country"] = site.country
    if site.closed:
        head["closed"] = [f"{first}/{last}" for first, last in site.closed]
    return toml(
        {
            "site": head,
            "hours": {day: _spans(spans) for day, spans in zip(WEEKDAYS, site.hours, strict=True) if spans},
            "floor": [{"id": floor.id, "name": floor.name} for floor in site.floors],
            "zone": [{"id": zone.id, "floor": zone.floor, "name": zone.name} for zone in site.zones],
            "agent": [{"id": agent} for agent in site.agents],
        }
    )


def spaces_csv(site: Site) -> str:
    """Write `spaces.csv`."""
    text = StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for space in site.spaces:
        features = ";".join(sorted(space.features))
        place = (space.id, space.name, space.floor, space.zone, space.kind, space.capacity)
        rows.writerow((*place, space.purpose, features, space.agent, space.valid_from, space.valid_until))
    return text.getvalue()


def sensing_toml(spaces: Iterable[SensedSpace], sensors: Iterable[Sensor]) -> str:
    """Write `sensing.toml`, or the same part of an `agent.toml`."""
    return toml({"space": list(map(_sensed, spaces)), "sensor": list(map(_sensor, sensors))})


def _sensed(space: SensedSpace) -> dict[str, object]:
    keys: dict[str, object] = {"id": space.id, "kind": space.kind}
    if space.capacity is not None:
        keys["capacity"] = space.capacity
    if space.hold_ms is not None:
        keys["hold_seconds"] = space.hold_ms / 1000
    return keys


def _sensor(sensor: Sensor) -> dict[str, object]:
    keys: dict[str, object] = {"id": sensor.id, "kind": sensor.kind, "space": sensor.space}
    if sensor.pin is not None:
        keys["pin"] = sensor.pin
    if sensor.every_ms is not None:
        keys["every_seconds"] = sensor.every_ms / 1000
    return keys


def _spans(spans: Sequence[OpenSpan]) -> str:
    return ",".join(f"{span.start:%H:%M}-{f'{span.until:%H:%M}' if span.until else '24:00'}" for span in spans)
