"""When an agent may be called online: the one rule, against its sentence written down once more."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from perch.delivery.fleet import Fleet
from perch.delivery.liveness import Instant, Report
from perch.model import Clock, Occupancy, Reason, State

T0 = 1_700_000_000_000
VALID_MS = 90_000
PI = ("hq", "pi-1")
SAID = Occupancy(State.FREE, 0.1, None, Reason.QUIET, T0)


@dataclass(frozen=True)
class Said:
    """A status as the rule sees it."""

    online: bool = True
    epoch: str = "e1"
    heartbeat_s: int = 30


def at(ms: int) -> Instant:
    return Instant(T0 + ms, 5_000 + ms)


def report(age_ms: int, now: Instant, clock: Clock = Clock.OK) -> Report:
    return Report("e1", SAID, now.wall_ms - age_ms, VALID_MS, clock)


def fleet(*, retained: bool = False, heartbeat_s: int = 30) -> Fleet[Said]:
    """One agent that said it is online."""
    heard = Fleet[Said](VALID_MS)
    heard.hear_status(PI, Said(heartbeat_s=heartbeat_s), at(0), retained=retained)
    return heard


def test_an_agent_is_online_for_three_heartbeats_and_no_shorter_than_a_state_is_valid() -> None:
    for heartbeat_s, limit_ms in ((30, VALID_MS), (5, VALID_MS), (60, 180_000)):
        heard = fleet(heartbeat_s=heartbeat_s)
        assert heard.online(PI, at(limit_ms))
        assert not heard.online(PI, at(limit_ms + 1))


def test_a_kept_status_is_no_sign_of_life_and_a_kept_state_one_of_when_it_was_sent() -> None:
    heard = fleet(retained=True)
    assert (heard.online(PI, at(0)), heard.heard_ms(PI)) == (False, None)
    for doubtful in (report(0, at(0), Clock.UNSYNCED), report(-1, at(0))):
        heard.hear_state(PI, doubtful, at(0), retained=True)
        assert not heard.online(PI, at(0))
    heard.hear_state(PI, report(80_000, at(0)), at(0), retained=True)
    assert heard.heard_ms(PI) == T0 - 80_000
    assert (heard.online(PI, at(10_000)), heard.online(PI, at(10_001))) == (True, False)


def test_a_state_that_was_long_under_way_is_a_sign_of_when_it_was_sent() -> None:
    heard = fleet(retained=True)
    heard.hear_state(PI, report(VALID_MS + 1, at(0)), at(0), retained=False)
    assert not heard.online(PI, at(0))
    heard.hear_state(PI, report(0, at(0), Clock.UNSYNCED), at(0), retained=False)
    assert heard.online(PI, at(0))


def test_an_older_sign_takes_nothing_back() -> None:
    heard = fleet()
    heard.hear_state(PI, report(80_000, at(10)), at(10), retained=True)
    assert heard.heard_ms(PI) == T0


def test_a_will_speaks_of_its_own_epoch_only_and_leaves_the_words_of_before() -> None:
    heard = fleet()
    heard.hear_status(PI, Said(online=False, epoch="e0"), at(1), retained=False)
    assert heard.online(PI, at(1))
    heard.hear_status(PI, Said(online=False), at(2), retained=False)
    assert not heard.online(PI, at(2))
    known = heard.get(PI)
    assert known is not None
    assert known.has_words
    heard.hear_status(PI, Said(), at(3), retained=False)
    assert heard.online(PI, at(3)), "a late will is corrected by the next heartbeat"


def test_states_alone_call_nobody_online_before_its_first_status() -> None:
    heard = Fleet[Said](VALID_MS)
    heard.hear_state(PI, report(0, at(0)), at(0), retained=False)
    assert (heard.get(PI), heard.online(PI, at(0))) == (None, False)


def test_a_turn_is_told_once() -> None:
    heard = fleet()
    assert list(heard.turned(at(0))) == [PI]
    assert list(heard.turned(at(1))) == []
    assert list(heard.turned(at(VALID_MS + 1))) == [PI]


steps = st.lists(
    st.tuples(
        st.integers(0, 60_000),
        st.sampled_from(["status", "will", "state", "wait"]),
        st.sampled_from(["e1", "e2"]),
        st.integers(-1_000, 100_000),
        st.booleans(),
    ),
    max_size=30,
)


@given(steps)
def test_the_fleet_says_what_the_rule_says_whatever_comes(taken: list[tuple[int, str, str, int, bool]]) -> None:
    heard = Fleet[Said](VALID_MS)
    says: dict[str, bool] = {}
    newest = ""
    signs: list[int] = []
    now_ms = 0
    for passed, what, epoch, age_ms, retained in taken:
        now_ms += passed
        now = at(now_ms)
        if what == "state":
            heard.hear_state(PI, report(age_ms, now), now, retained=retained)
            signs += [now_ms - age_ms] if age_ms >= 0 else [] if retained else [now_ms]
        elif what != "wait":
            heard.hear_status(PI, Said(what == "status", epoch), now, retained=retained)
            newest = epoch if what == "status" or not newest else newest
            says[epoch] = what == "status"
            signs += [now_ms] if what == "status" and not retained else []
        lives = bool(signs) and now_ms - max(signs) <= VALID_MS
        assert heard.online(PI, now) == (says.get(newest, False) and lives)
