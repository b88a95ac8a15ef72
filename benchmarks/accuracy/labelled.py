"""What is fitted to labels: the estimator, the two-state filter, and a limit of CO2."""

from collections.abc import Sequence

from benchmarks import two_state
from benchmarks.accuracy.recordings import Block
from benchmarks.accuracy.saying import Rule, Said, above, estimator
from benchmarks.accuracy.scores import scored
from perch.model import Preference, Reading, SensedSpace, Sensor, State
from perch.sensing.fit import learned
from perch.sensing.labels import Label, Lesson, spans_of
from perch.sensing.replayed import warmed
from perch.sensing.settled import THRESHOLDS

LIMITS_PPM = range(450, 1200, 10)


def lessons(blocks: Sequence[Block]) -> list[Lesson]:
    """Turn blocks into what is learned from."""
    return [
        Lesson(
            block.readings,
            spans_of(Label(at_ms, count > 0) for at_ms, count in zip(block.moments, block.people, strict=True)),
        )
        for block in blocks
    ]


def fitted(space: SensedSpace, sensors: Sequence[Sensor], blocks: Sequence[Block]) -> Rule:
    """Fit the estimator as `perch fit` does, which would also ask whether what it learned is worth keeping."""
    model = learned(space, sensors, [warmed(lesson) for lesson in lessons(blocks)])
    return estimator(model.space, model.sensors)


def two_states(sensors: Sequence[Sensor], blocks: Sequence[Block]) -> Rule:
    """Fit the reference filter; it decides at the thresholds of `balanced`, so that only the probabilities differ."""
    labelled = [
        (block.readings, [(at_ms, count > 0) for at_ms, count in zip(block.moments, block.people, strict=True)])
        for block in blocks
    ]
    filtering = two_state.fitted(sensors, labelled)
    occupied_from, free_below = THRESHOLDS[Preference.BALANCED]

    def rule(readings: Sequence[Reading], moments: Sequence[int]) -> list[Said]:
        said, state = [], State.FREE
        for probability in filtering.probabilities(readings, moments):
            if probability >= occupied_from:
                state = State.OCCUPIED
            elif probability <= free_below:
                state = State.FREE
            said.append(Said(state, probability))
        return said

    return rule


def best_limit(blocks: Sequence[Block]) -> float:
    """Give the CO2 limit of the best balanced accuracy."""
    return max(LIMITS_PPM, key=lambda ppm: scored(above("co2", ppm), blocks).counted.balanced or 0.0)
