"""Events of agents that do not know the time: where they belong, whatever came first and whatever came of it."""

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.telling import heard
from perch.adapters.journal.store import Entry
from perch.contract import AliveEvent, ClockEvent, Event, LostEvent, StateEvent
from perch.delivery.boots import NO_BOOTS, Clue
from perch.delivery.placing import is_believable, place, take
from perch.history.told import Lost, Marked, Stated, Told, Unplaced
from perch.model import Clock, Dating, Reason, State
from tests.history_cases import EPOCHS
from tests.placing_cases import BOOTS, journals
from tests.placing_history import assert_moves_cover, project
from tests.placing_oracle import Placed, expected

T = 1_790_000_000_000
MINUTE_MS = 60_000
HOUR_MS = 3_600_000


def found(told: Iterable[Told], entries: Sequence[Entry]) -> dict[tuple[str, str, int], tuple[Placed | None, ...]]:
    """Say of the same events where history has them; what waits is nowhere."""
    places: dict[tuple[str, str, int], tuple[Placed | None, ...]] = {}
    known = {(entry.agent, entry.epoch, entry.event.seq) for entry in entries}
    for one in told:
        if isinstance(one, Stated):
            places[one.agent, one.epoch, one.seq] = ((one.time_ms, one.clock),)
        elif isinstance(one, Marked):
            places[one.agent, one.epoch, one.seq] = ((one.time_ms, ""),)
    assert places.keys() <= known
    return places


def spans_of_lost(told: Iterable[Told]) -> set[tuple[str, str, int, int, int]]:
    return {
        (one.agent, one.span.epoch, one.span.first_seq, one.span.from_ms, one.span.to_ms)
        for one in told
        if isinstance(one, Lost)
    }


def assert_placed(told: Iterable[Told], entries: Sequence[Entry]) -> None:
    """Each event is where the oracle says, or nowhere if it says so."""
    told = list(told)
    wanted, places = expected(entries), found(told, entries)
    lost = {
        (entry.agent, entry.epoch, entry.event.seq): entry for entry in entries if isinstance(entry.event, LostEvent)
    }
    for key, where in wanted.items():
        if key in lost:
            continue
        if where == (None,):
            assert key not in places
        else:
            [(time_ms, how)] = places[key]
            assert where[0] is not None
            assert (time_ms, how or where[0][1]) == where[0]
    spans: set[tuple[str, str, int, int, int]] = set()
    for (agent, epoch, seq), entry in lost.items():
        begun, ended = wanted[agent, epoch, seq]
        if begun is not None and ended is not None and isinstance(entry.event, LostEvent):
            spans.add((agent, entry.event.epoch, entry.event.lost[0], begun[0], ended[0]))
    assert spans_of_lost(told) == spans


CUT_IN_ANY_WAY = given(entries=journals(T, T + 30 * HOUR_MS), cuts=st.lists(st.integers(1, 30)))


@pytest.mark.long
@settings(max_examples=1_000, deadline=None)
@CUT_IN_ANY_WAY
def test_every_event_of_many_journals_is_where_the_whole_journal_says(
    entries: tuple[Entry, ...], cuts: list[int]
) -> None:
    assert_placed(project(entries, cuts).told, entries)


@settings(max_examples=50)
@CUT_IN_ANY_WAY
def test_every_event_is_where_the_whole_journal_says_however_it_was_cut(
    entries: tuple[Entry, ...], cuts: list[int]
) -> None:
    assert_placed(project(entries, cuts).told, entries)


@settings(max_examples=30)
@given(entries=journals(T, T + 30 * HOUR_MS), cuts=st.lists(st.integers(1, 30)), data=st.data())
def test_whatever_was_elsewhere_before_lies_in_the_moves(
    entries: tuple[Entry, ...], cuts: list[int], data: st.DataObject
) -> None:
    """From whatever position somebody left off, and however the journal was cut for him, not only for this history."""
    left_off = data.draw(st.integers(0, len(entries)))
    assert_moves_cover(project(entries, cuts), entries, left_off)


def state(seq: int, mono_ms: int, clock: Clock = Clock.UNSYNCED, *, wall_ms: int | None = None) -> Event:
    shown_ms = mono_ms if wall_ms is None else wall_ms
    return StateEvent(seq, "s1", State.OCCUPIED, 0.9, None, Reason.MOTION, shown_ms, mono_ms, clock)


class Agent:
    """Entries of one agent, message by message."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def says(
        self, *events: Event, boot: int = 0, epoch: int | None = None, received_ms: int = T, sent: int | None = None
    ) -> None:
        """Add a message."""
        for event in events:
            of = EPOCHS[boot if epoch is None else epoch]
            place = len(self.entries) + 1
            self.entries.append(Entry(place, "hq", "pi-1", of, received_ms, event, BOOTS[boot], sent))

    @property
    def times(self) -> list[tuple[int, str]]:
        """Say when its states were, and how that is known."""
        told = project(self.entries, []).told
        return sorted((one.time_ms - T, one.clock) for one in told if isinstance(one, Stated))

    @property
    def waiting(self) -> int:
        """Tell how many of its events are nowhere yet."""
        store = project(self.entries, range(100))
        return len(self.entries) - len(store.told - {one for one in store.told if isinstance(one, Unplaced)})


def test_what_an_agent_that_does_not_know_the_time_tells_is_dated_by_when_it_came() -> None:
    agent = Agent()
    agent.says(state(1, 1_000), state(2, 50_000), received_ms=T, sent=60_000)
    assert agent.times == [(-59_000, "estimated"), (-10_000, "estimated")]


def test_a_message_that_was_long_on_its_way_does_not_spoil_the_estimate_and_a_faster_one_mends_it() -> None:
    agent = Agent()
    agent.says(state(1, 0), received_ms=T + 30_000, sent=10_000)
    agent.says(state(2, 0), received_ms=T + 290_000, sent=10_000)
    assert agent.times == [(20_000, "estimated")] * 2
    agent.says(state(3, 0), received_ms=T + 12_000, sent=10_000)
    assert agent.times == [(2_000, "estimated")] * 3


def test_the_word_of_the_clock_places_all_of_its_boot_and_the_latest_one_counts() -> None:
    """Also what was told in an earlier epoch of the boot, and what the agent believed and was wrong about."""
    agent = Agent()
    agent.says(state(1, 1_000), boot=0, epoch=0, sent=2_000)
    agent.says(state(1, 9_000, Clock.OK, wall_ms=T + HOUR_MS), ClockEvent(2, BOOTS[0], T + 4), epoch=1)
    agent.says(ClockEvent(2, BOOTS[0], T + HOUR_MS), epoch=0)
    assert agent.times == [(1_004, "placed"), (9_004, "placed")]
    agent.says(state(3, 20_000, Clock.OK, wall_ms=T + 20_000), ClockEvent(4, BOOTS[0], T), epoch=1)
    assert agent.times == [(1_000, "placed"), (9_000, "placed"), (20_000, "ok")]


def test_a_clock_that_is_followed_in_silence_keeps_its_times() -> None:
    agent = Agent()
    agent.says(state(1, 1_000, Clock.OK, wall_ms=T + 5_900), state(2, 1_000, Clock.OK, wall_ms=T + 6_001))
    agent.says(ClockEvent(3, BOOTS[0], T), state(4, -1, Clock.OK, wall_ms=T - HOUR_MS))
    assert agent.times == [(-HOUR_MS, "ok"), (1_000, "placed"), (5_900, "ok")]


@pytest.mark.parametrize("wall_ms", [4_102_444_800_000, 2**53, 0, -(2**53), T + 25 * HOUR_MS])
def test_a_clock_that_shows_the_impossible_is_as_good_as_none(wall_ms: int) -> None:
    agent = Agent()
    agent.says(state(1, 1_000, Clock.OK, wall_ms=wall_ms), ClockEvent(2, BOOTS[0], wall_ms), sent=3_000)
    assert agent.times == [(-2_000, "estimated")]


def test_a_boot_of_which_nothing_is_known_waits_for_the_next_one_and_is_put_before_it() -> None:
    """Cut off, it never knew the time, and the power went: all that is sure is that it was over when the next began."""
    agent = Agent()
    agent.says(state(1, 0), state(2, 40_000), boot=0)
    agent.says(state(1, 0), state(2, 10_000), boot=1)
    assert (agent.times, agent.waiting) == ([], 4)
    agent.says(state(1, 5_000), boot=2, received_ms=T, sent=6_000)
    assert (agent.waiting, agent.times) == (
        0,
        [(ms, "estimated") for ms in (-56_002, -16_002, -16_001, -6_001, -1_000)],
    )


def test_the_last_sign_of_life_before_a_boot_is_where_the_boot_before_ended() -> None:
    agent = Agent()
    agent.says(state(1, 0), state(2, 40_000), boot=0, received_ms=T - HOUR_MS, sent=50_000)
    agent.says(state(1, -1), state(2, 1_000), boot=1, sent=2_000)
    ended_ms = -HOUR_MS - 10_000
    assert [ms for ms, _ in agent.times] == [-HOUR_MS - 50_000, ended_ms, ended_ms, -1_000]
    agent.says(ClockEvent(3, BOOTS[0], T - 2 * HOUR_MS), boot=0)
    ended_ms = 40_000 - 2 * HOUR_MS
    assert agent.times[:3] == [(-2 * HOUR_MS, "placed"), (ended_ms, "estimated"), (ended_ms, "placed")]


def test_what_was_before_a_boot_is_never_put_after_its_beginning() -> None:
    """Though the boot before had a clock that was hours ahead."""
    agent = Agent()
    agent.says(state(1, 1_000, Clock.OK, wall_ms=T + 3 * HOUR_MS), boot=0)
    agent.says(state(1, -1), state(2, 1_000, Clock.OK, wall_ms=T), boot=1)
    assert agent.times == [(-1_000, "estimated"), (0, "ok"), (3 * HOUR_MS, "ok")]


def test_a_lost_span_is_placed_in_the_boot_of_the_epoch_that_lost_it() -> None:
    lost = LostEvent(9, EPOCHS[0], (3, 5), 0, 0, 40_000, 50_000, Clock.UNSYNCED, "outbox-full")
    agent = Agent()
    agent.says(state(1, 1_000, Clock.OK, wall_ms=T), lost, boot=1)
    agent.says(state(1, 1_000), state(2, 30_000), ClockEvent(6, BOOTS[0], T - HOUR_MS), boot=0)
    told = project(agent.entries, [1, 2]).told
    assert [one.span for one in told if isinstance(one, Lost)] == [
        (EPOCHS[0], 3, 5, T - HOUR_MS + 40_000, T - HOUR_MS + 50_000, Dating.PLACED)
    ]


def assert_follows(agent: Agent) -> None:
    """Told entry by entry, all of it ends where the whole journal says."""
    assert_placed(project(agent.entries, range(len(agent.entries))).told, agent.entries)


def test_what_hangs_on_how_far_a_boot_came_follows_it() -> None:
    """What was before the next boot, and a boot in the gap before it."""
    agent = Agent()
    agent.says(state(1, 0), boot=0, received_ms=T - HOUR_MS, sent=0)
    agent.says(state(1, 5_000), boot=1)
    agent.says(state(1, -1), state(2, 1_000), boot=2, sent=2_000)
    assert_follows(agent)
    agent.says(state(2, 60_000), boot=1)
    assert_follows(agent)
    agent.says(state(2, 90_000, Clock.OK, wall_ms=T - HOUR_MS + 90_000), boot=0)
    assert_follows(agent)
    agent.says(state(3, 95_000, Clock.OK, wall_ms=T - HOUR_MS + 95_000), boot=0)
    assert_follows(agent)


def test_the_epoch_that_came_further_in_its_boot_knows_the_clock_better() -> None:
    agent = Agent()
    agent.says(state(1, 50_000), ClockEvent(2, BOOTS[0], T), epoch=0)
    agent.says(state(1, 10_000), ClockEvent(2, BOOTS[0], T + HOUR_MS), epoch=1)
    assert agent.times == [(10_000, "placed"), (50_000, "placed")]
    agent.says(state(3, 60_000), epoch=1)
    assert agent.times == [(HOUR_MS + ms, "placed") for ms in (10_000, 50_000, 60_000)]
    assert_follows(agent)


def test_an_estimate_that_proves_right_is_none_any_more() -> None:
    agent = Agent()
    agent.says(state(1, 1_000), sent=2_000, received_ms=T + 2_000)
    agent.says(state(2, 3_000, Clock.OK, wall_ms=T + 3_000), sent=4_000, received_ms=T + 4_000)
    assert agent.times == [(1_000, "placed"), (3_000, "ok")]
    assert_follows(agent)


def test_a_lost_span_follows_the_boot_that_turns_out_to_be_its_own() -> None:
    lost = LostEvent(9, EPOCHS[0], (3, 5), 0, 0, 40_000, 50_000, Clock.UNSYNCED, "outbox-full")
    agent = Agent()
    agent.says(state(1, 1_000, Clock.OK, wall_ms=T), lost, boot=1)
    for received_ms in (T - HOUR_MS, T - 2 * HOUR_MS):
        seq = len(agent.entries)
        agent.says(state(seq, -1, Clock.OK, wall_ms=T - HOUR_MS), boot=0, received_ms=received_ms, sent=60_000)
        assert_follows(agent)


def test_a_collector_without_the_time_judges_nothing_and_dates_nothing() -> None:
    agent = Agent()
    agent.says(state(1, 1_000), state(2, 1_000, Clock.OK, wall_ms=T), received_ms=86_000, sent=2_000)
    assert agent.times == [(0, "ok"), (0, "placed")]
    assert is_believable(2**50, 86_000)


def test_pieces_of_a_message_tell_the_same_as_the_whole() -> None:
    """Where a batch ends in the midst of a message, nothing is different in the end."""
    agent = Agent()
    agent.says(
        state(1, 5), ClockEvent(2, BOOTS[0], T), state(3, 9, Clock.OK, wall_ms=T + 9), AliveEvent(4, 7, 11, Clock.OK)
    )
    for cut in range(5):
        assert project(agent.entries, [cut]).told == project(agent.entries, []).told


def test_what_is_told_in_order_by_a_clock_that_is_right_moves_nothing() -> None:
    agent = Agent()
    for minute in range(20):
        mono_ms = minute * MINUTE_MS
        agent.says(state(minute + 1, mono_ms, Clock.OK, wall_ms=T + mono_ms), received_ms=T + mono_ms, sent=mono_ms)
    assert project(agent.entries, range(20)).moves(0, 20) == []
    known = NO_BOOTS
    for _, _, clue in heard(agent.entries):
        before, known = known, take(known, clue)
        assert len(known.boots) == 1
        assert not before.boots or known.placements is before.placements


def test_an_event_of_an_unknown_boot_is_nowhere() -> None:
    assert place(NO_BOOTS.placement("f" * 16), 5, 5, believable=False) is None
    assert take(NO_BOOTS, Clue(EPOCHS[0], BOOTS[0], T, None)).home(EPOCHS[1]) is None


def test_who_stopped_within_a_message_hears_of_what_its_rest_moved() -> None:
    """The first event waits for a time, the third one of the same message gives it one."""
    said = (State.FREE, 0.0, None, Reason.QUIET)
    events: list[Event] = [
        StateEvent(1, "s1", *said, -1, -1, Clock.OK),
        AliveEvent(2, T - 1, -1, Clock.OK),
        StateEvent(3, "s1", *said, T, 0, Clock.OK),
    ]
    entries = [Entry(event.seq, "hq", "pi-1", EPOCHS[0], T, event, BOOTS[0], None) for event in events]
    for left_off in (1, 2):
        assert_moves_cover(project(entries, []), entries, left_off)
