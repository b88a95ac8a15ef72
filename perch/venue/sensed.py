"""What weeks of sensing come to under a hold time, without spelling out every movement.

A pause shorter than the hold time changes no state. So a space's past is a row of intervals in which somebody was
sensed, each further from the next than the hold time. Presence speaks alone where it is sensed; two people together
are taken to be never both still for longer than a hold time.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

from perch.model import Sensor, SensorKind, Space
from perch.venue.chance import between_ms
from perch.venue.instruments import MISSED, OPEN_SPACES, PASSING_S, PULSE_MS, passers_by
from perch.venue.people import Visit, movements

LEVELS = frozenset({SensorKind.PRESENCE, SensorKind.PRESSURE})


@dataclass(frozen=True, slots=True)
class Sensed:
    """Somebody was sensed from `on_ms` to `off_ms`; `counted` are the steps (ms, people) that door beams saw."""

    on_ms: int
    off_ms: int
    counted: tuple[tuple[int, int], ...] = ()


def sensed(
    space: Space,
    sensors: Sequence[Sensor],
    visits: Iterable[Visit],
    hold_ms: int,
    rng: Random,
    is_day: Callable[[int], bool],
) -> Iterator[Sensed]:
    """Give when one space was sensed to be in use, in order, with pauses of the hold time or longer between."""
    kinds = {sensor.kind for sensor in sensors}
    if kinds & LEVELS:
        return _joined(map(_by_level(rng), visits), hold_ms)
    if SensorKind.MOTION not in kinds:
        return iter(())
    if SensorKind.BEAM_IN in kinds:
        return _joined((_counted(visit, rng) for visit in visits), hold_ms)
    passing = rng.uniform(*PASSING_S) if space.kind in OPEN_SPACES else None
    return _joined(_by_motion(visits, hold_ms, passing, rng, is_day), hold_ms)


def without(spans: Iterable[Sensed], from_ms: int, until_ms: int) -> Iterator[Sensed]:
    """Take a time out in which nothing was sensed."""
    for span in spans:
        if span.off_ms <= from_ms or span.on_ms >= until_ms:
            yield span
            continue
        if span.on_ms < from_ms:
            yield replace(span, off_ms=from_ms)
        if span.off_ms > until_ms:
            yield replace(span, on_ms=until_ms)


def _joined(spans: Iterable[Sensed], hold_ms: int) -> Iterator[Sensed]:
    last: Sensed | None = None
    for span in spans:
        if last is None:
            last = span
        elif span.on_ms - last.off_ms < hold_ms:
            last = Sensed(last.on_ms, max(span.off_ms, last.off_ms), last.counted + span.counted)
        else:
            yield last
            last = span
    if last is not None:
        yield last


def _by_level(rng: Random) -> Callable[[Visit], Sensed]:
    return lambda visit: Sensed(visit.from_ms + between_ms(rng, 0.3, 1.5), visit.until_ms + between_ms(rng, 3, 12))


def _counted(visit: Visit, rng: Random) -> Sensed:
    """Count people at the door, who are missed now and then; while somebody is sensed at least one is there."""
    crossings = sorted(
        (moment, step)
        for stay in visit.stays
        for moment, step in ((stay.from_ms, 1), (stay.until_ms, -1))
        if rng.random() >= MISSED
    )
    people, steps = 0, []
    for moment, step in crossings:
        people = max(people + step, 0)
        steps.append((moment, max(people, 1)))
    return Sensed(visit.from_ms, visit.until_ms + PULSE_MS, tuple(steps))


def _by_motion(
    visits: Iterable[Visit], hold_ms: int, passing_s: float | None, rng: Random, is_day: Callable[[int], bool]
) -> Iterator[Sensed]:
    empty_from_ms: int | None = None
    for visit in visits:
        if passing_s is not None and empty_from_ms is not None:
            for moment in passers_by(empty_from_ms, visit.from_ms, passing_s, rng, is_day):
                yield Sensed(moment, moment + PULSE_MS)
        yield from _moved(visit, hold_ms, rng)
        empty_from_ms = visit.until_ms + 30_000


def _moved(visit: Visit, hold_ms: int, rng: Random) -> Iterator[Sensed]:
    if len(visit.stays) > 1:
        yield Sensed(visit.from_ms, visit.until_ms + PULSE_MS)
        return
    on_ms = last_ms = visit.from_ms
    for moment in movements(visit.stays[0], rng):
        if moment - last_ms > hold_ms:
            yield Sensed(on_ms, last_ms + PULSE_MS)
            on_ms = moment
        last_ms = moment
    yield Sensed(on_ms, last_ms + PULSE_MS)
