"""From statements to known time: each sentence of the contract, and any history against an oracle asked per moment."""

from datetime import date

from hypothesis import given

from perch.history.answers import transitions
from perch.history.memory import MemoryHistory
from perch.history.past import pasts
from perch.history.source import BEGINNING_MS, END_MS
from perch.history.timeline import Interval
from perch.history.told import Lost, LostSpan, Told
from perch.model import Reason, Space, State
from tests.history_cases import EPOCHS, SPACES, Case, cases, day_ms, marked, site, space, stated
from tests.history_oracle import Said

FREE, OCCUPIED, UNKNOWN = State.FREE, State.OCCUPIED, State.UNKNOWN
T_DAY = date(2026, 9, 22)
T = day_ms("UTC", T_DAY, 6)
ALL = (BEGINNING_MS, END_MS)


def known(*told: Told, layout: tuple[Space, ...] = (space(),), of: str = "s1") -> list[tuple[int, int, State]]:
    """Give what is known of a space, in milliseconds since T."""
    (past,) = pasts(site(*layout), [of], *ALL, MemoryHistory(told))
    return [
        (found.from_ms - T, found.to_ms - T, found.state)
        for found in past.timeline().intervals()
        if found.state is not UNKNOWN
    ]


def rows(*told: Told, layout: tuple[Space, ...] = (space(),)) -> list[tuple[int, State, Reason]]:
    """Give a space's transitions, in milliseconds since T."""
    found = transitions(site(*layout), "s1", *ALL, MemoryHistory(told))
    return [(row.time_ms - T, row.state, row.reason) for row in found]


def test_a_state_holds_until_the_next_statement_about_its_space() -> None:
    told = stated(T, FREE), stated(T + 7, OCCUPIED, seq=2), marked(T + 9, seq=3)
    assert known(*told) == [(0, 7, FREE), (7, 9, OCCUPIED)]


def test_a_state_holds_no_longer_than_the_last_event_or_mark_of_its_epoch() -> None:
    about_another = stated(T + 5, OCCUPIED, space="s2", seq=2)
    assert known(stated(T, FREE), about_another) == [(0, 5, FREE)]
    assert known(stated(T, FREE)) == []


def test_nothing_vouches_across_epochs() -> None:
    again = stated(T + 10, FREE, epoch=EPOCHS[1])
    assert known(stated(T, FREE), marked(T + 3, seq=2), again, marked(T + 12, epoch=EPOCHS[1], seq=2)) == [
        (0, 3, FREE),
        (10, 12, FREE),
    ]


def test_a_stated_unknown_is_not_known_time() -> None:
    told = stated(T, FREE), stated(T + 4, UNKNOWN, seq=2, reason=Reason.SENSOR_SILENT), marked(T + 9, seq=3)
    assert known(*told) == [(0, 4, FREE)]


def test_an_agent_that_comes_back_says_until_when_it_lived() -> None:
    """What it stated before its death is known until its last local mark, whatever had been sent by then."""
    death = stated(T + 8, UNKNOWN, epoch=EPOCHS[1], reason=Reason.AGENT_OFFLINE)
    birth = stated(T + 30, UNKNOWN, epoch=EPOCHS[1], seq=2, reason=Reason.STARTING)
    assert known(stated(T, FREE), marked(T + 3, seq=2), death, birth) == [(0, 8, FREE)]


def test_what_lies_beyond_the_window_does_not_change_what_lies_in_it() -> None:
    """The word that vouches for a state may come after the window's end."""
    death = stated(T + 8, UNKNOWN, epoch=EPOCHS[1], reason=Reason.AGENT_OFFLINE)
    source = MemoryHistory([stated(T, FREE), death])
    (past,) = pasts(site(space()), ["s1"], T + 2, T + 5, source)
    assert Interval(T, T + 8, FREE, None) in past.timeline().intervals()


def test_statements_of_one_millisecond_count_in_their_sequence() -> None:
    told = stated(T, FREE, seq=2), stated(T, OCCUPIED, seq=1), marked(T + 9, seq=3)
    assert known(*told) == [(0, 9, FREE)]
    assert [row[1] for row in rows(*told)] == [OCCUPIED, FREE]


def test_of_two_epochs_in_one_millisecond_not_knowing_is_heard_last() -> None:
    last = stated(T, OCCUPIED, epoch=EPOCHS[2], seq=9), marked(T + 5, epoch=EPOCHS[2], seq=10)
    death = stated(T, UNKNOWN, epoch=EPOCHS[0], seq=1, reason=Reason.AGENT_OFFLINE), marked(T + 9)
    assert known(*last, *death) == []
    assert [row[1] for row in rows(*last, *death)] == [OCCUPIED, UNKNOWN]


def test_a_transition_is_a_change_of_state_or_count_and_the_first_statement() -> None:
    told = (
        stated(T, UNKNOWN, seq=1, reason=Reason.AGENT_OFFLINE),
        stated(T + 1, UNKNOWN, seq=2, reason=Reason.STARTING),
        stated(T + 2, FREE, seq=3),
        stated(T + 3, FREE, seq=4, people=0),
        stated(T + 4, OCCUPIED, seq=5, people=2),
        stated(T + 5, OCCUPIED, seq=6, people=2, probability=0.9),
        stated(T + 6, OCCUPIED, seq=7, people=3),
    )
    assert [row[0] for row in rows(*told)] == [0, 2, 3, 4, 6]


def test_an_agent_counts_only_while_the_layout_names_it() -> None:
    """The words of yesterday's and of tomorrow's agent about today count for nothing."""
    noon = day_ms("UTC", T_DAY, 12)
    midnight = day_ms("UTC", T_DAY)
    layout = (
        space(agent="pi-1", valid_until=T_DAY),
        space(agent="pi-2", valid_from=T_DAY),
    )
    told = (
        stated(midnight - 1000, FREE, agent="pi-1"),
        marked(noon, agent="pi-1", seq=2),
        stated(midnight - 2000, OCCUPIED, agent="pi-2"),
        stated(noon, OCCUPIED, agent="pi-2", seq=2),
        marked(noon + 50, agent="pi-2", seq=3),
    )
    assert known(*told, layout=layout) == [
        (midnight - 1000 - T, midnight - T, FREE),
        (noon - T, noon + 50 - T, OCCUPIED),
    ]
    assert [row[1] for row in rows(*told, layout=layout)] == [FREE, OCCUPIED]


def test_a_space_that_only_moves_zone_keeps_its_state() -> None:
    midnight = day_ms("UTC", T_DAY)
    layout = (space(zone="z1", valid_until=T_DAY), space(zone="z2", valid_from=T_DAY))
    told = stated(midnight - 10, OCCUPIED), marked(midnight + 10, seq=2)
    assert known(*told, layout=layout) == [(midnight - 10 - T, midnight + 10 - T, OCCUPIED)]
    assert len(rows(*told, layout=layout)) == 1


def test_lost_events_leave_each_space_of_the_agent_unknown_until_it_is_stated_anew() -> None:
    layout = space("s1"), space("s2"), space("s3", agent="pi-2")
    gap = Lost("hq", "pi-1", T + 60, LostSpan(EPOCHS[0], 3, 9, T + 10, T + 50))
    told = (
        stated(T, FREE, space="s1", seq=1, probability=0.031),
        stated(T + 1, OCCUPIED, space="s2", seq=2),
        stated(T + 2, OCCUPIED, space="s3", agent="pi-2"),
        gap,
        stated(T + 50, OCCUPIED, space="s1", seq=10),
        marked(T + 90, seq=11),
        marked(T + 90, agent="pi-2", seq=2),
    )
    assert known(*told, layout=layout) == [(0, 10, FREE), (50, 90, OCCUPIED)]
    assert known(*told, layout=layout, of="s2") == [(1, 10, OCCUPIED)]
    assert known(*told, layout=layout, of="s3") == [(2, 90, OCCUPIED)]
    (lost,) = [row for row in transitions(site(*layout), "s1", *ALL, MemoryHistory(told)) if row.state is UNKNOWN]
    assert (lost.time_ms - T, lost.reason, lost.probability, lost.count) == (10, Reason.EVENTS_LOST, 0.031, None)


def test_the_end_of_a_lost_span_belongs_to_what_came_after_the_lost_events() -> None:
    """At the very millisecond of the last lost event, sequence numbers tell; another epoch came later."""
    gap = Lost("hq", "pi-1", T, LostSpan(EPOCHS[0], 3, 9, T + 10, T + 50))
    before = stated(T + 50, FREE, seq=2), marked(T + 90, seq=20)
    assert known(gap, *before) == []
    after = stated(T + 50, FREE, seq=10), marked(T + 90, seq=20)
    assert known(gap, *after) == [(50, 90, FREE)]
    elsewhere = stated(T + 50, FREE, seq=1, epoch=EPOCHS[1]), marked(T + 90, seq=2, epoch=EPOCHS[1])
    assert known(gap, *elsewhere) == [(50, 90, FREE)]


def test_a_space_without_an_agent_is_unknown() -> None:
    assert known(stated(T, FREE), marked(T + 9, seq=2), layout=(space(agent=None),)) == []


@given(cases())
def test_any_history_is_known_just_where_the_oracle_says(case: Case) -> None:
    """Occupied, free or unknown, and how many people, in every cell in which nothing can change."""
    oracle, source = case.oracle, MemoryHistory(case.told)
    cells = oracle.cells(case.from_ms, case.to_ms)
    for past in pasts(case.site, None, case.from_ms, case.to_ms, source):
        intervals = past.timeline().intervals()
        expected = [(start, of.known > 0, of.occupied > 0) for start, _, of in oracle.spent(past.space, cells)]
        for start, is_known, is_occupied in expected:
            (found,) = [interval for interval in intervals if interval.from_ms <= start < interval.to_ms]
            assert (found.state is not UNKNOWN, found.state is OCCUPIED) == (is_known, is_occupied)


@given(cases())
def test_any_history_has_the_transitions_of_what_is_in_force(case: Case) -> None:
    """A row wherever state or count in force differs from the statement before, tenure by tenure."""
    source = MemoryHistory(case.told)
    for name in SPACES:
        found = transitions(case.site, name, case.from_ms, case.to_ms, source)
        assert [(row.time_ms, row.seq, row.epoch) for row in found] == [
            (said.time_ms, said.seq, said.epoch) for said in _changes(case, name)
        ]


def _changes(case: Case, name: str) -> list[Said]:
    oracle = case.oracle
    said = [one for one in oracle.said(name) if oracle.agent(name, one.time_ms) == one.agent]
    unknown_last = {
        (one.time_ms, one.epoch): max(
            (other for other in said if (other.time_ms, other.epoch) == (one.time_ms, one.epoch)),
            key=lambda other: other.seq,
        ).state
        is UNKNOWN
        for one in said
    }
    said.sort(key=lambda one: (one.time_ms, unknown_last[one.time_ms, one.epoch], one.epoch, one.seq))
    changed: list[Said] = []
    before: Said | None = None
    for one in said:
        same_tenure = before is not None and oracle.serves_through(one.agent, name, before.time_ms, one.time_ms)
        if before is None or not same_tenure or (one.state, one.count) != (before.state, before.count):
            changed.append(one)
        before = one
    return [one for one in changed if case.from_ms <= one.time_ms < case.to_ms]
