"""An attacker who has all of members' history, and wants to know of one space: every answer beside every other.

Two worlds differ in one space alone. What a member can ask for is asked of both, all of it: each metric, group, filter,
window and resolution. Where two spaces of a cell change places for a day, no byte may differ; where one space is used
in a house that is empty otherwise, or free in a full one, neither.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import product
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from api.entrance.access import Reader
from api.history.files import history_in_files
from api.history.for_members import METRICS, answer_for_members
from api.history.of_groups import HistoryOfGroups, observed_site, site_to
from api.history.way import History
from api.history.windows_for_members import told_until
from api.planning.answers import comparison_answer, scenario_answer, sizing_answer
from api.planning.for_members import fewest_of, kinds_of_many, require_many, site_for_members
from api.planning.in_bands import comparison_in_bands, scenario_in_bands, sizing_in_bands
from api.planning.resources import compared
from api.problems import ParametersError
from perch.adapters.cursor import Cursor
from perch.adapters.history.store import HistoryStore
from perch.adapters.keys import Role
from perch.history.cells import FEWEST_SPACES, Reach, pieces_of
from perch.history.planning.changes import Add
from perch.history.planning.comparison import Compared
from perch.history.planning.scenario import scenario
from perch.history.planning.sizing import sizing
from perch.history.question import Hours, Question, Resolution, Scope
from perch.history.told import Marked, Stated, Told
from perch.model import DAY_MS, Dating, Floor, Purpose, Reason, Site, Space, SpaceKind, State, Zone
from tests.serving import EPOCH, a_site, a_space

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
FIRST = date(2026, 6, 1)
"""A Monday that begins a month: every kind of window begins here."""

FIRST_MS = round(datetime(2026, 6, 1, tzinfo=UTC).timestamp() * 1000)
MONTH_MS = 30 * DAY_MS
NOW_MS = FIRST_MS + 40 * DAY_MS
MEMBER = Reader(Role.MEMBER)
Script = Sequence[tuple[int, State]]
"""What a space does in a day: from which minute on it is in which state."""

EMPTY: Script = ((0, State.FREE),)
FULL: Script = ((0, State.OCCUPIED),)
DEAD: Script = ((0, State.UNKNOWN),)
Life = tuple[str, Reach, date | None, date | None]
World = Mapping[tuple[str, int], Script]
"""What each space does on each day of the month."""


def told(world: World) -> Iterator[Told]:
    """Tell a world as its agent would."""
    seq = 0
    for (space, day), script in world.items():
        for minute, state in script:
            seq += 1
            ms = FIRST_MS + day * DAY_MS + minute * MINUTE_MS
            reason = Reason.SENSOR_SILENT if state is State.UNKNOWN else Reason.MOTION
            yield Stated("hq", "pi-1", EPOCH, seq, ms, space, ms, state, 0.5, None, reason, Dating.OK)
    yield Marked("hq", "pi-1", EPOCH, seq + 1, FIRST_MS + MONTH_MS, FIRST_MS + MONTH_MS)


@contextmanager
def history_of(site: Site, world: World) -> Iterator[History]:
    """Give the history of a world, as members are told of it."""
    with TemporaryDirectory() as folder:
        with HistoryStore.open(Path(folder) / "history.db") as store:
            store.add(tuple(told(world)), Cursor("0" * 16, 1))
        history = history_in_files({site.id: site}, Path(folder))
        try:
            yield HistoryOfGroups.within(history)
        finally:
            history.store.close()


def sited(*spaces: Space) -> Site:
    """Make a site of two floors and four zones, whose clocks show UTC."""
    zones = tuple(Zone(f"z{number}", f"f{number // 2}", f"Zone {number}") for number in range(4))
    site = a_site(time_zone="UTC", plan=None, spaces=spaces)
    return replace(site, floors=(Floor("f0", "Ground", None), Floor("f1", "First", None)), zones=zones)


def a_random_site(random: Random) -> Site:
    """Make a site with cells of all sizes, rows that begin and end, rooms of all sizes, and spaces of all purposes."""
    spaces: list[Space] = []
    for zone, kind in product(range(4), (SpaceKind.DESK, SpaceKind.ROOM, SpaceKind.BOOTH)):
        spaces += [
            a_space(
                f"{kind}-{zone}-{number}",
                kind,
                floor=f"f{zone // 2}",
                zone=f"z{zone}",
                capacity=random.randrange(1, 9),
                purpose=random.choice([Purpose.SHARED] * 9 + [Purpose.ASSIGNED]),
                agent=random.choice(["pi-1"] * 9 + [None]),
                valid_from=random.choice([None] * 6 + [date(2026, 6, 9)]),
                valid_until=random.choice([None] * 6 + [date(2026, 6, 18)]),
            )
            for number in range(random.choice([0, 0, 1, 2, 3, 4, 5, 6]))
        ]
    return sited(*spaces)


def a_day(random: Random) -> Script:
    """Let somebody come and go, or nobody, or let a sensor be dead; each begins and ends with nobody there."""
    comes, stays = random.randrange(7 * 60, 15 * 60), random.randrange(5, 400)
    used = (*EMPTY, (comes, State.OCCUPIED), (comes + stays, State.FREE))
    return random.choice([used, used, used, EMPTY, EMPTY, DEAD])


def a_random_world(random: Random, site: Site, days: int = 16) -> World:
    """Let all spaces do something, save some that nothing was ever heard of."""
    mute = {space.id for space in site.spaces if random.random() < 0.05}
    heard = dict.fromkeys(space.id for space in site.spaces if space.id not in mute)
    return {(space, day): a_day(random) for space in heard for day in range(days)}


def changed_places(world: World, one: str, other: str, days: Sequence[int]) -> World:
    """Let two spaces change places on some days."""
    changed = dict(world)
    for day in days:
        for here, there in ((one, other), (other, one)):
            script = world.get((there, day))
            if script is None:
                changed.pop((here, day), None)
            else:
                changed[here, day] = script
    return changed


def windows(resolution: Resolution, random: Random | None) -> list[tuple[int, int]]:
    """Give windows that members may ask for in June: many of them, or one of each kind."""
    days = [(day, day + 1) for day in range(30)]
    weeks = [(day, day + 7) for day in range(0, 28, 7)]
    many = {
        Resolution.TOTAL: [*days, *weeks, (0, 30), (7, 10), (8, 10), (0, 9)],
        Resolution.HOUR_OF_WEEK: [(0, 30), (0, 28)],
        Resolution.HOUR: [(0, 30)],
        Resolution.DAY: [(0, 30)],
        Resolution.WEEK: [(0, 28)],
        Resolution.MONTH: [(0, 30)],
    }[resolution]
    chosen = many if random is None else [random.choice(many)]
    return [(FIRST_MS + begin * DAY_MS, FIRST_MS + end * DAY_MS) for begin, end in chosen]


def questions(site: Site, random: Random | None = None, share: float = 1.0) -> Iterator[Question]:
    """Give every question that a member may ask of June; or at random a share of them."""
    for metric, resolution, hours in product(sorted(METRICS), Resolution, Hours):
        if resolution is Resolution.QUARTER_HOUR:
            continue
        for scope, kind, zone in product(Scope, (None, *SpaceKind), (None, *(zone.id for zone in site.zones))):
            if scope is Scope.SPACE or (random is not None and random.random() > share):
                continue
            for from_ms, to_ms in windows(resolution, random):
                of_kind = None if kind is None else kind.value
                yield Question(metric, from_ms, to_ms, resolution, scope, hours, of_kind, zone)


def asked(site: Site, history: History, chosen: Sequence[Question]) -> list[tuple[Any, ...]]:
    """Ask history as a member: what is served of each answer."""
    seen = site_to(MEMBER, site)
    return [
        (answer.to_ms, tuple(row[:-1] for row in answer.rows), answer.warnings)
        for answer in (answer_for_members(history, question, seen, NOW_MS) for question in chosen)
    ]


def planned(site: Site, history: History, metrics: frozenset[str] = METRICS) -> list[object]:
    """Ask planning as a member, of the four weeks: sizing and a scenario for each kind, comparisons for each zone."""
    seen, span = site_to(MEMBER, site), (FIRST_MS, FIRST_MS + 28 * DAY_MS)
    source, calendar = history.source(), history.calendar(site.id)
    told_of = site_for_members(history, seen, [span])
    found: list[object] = []
    for kind in SpaceKind:
        try:
            require_many(observed_site(history, told_of, [span]), [span], "kind", kind=kind)
        except ParametersError:
            found.append(kind)
            continue
        size = sizing(told_of, kind, *span, 0.95, source, calendar, NOW_MS)
        found.append(sizing_in_bands(sizing_answer(size, told_of, span[0], kind, 0.95)))
        added = (Add(kind, 2),)
        kinds = kinds_of_many(observed_site(history, told_of, [span]), span, added)
        many = replace(told_of, spaces=tuple(space for space in told_of.spaces if space.kind in kinds))
        would = scenario(many, *span, added, source, calendar, NOW_MS)
        found.append(scenario_in_bands(scenario_answer(would, many, span[0])))
    weeks = [(FIRST_MS + week * 7 * DAY_MS, FIRST_MS + (week + 1) * 7 * DAY_MS) for week in (0, 1)]
    for metric, zone in product(sorted(metrics), (None, *(zone.id for zone in site.zones))):
        of = Compared(metric, weeks[0], weeks[1], zone, None)
        of_zone = site_for_members(history, seen, weeks, zone)
        observed = observed_site(history, of_zone, weeks)
        try:
            require_many(observed, weeks, "zone", zone=zone)
        except ParametersError:
            found.append((metric, zone))
            continue
        answer = comparison_answer(compared(history, of, of_zone, observed, NOW_MS), of, of_zone)
        found.append(comparison_in_bands(answer, fewest_of(observed, weeks, zone)))
    return found


def pairs(site: Site) -> list[tuple[str, str]]:
    """Give two spaces of each cell which are always in the same one; of wide cells alone where there are some."""
    lives: dict[str, set[Life]] = {}
    for piece in pieces_of(site):
        lives.setdefault(piece.space.id, set()).add(
            (piece.cell, piece.reach, piece.space.valid_from, piece.space.valid_until)
        )
    mates: dict[frozenset[Life], list[str]] = {}
    for space, life in lives.items():
        mates.setdefault(frozenset(life), []).append(space)
    several = {life: (of[0], of[-1]) for life, of in mates.items() if len(of) > 1}
    wide = [pair for life, pair in several.items() if all(reach > Reach.ZONE for _, reach, *_ in life)]
    return wide or list(several.values())


def not_told_apart(seed: int, share: float) -> int:
    """Let two spaces change places on some days, and ask; says of how many answers there are."""
    random = Random(seed)  # noqa: S311 - the same sites each time
    site = a_random_site(random)
    world = a_random_world(random, site)
    if not pairs(site):
        return 0
    one, other = random.choice(pairs(site))
    days = sorted(random.sample(range(16), random.choice([1, 2, 16])))
    swapped = changed_places(world, one, other, days)
    chosen = list(questions(site, random, share))
    with history_of(site, world) as was, history_of(site, swapped) as might:
        first, second = asked(site, was, chosen), asked(site, might, chosen)
        for question, one_answer, other_answer in zip(chosen, first, second, strict=True):
            assert one_answer == other_answer, (seed, one, other, days, question)
        metrics = METRICS if share >= 0.03 else frozenset({"time_used_ratio"})
        assert planned(site, was, metrics) == planned(site, might, metrics), (seed, one, other, days)
    return sum(bool(rows) for _, rows, _ in first)


def test_nothing_tells_which_space_of_a_cell_it_was() -> None:
    """Sites, days and questions at random; `make test-long` tries many more."""
    assert not_told_apart(0, 0.004) > 3


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 7))
def test_nor_does_much_more(seed: int) -> None:
    assert not_told_apart(seed, 0.03) > 3


def a_house(desks: int) -> Site:
    """Make a site with so many desks in one zone, and enough of them in another for the two to be told apart."""
    return sited(
        *(a_space(f"a{number}", zone="z0", floor="f0") for number in range(desks)),
        *(a_space(f"b{number}", zone="z1", floor="f0") for number in range(FEWEST_SPACES)),
    )


def everywhere(site: Site, script: Script) -> dict[tuple[str, int], Script]:
    """Let all spaces do the same on all days."""
    return {(space.id, day): script for space in site.spaces for day in range(30)}


LONG_VISIT = ((0, State.FREE), (10 * 60, State.OCCUPIED), (10 * 60 + 47, State.FREE))
LONG_BREAK = ((0, State.OCCUPIED), (10 * 60, State.FREE), (10 * 60 + 47, State.OCCUPIED))


@pytest.mark.parametrize(
    ("usual", "other", "metrics"),
    [(EMPTY, LONG_VISIT, METRICS), (FULL, LONG_BREAK, METRICS - {"sessions"})],
    ids=["in an empty house", "in a full one"],
)
def test_nobody_can_be_sure_of_a_single_space(usual: Script, other: Script, metrics: frozenset[str]) -> None:
    """Where all are empty, or all in use, that is not told of each: one may have been otherwise for most of an hour."""
    site = a_house(5)
    chosen = [question for question in of_zone(site, metrics) if question.hours is Hours.ALL]
    chosen = [question for number, question in enumerate(chosen) if number % 9 == 0]
    assert unsure(site, usual, other, chosen) > 5


@pytest.mark.long
@pytest.mark.parametrize("desks", [6, 20])
@pytest.mark.parametrize(("usual", "other"), [(EMPTY, LONG_VISIT), (FULL, LONG_BREAK)])
def test_nor_by_all_questions_together(desks: int, usual: Script, other: Script) -> None:
    """All but how many sessions there were: a break in a stay may be the tenth session, whoever made it."""
    site = a_house(desks)
    metrics = METRICS if usual is EMPTY else METRICS - {"sessions"}
    assert unsure(site, usual, other, list(of_zone(site, metrics)), metrics) > 100


def of_zone(site: Site, metrics: frozenset[str]) -> Iterator[Question]:
    """Give what can be asked of a zone and of all zones, with one window of each kind."""
    for question in questions(site, Random(0)):  # noqa: S311 - the same windows each time
        if question.metric in metrics and question.zone in (None, "z0") and question.kind is None:
            yield question


def unsure(
    site: Site, usual: Script, other: Script, chosen: Sequence[Question], planning: frozenset[str] = frozenset()
) -> int:
    """Let one desk be otherwise for most of an hour, and ask; says of how many answers there are."""
    world = everywhere(site, usual)
    with history_of(site, world) as was, history_of(site, {**world, ("a0", 8): other}) as might:
        first = asked(site, was, chosen)
        for question, one_answer, other_answer in zip(chosen, first, asked(site, might, chosen), strict=True):
            assert one_answer == other_answer, question
        if planning:
            assert planned(site, was, planning) == planned(site, might, planning)
    return sum(bool(rows) for _, rows, _ in first)


def test_a_room_beside_desks_is_in_no_group_of_its_zone() -> None:
    """Six desks and a room, and six desks alone, would differ by the room."""
    site = sited(
        *(a_space(f"d{number}", zone="z0", floor="f0") for number in range(6)),
        *(a_space(f"r{number}", SpaceKind.ROOM, zone=f"z{number}", floor=f"f{number // 2}") for number in range(4)),
        *(
            a_space(f"b{number}", SpaceKind.BOOTH, zone=f"z{number % 4}", floor=f"f{number % 4 // 2}")
            for number in range(9)
        ),
    )
    cells = {piece.space.id: (piece.cell, piece.reach) for piece in pieces_of(site)}
    assert {cells[f"d{number}"] for number in range(6)} == {("desk in zone z0", Reach.ZONE)}
    assert {cells[f"b{number}"] for number in (0, 1, 4, 5, 8)} == {("other booth on floor f0", Reach.FLOOR)}
    assert set(cells) & {"r0", "b2", "b3", "b6", "b7"} == set()


def test_cells_are_of_the_layout_and_not_of_the_window() -> None:
    """From the ninth on there are four of the six: until then they are a cell, and after that in no group."""
    leaving = [a_space(f"d{number}", zone="z0", valid_until=date(2026, 6, 9)) for number in range(2)]
    site = sited(*(a_space(f"d{number}", zone="z0") for number in range(2, 6)), *leaving)
    pieces = pieces_of(site)
    assert {piece.space.valid_until for piece in pieces} == {date(2026, 6, 9)}
    assert len(pieces) == 6


def test_a_cell_of_which_few_are_heard_is_told_with_no_number() -> None:
    """Of five desks four are unknown: what is left of the cell would be the history of the fifth."""
    site = a_house(5)
    out = everywhere(site, DEAD)
    world = {
        **out,
        **{("a0", day): LONG_VISIT for day in range(30)},
        **{(f"b{n}", d): EMPTY for n in range(5) for d in range(30)},
    }
    days = Question("time_used_ratio", FIRST_MS, FIRST_MS + MONTH_MS, Resolution.DAY, Scope.ZONE, Hours.ALL)
    with history_of(site, world) as history:
        ((_, rows, _),) = asked(site, history, [days])
    assert {row[2] for row in rows if row[3] is not None} == {"z1"}


def in_june(resolution: Resolution, first_hour: int, end_hour: int) -> Question:
    window = (FIRST_MS + first_hour * HOUR_MS, FIRST_MS + end_hour * HOUR_MS)
    return Question("time_used_ratio", *window, resolution, Scope.SITE, Hours.ALL)


@pytest.mark.parametrize(
    ("resolution", "first_hour", "end_hour"),
    [
        (Resolution.TOTAL, 9, 10),
        (Resolution.TOTAL, 0, 25),
        (Resolution.HOUR, 9, 12),
        (Resolution.DAY, 1, 49),
        (Resolution.WEEK, 24, 8 * 24),
        (Resolution.MONTH, 24, 30 * 24),
        (Resolution.HOUR_OF_WEEK, 0, 7 * 24),
        (Resolution.HOUR_OF_WEEK, 24, 29 * 24),
        (Resolution.HOUR_OF_WEEK, 1, 30 * 24),
    ],
)
def test_a_window_that_cuts_rows_finer_than_the_calendar_is_no_members(
    resolution: Resolution, first_hour: int, end_hour: int
) -> None:
    site = a_house(5)
    with history_of(site, {}) as history, pytest.raises(ParametersError) as refused:
        told_until(in_june(resolution, first_hour, end_hour), site, history.calendar(site.id), NOW_MS)
    assert all("members" in cause.what for cause in refused.value.causes)


@pytest.mark.parametrize(
    ("resolution", "days"),
    [
        (Resolution.TOTAL, 3),
        (Resolution.HOUR, 1),
        (Resolution.DAY, 10),
        (Resolution.WEEK, 14),
        (Resolution.MONTH, 30),
        (Resolution.HOUR_OF_WEEK, 28),
        (Resolution.HOUR_OF_WEEK, 30),
    ],
)
def test_a_window_of_whole_rows_is_told_to_its_end(resolution: Resolution, days: int) -> None:
    site = a_house(5)
    with history_of(site, {}) as history:
        question = in_june(resolution, 0, days * 24)
        assert told_until(question, site, history.calendar(site.id), NOW_MS) == question.to_ms
