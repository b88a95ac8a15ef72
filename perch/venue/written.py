"""Sites and sensors as the files that Perch reads."""

import csv
import json
from collections.abc import Iterable, Sequence
from io import StringIO

from perch.model import OpenSpan, SensedSpace, Sensor, Site
from perch.settings.hours import WEEKDAYS
from perch.settings.layout import COLUMNS


def site_toml(site: Site) -> str:
    """Write `site.toml` without its spaces, which stand in `spaces.csv`, and without plans."""
    head = {"id": site.id, "name": site.name, "time_zone": site.time_zone}
    if site.country:
        head["country"] = site.country
    tables = [_table("[site]", head)]
    tables.append(
        _table("[hours]", {day: _spans(spans) for day, spans in zip(WEEKDAYS, site.hours, strict=True) if spans})
    )
    tables += [_table("[[floor]]", {"id": floor.id, "name": floor.name}) for floor in site.floors]
    tables += [_table("[[zone]]", {"id": zone.id, "floor": zone.floor, "name": zone.name}) for zone in site.zones]
    tables += [_table("[[agent]]", {"id": agent}) for agent in site.agents]
    return "\n".join(tables)


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
    tables = [_table("[[space]]", _sensed(space)) for space in spaces]
    return "\n".join([*tables, *(_table("[[sensor]]", _sensor(sensor)) for sensor in sensors)])


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


def _table(name: str, keys: dict[str, object] | dict[str, str]) -> str:
    return "".join(
        f"{line}\n"
        for line in (name, *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in keys.items()))
    )


def _spans(spans: Sequence[OpenSpan]) -> str:
    return ",".join(f"{span.start:%H:%M}-{f'{span.until:%H:%M}' if span.until else '24:00'}" for span in spans)
