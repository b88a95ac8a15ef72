"""What hangs in each space: sensors by kind of space, on the pins of an agent's Raspberry Pi."""

from collections.abc import Iterable, Sequence

from perch.errors import PerchError
from perch.model import Purpose, SensedSpace, Sensor, SensorKind, Site, Space, SpaceKind

PINS = range(4, 28)
"""GPIO 2 and 3 have pull-up resistors of their own."""

LARGE_ROOM = 6
MOTION_ONLY = 8
"""Every so many desks there is one that has a motion sensor alone, which a still sitter can fool."""

_SHORT = {
    SensorKind.MOTION: "motion",
    SensorKind.PRESENCE: "presence",
    SensorKind.PRESSURE: "seat",
    SensorKind.CONTACT: "door",
    SensorKind.BEAM_IN: "in",
    SensorKind.BEAM_OUT: "out",
}


def sensing(site: Site, agent: str) -> tuple[tuple[SensedSpace, ...], tuple[Sensor, ...]]:
    """Give what an agent senses, with pins; raises PerchError where its spaces need more pins than a Pi has."""
    spaces = spaces_of(site, agent)
    sensors = sensors_of(spaces)
    if len(sensors) > len(PINS):
        raise PerchError(f"agent {agent} has {len(sensors)} sensors", f"give it {len(PINS)} at most")
    sensed = tuple(SensedSpace(space.id, space.kind, space.capacity) for space in spaces)
    return sensed, tuple(
        Sensor(sensor.id, sensor.kind, sensor.space, None, pin) for sensor, pin in zip(sensors, PINS, strict=False)
    )


def spaces_of(site: Site, agent: str) -> tuple[Space, ...]:
    """Give the spaces that belong to an agent, each once, in the order of the layout."""
    return tuple({space.id: space for space in site.spaces if space.agent == agent}.values())


def sensors_of(spaces: Iterable[Space]) -> list[Sensor]:
    """Give the sensors of some spaces, without pins."""
    found: list[Sensor] = []
    desks = 0
    for space in spaces:
        desks += space.kind is SpaceKind.DESK
        found += [Sensor(f"{space.id}-{_SHORT[kind]}", kind, space.id, None) for kind in _kinds(space, desks)]
    return found


def _kinds(space: Space, desks: int) -> Sequence[SensorKind]:
    match space.kind:
        case SpaceKind.DESK if space.purpose is Purpose.ASSIGNED:
            return (SensorKind.PRESSURE,)
        case SpaceKind.DESK:
            return (SensorKind.MOTION if desks % MOTION_ONLY == 5 else SensorKind.PRESENCE,)
        case SpaceKind.ROOM if (space.capacity or 0) >= LARGE_ROOM:
            return (SensorKind.MOTION, SensorKind.BEAM_IN, SensorKind.BEAM_OUT)
        case SpaceKind.ROOM:
            return (SensorKind.PRESENCE, SensorKind.MOTION)
        case SpaceKind.BOOTH:
            return (SensorKind.PRESENCE, SensorKind.CONTACT)
    return (SensorKind.PRESENCE,)
