"""InfluxDB after events were placed anew: what an agent told is where it belongs, and nowhere else."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perch.adapters.journal.store import Entry
from perch.contract import AliveEvent, ClockEvent, Event, LostEvent, StateEvent
from perch.errors import UnavailableError
from perch.model import QUARTER_MS, Clock, Reason, SpaceKind, State
from tests.examples import one_in
from tests.history_cases import EPOCHS, marked, site, space, stated
from tests.influx_following import Log, Step, follow, follow_in_steps, go_through, projection, rebuilt
from tests.influx_memory import MemoryInflux
from tests.placing_cases import BOOTS, journals

NOON_MS = 1_790_000_000_000 // QUARTER_MS * QUARTER_MS
MINUTE_MS = 60_000
HOUR_MS = 3_600_000

PLACE = site(space("s1"), space("s2", zone="z2"), space("s3", zone="z3", kind=SpaceKind.ROOM, agent="pi-2"))

step = st.builds(
    Step,
    st.floats(0, 1),
    st.integers(1, 40),
    st.sampled_from((False, False, True)),
    st.none() | st.integers(2, 12),
    st.sampled_from((False, False, False, True)),
)
plans = st.lists(step, min_size=2, max_size=8).map(lambda plan: sorted(plan, key=lambda step: step.lead))
stories = journals(NOON_MS, NOON_MS + 3 * HOUR_MS, agents=("pi-1",), most=8)


def assert_follows(entries: Sequence[Entry], plan: Sequence[Step]) -> None:
    """The rows that come of following a journal are those of a rebuild, though it was cut otherwise."""
    log, store = Log(entries=entries), MemoryInflux()
    follow_in_steps(log, store, PLACE, plan)
    assert store.rows == rebuilt(Log(entries=entries), PLACE).rows


@one_in(2)
@given(entries=stories, plan=plans)
def test_what_moves_in_time_leaves_no_row_behind(entries: tuple[Entry, ...], plan: list[Step]) -> None:
    """Agents that do not know the time, or learn it too late; clocks that jump, also the collector's."""
    assert_follows(entries, plan)


@pytest.mark.long
@settings(max_examples=400)
@given(entries=journals(NOON_MS, NOON_MS + 3 * HOUR_MS), plan=plans)
def test_what_moves_in_time_leaves_no_row_behind_in_many_stories(entries: tuple[Entry, ...], plan: list[Step]) -> None:
    assert_follows(entries, plan)


def entry(position: int, said: Event, epoch: int) -> Entry:
    return Entry(position, "hq", "pi-1", EPOCHS[epoch], NOON_MS + HOUR_MS, said, BOOTS[epoch])


@pytest.mark.parametrize("fails_in", range(12))
def test_hours_that_a_failed_try_wrote_are_gone_though_history_was_made_anew_and_knows_nothing_of_them(
    fails_in: int,
) -> None:
    """An agent whose clock is an hour ahead makes a site live until then, for as long as nobody knows better."""
    told = [
        StateEvent(1, "s1", State.FREE, 0.0, None, Reason.STARTING, NOON_MS, 0, Clock.OK),
        StateEvent(1, "s2", State.FREE, 0.0, None, Reason.STARTING, NOON_MS + HOUR_MS, MINUTE_MS, Clock.OK),
        ClockEvent(2, BOOTS[1], NOON_MS + MINUTE_MS),
    ]
    entries = [entry(place + 1, said, place > 0) for place, said in enumerate(told)]
    assert_follows(
        entries, [Step(1 / 3, 1, False, None), Step(2 / 3, 1, False, fails_in), Step(1, 2, True, None, True)]
    )


@pytest.mark.parametrize("fails_in", range(2, 9))
def test_hours_that_a_failed_try_deleted_are_back_where_history_was_made_anew_and_knows_of_them_again(
    fails_in: int, tmp_path: Path
) -> None:
    """Before anybody knows better, the site has lived until then; who knows deletes it, but is lost in the midst."""
    told = [
        StateEvent(1, "s1", State.FREE, 0.0, None, Reason.STARTING, NOON_MS, 0, Clock.OK),
        StateEvent(1, "s2", State.FREE, 0.0, None, Reason.STARTING, NOON_MS + HOUR_MS, MINUTE_MS, Clock.OK),
        AliveEvent(2, NOON_MS + 2 * MINUTE_MS, 2 * MINUTE_MS, Clock.OK),
        ClockEvent(2, BOOTS[1], NOON_MS + MINUTE_MS),
    ]
    entries = [entry(place + 1, said, place % 2) for place, said in enumerate(told)]
    plan = [Step(0.5, 2, False, None), Step(1, 2, False, fails_in), Step(0.75, 1, True, None, True)]
    log, store = Log(entries=entries), MemoryInflux()
    go_through(log, store, PLACE, plan, tmp_path)
    assert store.rows == rebuilt(Log(entries=entries[:3]), PLACE).rows
    assert_follows(entries, plan)


@pytest.mark.parametrize("fails_in", range(12))
def test_what_a_failed_try_deleted_is_back_though_history_was_made_anew_and_names_other_moves(fails_in: int) -> None:
    """Made in one go, a history says of all that ever moved that it did so late; made again in two, of less."""
    known = LostEvent(1, EPOCHS[0], (1, 2), NOON_MS - 1, NOON_MS - 1, -1, -1, Clock.OK, "outbox-full")
    lost = LostEvent(5, EPOCHS[0], (5, 6), -1, -1, -1, -1, Clock.UNSYNCED, "outbox-full")
    said = ("s1", State.FREE, 0.0, None, Reason.AGENT_OFFLINE, -1, -1, Clock.UNSYNCED)
    away = [StateEvent(seq, *said) for seq in (3, 4, 6, 7)]
    clock = ClockEvent(2, BOOTS[1], NOON_MS + 6_000)
    told = (known, -1), (clock, -1), (away[0], -1), (away[1], 99), (lost, 99), (away[2], -1), (away[3], None)
    entries = [
        Entry(place + 1, "hq", "pi-1", EPOCHS[0], NOON_MS - 1, event, BOOTS[0], sent_mono_ms)
        for place, (event, sent_mono_ms) in enumerate(told)
    ]
    plan = [Step(0.875, 1, False, None), Step(1, 1, False, fails_in, True), Step(0.5, 1, False, None, True)]
    assert_follows(entries, plan)


def test_who_is_too_far_behind_to_learn_what_moved_begins_anew(tmp_path: Path) -> None:
    log, store = Log([stated(NOON_MS, State.FREE), marked(NOON_MS + 9, seq=2)]), MemoryInflux()
    at_work = projection(log, store, tmp_path, site(space()))
    follow(log, at_work)
    log.tell(marked(NOON_MS + 10, seq=3))
    log.lead(log.end())
    log.history.forgotten = log.end()
    with pytest.raises(UnavailableError, match="too far behind"):
        at_work.apply(log.read(2, 1), log.id)
    assert at_work.cursor() is None
    log.history.forgotten = 2
    assert at_work.cursor() is not None
