"""Who asked to be told is told once, when something turned, and never by what nobody knows."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.model import State
from perch.watching import posting, sitting
from perch.watching.conditions import Counts, Truth, is_full, is_over, one_is_free
from perch.watching.posting import WAITS_S, Answered, Posting, Standing, begun, is_hopeless, tried
from perch.watching.sitting import GAP_MS, LEAST_MS, Sitting, seen
from perch.watching.turns import Turn, turned

counts = st.builds(Counts, st.integers(0, 9), st.integers(0, 9), st.integers(0, 30), st.integers(0, 40))
truths = st.sampled_from([True, False, None])


# Whether something holds.


def test_a_space_that_nobody_knows_of_is_not_free() -> None:
    assert one_is_free(Counts(unknown=5)) is None
    assert one_is_free(Counts(occupied=2, unknown=3)) is None
    assert one_is_free(Counts(occupied=3, unknown=3)) is False
    assert one_is_free(Counts(free=1, unknown=99)) is True


def test_a_site_is_full_from_its_share_on_and_calm_only_well_below_it() -> None:
    def at(occupied: int, before: Truth) -> Truth:
        return is_full(Counts(free=100 - occupied, occupied=occupied), 0.9, before)

    assert [at(occupied, False) for occupied in (89, 90)] == [False, True]
    assert [at(occupied, True) for occupied in (85, 84)] == [True, False]


def test_too_many_people_are_too_many_whatever_is_unknown() -> None:
    assert is_over(Counts(occupied=3, unknown=50, people=21), 20, None) is True
    assert is_over(Counts(occupied=3, unknown=50, people=20), 20, None) is None
    assert is_over(Counts(occupied=3, people=20), 20, None) is False
    assert is_over(Counts(occupied=3, people=20), 20, True) is True
    assert is_over(Counts(occupied=3, people=19), 20, True) is False


@given(counts, truths)
def test_of_a_group_that_is_mostly_unknown_nothing_is_called_over(seen_now: Counts, before: Truth) -> None:
    if not seen_now.is_known:
        assert one_is_free(seen_now) is not False
        assert is_full(seen_now, 0.5, before) is None
        assert is_over(seen_now, 10, before) is not False


@given(counts, st.floats(0.1, 1))
def test_more_people_never_make_a_site_less_full(seen_now: Counts, share: float) -> None:
    fuller = seen_now._replace(free=0, occupied=seen_now.known)
    if is_full(seen_now, share, False):
        assert is_full(fuller, share, False)


# When it turned.


@given(st.lists(truths, max_size=40))
def test_what_is_told_begins_ends_and_begins_again(moments: list[Truth]) -> None:
    state: Truth = None
    told = []
    for moment in moments:
        state, turn = turned(state, moment)
        told += [turn] if turn else []
    assert told == [Turn.BEGAN, Turn.ENDED] * (len(told) // 2) + [Turn.BEGAN] * (len(told) % 2)
    known = [moment for moment in moments if moment is not None]
    assert state == (known[-1] if known else None)


# Camping.

DESK = st.sampled_from(list(State))


def gaps(moments: list[tuple[int, State]]) -> list[int]:
    desk, found = Sitting(0), []
    for at_ms, state in moments:
        desk, gap_ms = seen(desk, state, at_ms, at_ms // 86_400_000)
        found += [] if gap_ms is None else [gap_ms]
    return found


def test_who_is_back_after_five_hours_of_the_same_day_is_camping_and_told_of_once() -> None:
    came_ms, left_ms, back_ms = 0, 3_600_000, 3_600_000 + GAP_MS
    moments = [(came_ms, State.OCCUPIED), (left_ms, State.FREE), (back_ms, State.OCCUPIED)]
    assert gaps(moments) == []
    later = [(back_ms + LEAST_MS + step, State.OCCUPIED) for step in (0, 1000, 2000)]
    assert gaps(moments + later) == [GAP_MS]


@pytest.mark.parametrize(
    "between",
    [
        [(3_600_000, State.FREE), (3_700_000, State.UNKNOWN), (3_800_000, State.FREE)],
        [(3_600_000, State.FREE), (3_600_000 + GAP_MS - 1, State.OCCUPIED)],
        [(LEAST_MS - 1, State.FREE)],
        [],
    ],
    ids=["was unknown", "was away for less", "was there for a moment", "never left"],
)
def test_what_is_no_camping_is_not_told(between: list[tuple[int, State]]) -> None:
    back_ms = 3_600_000 + GAP_MS
    end = [(back_ms, State.OCCUPIED), (back_ms + LEAST_MS, State.OCCUPIED)]
    assert gaps([(0, State.OCCUPIED), *between, *end]) == []


def test_a_night_between_two_visits_is_no_camping() -> None:
    morning_ms = 86_400_000 + 9 * 3_600_000
    visits = [(0, State.OCCUPIED), (3_600_000, State.FREE), (morning_ms, State.OCCUPIED)]
    assert gaps([*visits, (morning_ms + LEAST_MS, State.OCCUPIED)]) == []


def test_somebody_who_sits_down_for_a_moment_does_not_cut_a_gap() -> None:
    half_ms = 3_600_000 + GAP_MS // 2
    passing = [(half_ms, State.OCCUPIED), (half_ms + 1000, State.FREE)]
    back_ms = 3_600_000 + GAP_MS
    end = [(back_ms, State.OCCUPIED), (back_ms + LEAST_MS, State.OCCUPIED)]
    assert gaps([(0, State.OCCUPIED), (3_600_000, State.FREE), *passing, *end]) == [GAP_MS]


@given(st.lists(st.tuples(st.integers(0, GAP_MS), DESK), max_size=30))
def test_camping_is_only_ever_told_of_gaps_of_five_hours_within_a_day(steps: list[tuple[int, State]]) -> None:
    at_ms, moments = 0, []
    for step_ms, state in steps:
        at_ms += step_ms
        moments.append((at_ms, state))
    assert all(GAP_MS <= gap_ms < 86_400_000 for gap_ms in gaps(moments))


# How the word gets through.

WELL, ILL = Answered(204), Answered(503)


def test_a_message_is_tried_for_three_days_and_then_given_up() -> None:
    message, now_ms = begun(0), 0
    while message.standing is Standing.WAITING:
        assert message.due_ms >= now_ms
        now_ms = message.due_ms
        message = tried(message, ILL, now_ms, 0.0)
    assert (message.standing, message.attempts) == (Standing.FAILED, len(WAITS_S) + 1)
    assert timedelta(days=3) < timedelta(milliseconds=now_ms) < timedelta(days=4)


def test_a_receiver_that_asks_to_wait_is_waited_for_but_not_for_ever() -> None:
    assert tried(begun(0), Answered(429, None, 120), 0, 0.0).due_ms == 120_000
    assert tried(begun(0), Answered(429, None, 10**9), 0, 0.0).due_ms == posting.LONGEST_WAIT_S * 1000


@pytest.mark.parametrize("status", [301, 302, 400, 404, 408, 500])
def test_whatever_is_no_success_is_tried_again(status: int) -> None:
    assert tried(begun(0), Answered(status), 0, 0.5).standing is Standing.WAITING


def test_an_address_that_says_it_is_gone_gets_nothing_more() -> None:
    gone = tried(begun(0), Answered(410), 0, 0.0)
    assert gone.standing is Standing.FAILED
    assert is_hopeless(gone, Answered(410), last_well_ms=10**15, made_ms=0)


def test_an_address_that_takes_other_messages_is_not_given_up_for_one() -> None:
    failed = Posting(Standing.FAILED, len(WAITS_S) + 1, 10)
    assert not is_hopeless(failed, ILL, last_well_ms=5, made_ms=0)
    assert is_hopeless(failed, ILL, last_well_ms=None, made_ms=0)
    assert is_hopeless(failed, ILL, last_well_ms=-1, made_ms=0)
    assert not is_hopeless(begun(0), ILL, last_well_ms=None, made_ms=0)


@given(st.lists(st.sampled_from([None, 200, 301, 404, 429, 500]), max_size=20), st.floats(0, 1, exclude_max=True))
def test_tries_come_later_and_later_until_one_gets_through(answers: list[int | None], chance: float) -> None:
    message, waits = begun(0), []
    for status in answers:
        if message.standing is not Standing.WAITING:
            break
        now_ms = message.due_ms
        message = tried(message, Answered(status), now_ms, chance)
        waits.append(message.due_ms - now_ms)
    delivered = message.standing is Standing.DELIVERED
    assert delivered == (200 in answers[: message.attempts])
    retries = waits[:-1] if message.standing is not Standing.WAITING else waits
    assert retries == sorted(retries)


def test_a_desk_that_is_unknown_forgets_who_was_there() -> None:
    assert sitting.seen(Sitting(0, 5, 3, told=True), State.UNKNOWN, 9, 0) == (Sitting(0), None)
