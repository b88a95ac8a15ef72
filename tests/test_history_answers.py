"""Answers are the contract's ratios, to the millisecond, for any history, layout, time zone and calendar step."""

from collections.abc import Callable
from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from perch.history.answers import answer
from perch.history.memory import MemoryHistory
from perch.history.question import Hours, Question, Resolution, Scope
from perch.model import Site, Space
from tests.examples import one_in
from tests.history_cases import Case, cases
from tests.history_oracle import Totals

FAR_MS = 2**45
RESOLUTIONS = [resolution for resolution in Resolution if resolution is not Resolution.HOUR_OF_WEEK]
GROUPS: dict[Scope, Callable[[Site, Space], str]] = {
    Scope.SPACE: lambda _, row: row.id,
    Scope.ZONE: lambda _, row: row.zone,
    Scope.FLOOR: lambda _, row: row.floor,
    Scope.KIND: lambda _, row: str(row.kind),
    Scope.SITE: lambda site, _: site.id,
}


def expected(case: Case, question: Question) -> dict[str, list[Totals]]:
    """Add cells up by group and step."""
    oracle = case.oracle
    cells = oracle.cells(question.from_ms, question.to_ms)
    step_of = {start: oracle.step(question.resolution, start) for start, _ in cells}
    steps = {step: place for place, step in enumerate(dict.fromkeys(step_of.values()))}
    totals: dict[str, list[Totals]] = {}
    for space in dict.fromkeys(row.id for row in case.site.spaces):
        for start, row, spent in oracle.spent(space, cells):
            if question.zone in (None, row.zone) and question.kind in (None, row.kind):
                group = totals.setdefault(GROUPS[question.scope](case.site, row), [Totals() for _ in steps])
                if question.hours is Hours.ALL or oracle.is_open(start):
                    group[steps[step_of[start]]].add(spent)
    return totals


@one_in(2)
@given(
    cases(),
    st.sampled_from(RESOLUTIONS),
    st.sampled_from(Scope),
    st.sampled_from(Hours),
    st.sampled_from((None, None, "z1")),
    st.sampled_from((None, None, "desk")),
    st.data(),
)
def test_every_number_equals_the_sum_over_moments(
    case: Case,
    resolution: Resolution,
    scope: Scope,
    hours: Hours,
    zone: str | None,
    kind: str | None,
    data: st.DataObject,
) -> None:
    """Both metrics, their bounds and their coverage, for each group and step, whatever the window's edges."""
    edges = st.sampled_from((0, 0, 900_000, 4_321_123))
    from_ms, to_ms = case.from_ms - data.draw(edges, label="before"), case.to_ms - data.draw(edges, label="after")
    question = Question("time_used_ratio", from_ms, to_ms, resolution, scope, hours, kind, zone)
    given_answer = answer(question, case.site, MemoryHistory(case.told), case.calendar, FAR_MS)
    totals = expected(case, question)
    rows = {group: list(of) for group, of in groupby(given_answer.rows, key=lambda row: row.scope)}
    assert set(rows) == set(totals)
    for group, sums in totals.items():
        for row, of in zip(rows[group], sums, strict=True):
            unknown = of.inventory - of.known
            assert row.value == (of.occupied / of.known if of.known else None)
            assert row.coverage == (of.known / of.inventory if of.inventory else None)
            assert row.low == (of.occupied / of.inventory if of.inventory else None)
            assert row.high == ((of.occupied + unknown) / of.inventory if of.inventory else None)
        assert [row.start_ms for row in rows[group]][1:] == [row.end_ms for row in rows[group]][:-1]
        assert (rows[group][0].start_ms, rows[group][-1].end_ms) == (from_ms, to_ms)
    covered = answer(
        Question("coverage", from_ms, to_ms, resolution, scope, hours, kind, zone),
        case.site, MemoryHistory(case.told), case.calendar, FAR_MS,
    )  # fmt: skip
    assert [(row.value, row.low, row.high) for row in covered.rows] == [
        (row.coverage,) * 3 for row in given_answer.rows
    ]
