"""A venue over some days, reading by reading: what `perch simulate` writes down."""

from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from heapq import merge
from operator import attrgetter

from perch.model import Reading, SensedSpace, Sensor, Site, Space
from perch.venue import window
from perch.venue.chance import chance
from perch.venue.faults import DeadSensor, dead_sensors
from perch.venue.instruments import readings_of, silenced, together
from perch.venue.people import Presence, Visit, presences
from perch.venue.rig import sensing, spaces_of


@dataclass(frozen=True)
class Simulation:
    """People in a site over [from_ms, until_ms), as `seed` has it; `closed` are days off beside the site's own."""

    site: Site
    from_ms: int
    until_ms: int
    seed: int
    closed: Container[date] = frozenset()

    @cached_property
    def spaces(self) -> tuple[SensedSpace, ...]:
        """Everything that is sensed, by all agents together."""
        return tuple(space for agent in self.site.agents for space in sensing(self.site, agent)[0])

    @cached_property
    def sensors(self) -> tuple[Sensor, ...]:
        """All sensors, without pins, since each agent counts its own."""
        sensors = (sensor for agent in self.site.agents for sensor in sensing(self.site, agent)[1])
        return tuple(replace(sensor, pin=None) for sensor in sensors)

    @cached_property
    def faults(self) -> tuple[DeadSensor, ...]:
        """Which sensors were dead when."""
        return tuple(
            dead
            for agent in self.site.agents
            for dead in dead_sensors(
                self.site.id, agent, sensing(self.site, agent)[1], self.from_ms, self.until_ms, self.seed
            )
        )

    def readings(self) -> Iterator[Reading]:
        """Give all readings in order of time."""
        sensors: dict[str, list[Sensor]] = {}
        for sensor in self.sensors:
            sensors.setdefault(sensor.space, []).append(sensor)
        return together(self._told(space, sensors[space.id]) for space in self._spaces())

    def truth(self) -> Iterator[Presence]:
        """Give who really is where, in order of time: nobody anywhere at first."""
        yield from (Presence(self.from_ms, space.id, 0) for space in self._spaces())
        yield from merge(*map(self._presences, self._spaces()), key=attrgetter("time_ms"))

    def _spaces(self) -> Iterator[Space]:
        return (space for agent in self.site.agents for space in spaces_of(self.site, agent))

    def _visits(self, space: Space) -> Iterator[Visit]:
        return window.visits(self.site, space, self.from_ms, self.until_ms, self.closed, self.seed)

    def _told(self, space: Space, sensors: list[Sensor]) -> Iterator[Reading]:
        rng = chance(self.seed, self.site.id, space.id, "sensors")
        told = readings_of(space, sensors, self._visits(space), rng, window.by_day(self.site))
        for dead in self.faults:
            if any(dead.sensor == sensor.id for sensor in sensors):
                told = silenced(told, dead.sensor, dead.from_ms, dead.until_ms)
        return (reading for reading in told if reading.time_ms < self.until_ms)

    def _presences(self, space: Space) -> Iterator[Presence]:
        told = (presence for visit in self._visits(space) for presence in presences(visit))
        return (presence for presence in told if presence.time_ms < self.until_ms)
