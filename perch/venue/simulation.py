"""A venue over some days, reading by reading: what `perch simulate` writes down."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from heapq import merge
from operator import attrgetter

from perch.model import Reading, SensedSpace, Sensor, Site, Space
from perch.venue import window
from perch.venue.chance import chance
from perch.venue.changes import rows_of
from perch.venue.faults import DeadSensor, StuckSensor, dead_sensors, stuck_sensors
from perch.venue.instruments import readings_of, silenced, stuck, together
from perch.venue.people import Presence, Visit, presences
from perch.venue.rig import sensing


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
    def faults(self) -> tuple[DeadSensor | StuckSensor, ...]:
        """Which sensors were dead or stuck when."""
        return tuple(
            fault
            for agent in self.site.agents
            for sensors in [sensing(self.site, agent)[1]]
            for breaking in (dead_sensors, stuck_sensors)
            for fault in breaking(self.site.id, agent, sensors, self.from_ms, self.until_ms, self.seed)
        )

    def readings(self) -> Iterator[Reading]:
        """Give all readings in order of time."""
        sensors: dict[str, list[Sensor]] = {}
        for sensor in self.sensors:
            sensors.setdefault(sensor.space, []).append(sensor)
        return together(self._told(rows, sensors[rows[-1].id]) for rows in self._spaces())

    def truth(self) -> Iterator[Presence]:
        """Give who really is where, in order of time: nobody anywhere at first."""
        yield from (Presence(self.from_ms, rows[-1].id, 0) for rows in self._spaces())
        yield from merge(*map(self._presences, self._spaces()), key=attrgetter("time_ms"))

    def _spaces(self) -> Iterator[Sequence[Space]]:
        return (rows for agent in self.site.agents for rows in rows_of(self.site, agent).values())

    def _visits(self, rows: Sequence[Space]) -> Iterator[Visit]:
        return window.visits(self.site, rows, self.from_ms, self.until_ms, self.closed, self.seed)

    def _told(self, rows: Sequence[Space], sensors: list[Sensor]) -> Iterator[Reading]:
        space = rows[-1]
        rng = chance(self.seed, self.site.id, space.id, "sensors")
        told = readings_of(space, sensors, self._visits(rows), rng, window.by_day(self.site))
        for fault in self.faults:
            if any(fault.sensor == sensor.id for sensor in sensors):
                broken = silenced if isinstance(fault, DeadSensor) else stuck
                told = broken(told, fault.sensor, fault.from_ms, fault.until_ms)
        return (reading for reading in told if reading.time_ms < self.until_ms)

    def _presences(self, rows: Sequence[Space]) -> Iterator[Presence]:
        told = (presence for visit in self._visits(rows) for presence in presences(visit))
        return (presence for presence in told if presence.time_ms < self.until_ms)
