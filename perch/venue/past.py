"""Weeks of history as agents would have authored it, dead agents and all, without running them.

Every agent tells what the contract demands of it: a random epoch for each start; `unknown/agent-offline`, dated at its
last mark, and `unknown/starting` when it comes back; a mark each full quarter hour; `unknown/sensor-silent` where every
sensor of a space was silent for too long. The window ends with every agent alive.
"""

from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from datetime import date
from heapq import merge
from operator import attrgetter, itemgetter
from random import Random

from perch.contract import AliveEvent, StateEvent
from perch.model import QUARTER_MS, Clock, Occupancy, Reason, SensedSpace, Site, State
from perch.sensing.hold import hold_ms
from perch.sensing.voices import PRIOR
from perch.venue import window
from perch.venue.chance import chance
from perch.venue.changes import rows_of
from perch.venue.faults import DeadSensor, Outage, dead_sensors, outages
from perch.venue.people import Presence
from perch.venue.rig import sensing
from perch.venue.sensed import LEVELS, Sensed, sensed, without
from perch.venue.simulation import Simulation
from perch.venue.statements import states

DAY_MS = 86_400_000
MARK_MS = 50_000
"""How far apart an agent's local marks are: so much of its life may go unwitnessed when it dies."""

BOOT_MS = 25_000
"""From a machine's boot to its agent's start."""


@dataclass(frozen=True, slots=True)
class Authored:
    """An event as it reached the collector."""

    agent: str
    epoch: str
    received_ms: int
    event: StateEvent | AliveEvent


def history(
    site: Site, days: int, until_ms: int, seed: int, closed: Container[date] = frozenset()
) -> Iterator[Authored]:
    """Give what all agents of a site told over some days up to a moment, in the order in which it was received."""
    return merge(
        *(_agent_history(site, agent, days, until_ms, closed, seed) for agent in site.agents),
        key=attrgetter("received_ms"),
    )


def history_truth(
    site: Site, days: int, until_ms: int, seed: int, closed: Container[date] = frozenset()
) -> Iterator[Presence]:
    """Give who really was there over the same days, in order of time: nobody anywhere at first."""
    return Simulation(site, until_ms - days * DAY_MS, until_ms, seed, closed).truth()


def history_faults(site: Site, days: int, until_ms: int, seed: int) -> list[Outage | DeadSensor]:
    """Give everything that was broken over the same days."""
    from_ms = until_ms - days * DAY_MS
    found: list[Outage | DeadSensor] = []
    for agent in site.agents:
        found += outages(site.id, agent, from_ms, until_ms, seed)
        found += dead_sensors(site.id, agent, sensing(site, agent)[1], from_ms, until_ms, seed)
    return found


@dataclass(frozen=True, slots=True)
class _Past:
    space: SensedSpace
    seen_by: Reason
    spans: list[Sensed]

    def told(self, start_ms: int, end_ms: int) -> Iterator[tuple[int, tuple[str, Occupancy]]]:
        """Give what is told of the space in one life, with the time of each statement."""
        for said in states(self.space, self.spans, self.seen_by, start_ms, end_ms):
            yield said.since_ms, (self.space.id, said)


def _agent_history(
    site: Site, agent: str, days: int, until_ms: int, closed: Container[date], seed: int
) -> Iterator[Authored]:
    from_ms = until_ms - days * DAY_MS
    past = _past(site, agent, from_ms, until_ms, closed, seed)
    rng = chance(seed, site.id, agent, "epochs")
    off = outages(site.id, agent, from_ms, until_ms, seed)
    starts = [from_ms, *(outage.until_ms for outage in off)]
    ends = [*(outage.from_ms for outage in off), until_ms]
    mark_ms: int | None = None
    for start_ms, end_ms in zip(starts, ends, strict=True):
        for told in _authored(agent, _life(past, start_ms, end_ms, mark_ms, end_ms == until_ms), start_ms, rng):
            mark_ms = told.event.wall_ms
            yield told
        mark_ms = max(mark_ms or 0, end_ms - rng.randrange(MARK_MS))


def _past(site: Site, agent: str, from_ms: int, until_ms: int, closed: Container[date], seed: int) -> list[_Past]:
    """Give when each space of an agent was sensed to be in use, by what hangs there."""
    spaces, sensors = sensing(site, agent)
    dead = dead_sensors(site.id, agent, sensors, from_ms, until_ms, seed)
    past = []
    for sensed_space, rows in zip(spaces, rows_of(site, agent).values(), strict=True):
        space = rows[-1]
        own = tuple(sensor for sensor in sensors if sensor.space == space.id)
        visited = window.visits(site, rows, from_ms, until_ms, closed, seed)
        rng = chance(seed, site.id, space.id, "past")
        held_ms = hold_ms(sensed_space)
        spans = sensed(space, own, visited, held_ms, rng, window.by_day(site))
        for one in dead:
            if any(one.sensor == sensor.id for sensor in own):
                spans = without(spans, one.from_ms, one.until_ms)
        seen_by = Reason.PRESENCE if any(sensor.kind in LEVELS for sensor in own) else Reason.MOTION
        past.append(_Past(replace(sensed_space, hold_ms=held_ms), seen_by, list(spans)))
    return past


def _life(
    past: list[_Past], start_ms: int, end_ms: int, mark_ms: int | None, survives: bool
) -> Iterator[tuple[str, Occupancy] | int]:
    """Give what is told in one life of an agent, in the order in which it is told; a number is a mark at that time."""
    if mark_ms is not None:
        for space in sorted(one.space.id for one in past):
            yield space, Occupancy(State.UNKNOWN, PRIOR, None, Reason.AGENT_OFFLINE, mark_ms)
    moments = [*range((start_ms // QUARTER_MS + 1) * QUARTER_MS, end_ms, QUARTER_MS), *([end_ms] if survives else [])]
    marks: Iterator[tuple[int, tuple[str, Occupancy] | int]] = ((moment, moment) for moment in moments)
    yield from (told for _, told in merge(*(one.told(start_ms, end_ms) for one in past), marks, key=itemgetter(0)))


def _authored(
    agent: str, told: Iterator[tuple[str, Occupancy] | int], start_ms: int, rng: Random
) -> Iterator[Authored]:
    epoch, boot_ms = f"{rng.getrandbits(128):032x}", start_ms - BOOT_MS
    received_ms = start_ms
    for seq, one in enumerate(told, start=1):
        event: StateEvent | AliveEvent
        if isinstance(one, int):
            event = AliveEvent(seq, one, one - boot_ms, Clock.OK)
        else:
            space, said = one
            mono_ms = said.since_ms - boot_ms
            event = StateEvent(
                seq, space, said.state, said.probability, said.count, said.reason, said.since_ms, mono_ms, Clock.OK
            )
        received_ms = max(received_ms, event.wall_ms + int(3 + 30 * rng.random()))
        yield Authored(agent, epoch, received_ms, event)
