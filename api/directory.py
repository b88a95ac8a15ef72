"""What stands where today: the network's layout as of a moment, ready to be looked up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from api.moments import next_midnight_ms, zone_of
from perch.history.layout import layout_at
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
    """The layout in force until `until_ms`, when the next local day of some site begins; all in order of key.

    `homes` names the agent that serves each space, `spaces_of` the spaces that each agent serves.
    """

    sites: Mapping[str, Site]
    places: Mapping[Key, Place]
    homes: Mapping[Key, str]
    spaces_of: Mapping[Key, tuple[str, ...]]
    until_ms: int

    def zone(self, site: str) -> ZoneInfo:
        """Give a site's time zone."""
        return zone_of(self.sites[site].time_zone)


def directory_at(sites: Sequence[Site], wall_ms: int) -> Directory:
    """Read the layout as it stands on each site's own day."""
    by_id = {site.id: site for site in sorted(sites, key=lambda site: site.id)}
    zones = {site.id: zone_of(site.time_zone) for site in sites}
    layout = layout_at(sites, wall_ms)
    spaces_of: dict[Key, list[str]] = {(site.id, agent): [] for site in sites for agent in site.agents}
    for (site, space), agent in layout.homes.items():
        if agent:
            spaces_of.setdefault((site, agent), []).append(space)
    return Directory(
        by_id,
        {(site, name): Place(site, space, zones[site]) for (site, name), space in layout.spaces.items()},
        layout.homes,
        {key: tuple(spaces) for key, spaces in sorted(spaces_of.items())},
        min(layout.until_ms, *(next_midnight_ms(wall_ms, zone) for zone in zones.values())),
    )
