"""Questions that cannot be answered are refused by the parameter's name; answers warn of what was not observed."""

from dataclasses import replace
from datetime import date, time

import pytest

from perch.errors import QuestionError
from perch.history.answers import answer
from perch.history.calendar import Calendar
from perch.history.definitions import DEFINITIONS
from perch.history.memory import MemoryHistory
from perch.history.metrics import METRICS
from perch.history.question import Answer, Hours, Question, Resolution, Scope
from perch.history.told import Told
from perch.model import QUARTER_MS, OpenSpan, Reason, Space, SpaceKind, State
from tests.history_cases import HOUR_MS, day_ms, marked, site, space, stated

TUESDAY = date(2026, 9, 22)
START_MS = day_ms("UTC", TUESDAY)
END_MS = START_MS + 24 * HOUR_MS
NOW_MS = END_MS + 100 * HOUR_MS
HOURS = ((OpenSpan(time(8), time(20)),),) * 5 + ((), ())
DAY = Question("time_used_ratio", START_MS, END_MS)


def ask(question: Question, *told: Told, layout: tuple[Space, ...] = (space(),), now_ms: int = NOW_MS) -> Answer:
    """Answer a question about a site that is open from 8 to 20 on weekdays."""
    asked = site(*layout, hours=HOURS)
    return answer(question, asked, MemoryHistory(told), Calendar("UTC", HOURS), now_ms)


@pytest.mark.parametrize(
    ("changed", "parameter", "says"),
    [
        ({"metric": "utilisation"}, "metric", "coverage, time_used_ratio"),
        ({"kind": "sofa"}, "kind", "desk, room, booth, lounge"),
        ({"zone": "z9"}, "zone", "z1, z2, z3"),
        ({"to_ms": START_MS}, "to", "later than `from`"),
        ({"to_ms": START_MS - 1}, "to", "later than `from`"),
        ({"from_ms": -1}, "from", "later window"),
        ({"from_ms": 0, "to_ms": 2**45}, "from", "shorter window"),
        ({"from_ms": NOW_MS, "to_ms": NOW_MS + 1}, "from", "earlier"),
        ({"from_ms": START_MS - 2**40, "resolution": Resolution.QUARTER_HOUR}, "resolution", "coarser"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_what_to_ask_instead(
    changed: dict[str, object], parameter: str, says: str
) -> None:
    with pytest.raises(QuestionError) as refused:
        ask(replace(DAY, **changed))
    assert refused.value.parameter == parameter
    assert says in refused.value.remedy
    assert refused.value.exit_code == 2


def test_a_window_that_reaches_now_is_cut_at_the_last_full_quarter_hour() -> None:
    now_ms = START_MS + 10 * HOUR_MS + 16 * 60_000
    cut = ask(DAY, stated(START_MS, State.FREE), now_ms=now_ms)
    assert cut.to_ms == START_MS + 10 * HOUR_MS + QUARTER_MS
    assert cut.rows[-1].end_ms == cut.to_ms
    assert cut.question == DAY


def test_opening_hours_are_the_default_and_all_time_can_be_asked_for() -> None:
    """Occupied all day, of which the site was open for half."""
    told = stated(START_MS, State.OCCUPIED), stated(START_MS + 14 * HOUR_MS, State.FREE, seq=2), marked(END_MS, seq=3)
    assert ask(DAY, *told).rows[0].value == 0.5
    assert ask(replace(DAY, hours=Hours.ALL), *told).rows[0].value == 14 / 24


def test_figures_of_a_group_are_ratios_of_sums() -> None:
    """A desk known for an hour weighs less than one that is known all day."""
    told = (
        stated(START_MS + 8 * HOUR_MS, State.OCCUPIED, seq=1),
        marked(START_MS + 9 * HOUR_MS, seq=2),
        stated(START_MS + 8 * HOUR_MS, State.FREE, space="s2", agent="pi-2", seq=1),
        marked(START_MS + 20 * HOUR_MS, agent="pi-2", seq=2),
    )
    (row,) = ask(DAY, *told, layout=(space(), space("s2", agent="pi-2"))).rows
    assert (row.value, row.coverage, row.low, row.high) == (1 / 13, 13 / 24, 1 / 24, 12 / 24)


def test_an_answer_warns_where_less_than_nine_tenths_were_observed() -> None:
    told = stated(START_MS + 8 * HOUR_MS, State.FREE), marked(START_MS + 10 * HOUR_MS, seq=2)
    assert "16.7%" in ask(DAY, *told).warnings[0]
    hourly = ask(replace(DAY, resolution=Resolution.HOUR), *told).warnings
    assert hourly[1] == ("In 10 of 12 hours less than 90% of the time was observed: 2026-09-22 10:00 to 20:00.")
    full = stated(START_MS, State.FREE), marked(END_MS, seq=2)
    assert ask(DAY, *full).warnings == ()


def test_what_was_not_observed_is_said_in_days_and_hours_and_by_whom() -> None:
    """Two weeks from a Tuesday on: s1 is not observed for some hours, s2 from Thursday to Monday noon."""
    fortnight = replace(DAY, to_ms=START_MS + 14 * 24 * HOUR_MS, zone="z1")

    def told(name: str, agent: str, *dark: tuple[int, int]) -> list[Told]:
        said: list[Told] = [stated(START_MS, State.FREE, space=name, agent=agent, seq=1)]
        for place, (first, last) in enumerate(dark):
            gone, back, seq = START_MS + first * HOUR_MS, START_MS + last * HOUR_MS, 2 * place + 2
            said.append(stated(gone, State.UNKNOWN, space=name, agent=agent, seq=seq, reason=Reason.STARTING))
            said.append(stated(back, State.FREE, space=name, agent=agent, seq=seq + 1))
        return [*said, marked(fortnight.to_ms, agent=agent, seq=99)]

    words = [*told("s1", "pi-1", (8, 10), (32, 34), (178, 179), (202, 203)), *told("s2", "pi-2", (48, 156))]

    def warned(resolution: Resolution, *layout: Space) -> str:
        asked = replace(fortnight, resolution=resolution, scope=Scope.SPACE)
        return ask(asked, *words, layout=layout, now_ms=fortnight.to_ms + HOUR_MS).warnings[-1]

    least, other = "less than 90% of the time was observed", space("s2", agent="pi-2")
    assert warned(Resolution.TOTAL, space(), other) == f"In 1 of 2 spaces {least}: s2."
    assert (
        warned(Resolution.DAY, space(), other)
        == f"In 5 of 10 days {least}, of s2 (3), s1 (2): 2026-09-22 to 2026-09-28."
    )
    times = "2026-09-22 08:00 to 10:00, 2026-09-23 08:00 to 10:00, 2026-09-29 10:00 to 11:00 and 1 more"
    assert warned(Resolution.HOUR, space()) == f"In 6 of 120 hours {least}: {times}."
    assert warned(Resolution.HOUR, other) == f"In 28 of 120 hours {least}: 2026-09-24 08:00 to 2026-09-28 12:00."


def test_where_nothing_stood_or_the_site_was_closed_there_is_no_number_and_it_says_so() -> None:
    sunday = replace(DAY, from_ms=START_MS + 5 * 24 * HOUR_MS, to_ms=START_MS + 6 * 24 * HOUR_MS)
    late_ms = sunday.to_ms + 100 * HOUR_MS
    closed = ask(sunday, stated(START_MS, State.FREE), now_ms=late_ms)
    assert (closed.rows[0].value, closed.rows[0].coverage) == (None, None)
    assert "nothing to divide by" in closed.warnings[0]
    gone = ask(DAY, layout=(space(valid_until=date(2026, 1, 1)),))
    assert gone.rows == ()
    assert "nothing to divide by" in gone.warnings[0]


def test_before_any_evidence_coverage_is_zero_and_the_bounds_say_anything_is_possible() -> None:
    (row,) = ask(DAY).rows
    assert (row.value, row.coverage, row.low, row.high) == (None, 0.0, 0.0, 1.0)


def test_a_space_counts_for_the_zone_in_which_it_stood() -> None:
    """It moves at midnight; each zone's figure is of its own time only."""
    told = stated(START_MS, State.OCCUPIED), marked(END_MS + 24 * HOUR_MS, seq=2)
    moved = (space(zone="z1", valid_until=date(2026, 9, 23)), space(zone="z3", valid_from=date(2026, 9, 23)))
    two_days = replace(DAY, to_ms=END_MS + 24 * HOUR_MS, scope=Scope.ZONE, resolution=Resolution.DAY)
    rows = ask(two_days, *told, layout=moved).rows
    assert [(row.scope, row.value) for row in rows] == [("z1", 1.0), ("z1", None), ("z3", None), ("z3", 1.0)]
    only = ask(replace(two_days, zone="z3", scope=Scope.SITE), *told, layout=moved).rows
    assert [(row.scope, row.value, row.coverage) for row in only] == [("hq", None, None), ("hq", 1.0, 1.0)]


def test_kinds_can_be_chosen() -> None:
    layout = (space("s1"), space("s2", kind=SpaceKind.ROOM))
    told = (
        stated(START_MS, State.OCCUPIED, seq=1),
        stated(START_MS, State.FREE, space="s2", seq=2),
        marked(END_MS, seq=3),
    )
    assert ask(replace(DAY, kind="room"), *told, layout=layout).rows[0].value == 0.0
    assert [row.scope for row in ask(replace(DAY, scope=Scope.KIND), *told, layout=layout).rows] == ["desk", "room"]


def test_every_metric_has_one_definition_and_one_formula() -> None:
    assert list(DEFINITIONS) == list(METRICS)
    assert all(definition.id == name and definition.version >= 1 for name, definition in DEFINITIONS.items())
