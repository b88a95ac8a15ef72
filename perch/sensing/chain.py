"""What a space is doing, as a chain that nobody sees: empty, someone moving, someone still, someone deep in work.

           arrives            settles
    EMPTY ─────────► MOVING ◄─────────► STILL     (a pause of minutes)
          ◄─────────        ◄─────────► DEEP      (a pause of many minutes)
           leaves              stirs

Nobody leaves without moving: that is what tells a person who sits still from one who went away. The chain runs in
continuous time with exponential stays, so the distribution over its states after t seconds is a sum of exponentials.
While a sensor that reports by itself stays silent, every state is less likely in proportion to how soon the sensor
would have spoken in it: silence is evidence. This is a Markov-modulated Poisson process (Fischer and Meier-Hellstern,
"The Markov-modulated Poisson process cookbook", Performance Evaluation 18, 1993), observed through several counters.

The chain is a tree and therefore reversible, so its generator is similar to a symmetric matrix, whose real eigenvalues
solve it once and for all times.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from math import exp, sqrt

Weights = tuple[float, float, float, float]
"""How likely each of the states is; any positive multiple means the same."""

Rates = Weights
"""Something per second, in each of the states."""

Carry = tuple[float, ...]
"""What a time of one length does to weights: a matrix of 16 numbers, row by row."""

SILENT: Rates = (0.0, 0.0, 0.0, 0.0)
LEAST = 1e-9
"""No state is ever ruled out: the next reading may prove it."""

SIZE = 4
_ROTATIONS = 60
_SMALL = 1e-15


class Doing(IntEnum):
    """The states of the chain."""

    EMPTY = 0
    MOVING = 1
    STILL = 2
    DEEP = 3


@dataclass(frozen=True, slots=True)
class Pace:
    """Mean times in seconds: how long a space stands empty, how much moving a visit has, how long pauses are.

    `moving` is the time between two pauses; a share `deep` of the pauses is of the longer kind.
    """

    vacant: float
    moving_in_all: float
    moving: float
    still: float
    deep_still: float
    deep: float

    def through_doors(self) -> "Pace":
        """Give the pace of a space whose doors see nearly everybody: unseen, people come and go a tenth as often."""
        return replace(self, vacant=10 * self.vacant, moving_in_all=10 * self.moving_in_all)

    def generator(self) -> list[list[float]]:
        """Give the rates of change per second, from row to column."""
        rates = [[0.0] * SIZE for _ in range(SIZE)]
        rates[Doing.EMPTY][Doing.MOVING] = 1 / self.vacant
        rates[Doing.MOVING][Doing.EMPTY] = 1 / self.moving_in_all
        rates[Doing.MOVING][Doing.STILL] = (1 - self.deep) / self.moving
        rates[Doing.MOVING][Doing.DEEP] = self.deep / self.moving
        rates[Doing.STILL][Doing.MOVING] = 1 / self.still
        rates[Doing.DEEP][Doing.MOVING] = 1 / self.deep_still
        for state in range(SIZE):
            rates[state][state] = -sum(rates[state])
        return rates

    def at_rest(self) -> Weights:
        """Give how likely each state is when nothing is known."""
        moving = self.moving_in_all / self.vacant
        still = moving * (1 - self.deep) / self.moving * self.still
        deep = moving * self.deep / self.moving * self.deep_still
        return normalised((1.0, moving, still, deep))


class Flow:
    """How weights go on while nothing is heard, where hearing something would have had the rates `spoken`."""

    __slots__ = ("_back", "_common", "_forth", "_rates")

    def __init__(self, pace: Pace, spoken: Rates = SILENT) -> None:
        generator = pace.generator()
        scale = [sqrt(weight) for weight in pace.at_rest()]
        symmetric = [
            [generator[i][j] * scale[i] / scale[j] - spoken[i] * (i == j) for j in range(SIZE)] for i in range(SIZE)
        ]
        rates, vectors = _eigen(symmetric)
        self._common = max(rates)  # all weights shrink at least so fast, which says nothing about the states
        self._rates = tuple(rate - self._common for rate in rates)
        self._forth = tuple(vectors[i][k] / scale[i] for k in range(SIZE) for i in range(SIZE))
        self._back = tuple(vectors[i][k] * scale[i] for k in range(SIZE) for i in range(SIZE))

    def __repr__(self) -> str:
        return f"<Flow with rates {self._rates}>"

    def after(self, weights: Weights, seconds: float) -> Weights:
        """Give the weights after a silence, normalised to 1."""
        return normalised(self._shifted(weights, seconds))

    def likelihood(self, rest: Weights, seconds: float) -> Weights:
        """Give how likely a silence is, by the state in which it ends, if all began at rest."""
        common = exp(self._common * seconds)
        shifted = self._shifted(rest, seconds)
        a, b, c, d = (common * after / before for after, before in zip(shifted, rest, strict=True))
        return a, b, c, d

    def carry(self, seconds: float) -> Carry:
        """Give what a silence of one length does to any weights: cheaper than `after` where the length recurs."""
        units = [(1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0)]
        return tuple(number for unit in units for number in self._shifted(unit, seconds))

    def _shifted(self, weights: Weights, seconds: float) -> Weights:
        a, b, c, d = weights
        f, g, r = self._forth, self._back, self._rates
        p = (a * f[0] + b * f[1] + c * f[2] + d * f[3]) * exp(r[0] * seconds)
        q = (a * f[4] + b * f[5] + c * f[6] + d * f[7]) * exp(r[1] * seconds)
        s = (a * f[8] + b * f[9] + c * f[10] + d * f[11]) * exp(r[2] * seconds)
        t = (a * f[12] + b * f[13] + c * f[14] + d * f[15]) * exp(r[3] * seconds)
        return (
            p * g[0] + q * g[4] + s * g[8] + t * g[12],
            p * g[1] + q * g[5] + s * g[9] + t * g[13],
            p * g[2] + q * g[6] + s * g[10] + t * g[14],
            p * g[3] + q * g[7] + s * g[11] + t * g[15],
        )


def carried(weights: Weights, carry: Carry) -> Weights:
    """Give the weights after what `carry` does; they sum to what they did before."""
    a, b, c, d = weights
    e, f, g, h, i, j, k, m, n, o, p, q, r, s, t, u = carry
    return (
        a * e + b * i + c * n + d * r,
        a * f + b * j + c * o + d * s,
        a * g + b * k + c * p + d * t,
        a * h + b * m + c * q + d * u,
    )


def normalised(weights: Weights) -> Weights:
    """Give weights that sum to 1, none of them quite 0."""
    a, b, c, d = weights
    whole = a + b + c + d
    return a / whole + LEAST, b / whole + LEAST, c / whole + LEAST, d / whole + LEAST


def _eigen(matrix: Sequence[Sequence[float]]) -> tuple[tuple[float, ...], list[list[float]]]:
    """Give eigenvalues and eigenvectors (as columns) of a symmetric matrix by Jacobi's rotations."""
    a = [list(row) for row in matrix]
    v = [[float(i == j) for j in range(SIZE)] for i in range(SIZE)]
    for _ in range(_ROTATIONS):
        largest, p, q = max((abs(a[i][j]), i, j) for i in range(SIZE) for j in range(i + 1, SIZE))
        if largest < _SMALL:
            break
        theta = (a[q][q] - a[p][p]) / (2 * a[p][q])
        tangent = (1 if theta >= 0 else -1) / (abs(theta) + sqrt(theta * theta + 1))
        cosine = 1 / sqrt(tangent * tangent + 1)
        _rotate(a, v, p, q, cosine, tangent * cosine)
    return tuple(a[i][i] for i in range(SIZE)), v


def _rotate(a: list[list[float]], v: list[list[float]], p: int, q: int, cosine: float, sine: float) -> None:
    for row in (*a, *v):
        row[p], row[q] = cosine * row[p] - sine * row[q], sine * row[p] + cosine * row[q]
    a[p], a[q] = (
        [cosine * one - sine * other for one, other in zip(a[p], a[q], strict=True)],
        [sine * one + cosine * other for one, other in zip(a[p], a[q], strict=True)],
    )


def total_rates(rates: Sequence[Rates]) -> Rates:
    """Add up rates."""
    a, b, c, d = (sum(column) for column in zip(*rates, strict=True))
    return a, b, c, d
