"""Labels: how long each holds, what contradicts, and what is known between two moments."""

from hypothesis import given
from hypothesis import strategies as st

from perch.sensing.labels import EDGE_MS, Label, Lesson, Span, Truth, contradictions, cut, runs, spans_of, without

MINUTE_MS = 60_000
LABELS = st.lists(
    st.builds(Label, st.integers(0, 500_000), st.booleans()), max_size=30, unique_by=lambda one: one.time_ms
)


def test_a_label_holds_until_the_next_one_but_not_for_ever() -> None:
    labels = [Label(0, occupied=True), Label(MINUTE_MS, occupied=False), Label(60 * MINUTE_MS, occupied=True)]
    assert spans_of(labels, 5 * MINUTE_MS) == (
        Span(0, MINUTE_MS, occupied=True),
        Span(MINUTE_MS, 6 * MINUTE_MS, occupied=False),
        Span(60 * MINUTE_MS, 65 * MINUTE_MS, occupied=True),
    )


def test_neighbours_that_say_the_same_are_one_span() -> None:
    labels = [Label(minute * MINUTE_MS, occupied=True) for minute in range(10)]
    assert spans_of(labels, 2 * MINUTE_MS) == (Span(0, 11 * MINUTE_MS, occupied=True),)


@given(LABELS, st.integers(1, 100_000), st.integers(0, 600_000), st.randoms(use_true_random=False))
def test_at_every_moment_the_latest_label_is_true_while_it_holds(labels, holds_ms, at_ms, chance) -> None:  # type: ignore[no-untyped-def]
    before = [label for label in labels if label.time_ms <= at_ms]
    latest = max(before, default=None)
    true = latest.occupied if latest and at_ms < latest.time_ms + holds_ms else None
    chance.shuffle(labels)
    found = [span.occupied for span in spans_of(labels, holds_ms) if span.from_ms <= at_ms < span.until_ms]
    assert found == ([] if true is None else [true])


def test_labels_that_say_both_are_named() -> None:
    assert contradictions([Label(1, occupied=True), Label(1, occupied=True), Label(2, occupied=False)]) == []
    assert contradictions([Label(1, occupied=True), Label(2, occupied=True), Label(1, occupied=False)]) == [1]


@given(LABELS, st.integers(1, 100_000), st.integers(0, 500_000), st.integers(0, 500_000))
def test_cutting_parts_time_and_loses_none(labels: list[Label], holds_ms: int, one: int, other: int) -> None:
    spans, (from_ms, until_ms) = spans_of(labels, holds_ms), sorted((one, other))
    inside, outside = cut(spans, from_ms, until_ms), without(spans, from_ms, until_ms)
    assert sum(Lesson((), inside).seconds) + sum(Lesson((), outside).seconds) - sum(Lesson((), spans).seconds) < 1e-6
    assert sum(map(len, runs(spans))) == len(spans)


def test_around_a_change_nothing_is_sure_of_a_vacant_space() -> None:
    truth = Truth([Span(0, 10 * MINUTE_MS, occupied=False), Span(10 * MINUTE_MS, 20 * MINUTE_MS, occupied=True)])
    assert truth.between(EDGE_MS, 2 * EDGE_MS) is False
    assert truth.between(0, EDGE_MS) is None
    assert truth.between(10 * MINUTE_MS - 1, 10 * MINUTE_MS - 1) is None
    assert truth.between(10 * MINUTE_MS, 11 * MINUTE_MS) is True
    assert truth.between(9 * MINUTE_MS - 1, 11 * MINUTE_MS) is None
    assert truth.seconds(0, 20 * MINUTE_MS) == (8 * 60, 10 * 60)
