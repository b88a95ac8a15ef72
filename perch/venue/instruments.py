"""What sensors make of people: the readings that a visit causes, and those that only a passer-by does."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from itertools import chain
from operator import attrgetter
from random import Random

from perch.model import Reading, Sensor, SensorKind, Space, SpaceKind
from perch.venue.chance import between_ms, exponential_ms
from perch.venue.people import Stay, Visit, movements

PULSE_MS = 3_000
"""A motion sensor's output stays on for so long after the last movement."""

DROPOUT_AFTER_MS, DROPOUTS = 120_000, 0.05
"""A presence sensor loses so many of those who sit still for longer than this, until they move again."""

MISSED, CROSSING_MS, PACE_MS = 0.02, 300, 700
"""A door beam misses so many people; one takes this long to cross; two who come together are so far apart."""

PASSING_S = (1800.0, 3600.0)
"""By day a passer-by triggers the motion sensor of an empty space once in 30 to 60 minutes."""

OPEN_SPACES = frozenset({SpaceKind.DESK, SpaceKind.LOUNGE})
in_order = attrgetter("time_ms")


def readings_of(
    space: Space,
    sensors: Sequence[Sensor],
    visits: Iterable[Visit],
    rng: Random,
    is_day: Callable[[int], bool] = lambda _: True,
) -> Iterator[Reading]:
    """Give the edges that the sensors of one space report over its visits, in order of time."""
    passing = [sensor for sensor in sensors if sensor.kind is SensorKind.MOTION and space.kind in OPEN_SPACES]
    mean_s = rng.uniform(*PASSING_S)
    empty_from_ms: int | None = None
    for visit in visits:
        if empty_from_ms is not None:
            for sensor in passing:
                yield from _pulses(sensor.id, passers_by(empty_from_ms, visit.from_ms, mean_s, rng, is_day))
        yield from sorted((reading for sensor in sensors for reading in _edges(sensor, visit, rng)), key=in_order)
        empty_from_ms = visit.until_ms + 30_000


def together(streams: Iterable[Iterator[Reading]]) -> Iterator[Reading]:
    """Merge readings of several spaces in order of time."""
    return merge(*streams, key=in_order)


def silenced(readings: Iterable[Reading], sensor: str, from_ms: int, until_ms: int) -> Iterator[Reading]:
    """Let a sensor die for a while: its output drops, and comes back with the next change."""
    level, died = 0.0, False
    for reading in readings:
        if not died and reading.time_ms >= from_ms:
            died = True
            if level:
                yield Reading(from_ms, sensor, 0.0)
                level = 0.0
        if reading.sensor != sensor:
            yield reading
        elif not from_ms <= reading.time_ms < until_ms and reading.value != level:
            level = reading.value
            yield reading


def stuck(readings: Iterable[Reading], sensor: str, from_ms: int, until_ms: int) -> Iterator[Reading]:
    """Let a sensor stick for a while: its output goes high and stays there, and is right again when it is replaced."""
    level, rest = 0.0, iter(readings)
    for reading in rest:
        if reading.time_ms >= from_ms:
            rest = chain((reading,), rest)
            break
        if reading.sensor == sensor:
            level = reading.value
        yield reading
    else:
        rest = iter(())
    if not level:
        yield Reading(from_ms, sensor, 1.0)
    for reading in rest:
        if reading.time_ms >= until_ms:
            rest = chain((reading,), rest)
            break
        if reading.sensor == sensor:
            level = reading.value
        else:
            yield reading
    else:
        rest = iter(())
    if not level:
        yield Reading(until_ms, sensor, 0.0)
    yield from rest


def _edges(sensor: Sensor, visit: Visit, rng: Random) -> Iterator[Reading]:
    match sensor.kind:
        case SensorKind.MOTION:
            return _pulses(sensor.id, _all_movements(visit, rng))
        case SensorKind.PRESENCE:
            return _level(sensor.id, visit, rng)
        case SensorKind.PRESSURE:
            return _seat(sensor.id, visit, rng)
        case SensorKind.CONTACT:
            return _door(sensor.id, visit, rng)
        case SensorKind.BEAM_IN:
            return _beam(sensor.id, (stay.from_ms for stay in visit.stays), rng)
        case SensorKind.BEAM_OUT:
            return _beam(sensor.id, (stay.until_ms for stay in visit.stays), rng)
    return iter(())


def _all_movements(visit: Visit, rng: Random) -> list[int]:
    return sorted(moment for stay in visit.stays for moment in movements(stay, rng))


def _pulses(sensor: str, moments: Iterable[int]) -> Iterator[Reading]:
    """Write pulses that movements begin, and prolong where they come while one lasts."""
    last_ms: int | None = None
    for moment in moments:
        if last_ms is None or moment > last_ms + PULSE_MS:
            if last_ms is not None:
                yield Reading(last_ms + PULSE_MS, sensor, 0.0)
            yield Reading(moment, sensor, 1.0)
        last_ms = moment
    if last_ms is not None:
        yield Reading(last_ms + PULSE_MS, sensor, 0.0)


def _level(sensor: str, visit: Visit, rng: Random) -> Iterator[Reading]:
    """Write the level of a presence sensor, which sees breathing, but now and then loses somebody very still."""
    on_ms = visit.from_ms + between_ms(rng, 0.3, 1.5)
    until_ms = visit.until_ms + between_ms(rng, 3, 12)
    yield Reading(on_ms, sensor, 1.0)
    if len(visit.stays) == 1:
        for lost_ms, found_ms in _stillness(visit.stays[0], rng):
            if on_ms < lost_ms < found_ms < until_ms:
                yield Reading(lost_ms, sensor, 0.0)
                yield Reading(found_ms, sensor, 1.0)
    yield Reading(until_ms, sensor, 0.0)


def _stillness(stay: Stay, rng: Random) -> Iterator[tuple[int, int]]:
    last_ms = stay.from_ms
    for moment in movements(stay, rng):
        if moment - last_ms > DROPOUT_AFTER_MS and rng.random() < DROPOUTS:
            yield last_ms + rng.randint(DROPOUT_AFTER_MS // 2, DROPOUT_AFTER_MS), moment
        last_ms = moment


def _seat(sensor: str, visit: Visit, rng: Random) -> Iterator[Reading]:
    """Write the level of a seat sensor; its owner stands up for a moment now and then."""
    at_ms = visit.from_ms + between_ms(rng, 0.5, 3)
    yield Reading(at_ms, sensor, 1.0)
    while (at_ms := at_ms + exponential_ms(rng, 1500) + 10_000) < visit.until_ms - 30_000:
        yield Reading(at_ms, sensor, 0.0)
        at_ms += between_ms(rng, 2, 25)
        yield Reading(at_ms, sensor, 1.0)
    yield Reading(visit.until_ms + 500, sensor, 0.0)


def _door(sensor: str, visit: Visit, rng: Random) -> Iterator[Reading]:
    for moment in (visit.from_ms, visit.until_ms):
        yield Reading(moment, sensor, 1.0)
        yield Reading(moment + between_ms(rng, 2, 5), sensor, 0.0)


def _beam(sensor: str, crossings: Iterable[int], rng: Random) -> Iterator[Reading]:
    free_ms = 0
    for moment in sorted(crossings):
        if rng.random() >= MISSED:
            at_ms = max(moment, free_ms)
            yield Reading(at_ms, sensor, 1.0)
            yield Reading(at_ms + CROSSING_MS, sensor, 0.0)
            free_ms = at_ms + PACE_MS


def passers_by(from_ms: int, until_ms: int, mean_s: float, rng: Random, is_day: Callable[[int], bool]) -> Iterator[int]:
    """Give the moments at which somebody walks past an empty space within its sensor's reach."""
    at_ms = from_ms
    while (at_ms := at_ms + exponential_ms(rng, mean_s) + 2 * PULSE_MS) < until_ms - 2 * PULSE_MS:
        if is_day(at_ms):
            yield at_ms
