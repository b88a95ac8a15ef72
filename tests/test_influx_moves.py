"""InfluxDB after events were placed anew: what an agent told is where it belongs, and nowhere else."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perch.adapters.journal import Entry
from perch.errors import UnavailableError
from perch.model import QUARTER_MS, SpaceKind, State
from tests.history_cases import marked, site, space, stated
from tests.influx_following import Log, Step, follow, follow_in_steps, projection, rebuilt
from tests.influx_memory import MemoryInflux
from tests.placing_cases import journals

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


@settings(max_examples=40)
@given(entries=stories, plan=plans)
def test_what_moves_in_time_leaves_no_row_behind(entries: tuple[Entry, ...], plan: list[Step]) -> None:
    """Agents that do not know the time, or learn it too late; clocks that jump, also the collector's."""
    assert_follows(entries, plan)


@pytest.mark.long
@settings(max_examples=400)
@given(entries=journals(NOON_MS, NOON_MS + 3 * HOUR_MS), plan=plans)
def test_what_moves_in_time_leaves_no_row_behind_in_many_stories(entries: tuple[Entry, ...], plan: list[Step]) -> None:
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
