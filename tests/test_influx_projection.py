"""InfluxDB holds what history says: row for row, whatever came late, failed half-way or was begun again."""

import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.influx.reach import Reach
from collector.influx.rows import MOST_DAYS, Ground, all_lines, in_pieces
from perch.adapters.cursor import Cursor
from perch.adapters.influx.cursor import Progress, ProgressFile
from perch.adapters.influx.line_protocol import NS_PER_MS
from perch.adapters.influx.query import Bucket
from perch.errors import StorageError, UnavailableError
from perch.history.calendar import DAY_MS
from perch.history.eras import eras
from perch.history.source import BEGINNING_MS, END_MS
from perch.history.spans import Span, joined
from perch.history.told import Lost, LostSpan, Told
from perch.model import QUARTER_MS, Reason, State
from tests.examples import one_in
from tests.history_cases import EPOCHS, Case, cases, marked, site, space, stated
from tests.influx_following import (
    JOURNAL,
    FollowingHistory,
    Log,
    Step,
    follow,
    follow_in_steps,
    projection,
    rebuilt,
    steps,
)
from tests.influx_memory import MemoryInflux

NOON_MS = 1_790_000_000_000 // QUARTER_MS * QUARTER_MS
MINUTE_MS = 60_000


FOLLOWED_IN_ANY_WAY = given(case=cases(), plan=st.lists(steps, max_size=12))


@one_in(3)
@FOLLOWED_IN_ANY_WAY
def test_rows_followed_in_any_way_are_those_of_a_rebuild(case: Case, plan: list[Step]) -> None:
    """Batches of any size, history ahead of them, InfluxDB failing in the midst, a new process: the same rows."""
    assert_rows_of_a_rebuild(case, plan)


@pytest.mark.long
@settings(max_examples=500, deadline=None)
@FOLLOWED_IN_ANY_WAY
def test_so_are_rows_followed_in_many_ways(case: Case, plan: list[Step]) -> None:
    assert_rows_of_a_rebuild(case, plan)


def assert_rows_of_a_rebuild(case: Case, plan: list[Step]) -> None:
    log, store = Log(case.told), MemoryInflux()
    follow_in_steps(log, store, case.site, plan)
    assert store.rows == rebuilt(log, case.site).rows


@one_in(3)
@given(case=cases())
def test_a_rebuild_writes_each_row_of_history_once(case: Case) -> None:
    log = Log(case.told)
    store = rebuilt(log, case.site)
    lines = list(all_lines(Ground.of(case.site), eras(case.site.id, log.history), log.history))
    again = MemoryInflux()
    for bucket, line in lines:
        again.write(bucket, [line])
    assert store.rows == again.rows
    assert len(lines) == len(set(lines))


@one_in(5)
@given(before=cases(), after=cases())
def test_an_edited_layout_gives_the_rows_that_it_would_have_given_from_the_start(before: Case, after: Case) -> None:
    log, store = Log(before.told), MemoryInflux()
    edited = replace(before.site, spaces=after.site.spaces)
    with tempfile.TemporaryDirectory() as folder:
        follow(log, projection(log, store, Path(folder), before.site))
        follow(log, projection(log, store, Path(folder), edited))
        assert store.rows == rebuilt(log, edited).rows
        follow(log, projection(log, store, Path(folder)))
        assert store.rows == {}


def day() -> list[Told]:
    """A desk over an hour: free, taken, left; with its marks."""
    return [
        stated(NOON_MS, State.UNKNOWN, seq=1, reason=Reason.STARTING),
        stated(NOON_MS + MINUTE_MS, State.FREE, seq=2, reason=Reason.QUIET),
        marked(NOON_MS + QUARTER_MS, seq=3),
        stated(NOON_MS + 20 * MINUTE_MS, State.OCCUPIED, seq=4),
        marked(NOON_MS + 2 * QUARTER_MS, seq=5),
        stated(NOON_MS + 33 * MINUTE_MS, State.FREE, seq=6, reason=Reason.QUIET),
        marked(NOON_MS + 3 * QUARTER_MS, seq=7),
    ]


def states(store: MemoryInflux, measurement: str = "occupancy") -> list[tuple[float, object, object]]:
    """Give minute, state and whether carried, in order of time."""
    rows = sorted((ns, fields) for (_, (name, _), ns), fields in store.rows.items() if name == measurement)
    return [((ns // 10**6 - NOON_MS) / MINUTE_MS, fields["state"], fields["carried"]) for ns, fields in rows]


HOUR = [
    (0, "unknown", 0),
    (0, "unknown", 1),
    (1, "free", 0),
    (15, "free", 1),
    (20, "occupied", 0),
    (30, "occupied", 1),
    (33, "free", 0),
    (45, "free", 1),
]


def test_an_hour_of_a_desk_is_its_transitions_and_what_is_carried_on(tmp_path: Path) -> None:
    log, store = Log(day()), MemoryInflux()
    follow(log, projection(log, store, tmp_path, site(space())), limit=1)
    assert states(store) == HOUR
    quarters = sorted((ns, fields) for (_, (name, _), ns), fields in store.rows.items() if name == "zone_15min")
    assert [fields["occupied_ms"] for _, fields in quarters] == [0, 10 * MINUTE_MS, 3 * MINUTE_MS]
    assert [fields["known_ms"] for _, fields in quarters] == [14 * MINUTE_MS, QUARTER_MS, QUARTER_MS]
    assert all(bucket is Bucket.ZONES for bucket, (name, _), _ in store.rows if name == "zone_15min")


def test_events_in_order_delete_nothing_of_a_space_and_a_late_one_corrects_its_span(tmp_path: Path) -> None:
    log, store = Log(day()[:1]), MemoryInflux()
    following = projection(log, store, tmp_path, site(space()))
    follow(log, following)
    deletes: list[str] = []
    delete = store.delete

    def noted(bucket: Bucket, measurement: str, from_ms: int, to_ms: int, tags: dict[str, str]) -> None:
        deletes.append(measurement)
        delete(bucket, measurement, from_ms, to_ms, tags)

    store.delete = noted  # type: ignore[method-assign, assignment]
    for told in day()[1:]:
        log.tell(told)
        log.lead(log.end())
        following.apply(log.read(log.end() - 1, 1), JOURNAL)
    assert states(store) == HOUR
    assert "occupancy" not in deletes
    log.tell(stated(NOON_MS + 10 * MINUTE_MS, State.OCCUPIED, seq=8))
    log.lead(log.end())
    following.apply(log.read(log.end() - 1, 1), JOURNAL)
    taken = [(1, "free", 0), (10, "occupied", 0), (15, "occupied", 1), (30, "occupied", 1)]
    assert states(store) == [*HOUR[:2], *taken, *HOUR[6:]]
    assert "occupancy" in deletes


def lost(from_minute: int, first: int, last: int) -> Lost:
    from_ms = NOON_MS + from_minute * MINUTE_MS
    return Lost("hq", "pi-1", from_ms + MINUTE_MS, LostSpan(EPOCHS[0], first, last, from_ms, from_ms + MINUTE_MS))


@pytest.mark.parametrize("late_minute", [5, 15, 25])
def test_what_is_told_late_shows_through_all_lost_spans_behind_it(tmp_path: Path, late_minute: int) -> None:
    """The probability before a lost span is carried through it and the next one, past what was lost in it."""
    late = stated(NOON_MS + late_minute * MINUTE_MS, State.UNKNOWN, seq=9, probability=0.9, reason=Reason.AGENT_OFFLINE)
    told: list[Told] = [
        stated(NOON_MS, State.FREE, seq=1, probability=0.1),
        lost(10, 2, 3),
        stated(NOON_MS + 10 * MINUTE_MS + 30_000, State.OCCUPIED, seq=1, epoch=EPOCHS[1]),
        lost(20, 4, 5),
        marked(NOON_MS + 3 * QUARTER_MS, seq=6),
    ]
    log, store, desk = Log(told), MemoryInflux(), site(space())
    following = projection(log, store, tmp_path, desk)
    follow(log, following)
    log.tell(late)
    log.lead(log.end())
    following.apply(log.read(5, 1), JOURNAL)
    assert store.rows == rebuilt(log, desk).rows


def test_what_was_lost_before_there_is_evidence_of_anybody_is_carried_on_once_somebody_lived_then(
    tmp_path: Path,
) -> None:
    place = site(space(), space("s2", agent="pi-2"))
    span = LostSpan(EPOCHS[0], 1, 2, NOON_MS, NOON_MS + QUARTER_MS)
    log, store = Log([Lost("hq", "pi-2", span.to_ms, span)]), MemoryInflux()
    following = projection(log, store, tmp_path, place)
    follow(log, following)
    log.tell(marked(NOON_MS))
    follow(log, following)
    assert store.rows == rebuilt(log, place).rows


def test_two_events_of_one_millisecond_are_two_rows(tmp_path: Path) -> None:
    told = [stated(NOON_MS, State.FREE, seq=1), stated(NOON_MS, State.OCCUPIED, seq=2), marked(NOON_MS + 1, seq=3)]
    log, store = Log(told), MemoryInflux()
    follow(log, projection(log, store, tmp_path, site(space())))
    assert states(store) == [(0, "free", 0), (0, "occupied", 0), (0, "occupied", 1)]


def test_events_of_spaces_and_sites_that_no_layout_names_are_no_rows(tmp_path: Path) -> None:
    told: list[Told] = [
        stated(NOON_MS, State.FREE, space="s9"),
        stated(NOON_MS, State.FREE)._replace(site="elsewhere"),
    ]
    log, store = Log(told), MemoryInflux()
    follow(log, projection(log, store, tmp_path, site(space())))
    assert {name for _, (name, _), _ in store.rows} == {"alive"}


@pytest.mark.parametrize("wall_ms", [-(2**53), 2**53, 0])
def test_a_clock_beyond_all_years_stops_nothing(tmp_path: Path, wall_ms: int) -> None:
    mad: list[Told] = [
        stated(wall_ms, State.OCCUPIED, seq=8, epoch=EPOCHS[1], received_ms=NOON_MS),
        marked(wall_ms + 9, seq=9, epoch=EPOCHS[1])._replace(received_ms=NOON_MS),
    ]
    log, store = Log([*day(), *mad]), MemoryInflux()
    following = projection(log, store, tmp_path, site(space()))
    follow(log, following)
    assert [row for row in states(store) if 0 < row[0] <= 45] == HOUR[2:]
    assert not (tmp_path / "influx.refused").exists()
    assert not (tmp_path / "influx.refused").exists()


def test_an_influxdb_that_was_emptied_or_replaced_is_filled_again(tmp_path: Path) -> None:
    log, store = Log(day()), MemoryInflux()
    follow(log, projection(log, store, tmp_path, site(space())))
    full = dict(store.rows)
    store.rows.clear()
    follow(log, projection(log, store, tmp_path, site(space())))
    assert store.rows == full
    another = MemoryInflux({key: row for key, row in full.items() if key[1][0] == "alive"}, target="another")
    follow(log, projection(log, another, tmp_path, site(space())))
    assert another.rows == full


def test_another_journal_or_one_that_lost_its_end_is_projected_from_its_start(tmp_path: Path) -> None:
    log, store = Log(day()), MemoryInflux()
    follow(log, projection(log, store, tmp_path, site(space())))
    shorter = Log(day()[:4])
    follow(shorter, projection(shorter, store, tmp_path, site(space())))
    assert store.rows == rebuilt(shorter, site(space())).rows


def test_while_history_is_made_anew_influxdb_keeps_its_rows_and_waits(tmp_path: Path) -> None:
    log, store = Log(day()), MemoryInflux()
    follow(log, projection(log, store, tmp_path, site(space())))
    full = dict(store.rows)
    log.history = FollowingHistory(log.entries)
    log.lead(3)
    waiting = projection(log, store, tmp_path, site(space()))
    with pytest.raises(UnavailableError, match="history"):
        waiting.cursor()
    assert store.rows == full
    log.lead(log.end())
    assert waiting.cursor() == Cursor(JOURNAL, 7)


@pytest.mark.parametrize("fails_in", range(1, 10))
def test_an_edit_of_the_layout_that_is_taken_back_in_the_midst_leaves_nothing_behind(
    tmp_path: Path, fails_in: int
) -> None:
    """A desk that moved to another zone, and a site that was added: InfluxDB fails, and all is as it was."""
    log, store = Log([*day(), marked(NOON_MS)._replace(site="lab")]), MemoryInflux()
    before = [site(space()), replace(site(space()), id="lab")]
    follow(log, projection(log, store, tmp_path, *before))
    rows = dict(store.rows)
    for edited in ([site(space(zone="z2")), before[1]], before[:1]):
        store.fail_in = fails_in
        with suppress(UnavailableError):
            projection(log, store, tmp_path, *edited).cursor()
        store.fail_in = None
        follow(log, projection(log, store, tmp_path, *before))
        assert store.rows == rows


@pytest.mark.parametrize("fails_in", range(1, 6))
def test_a_site_whose_rows_were_not_all_deleted_is_deleted_by_whoever_comes_next(tmp_path: Path, fails_in: int) -> None:
    log, store = Log([*day(), marked(NOON_MS)._replace(site="lab")]), MemoryInflux()
    follow(log, projection(log, store, tmp_path, site(space()), replace(site(space()), id="lab")))
    store.fail_in = fails_in
    with suppress(UnavailableError):
        projection(log, store, tmp_path, site(space())).cursor()
    store.fail_in = None
    follow(log, projection(log, store, tmp_path, site(space())))
    assert store.rows == rebuilt(log, site(space())).rows


def test_what_changes_a_row_changes_the_digest_of_a_layout() -> None:
    plain = site(space())
    digests = {
        Ground.of(changed).digest
        for changed in (
            plain,
            replace(plain, time_zone="Europe/Lisbon"),
            replace(plain, closed=((date(2026, 1, 1), date(2026, 1, 2)),)),
            site(space(zone="z2")),
            site(space(agent="pi-2")),
            site(space(valid_until=date(2026, 1, 1))),
        )
    }
    assert len(digests) == 6
    renamed = replace(plain, name="Another name", spaces=(replace(space(), name="Another", features=frozenset("ab")),))
    assert Ground.of(renamed).digest == Ground.of(plain).digest


def test_progress_that_cannot_be_read_is_begun_anew_and_one_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    file = ProgressFile(tmp_path / "influx.cursor")
    assert file.load() is None
    moved = (("hq", "pi-1", 3, 4),)
    progress = Progress(JOURNAL, 5, "memory", {"hq": "d"}, {"hq": [(1, 2)]}, {"hq": [(1, 2), (5, 9)]}, moved)
    file.save(progress)
    assert file.load() == progress
    (tmp_path / "influx.cursor").write_text('{"journal": "')
    assert file.load() is None
    with pytest.raises(StorageError, match="nowhere"):
        ProgressFile(tmp_path / "nowhere" / "influx.cursor").save(progress)


@dataclass
class Computed:
    """Rows written when history had come to `position` and an agent's last evidence was at `until_ms`."""

    position: int
    until_ms: int


@settings(max_examples=300)
@given(
    steps=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.booleans()), max_size=8),
    asked=st.lists(st.tuples(st.integers(1, 30), st.integers(0, 40)), min_size=1, max_size=10),
    empty=st.booleans(),
)
def test_an_entry_is_late_where_rows_computed_without_it_may_lie_at_or_after_it(
    steps: list[tuple[int, int, bool]], asked: list[tuple[int, int]], empty: bool
) -> None:
    """Of an agent whose rows are not among those that were written, it knows what it knew before."""
    reach, written = Reach(empty=empty), [] if empty else [Computed(0, 10**9)]
    position = until_ms = 0
    for more, later, of_another in steps:
        position, until_ms = position + more, until_ms + later
        told_of_it = reach.is_unknown or not of_another
        reach.extend(position, {"pi-2": 10**8} | ({"pi-1": until_ms} if told_of_it else {}))
        written += [Computed(position, until_ms)] if told_of_it else []
    for at, ms in asked:
        stale = any(rows.position < at and rows.until_ms >= ms for rows in written if rows.until_ms < 10**9)
        unknown = not empty and all(rows.position >= at for rows in written[1:])
        if stale or unknown:
            assert reach.is_late("pi-1", at, ms)
    settled = min(at for at, _ in asked) - 1
    before = [reach.is_late("pi-1", at, ms) for at, ms in asked]
    reach.settle(settled)
    assert [reach.is_late("pi-1", at, ms) for at, ms in asked] == before


def test_an_agent_whose_clock_was_decades_away_for_a_moment_costs_no_rows_of_the_years_between(tmp_path: Path) -> None:
    """One mark of the year 2000 that claims to be right: rows around it and around now, none of the silence between."""
    log, store = Log(day()), MemoryInflux()
    following = projection(log, store, tmp_path, site(space()))
    follow(log, following)
    before = dict(store.rows)
    log.tell(marked(949_363_200_000, seq=50, epoch=EPOCHS[1])._replace(received_ms=NOON_MS))
    follow(log, following)
    assert store.rows.items() >= before.items()
    added = sorted(key[2] // NS_PER_MS for key in store.rows.keys() - before.keys())
    assert added == [949_363_200_000, 949_363_200_000]  # the mark, and the quarter hour in which it is
    assert store.rows == rebuilt(log, site(space())).rows


def test_years_that_an_agent_vouches_for_are_written_by_the_month() -> None:
    """Twenty-six years of one epoch are rows, but never many at once."""
    first_ms = 949_363_200_000
    log = Log([stated(first_ms, State.FREE, received_ms=NOON_MS), marked(NOON_MS, seq=2)])
    log.lead(log.end())
    ground = Ground.of(site(space()))
    wanted = {"s1": [Span(BEGINNING_MS, END_MS)]}
    pieces = list(in_pieces(wanted, eras("hq", log.history)))
    assert joined(span for piece in pieces for span in piece["s1"]) == wanted["s1"]
    inner = [span for piece in pieces[1:-1] for span in piece["s1"]]
    assert all(span.to_ms - span.from_ms <= MOST_DAYS * DAY_MS for span in inner)
    lines = all_lines(ground, eras("hq", log.history), log.history)
    assert sum(1 for _ in islice(lines, 5_000)) == 5_000  # the first of them at once
