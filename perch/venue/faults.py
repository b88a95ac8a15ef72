"""What breaks in a venue now and then: agents that are off for a while, sensors that die or stick and are replaced."""

from dataclasses import dataclass

from perch.model import Sensor, SensorKind
from perch.venue.chance import between_ms, chance, exponential_ms, lognormal_ms

DAY_MS = 86_400_000
OUTAGE_EVERY_S = 12 * 86_400.0
OUTAGE_MEDIAN_S, OUTAGE_SIGMA, LONGEST_OUTAGE_MS = 2_400.0, 1.2, 20 * 3_600_000
CALM_MS = 2 * 3_600_000
"""Nothing breaks so shortly before the end, nor at the beginning."""

DEATHS = 0.4
"""So many agents have a sensor that dies, where there is time for it."""


STUCK = 0.2
"""So many agents have a sensor that sticks, where there is time for it."""


@dataclass(frozen=True, slots=True)
class Outage:
    """An agent was off over [from_ms, until_ms)."""

    agent: str
    from_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class DeadSensor:
    """A sensor said nothing over [from_ms, until_ms), whatever happened in front of it."""

    agent: str
    sensor: str
    from_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class StuckSensor:
    """A sensor said over [from_ms, until_ms) that somebody is there, whoever was."""

    agent: str
    sensor: str
    from_ms: int
    until_ms: int


def outages(site: str, agent: str, from_ms: int, until_ms: int, seed: int) -> list[Outage]:
    """Give when an agent was off within a window, in order, never at its ends."""
    rng = chance(seed, site, agent, "outages")
    found, at_ms = [], from_ms
    while (at_ms := at_ms + CALM_MS + exponential_ms(rng, OUTAGE_EVERY_S)) < until_ms - CALM_MS:
        end_ms = at_ms + 20_000 + min(lognormal_ms(rng, OUTAGE_MEDIAN_S, OUTAGE_SIGMA), LONGEST_OUTAGE_MS)
        end_ms = min(end_ms, until_ms - CALM_MS // 2)
        found.append(Outage(agent, at_ms, end_ms))
        at_ms = end_ms
    return found


def dead_sensors(
    site: str, agent: str, sensors: tuple[Sensor, ...], from_ms: int, until_ms: int, seed: int
) -> list[DeadSensor]:
    """Give which sensors of an agent were dead within a window: alone in their space, for long enough to be noticed."""
    rng = chance(seed, site, agent, "deaths")
    longest_ms = until_ms - from_ms - 3 * DAY_MS
    spaces = [sensor.space for sensor in sensors]
    alone = [sensor.id for sensor in sensors if spaces.count(sensor.space) == 1]
    if not alone or longest_ms < 9 * DAY_MS or rng.random() >= DEATHS:
        return []
    for_ms = min(between_ms(rng, 9 * 86_400, 15 * 86_400), longest_ms)
    died_ms = from_ms + DAY_MS + int((longest_ms - for_ms) * rng.random())
    return [DeadSensor(agent, rng.choice(alone), died_ms, died_ms + for_ms)]


def stuck_sensors(
    site: str, agent: str, sensors: tuple[Sensor, ...], from_ms: int, until_ms: int, seed: int
) -> list[StuckSensor]:
    """Give which sensors of an agent were stuck within a window, for a day or a few; none of them is ever dead."""
    rng = chance(seed, site, agent, "stuck")
    dead = {one.sensor for one in dead_sensors(site, agent, sensors, from_ms, until_ms, seed)}
    levels = [sensor.id for sensor in sensors if sensor.kind is SensorKind.PRESENCE and sensor.id not in dead]
    spare_ms = until_ms - from_ms - 5 * DAY_MS
    if not levels or spare_ms <= 0 or rng.random() >= STUCK:
        return []
    stuck_ms = from_ms + DAY_MS + int(spare_ms * rng.random())
    return [StuckSensor(agent, rng.choice(levels), stuck_ms, stuck_ms + between_ms(rng, 86_400, 3 * 86_400))]
