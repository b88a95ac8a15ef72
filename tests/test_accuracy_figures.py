"""Figures of accuracy: held against a count done the slow way, and what they are where nothing is known."""

import math
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.model import State
from perch.sensing.accuracy import SURE, Look, Tally, tally

LOOKS = st.builds(
    Look,
    st.booleans(),
    st.sampled_from(State),
    st.none() | st.floats(0, 1),
)
RUNS = st.lists(LOOKS, max_size=40)


def slowly(runs: Sequence[Sequence[Look]]) -> dict[str, float | None]:
    """The same figures from their definitions, one list for each."""
    looks = [look for run in runs for look in run]
    occupied = [look for look in looks if look.occupied]
    vacant = [look for look in looks if not look.occupied]
    said = [look for look in looks if look.state != "free"]
    weighed = [look for look in looks if look.probability is not None]

    def share(part: Sequence[Look], whole: Sequence[Look]) -> float | None:
        return len(part) / len(whole) if whole else None

    def surprise(own: Sequence[Look]) -> float | None:
        if not own:
            return None
        known = [
            look.probability if look.occupied else 1 - look.probability for look in own if look.probability is not None
        ]
        return sum(-math.log(max(one, SURE)) for one in known) / len(own)

    def mean(one: float | None, other: float | None) -> float | None:
        both = [value for value in (one, other) if value is not None]
        return sum(both) / len(both) if both else None

    recall = share([look for look in occupied if look in said], occupied)
    specificity = share([look for look in vacant if look not in said], vacant)
    turns = sum((a.state != "free") != (b.state != "free") for run in runs for a, b in pairwise(run))
    true_turns = sum(a.occupied != b.occupied for run in runs for a, b in pairwise(run))
    squares = [(look.probability - look.occupied) ** 2 for look in weighed if look.probability is not None]
    hit, wrong = len([look for look in said if look.occupied]), len([look for look in said if not look.occupied])
    missed = len(occupied) - hit
    return {
        "recall": recall,
        "precision": share([look for look in said if look.occupied], said),
        "f1": 2 * hit / (2 * hit + wrong + missed) if hit + wrong + missed else None,
        "balanced": mean(recall, specificity),
        "false_vacant": None if recall is None else 60 * (1 - recall),
        "false_occupied": None if specificity is None else 60 * (1 - specificity),
        "flaps": turns / (true_turns or 1),
        "brier": sum(squares) / len(squares) if squares else None,
        "balanced_nats": mean(surprise(occupied), surprise(vacant)),
        "unknown_share": share([look for look in looks if look.state == "unknown"], looks),
    }


@given(st.lists(RUNS, max_size=4))
def test_every_figure_is_what_its_definition_says(runs: list[list[Look]]) -> None:
    counted = sum(map(tally, runs), Tally())
    for name, figure in slowly(runs).items():
        assert getattr(counted, name) == (None if figure is None else pytest.approx(figure)), name


@given(RUNS, RUNS)
def test_tallies_add_up_but_never_see_a_change_between_two_runs(one: list[Look], other: list[Look]) -> None:
    both, whole = tally(one) + tally(other), tally(one + other)
    assert both.looks == whole.looks
    assert 0 <= whole.changes - both.changes <= 1
    assert tally(one) + tally(other) == tally(other) + tally(one) or both.squares == pytest.approx(
        (tally(other) + tally(one)).squares
    )


def test_unknown_is_not_offered_to_anybody_so_it_is_not_free() -> None:
    unknown = tally([Look(occupied=False, state=State.UNKNOWN)])
    assert (unknown.false_occupied, unknown.false_vacant, unknown.unknown_share) == (60.0, None, 1.0)


def test_where_nobody_looked_nothing_is_claimed() -> None:
    assert {Tally().precision, Tally().recall, Tally().f1, Tally().balanced, Tally().brier, Tally().balanced_nats} == {
        None
    }
