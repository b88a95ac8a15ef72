"""A million numbers of random histories, each equal to one worked out moment by moment.

A number is what one metric says of one group in one step (with low and high): histories of awkward days, told in any
order and partly twice, asked with random steps, scopes, hours, kinds, zones and windows.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from random import Random

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from perch.history.answers import answer
from perch.history.definitions import DEFINITIONS, OF_BOOKINGS
from perch.history.memory import MemoryHistory
from perch.history.question import Question, Row
from perch.history.told import Told
from tests import bookings_oracle
from tests.history_cases import Case, cases, seated
from tests.metrics_oracle import METRICS, OF_SESSIONS, Numbers, Step, divided, is_known, is_used, steps_of
from tests.test_bookings import BOOKED, Booked, bookings_of
from tests.test_history_metrics import FAR_MS, QUESTIONS, asked, same

VALUES = 1_000_000
AT_ONCE = 200
TIMES = {
    "coverage": lambda step: (divided(step.total(is_known), step.total(lambda _: 1)),) * 3,
    "time_used_ratio": lambda step: (
        divided(step.total(is_used), step.total(is_known)),
        divided(step.total(is_used), step.total(lambda _: 1)),
        divided(step.total(lambda of: is_used(of) or not is_known(of)), step.total(lambda _: 1)),
    ),
}


def told_anyhow(case: Case, order: int) -> tuple[Told, ...]:
    """The words of a case in any order, a third of them twice."""
    chance = Random(order)  # noqa: S311  no secret
    told = [*case.told, *(one for one in case.told if chance.random() < 1 / 3)]
    chance.shuffle(told)
    return tuple(told)


def expected(case: Case, question: Question, booked: Booked) -> Iterator[tuple[str, dict[str, list[Numbers]]]]:
    """For each metric, the numbers of each group in the order of its steps."""
    for name, of in (("coverage", METRICS | TIMES), ("sessions", METRICS)):
        steps = steps_of(case, Question(name, *_words(question)))
        for metric, formula in of.items():
            if (metric in OF_SESSIONS) == (name in OF_SESSIONS):
                yield metric, {group: list(map(formula, of_group)) for group, of_group in steps.items()}
    for metric in sorted(OF_BOOKINGS):
        numbers = bookings_oracle.numbers(case, Question(metric, *_words(question)), bookings_of(case, booked))
        yield metric, {group: _in_order(case, question, of_group, numbers, group) for group, of_group in steps.items()}


def _in_order(
    case: Case, question: Question, steps: list[Step], numbers: dict[tuple[str, object], Numbers], group: str
) -> list[Numbers]:
    cells = case.oracle.cells(question.from_ms, question.to_ms)
    names = list(dict.fromkeys(case.oracle.step(question.resolution, start) for start, _ in cells))
    assert len(names) == len(steps)
    return [numbers.get((group, name), (None, None, None)) for name in names]


def _words(question: Question) -> tuple[object, ...]:
    return (
        question.from_ms, question.to_ms, question.resolution, question.scope, question.hours, question.kind,
        question.zone,
    )  # fmt: skip


def compare(case: Case, question: Question, booked: Booked, order: int) -> Counter[str]:
    """Compare everything that can be asked of a window; give how many numbers of each metric were equal."""
    history, tally = MemoryHistory(told_anyhow(case, order)), Counter[str]()
    for metric, groups in expected(case, question, booked):
        asked_of = Question(metric, *_words(question))  # type: ignore[arg-type]
        said = answer(asked_of, case.site, history, case.calendar, FAR_MS, bookings_of(case, booked))
        rows = {name: list(of) for name, of in groupby(said.rows, key=lambda row: row.scope)}
        assert set(rows) == set(groups)
        for name, numbers in groups.items():
            for row, of in zip(rows[name], numbers, strict=True):
                assert isinstance(row, Row)
                assert all(map(same, (row.value, row.low, row.high), of)), (metric, row, of)
                tally[metric] += 1
    return tally


def compared(number: int, examples: int = AT_ONCE) -> Counter[str]:
    """Compare random histories, the same for the same number."""
    tally = Counter[str]()

    @seed(number)
    @settings(max_examples=examples, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(cases() | seated(), st.tuples(*QUESTIONS), BOOKED, st.integers(0, 2**32))
    def run(case: Case, words: tuple[object, ...], booked: Booked, order: int) -> None:
        tally.update(compare(*asked("coverage", case, *words), booked, order))

    run()
    return tally


def test_every_metric_is_compared() -> None:
    assert set(compared(0, 2)) == set(DEFINITIONS)


@pytest.mark.long
def test_a_million_numbers_equal_those_worked_out_moment_by_moment(capsys: pytest.CaptureFixture[str]) -> None:
    tally, histories = Counter[str](), 0
    while tally.total() < VALUES:
        tally.update(compared(histories // AT_ONCE))
        histories += AT_ONCE
    each = ", ".join(f"{name} {number:,}" for name, number in sorted(tally.items()))
    last = histories // AT_ONCE - 1
    with capsys.disabled():
        sys.stdout.write(f"\n{tally.total():,} numbers of {histories:,} histories, seeds 0 to {last}: {each}\n")
    assert set(tally) == set(DEFINITIONS)
