"""What is one session, and when and where it counts: to the millisecond."""

from datetime import date, time, timedelta

import pytest

from perch.history.answers import answer
from perch.history.calendar import Calendar
from perch.history.memory import MemoryHistory
from perch.history.question import Hours, Question, Row
from perch.history.told import Told
from perch.model import OpenSpan, Reason, State
from tests.history_cases import HOUR_MS, day_ms, marked, site, space, stated

FAR_MS = 2**45
TUESDAY = date(2026, 9, 22)
START_MS = day_ms("UTC", TUESDAY)
DAY_MS = 24 * HOUR_MS
OFFICE = Calendar("UTC", ((OpenSpan(time(8), time(18)),),) * 7)

STATES = {
    "free": (State.FREE, Reason.QUIET),
    "used": (State.OCCUPIED, Reason.MOTION),
    "unknown": (State.UNKNOWN, Reason.STARTING),
}


def told(*said: tuple[str, float]) -> list[Told]:
    """A desk that is free for a month before, and then is what is said, each for so many seconds."""
    at_ms = START_MS + 10 * HOUR_MS
    words: list[Told] = [stated(START_MS - 30 * DAY_MS, State.FREE, reason=Reason.QUIET)]
    for seq, (name, lasts_s) in enumerate(said, start=2):
        state, reason = STATES[name]
        words.append(stated(at_ms, state, reason=reason, seq=seq))
        at_ms += round(lasts_s * 1000)
    words.append(stated(at_ms, State.FREE, reason=Reason.QUIET, seq=len(said) + 2))
    return [*words, marked(START_MS + 30 * DAY_MS, seq=99)]


def asked(metric: str, words: list[Told], from_ms: int = START_MS, to_ms: int = START_MS + DAY_MS) -> Row:
    question = Question(metric, from_ms, to_ms, hours=Hours.OPEN)
    (row,) = answer(question, site(space()), MemoryHistory(words), OFFICE, FAR_MS).rows
    assert isinstance(row, Row)
    return row


@pytest.mark.parametrize(
    ("said", "number", "median_s"),
    [
        ([("used", 60)], 1, 60),
        ([("used", 59.999)], 0, None),
        ([("used", 30), ("free", 300), ("used", 30)], 1, 360),
        ([("used", 90), ("free", 300.001), ("used", 70)], 2, 80),
        ([("used", 20), ("free", 300), ("used", 20), ("free", 300.001), ("used", 59)], 1, 340),
        ([("used", 600), ("unknown", 300), ("used", 600)], 1, 1500),
        ([("used", 600), ("unknown", 301), ("used", 600)], 2, None),
        ([("used", 600), ("unknown", 301)], 1, None),
        ([("unknown", 60), ("used", 600)], 1, None),
        ([("unknown", 60), ("free", 1), ("used", 600)], 1, 600),
        ([("used", 600), ("free", 400), ("used", 800), ("unknown", 60)], 2, 600),
    ],
)
def test_gaps_up_to_five_minutes_belong_to_a_session_of_a_minute_or_more(
    said: list[tuple[str, float]], number: int, median_s: float | None
) -> None:
    words = told(*said)
    assert asked("sessions", words).value == number
    assert asked("dwell_median_seconds", words).value == median_s


def test_unknown_time_as_occupied_bounds_sessions_from_the_other_side() -> None:
    row = asked("sessions", told(("used", 600), ("unknown", 900), ("used", 600), ("free", 900), ("used", 600)))
    assert (row.value, row.low, row.high) == (3, 2, 3)


def test_a_session_counts_on_the_day_of_its_first_open_moment_however_long_it_is() -> None:
    """One lasts five days, with a coffee every three hours; another begins after closing and counts in the morning."""
    long = told(*[("used", 3 * 3600), ("free", 200)] * 40)
    late = told(("free", 9 * 3600), ("used", 15 * 3600))
    for words, day in ((long, 0), (late, 1)):
        counts = [
            asked("sessions", words, START_MS + passed * DAY_MS, START_MS + (passed + 1) * DAY_MS).value
            for passed in range(-1, 7)
        ]
        assert counts == [float(passed == day) for passed in range(-1, 7)]
    assert asked("dwell_median_seconds", long).value == 40 * 3 * 3600 + 39 * 200
    assert asked("dwell_median_seconds", late, START_MS + DAY_MS, START_MS + 2 * DAY_MS).value == 15 * 3600


def test_turnover_divides_by_the_days_on_which_each_space_stood_there() -> None:
    desks = (space(), space("s2", valid_until=TUESDAY), space("s3", valid_from=TUESDAY + timedelta(days=1)))
    words = told(("used", 600), ("free", 600), ("used", 600))
    question = Question("turnover", START_MS, START_MS + 2 * DAY_MS, hours=Hours.OPEN)
    (row,) = answer(question, site(*desks), MemoryHistory(words), OFFICE, FAR_MS).rows
    assert row.value == 2 / 3
