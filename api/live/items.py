"""From what is known to what is answered: one function per kind of item."""

import dataclasses
from datetime import tzinfo

from msgspec.structs import replace

from api.directory import Directory, Key, Place
from api.live.shapes import AgentItem, Named, SensorItem, SiteItem, SpaceItem, ZoneItem
from api.moments import rfc3339
from perch.contract import SensorStatus, Status
from perch.delivery.fleet import Agent
from perch.model import Occupancy, Reason, Site

QUARTER_HOUR_MS = 900_000


def site_item(site: Site) -> SiteItem:
    """Describe a site."""
    return SiteItem(
        site.id,
        site.name,
        site.time_zone,
        tuple(Named(floor.id, floor.name) for floor in site.floors),
        tuple(ZoneItem(zone.id, zone.floor) for zone in site.zones),
    )


def coarsened(occupancy: Occupancy) -> Occupancy:
    """Give what members see of a state: that it began within some quarter of an hour."""
    return dataclasses.replace(occupancy, since_ms=occupancy.since_ms // QUARTER_HOUR_MS * QUARTER_HOUR_MS)


def space_item(place: Place, occupancy: Occupancy) -> SpaceItem:
    """Describe a space as it is shown, its evidence's age left open."""
    space = place.space
    never = occupancy.reason is Reason.NEVER_REPORTED
    return SpaceItem(
        place.site,
        space.id,
        space.name,
        space.floor,
        space.zone,
        space.kind,
        space.capacity,
        space.purpose,
        tuple(sorted(space.features)),
        occupancy.state,
        occupancy.probability,
        occupancy.count,
        occupancy.reason,
        None if never else rfc3339(occupancy.since_ms, place.time_zone),
        None,
    )


def aged(item: SpaceItem, age_ms: int | None) -> SpaceItem:
    """Give an item with the age of its evidence."""
    return item if age_ms is None else replace(item, age_seconds=max(0, age_ms // 1000))


def agent_item(
    directory: Directory,
    key: Key,
    known: Agent[Status] | None,
    heard_ms: int | None,
    *,
    online: bool,
    ahead_minutes: int = 0,
) -> AgentItem:
    """Describe an agent; before its first status little is known of it."""
    described = known is not None and known.has_words
    said = (known.status.trouble or known.status.notice) if known and described else None
    return AgentItem(
        *key,
        online,
        known.status.run if known else None,
        known.status.version if known and described else None,
        None if heard_ms is None else rfc3339(heard_ms, directory.zone(key[0])),
        known.status.outbox if known and described else None,
        "; ".join(filter(None, (said, _clock_off(ahead_minutes)))) or None,
        directory.spaces_of[key],
    )


def _clock_off(ahead_minutes: int) -> str | None:
    if not ahead_minutes:
        return None
    minutes = abs(ahead_minutes)
    units = ((1440, "days"), (60, "hours"))
    shown = next((f"{minutes // size} {unit}" for size, unit in units if minutes >= 2 * size), f"{minutes} min")
    return f"its clock is {shown} {'ahead of' if ahead_minutes > 0 else 'behind'} the server's: see to both clocks"


def sensor_item(key: Key, name: str, sensor: SensorStatus, zone: tzinfo, *, online: bool) -> SensorItem:
    """Describe a sensor; nobody knows its health while its agent is not heard."""
    return SensorItem(
        *key,
        name,
        sensor.kind,
        sensor.space,
        sensor.health if online else None,
        rfc3339(sensor.since_ms, zone),
        None if sensor.last_ms is None else rfc3339(sensor.last_ms, zone),
        sensor.drift_a_day,
    )
