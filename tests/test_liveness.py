"""The live rule: what a reader may show of what it heard, and for how long."""

from hypothesis import given
from hypothesis import strategies as st

from perch.delivery.board import STALL_MS, Board
from perch.delivery.liveness import Heard, Instant, Report, left_ms, overlaid
from perch.model import Clock, Occupancy, Reason, State

T0 = 1_760_000_000_000
VALID = 90_000


def report(
    state: State = State.FREE, *, sent_ms: int = T0, clock: Clock = Clock.OK, epoch: str = "e1", since_ms: int = T0
) -> Report:
    return Report(epoch, Occupancy(state, 0.05, None, Reason.QUIET, since_ms), sent_ms, VALID, clock)


def at(ms: int) -> Instant:
    return Instant(T0 + ms, 5_000 + ms)


def board() -> Board:
    return Board({("hq", "d01"): "pi-1", ("hq", "d02"): "pi-1", ("hq", "d03"): "pi-2"})


def state_of(live: Board, space: str = "d01") -> State:
    return live.occupancy("hq", space).state


def test_a_space_that_never_reported_is_unknown() -> None:
    assert board().occupancy("hq", "d01").reason is Reason.NEVER_REPORTED


def test_a_state_is_believed_until_its_time_is_over_and_not_a_millisecond_longer() -> None:
    live = board()
    assert live.hear_state("hq", "pi-1", "d01", report(), at(0), retained=False) == [("hq", "d01")]
    assert live.deadline == 5_000 + VALID + 1
    assert live.tick(at(VALID)) == []
    assert state_of(live) is State.FREE
    assert live.tick(at(VALID + 1)) == [("hq", "d01")]
    shown = live.occupancy("hq", "d01")
    assert (shown.state, shown.reason) == (State.UNKNOWN, Reason.AGENT_OFFLINE)
    assert shown.since_ms == T0 + VALID


def test_a_heartbeat_prolongs_a_state_and_changes_nothing_that_is_shown() -> None:
    live = board()
    live.hear_state("hq", "pi-1", "d01", report(), at(0), retained=False)
    assert live.hear_state("hq", "pi-1", "d01", report(sent_ms=T0 + 30_000), at(30_000), retained=False) == []
    assert live.tick(at(VALID + 1)) == []
    assert live.tick(at(30_000 + VALID + 1)) == [("hq", "d01")]


def test_the_age_of_a_message_that_was_long_under_way_counts() -> None:
    live = board()
    live.hear_state("hq", "pi-1", "d01", report(sent_ms=T0 - 80_000), at(0), retained=False)
    assert state_of(live) is State.FREE
    live.tick(at(10_001))
    assert state_of(live) is State.UNKNOWN


def test_a_week_old_retained_state_is_never_shown_free() -> None:
    live = board()
    live.hear_state("hq", "pi-1", "d01", report(sent_ms=T0 - 7 * 86_400_000), at(0), retained=True)
    assert state_of(live) is State.UNKNOWN


def test_a_retained_state_whose_age_cannot_be_told_is_unknown_at_once() -> None:
    for said in (report(clock=Clock.UNSYNCED), report(sent_ms=T0 + 1)):
        live = board()
        live.hear_state("hq", "pi-1", "d01", said, at(0), retained=True)
        assert state_of(live) is State.UNKNOWN


def test_an_older_report_that_arrives_later_brings_its_own_earlier_end() -> None:
    live = board()
    live.hear_state("hq", "pi-1", "d01", report(), at(0), retained=False)
    live.hear_state("hq", "pi-1", "d01", report(sent_ms=T0 - 80_000), at(1_000), retained=False)
    live.tick(at(11_000))
    assert state_of(live) is State.UNKNOWN


def test_a_wall_clock_that_is_set_has_everything_looked_at_again() -> None:
    live = board()
    live.tick(at(0))
    live.hear_state("hq", "pi-1", "d01", report(), at(0), retained=False)
    assert live.tick(Instant(T0 + VALID + 10_000, at(10).mono_ms)) == [("hq", "d01")]
    assert state_of(live) is State.UNKNOWN
    assert live.tick(at(20)) == [("hq", "d01")], "and again when it is set back"
    assert state_of(live) is State.FREE


def test_an_unsynced_sender_is_believed_by_the_time_of_receipt_alone() -> None:
    live = board()
    live.hear_state("hq", "pi-1", "d01", report(sent_ms=0, clock=Clock.UNSYNCED), at(0), retained=False)
    assert state_of(live) is State.FREE
    live.tick(at(VALID + 1))
    assert state_of(live) is State.UNKNOWN


def test_a_will_turns_the_states_of_its_own_epoch_unknown_and_a_late_will_is_corrected() -> None:
    live = board()
    live.hear_state("hq", "pi-1", "d01", report(epoch="e2"), at(0), retained=False)
    assert live.hear_status("hq", "pi-1", False, "e1", at(10)) == []
    assert live.hear_status("hq", "pi-1", False, "e2", at(20)) == [("hq", "d01")]
    assert state_of(live) is State.UNKNOWN
    assert live.hear_status("hq", "pi-1", True, "e2", at(30)) == [("hq", "d01")]
    assert state_of(live) is State.FREE


def test_an_offline_epoch_is_remembered_for_as_long_as_a_state_of_it_is() -> None:
    live = board()
    live.hear_state("hq", "pi-1", "d01", report(epoch="e0"), at(0), retained=False)
    live.hear_status("hq", "pi-1", False, "e0", at(1))
    for number in range(1, 50):
        live.hear_status("hq", "pi-1", True, f"e{number}", at(2))
    live.hear_state("hq", "pi-1", "d01", report(epoch="e0"), at(3), retained=False)
    assert state_of(live) is State.UNKNOWN


def test_what_came_while_a_reader_stood_still_counts_as_received_before() -> None:
    live = board()
    live.tick(at(0))
    after = VALID + 5_000
    live.hear_state("hq", "pi-1", "d01", report(clock=Clock.UNSYNCED), at(after), retained=False)
    live.hear_state("hq", "pi-1", "d02", report(sent_ms=T0 + after), at(after), retained=False)
    assert (state_of(live, "d01"), state_of(live, "d02")) == (State.UNKNOWN, State.FREE)
    assert live.stalls == 1
    for ms in range(after, after + 10_000, 1_000):
        live.tick(at(ms))
    live.hear_state("hq", "pi-1", "d01", report(clock=Clock.UNSYNCED), at(after + 10_000), retained=False)
    assert state_of(live) is State.FREE


def test_a_state_from_another_agent_than_the_layout_names_is_not_heard() -> None:
    live = board()
    assert live.hear_state("hq", "pi-2", "d01", report(), at(0), retained=False) == []
    assert live.occupancy("hq", "d01").reason is Reason.NEVER_REPORTED


def test_a_space_that_moves_to_another_agent_is_unknown_until_that_one_speaks() -> None:
    live = board()
    live.hear_state("hq", "pi-1", "d01", report(), at(0), retained=False)
    moved = live.set_homes({("hq", "d01"): "pi-2", ("hq", "d02"): "pi-1", ("hq", "d03"): "pi-2"})
    assert moved == [("hq", "d01")]
    assert live.occupancy("hq", "d01").reason is Reason.NEVER_REPORTED


def believed(heard: Heard, now: Instant) -> bool:
    """The contract's sentence, written down once more."""
    age = now.mono_ms - heard.at.mono_ms
    if heard.report.clock is Clock.OK:
        age = max(age, now.wall_ms - heard.report.sent_ms)
    doubtful = heard.report.clock is not Clock.OK or heard.report.sent_ms > heard.at.wall_ms
    return age <= heard.report.valid_for_ms and not (heard.retained and doubtful)


times = st.integers(-200_000, 200_000)


@given(times, times, times, st.sampled_from(Clock), st.booleans(), st.booleans())
def test_no_state_is_shown_past_its_time_whatever_the_clocks_say(
    sent: int, wall_step: int, passed: int, clock: Clock, retained: bool, online: bool
) -> None:
    heard = Heard(report(sent_ms=T0 + sent, clock=clock), at(0), retained)
    now = Instant(T0 + wall_step, 5_000 + abs(passed))
    assert (left_ms(heard, now) >= 0) == believed(heard, now)
    shown = overlaid(heard, now, online=online)
    assert (shown.state is State.FREE) == (believed(heard, now) and online)


steps = st.lists(
    st.tuples(
        st.integers(0, 60_000),
        st.sampled_from(["state", "online", "offline", "tick"]),
        st.sampled_from(["d01", "d02", "d03"]),
        st.integers(-100_000, 1_000),
        st.booleans(),
    ),
    max_size=40,
)


@given(steps)
def test_the_board_shows_what_the_rule_says_at_every_tick(taken: list[tuple[int, str, str, int, bool]]) -> None:
    live = board()
    homes = {"d01": "pi-1", "d02": "pi-1", "d03": "pi-2"}
    heard: dict[str, Heard] = {}
    online: dict[str, bool] = {}
    now_ms = 0
    for passed, what, space, age, retained in taken:
        for looked_ms in range(now_ms, now_ms + passed, STALL_MS):
            live.tick(at(looked_ms))
        now_ms += passed
        now = at(now_ms)
        if what == "state":
            heard[space] = Heard(report(sent_ms=now.wall_ms + age), now, retained)
            live.hear_state("hq", homes[space], space, heard[space].report, now, retained)
        elif what != "tick":
            online[homes[space]] = what == "online"
            live.hear_status("hq", homes[space], what == "online", "e1", now)
        live.tick(now)
        for one, last in heard.items():
            free = believed(last, now) and online.get(homes[one], True)
            assert (state_of(live, one) is State.FREE) == free, one
