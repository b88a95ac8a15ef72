"""A venue of any size, made up by seed: floors of up to forty spaces, agents that each fit on one Pi."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import time
from random import Random

from perch.model import Floor, OpenSpan, Purpose, Site, Space, SpaceKind, Zone
from perch.venue.chance import chance
from perch.venue.rig import PINS, sensors_of

FLOOR_SPACES = 40
AGENT_SPACES = 12
ASSIGNED = 0.08
KINDS = (SpaceKind.DESK,) * 13 + (SpaceKind.ROOM,) * 3 + (SpaceKind.BOOTH,) * 2 + (SpaceKind.LOUNGE,) * 2
ZONES = {SpaceKind.DESK: "desks", SpaceKind.ROOM: "rooms", SpaceKind.BOOTH: "rooms", SpaceKind.LOUNGE: "social"}
CAPACITIES = {SpaceKind.ROOM: (2, 4, 4, 6, 6, 8, 12), SpaceKind.LOUNGE: (3, 4, 6, 8)}
FEATURES = ("monitor", "window", "standing", "quiet", "accessible")
DAY = (OpenSpan(time(8), time(20)),)


def made_site(spaces: int, seed: int, name: str = "venue") -> Site:
    """Make up a site of so many spaces, with a floor for each forty of them; `name` is its id."""
    crews = _crews(_spaces(spaces, chance(seed, "site")))
    floors = range(-(-spaces // FLOOR_SPACES))
    return Site(
        id=name,
        name=f"A venue of {spaces} spaces",
        time_zone="Europe/Lisbon",
        country="PT",
        closed=(),
        hours=(DAY, DAY, DAY, DAY, DAY, (), ()),
        floors=tuple(Floor(f"f{number}", f"Floor {number}") for number in floors),
        zones=tuple(
            Zone(f"f{number}-{zone}", f"f{number}", f"Floor {number}, {zone}")
            for number in floors
            for zone in dict.fromkeys(ZONES.values())
        ),
        agents=tuple(f"pi-{number}" for number in range(len(crews))),
        spaces=tuple(replace(space, agent=f"pi-{number}") for number, crew in enumerate(crews) for space in crew),
    )


def _crews(spaces: Iterator[Space]) -> list[list[Space]]:
    """Give each agent neighbours on one floor, no more than its pins carry."""
    crews: list[list[Space]] = []
    for space in spaces:
        crew = [*crews[-1], space] if crews else []
        fits = bool(crew) and crew[0].floor == space.floor and len(crew) <= AGENT_SPACES
        if fits and len(sensors_of(crew)) <= len(PINS):
            crews[-1].append(space)
        else:
            crews.append([space])
    return crews


def _spaces(count: int, rng: Random) -> Iterator[Space]:
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        floor = f"f{number // FLOOR_SPACES}"
        assigned = kind is SpaceKind.DESK and rng.random() < ASSIGNED
        yield Space(
            id=f"{kind}-{number}",
            name=f"{kind.capitalize()} {number}",
            floor=floor,
            zone=f"{floor}-{ZONES[kind]}",
            kind=kind,
            capacity=rng.choice(CAPACITIES.get(kind, (1,))),
            purpose=Purpose.ASSIGNED if assigned else Purpose.SHARED,
            features=frozenset(feature for feature in FEATURES if rng.random() < 0.25),
            agent=None,
        )
