"""What stands where today: the network's layout as of a moment, ready to be looked up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from api.moments import day_at, next_midnight_ms, zone_of
from perch.model import Site, Space

Key = tuple[str, str]
"""(site, space), or (site, agent) where an agent is meant."""


@dataclass(frozen=True, slots=True)
class Place:
    """A space of today with its site's time zone."""

    site: str
    space: Space
    time_zone: ZoneInfo

    @property
    def key(self) -> Key:
        """What tells it from every other place."""
        return self.site, self.space.id


@dataclass(frozen=True, slots=True)
class Directory:
    """The layout in force until `until_ms`, when the next local day of some site begins; all in order of key."""

    sites: Mapping[str, Site]
    places: Mapping[Key, Place]
    spaces_of: Mapping[Key, tuple[str, ...]]
    until_ms: int

    @property
    def homes(self) -> dict[Key, str]:
        """Which agent serves each space; an empty name, which no agent has, where none does."""
        return {key: place.space.agent or "" for key, place in self.places.items()}

    def zone(self, site: str) -> ZoneInfo:
        """Give a site's time zone."""
        return zone_of(self.sites[site].time_zone)


def directory_at(sites: Sequence[Site], wall_ms: int) -> Directory:
    """Read the layout as it stands on each site's own day."""
    in_order = sorted(sites, key=lambda site: site.id)
    places: dict[Key, Place] = {}
    spaces_of: dict[Key, list[str]] = {(site.id, agent): [] for site in in_order for agent in sorted(site.agents)}
    for site in in_order:
        zone = zone_of(site.time_zone)
        for space in sorted(site.spaces_on(day_at(wall_ms, zone)), key=lambda space: space.id):
            places[site.id, space.id] = Place(site.id, space, zone)
            if space.agent is not None:
                spaces_of.setdefault((site.id, space.agent), []).append(space.id)
    return Directory(
        {site.id: site for site in in_order},
        places,
        {key: tuple(spaces) for key, spaces in sorted(spaces_of.items())},
        min(next_midnight_ms(wall_ms, zone_of(site.time_zone)) for site in in_order),
    )
