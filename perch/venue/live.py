"""People right now, for the demo: `live_readings` never ends, and something happens all the time.

The simulated people keep *demo hours*: to them it is always eleven in the morning, and they stay for minutes where real
people stay for hours. So a page moves whenever somebody looks at it, also on a Sunday night. The shape of their
movements is that of real people all the same.
"""

from collections.abc import Iterator
from heapq import merge
from itertools import chain
from operator import attrgetter

from perch.model import Reading, Site, Space, SpaceKind
from perch.venue.chance import chance, exponential_ms, lognormal_ms
from perch.venue.instruments import readings_of, together
from perch.venue.people import LEAST_GAP_MS, Presence, Visit, gathering, presences
from perch.venue.rig import sensing, spaces_of

WARM_UP_MS = 2 * 3_600_000
"""The people have lived for so long when the readings begin."""

STAY_S = {SpaceKind.DESK: 360.0, SpaceKind.ROOM: 420.0, SpaceKind.BOOTH: 200.0, SpaceKind.LOUNGE: 260.0}
"""The median length of a visit in demo hours."""

SPREAD = 0.6


def live_readings(site: Site, agent: str, seed: int, from_ms: int) -> Iterator[Reading]:
    """Give the readings of an agent's sensors from a moment on, in order of time, without end.

    Sensors that are on at that moment say so first.
    """
    sensors = sensing(site, agent)[1]
    streams = []
    for space in spaces_of(site, agent):
        own = [sensor for sensor in sensors if sensor.space == space.id]
        rng = chance(seed, site.id, space.id, "live sensors")
        told = readings_of(space, own, live_visits(site, space, seed, from_ms), rng)
        streams.append(_from_moment(told, from_ms))
    return together(streams)


def live_truth(site: Site, agent: str, seed: int, from_ms: int) -> Iterator[Presence]:
    """Give who is really there from a moment on, without end: first each space as it is then."""
    streams = [_truth(site, space, seed, from_ms) for space in spaces_of(site, agent)]
    return merge(*streams, key=attrgetter("time_ms"))


def live_visits(site: Site, space: Space, seed: int, from_ms: int) -> Iterator[Visit]:
    """Give the visits of a space in demo hours, beginning some time before a moment, without end."""
    rng = chance(seed, site.id, space.id, "live")
    taken = rng.uniform(0.25, 0.65)
    median_s = STAY_S[space.kind] * rng.uniform(0.7, 1.4)
    at_ms = from_ms - WARM_UP_MS - exponential_ms(rng, median_s)
    while True:
        until_ms = at_ms + max(lognormal_ms(rng, median_s, SPREAD), 60_000)
        people = 1 if (space.capacity or 1) == 1 else min(1 + int(rng.expovariate(0.6)), space.capacity or 1, 5)
        visit = gathering(space.id, at_ms, until_ms, people, rng)
        yield visit
        at_ms = visit.until_ms + LEAST_GAP_MS + exponential_ms(rng, median_s * (1 - taken) / taken)


def _from_moment(told: Iterator[Reading], from_ms: int) -> Iterator[Reading]:
    """Turn all that was said before a moment into what the sensors say at that moment."""
    levels: dict[str, float] = {}
    for reading in told:
        if reading.time_ms >= from_ms:
            on = [Reading(from_ms, sensor, value) for sensor, value in levels.items() if value]
            yield from chain(on, [reading], told)
            return
        levels[reading.sensor] = reading.value


def _truth(site: Site, space: Space, seed: int, from_ms: int) -> Iterator[Presence]:
    steps = (step for visit in live_visits(site, space, seed, from_ms) for step in presences(visit))
    count = 0
    for step in steps:
        if step.time_ms >= from_ms:
            yield from chain([Presence(from_ms, space.id, count)], [step], steps)
            return
        count = step.count
