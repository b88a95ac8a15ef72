"""A working day as people live it: who comes when, goes to lunch, meets, phones; by hour, weekday and opening hours."""

from collections.abc import Container, Generator, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

from perch.model import Purpose, Site, Space, SpaceKind
from perch.venue.chance import between_ms, chance, exponential_ms, lognormal_ms
from perch.venue.people import LEAST_GAP_MS, Visit, a_stay, gathering

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
WEEKDAY_SHARE = (0.80, 1.0, 0.98, 0.95, 0.62, 0.30, 0.20)
"""How busy each weekday is beside the busiest, Monday first."""

NEVER_USED = 0.05
"""Of the desks, so many are never chosen: there are such desks everywhere."""

MEETING_MINUTES = (30, 30, 30, 45, 60, 60, 90)


@dataclass(frozen=True, slots=True)
class Day:
    """A day on which a site is open: when (ms UTC; `midnight_ms` is its local beginning), and how busy, about 1."""

    midnight_ms: int
    open_ms: int
    close_ms: int
    busy: float

    def at(self, hour: float) -> int:
        """Give the moment of a local hour, within opening hours."""
        return min(max(self.midnight_ms + int(hour * HOUR_MS), self.open_ms), self.close_ms)


def open_day(site: Site, day: date, closed: Container[date], seed: int) -> Day | None:
    """Give how a local day of a site will be, None where it is closed."""
    spans = site.hours[day.weekday()]
    if not spans or day in closed or any(first <= day <= last for first, last in site.closed):
        return None
    noise = min(max(chance(seed, site.id, day, "busy").gauss(1.0, 0.13), 0.4), 1.35)
    ends = datetime.combine(day + timedelta(days=1), time()) if spans[-1].until is None else None
    close = ends or datetime.combine(day, spans[-1].until or time())
    zone = ZoneInfo(site.time_zone)
    start_ms, close_ms = (_utc_ms(moment, zone) for moment in (datetime.combine(day, spans[0].start), close))
    midnight_ms = start_ms - (spans[0].start.hour * 60 + spans[0].start.minute) * MINUTE_MS
    return Day(midnight_ms, start_ms, close_ms, WEEKDAY_SHARE[day.weekday()] * noise)


def visits_on(site: Site, space: Space, day: date, closed: Container[date], seed: int) -> Iterator[Visit]:
    """Give the visits of one space on one local day, in order, none over another."""
    today = open_day(site, day, closed, seed)
    if today is None:
        return
    rng = chance(seed, site.id, space.id, day)
    liking = popularity(site, space, seed)
    lived = {
        SpaceKind.DESK: _desk,
        SpaceKind.ROOM: _meetings,
        SpaceKind.BOOTH: _calls,
        SpaceKind.LOUNGE: _pauses,
    }[space.kind]
    last_ms = 0
    for visit in lived(space, today, liking, rng):
        if visit.from_ms >= last_ms + LEAST_GAP_MS:
            yield visit
            last_ms = visit.until_ms
    cleaned_ms = max(today.close_ms + between_ms(rng, 600, 4800), last_ms + LEAST_GAP_MS)
    yield Visit(space.id, (a_stay(cleaned_ms, cleaned_ms + between_ms(rng, 40, 150), rng),))


def popularity(site: Site, space: Space, seed: int) -> float:
    """Give how often a space is chosen, 0…1, the same every day: some desks are everybody's last choice."""
    rng = chance(seed, site.id, space.id, "popularity")
    if space.purpose is Purpose.ASSIGNED:
        return rng.uniform(0.75, 0.95)
    if space.kind is SpaceKind.DESK and rng.random() < NEVER_USED:
        return 0.0
    liked = 0.12 * len(space.features & {"window", "monitor"})
    return min(rng.triangular(0.3, 0.95, 0.6) + liked, 0.97)


def _desk(space: Space, today: Day, liking: float, rng: Random) -> Iterator[Visit]:
    """One person for most of a day, away for lunch and now and then for a coffee; then perhaps another one."""
    if rng.random() >= liking * today.busy:
        return
    kind = rng.random()
    come = rng.gauss(13.4, 0.6) if kind > 0.82 else rng.gauss(9.2, 0.75)
    leave = rng.gauss(12.6, 0.5) if kind < 0.14 else rng.gauss(17.4, 1.1)
    until_ms = yield from _working(space, today.at(come), today.at(max(leave, come + 1)), rng)
    if today.close_ms - until_ms > 2.5 * HOUR_MS and rng.random() < 0.4 * liking * today.busy:
        again_ms = until_ms + exponential_ms(rng, 2400)
        yield from _working(space, again_ms, min(again_ms + between_ms(rng, 2400, 14_400), today.close_ms), rng)


def _working(space: Space, from_ms: int, until_ms: int, rng: Random) -> Generator[Visit, None, int]:
    at_ms, lunch_ms = from_ms, from_ms + between_ms(rng, 2.6 * 3600, 4.4 * 3600)
    eats = rng.random() < 0.85
    while at_ms < until_ms - 5 * MINUTE_MS:
        pause_ms = at_ms + max(exponential_ms(rng, 6000), 10 * MINUTE_MS)
        away_ms = between_ms(rng, 180, 900)
        if eats and pause_ms >= lunch_ms:
            eats, pause_ms, away_ms = False, max(lunch_ms, at_ms + 5 * MINUTE_MS), between_ms(rng, 1500, 4200)
        end_ms = min(pause_ms, until_ms)
        yield Visit(space.id, (a_stay(at_ms, end_ms, rng),))
        at_ms = end_ms + away_ms
    return until_ms


def _meetings(space: Space, today: Day, liking: float, rng: Random) -> Iterator[Visit]:
    """Meetings at full and half hours; they end a little before the next could begin."""
    half_hour = 30 * MINUTE_MS
    slot_ms = today.at(9)
    while slot_ms < today.at(17.5):
        hour = (slot_ms - today.midnight_ms) / HOUR_MS
        wanted = 0.26 * (0.45 if 12 <= hour < 13.5 else 1.0)
        if rng.random() < wanted * today.busy * (0.5 + liking):
            length_ms = rng.choice(MEETING_MINUTES) * MINUTE_MS
            from_ms = slot_ms + between_ms(rng, -90, 240)
            until_ms = min(slot_ms + length_ms - between_ms(rng, 90, 420), today.close_ms)
            yield gathering(space.id, from_ms, until_ms, _group(space, rng), rng)
            slot_ms += -(-length_ms // half_hour) * half_hour
        else:
            slot_ms += half_hour


def _calls(space: Space, today: Day, liking: float, rng: Random) -> Iterator[Visit]:
    at_ms = today.at(8.8)
    while (at_ms := at_ms + exponential_ms(rng, 3600 / max(1.5 * liking * today.busy, 0.05))) < today.at(18.5):
        until_ms = at_ms + min(lognormal_ms(rng, 780, 0.7), 70 * MINUTE_MS)
        yield Visit(space.id, (a_stay(at_ms, until_ms, rng),))
        at_ms = until_ms + LEAST_GAP_MS


def _pauses(space: Space, today: Day, liking: float, rng: Random) -> Iterator[Visit]:
    """Short visits, most of them around coffee and lunch."""
    at_ms = today.open_ms
    while at_ms < today.close_ms - 20 * MINUTE_MS:
        hour = (at_ms - today.midnight_ms) / HOUR_MS
        rush = 1.0 if 12 <= hour < 14 else 0.7 if 10 <= hour < 11 or 15 <= hour < 16.5 else 0.25
        at_ms += min(exponential_ms(rng, 1500 / (rush * (0.3 + liking) * (0.1 + today.busy))), HOUR_MS)
        if rng.random() < 0.8 and at_ms < today.close_ms - 15 * MINUTE_MS:
            until_ms = at_ms + min(lognormal_ms(rng, 720, 0.6), HOUR_MS)
            yield gathering(space.id, at_ms, until_ms, _group(space, rng), rng)
            at_ms = until_ms + LEAST_GAP_MS


def _group(space: Space, rng: Random) -> int:
    """Draw how many come together: mostly few, whatever the room holds; now and then one person takes it alone."""
    most = space.capacity or 4
    return 1 if rng.random() < 0.12 else min(2 + int(rng.expovariate(0.75)), most)


def _utc_ms(moment: datetime, zone: ZoneInfo) -> int:
    return int(moment.replace(tzinfo=zone).timestamp() * 1000)
