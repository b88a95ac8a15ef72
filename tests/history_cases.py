"""Invented histories: small sites in awkward time zones, and agents that say anything in any order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from perch.history.calendar import Calendar
from perch.history.told import Lost, LostSpan, Marked, Stated, Told, Unplaced
from perch.model import Dating, Floor, OpenSpan, Purpose, Reason, Site, Space, SpaceKind, State, Zone
from tests.history_oracle import Oracle

HOUR_MS = 3_600_000

TURNING_DAYS = (
    ("Europe/Lisbon", date(2026, 3, 29)),
    ("Europe/Lisbon", date(2026, 10, 25)),
    ("America/Havana", date(2026, 3, 8)),  # midnight does not exist
    ("America/Havana", date(2026, 11, 1)),  # midnight happens twice
    ("Australia/Lord_Howe", date(2026, 4, 5)),  # half an hour back
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("Pacific/Chatham", date(2026, 9, 27)),  # 12:45 ahead, at 02:45
    ("America/St_Johns", date(2026, 11, 1)),
    ("Asia/Kathmandu", date(2026, 6, 1)),  # 5:45 ahead, never turned
    ("UTC", date(2026, 12, 31)),
)
"""A time zone and a day on which something is odd about it."""

SPACES = ("s1", "s2", "s3")
AGENTS = ("pi-1", "pi-2")
EPOCHS = ("0" * 32, "8" * 32, "f" * 32)
STATEMENTS = (
    (State.FREE, Reason.QUIET),
    (State.FREE, Reason.QUIET),
    (State.OCCUPIED, Reason.MOTION),
    (State.OCCUPIED, Reason.PRESENCE),
    (State.UNKNOWN, Reason.STARTING),
    (State.UNKNOWN, Reason.AGENT_OFFLINE),
    (State.UNKNOWN, Reason.OUT_OF_SERVICE),
)


@dataclass(frozen=True)
class Case:
    """A site, what its agents told, and the window [from_ms, to_ms) in which most of it lies."""

    site: Site
    closed: frozenset[date]
    told: tuple[Told, ...]
    from_ms: int
    to_ms: int

    @property
    def calendar(self) -> Calendar:
        return Calendar(self.site.time_zone, self.site.hours, self.closed)

    @property
    def oracle(self) -> Oracle:
        return Oracle(self.site, self.closed, self.told)


def day_ms(zone: str, day: date, hour: int = 0) -> int:
    """Give a local time as milliseconds UTC."""
    return int(datetime.combine(day, time(hour), tzinfo=ZoneInfo(zone)).timestamp()) * 1000


def space(
    name: str = "s1",
    *,
    zone: str = "z1",
    kind: SpaceKind = SpaceKind.DESK,
    agent: str | None = "pi-1",
    valid_from: date | None = None,
    valid_until: date | None = None,
) -> Space:
    """Make a row of a layout."""
    floor = "f2" if zone == "z3" else "f1"
    return Space(name, name.upper(), floor, zone, kind, 4, Purpose.SHARED, frozenset(), agent, valid_from, valid_until)


def site(*spaces: Space, zone: str = "UTC", hours: Sequence[Sequence[OpenSpan]] = ((),) * 7) -> Site:
    """Make a site with three zones on two floors."""
    floors = (Floor("f1", "First"), Floor("f2", "Second"))
    zones = tuple(Zone(name, "f2" if name == "z3" else "f1", name) for name in ("z1", "z2", "z3"))
    return Site("hq", "HQ", zone, None, (), tuple(map(tuple, hours)), floors, zones, AGENTS, tuple(spaces))


def stated(
    time_ms: int,
    state: State,
    *,
    space: str = "s1",
    agent: str = "pi-1",
    epoch: str = EPOCHS[0],
    seq: int = 1,
    people: int | None = None,
    reason: Reason = Reason.MOTION,
    probability: float = 0.5,
    received_ms: int | None = None,
) -> Stated:
    """Make a statement, received at once unless said otherwise."""
    received_ms = time_ms if received_ms is None else received_ms
    return Stated("hq", agent, epoch, seq, received_ms, space, time_ms, state, probability, people, reason, Dating.OK)


def marked(time_ms: int, *, agent: str = "pi-1", epoch: str = EPOCHS[0], seq: int = 1) -> Marked:
    """Make a mark, received at once."""
    return Marked("hq", agent, epoch, seq, time_ms, time_ms)


def open_spans() -> st.SearchStrategy[tuple[OpenSpan, ...]]:
    """Opening hours of a day: none, one or two spans, at five-minute times, mostly in the hours of turning clocks."""
    night, day = st.integers(0, 48), st.sampled_from((96, 150, 240, 288))
    return st.sets(night | day, max_size=4).map(_spans)


def _spans(marks: set[int]) -> tuple[OpenSpan, ...]:
    times = [None if mark == 288 else time(mark // 12, mark % 12 * 5) for mark in sorted(marks)]
    pairs = zip(times[::2], times[1::2], strict=False)
    return tuple(OpenSpan(start, until) for start, until in pairs if start is not None)


@st.composite
def layouts(draw: st.DrawFn, day: date) -> tuple[Space, ...]:
    """Rows of three spaces: each stands all the time, or changes once on a day nearby, with or without a gap."""
    rows: list[Space] = []
    for name in SPACES:
        agents = st.sampled_from((AGENTS[0], AGENTS[0], AGENTS[0], AGENTS[1], None))
        zones, kinds = st.sampled_from(("z1", "z2", "z3")), st.sampled_from(list(SpaceKind))
        change = draw(st.sampled_from((None, None, 0, 0, 1)))
        if change is None:
            rows.append(space(name, zone=draw(zones), kind=draw(kinds), agent=draw(agents)))
            continue
        until = day + timedelta(days=change)
        again = until + timedelta(days=draw(st.sampled_from((0, 0, 1))))
        rows.append(space(name, zone=draw(zones), kind=draw(kinds), agent=draw(agents), valid_until=until))
        rows.append(space(name, zone=draw(zones), kind=draw(kinds), agent=draw(agents), valid_from=again))
    return tuple(rows)


@st.composite
def words(draw: st.DrawFn, from_ms: int, to_ms: int, *, most: int = 25) -> tuple[Told, ...]:
    """What agents told: any order, equal milliseconds, epochs side by side, now and then a lost span."""
    quarter = st.integers(from_ms // 900_000, to_ms // 900_000).map(lambda number: number * 900_000)
    moments = draw(st.lists(quarter | st.integers(from_ms, to_ms), min_size=2, max_size=8))
    seqs: dict[tuple[str, str], int] = {}
    told: list[Told] = []
    for _ in range(draw(st.integers(1, most))):
        agent = draw(st.sampled_from((*AGENTS, AGENTS[0], AGENTS[0])))
        epoch = draw(st.sampled_from((*EPOCHS, EPOCHS[0])))
        ms = draw(st.sampled_from(moments)) + draw(st.sampled_from((0, 0, 0, 0, 1, 7_654_321)))
        told.append(draw(_word(agent, epoch, ms, seqs)))
    return tuple(told)


@st.composite
def _word(draw: st.DrawFn, agent: str, epoch: str, ms: int, seqs: dict[tuple[str, str], int]) -> Told:
    seq = seqs[agent, epoch] = seqs.get((agent, epoch), 0) + 1
    received_ms = ms + draw(st.sampled_from((0, 30, 3_600_000, -5_000)))
    kind = draw(st.integers(0, 12))
    if kind == 12:
        return Unplaced("hq", agent, epoch)
    if kind == 11:
        last = seqs[agent, epoch] = seq + draw(st.integers(0, 2))
        end_ms = ms + draw(st.sampled_from((0, 1, 900_000, 5_000_000)))
        return Lost("hq", agent, end_ms, LostSpan(epoch, seq, last, ms, end_ms, draw(st.sampled_from(Dating))))
    if kind > 7:
        return Marked("hq", agent, epoch, seq, received_ms, ms)
    state, reason = draw(st.sampled_from(STATEMENTS))
    name = draw(st.sampled_from((*SPACES, SPACES[0], SPACES[0])))
    people = draw(st.sampled_from((None, None, 0, 1, 3)))
    probability = draw(st.integers(0, 1000)) / 1000
    clock = draw(st.sampled_from(Dating))
    return Stated("hq", agent, epoch, seq, received_ms, name, ms, state, probability, people, reason, clock)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A site around an odd day, and what was told of it over a day and a bit."""
    zone, day = draw(st.sampled_from(TURNING_DAYS))
    from_ms = day_ms(zone, day) - draw(st.sampled_from((6, 20))) * HOUR_MS
    to_ms = from_ms + 32 * HOUR_MS
    hours = [draw(open_spans())] * 7
    hours[day.weekday()] = draw(open_spans())
    closed = frozenset({day + timedelta(days=draw(st.integers(0, 9)))})
    place = site(*draw(layouts(day)), zone=zone, hours=hours)
    return Case(place, closed, draw(words(from_ms, to_ms)), from_ms, to_ms)


PAUSES_S = (0.001, 30, 59.999, 60, 60.001, 299.999, 300, 300.001, 1800, 7200, 17_999.999, 18_000, 30_000)
"""How long somebody stays or is away: what matters to sessions, and a hair more or less."""


@st.composite
def seated(draw: st.DrawFn) -> Case:
    """A case in which people sit down and get up, for times that matter to sessions."""
    case = draw(cases())
    told: list[Told] = []
    seq = 1000
    for name in ("s1", "s2"):
        ms = case.from_ms + draw(st.sampled_from((-30 * HOUR_MS, -HOUR_MS, 0, 3 * HOUR_MS)))
        states = draw(st.lists(st.tuples(st.sampled_from(PAUSES_S), st.sampled_from("fffooou")), max_size=14))
        for pause_s, letter in states:
            ms += round(pause_s * 1000)
            seq += 1
            state = {"f": State.FREE, "o": State.OCCUPIED, "u": State.UNKNOWN}[letter]
            reason = Reason.STARTING if letter == "u" else Reason.MOTION
            people = draw(st.sampled_from((None, 1, 2))) if letter == "o" else None
            told.append(stated(ms, state, space=name, seq=seq, reason=reason, people=people, epoch=EPOCHS[1]))
    told.append(marked(case.to_ms + 2 * HOUR_MS, seq=seq + 1, epoch=EPOCHS[1]))
    return replace(case, told=(*case.told[:6], *told))
