"""The estimator over labelled time: what it would have said at each look."""

from collections.abc import Iterator, Sequence

from perch.model import Reading, SensedSpace, Sensor
from perch.sensing.accuracy import Look, Tally, tally
from perch.sensing.belief import Belief
from perch.sensing.estimator import Estimator
from perch.sensing.labels import Lesson, Span, runs

LOOK_MS = 30_000
WARM_MS = 6 * 3_600_000
"""What the estimator hears before the first label, so that it knows the air, and how loud silence is."""


def replayed(space: SensedSpace, sensors: Sequence[Sensor], lessons: Sequence[Lesson]) -> list[list[Look]]:
    """Give the looks of every stretch of labels without a hole, in order."""
    estimator = Estimator(space, sensors)
    return [looks for lesson in lessons for looks in _replayed(estimator, lesson)]


def tallied(runs_of_looks: Sequence[Sequence[Look]]) -> Tally:
    """Count the looks of all stretches."""
    return sum(map(tally, runs_of_looks), Tally())


def warmed(lesson: Lesson) -> Lesson:
    """Leave out readings that come too early, or too late, to matter to the labels."""
    if not lesson.spans:
        return Lesson((), ())
    from_ms, until_ms = lesson.spans[0].from_ms - WARM_MS, lesson.spans[-1].until_ms
    return Lesson(tuple(one for one in lesson.readings if from_ms <= one.time_ms <= until_ms), lesson.spans)


def _replayed(estimator: Estimator, lesson: Lesson) -> Iterator[list[Look]]:
    readings = iter(lesson.readings)
    coming = next(readings, None)
    if coming is None:
        return
    belief = estimator.begin(coming.time_ms)
    for run in runs(lesson.spans):
        looks: list[Look] = []
        for at_ms, occupied in _moments(run):
            while coming is not None and coming.time_ms <= at_ms:
                belief = _after(estimator, belief, coming)
                coming = next(readings, None)
            if at_ms >= belief.at_ms:
                belief = _let_expire(estimator, belief, at_ms)
                said = estimator.shown(belief, at_ms)
                looks.append(Look(occupied, said.state, said.probability))
        yield looks


def _moments(run: Sequence[Span]) -> Iterator[tuple[int, bool]]:
    """Give evenly spaced moments in labels without a hole, and what was true."""
    at_ms = run[0].from_ms
    for span in run:
        while at_ms < span.until_ms:
            yield at_ms, span.occupied
            at_ms += LOOK_MS


def _after(estimator: Estimator, belief: Belief, reading: Reading) -> Belief:
    while belief.deadline < reading.time_ms:
        belief = estimator.expire(belief)
    return estimator.observe(belief, reading)


def _let_expire(estimator: Estimator, belief: Belief, time_ms: int) -> Belief:
    while belief.deadline <= time_ms:
        belief = estimator.expire(belief)
    return belief
