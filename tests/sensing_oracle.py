"""The estimator's mathematics a second time, by brute force: exponentials of matrices, and nothing remembered."""

from collections.abc import Sequence

from perch.sensing.chain import Pace, Rates

Matrix = list[list[float]]


def product(one: Matrix, other: Matrix) -> Matrix:
    return [
        [sum(a * b for a, b in zip(row, column, strict=True)) for column in zip(*other, strict=True)] for row in one
    ]


def exponential(matrix: Matrix, time: float) -> Matrix:
    """By Taylor's series of a small step, squared until the time is reached."""
    size, halvings = len(matrix), 0
    while max(abs(x) for row in matrix for x in row) * time / 2**halvings > 0.05:
        halvings += 1
    step = [[x * time / 2**halvings for x in row] for row in matrix]
    unit = [[float(i == j) for j in range(size)] for i in range(size)]
    total, term = unit, unit
    for n in range(1, 12):
        term = [[x / n for x in row] for row in product(term, step)]
        total = [[a + b for a, b in zip(x, y, strict=True)] for x, y in zip(total, term, strict=True)]
    for _ in range(halvings):
        total = product(total, total)
    return total


def generator(pace: Pace) -> Matrix:
    """Empty, moving, still, deep in work: who leaves moves, and a pause ends in a movement."""
    arrives, leaves = 1 / pace.vacant, 1 / pace.moving_in_all
    pauses, sinks = (1 - pace.deep) / pace.moving, pace.deep / pace.moving
    stirs, wakes = 1 / pace.still, 1 / pace.deep_still
    return [
        [-arrives, arrives, 0.0, 0.0],
        [leaves, -leaves - pauses - sinks, pauses, sinks],
        [0.0, stirs, -stirs, 0.0],
        [0.0, wakes, 0.0, -wakes],
    ]


def after_silence(pace: Pace, rates: Rates, weights: Sequence[float], seconds: float) -> list[float]:
    """What is believed after a time in which a sensor, that would have spoken at these rates, said nothing."""
    rest = min(rates)  # what all states have in common says nothing
    silent = generator(pace)
    for state, rate in enumerate(rates):
        silent[state][state] -= rate - rest
    after = product([list(weights)], exponential(silent, seconds))[0]
    return [x / sum(after) for x in after]


def motion_filter(pace: Pace, rates: Rates, even: Sequence[float], edges: Sequence[tuple[float, float]]) -> list[float]:
    """How likely somebody is there after each edge of a motion sensor, (seconds, level), whose pulses are short."""
    weights, at, found = list(even), 0.0, []
    on = False
    for moment, level in edges:
        if not on:
            weights = after_silence(pace, rates, weights, moment - at)
        at, on = moment, level > 0
        if on:
            weights = [weight * rate for weight, rate in zip(weights, rates, strict=True)]
            weights = [weight / sum(weights) for weight in weights]
        found.append(1 - weights[0])
    return found
