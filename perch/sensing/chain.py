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
from functools import lru_cache
from math import exp, sqrt

Weights = tuple[float, float, float, float]
"""How likely each of the states is; any positive multiple means the same."""

Rates = Weights
"""Something per second, in each of the states."""

Carry = tuple[float, ...]
"""What a time of one length does to weights: a matrix of 16 numbers, row by row."""

Emptying = tuple[tuple[float, float, float], ...]
"""Exponentials of which a silence is the sum: their rate per second, and what each adds to being empty, and to all."""

SILENT: Rates = (0.0, 0.0, 0.0, 0.0)
LEAST = 1e-9
"""No state is ever ruled out: the next reading may prove it."""

SIZE = 4
_ROTATIONS = 60
_SMALL = 1e-15
_CARRIES_KNOWN = 64


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

    __slots__ = ("_back", "_common", "_forth", "_rates", "carries")

    def __init__(self, pace: Pace, spoken: Rates = SILENT) -> None:
        generator = pace.generator()
        scale = [sqrt(weight) for weight in pace.at_rest()]
        symmetric = [
            [generator[i][j] * scale[i] / scale[j] - spoken[i] * (i == j) for j in range(SIZE)] for i in range(SIZE)
        ]
        self.carries: dict[int, Carry] = {}
        rates, vectors = _eigen(symmetric)
        self._common = max(rates)  # all weights shrink at least so fast, which says nothing about the states
        self._rates = tuple(rate - self._common for rate in rates)
        self._forth = tuple(vectors[i][k] / scale[i] for k in range(SIZE) for i in range(SIZE))
        self._back = tuple(vectors[i][k] * scale[i] for k in range(SIZE) for i in range(SIZE))

    def __repr__(self) -> str:
        return f"<Flow with rates {self._rates}>"

    def after(self, weights: Weights, seconds: float) -> Weights:
        """Give the weights after a silence, normalised to 1."""
        a, b, c, d = self._shifted(weights, seconds)
        whole = a + b + c + d
        return a / whole + LEAST, b / whole + LEAST, c / whole + LEAST, d / whole + LEAST

    def emptying(self, weights: Weights) -> Emptying:
        """Give what a silence after some weights is made of, to be asked for several lengths (`emptied`)."""
        a, b, c, d = weights
        e, f, g, h, i, j, k, m, n, o, p, q, r, s, t, u = self._forth
        v, w, x, y = self._rates
        v1, w1 = a * e + b * f + c * g + d * h, a * i + b * j + c * k + d * m
        x1, y1 = a * n + b * o + c * p + d * q, a * r + b * s + c * t + d * u
        e, f, g, h, i, j, k, m, n, o, p, q, r, s, t, u = self._back
        return (
            (v, v1 * e, v1 * (e + f + g + h)),
            (w, w1 * i, w1 * (i + j + k + m)),
            (x, x1 * n, x1 * (n + o + p + q)),
            (y, y1 * r, y1 * (r + s + t + u)),
        )

    def likelihood(self, rest: Weights, seconds: float) -> Weights:
        """Give how likely a silence is, by the state in which it ends, if all began at rest."""
        common = exp(self._common * seconds)
        shifted = self._shifted(rest, seconds)
        a, b, c, d = (common * after / before for after, before in zip(shifted, rest, strict=True))
        return a, b, c, d

    def carry(self, gap_ms: int) -> Carry:
        """Give what a silence of one length does to any weights: cheaper than `after` where the length recurs."""
        carry = self.carries.get(gap_ms)
        if carry is None:
            units = [(1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0)]
            carry = tuple(number for unit in units for number in self._shifted(unit, gap_ms / 1000))
            if len(self.carries) >= _CARRIES_KNOWN:
                self.carries.clear()
            self.carries[gap_ms] = carry
        return carry

    def _shifted(self, weights: Weights, seconds: float) -> Weights:
        a, b, c, d = weights
        e, f, g, h, i, j, k, m, n, o, p, q, r, s, t, u = self._forth
        v, w, x, y = self._rates
        v = (a * e + b * f + c * g + d * h) * exp(v * seconds)
        w = (a * i + b * j + c * k + d * m) * exp(w * seconds)
        x = (a * n + b * o + c * p + d * q) * exp(x * seconds)
        y = (a * r + b * s + c * t + d * u) * exp(y * seconds)
        e, f, g, h, i, j, k, m, n, o, p, q, r, s, t, u = self._back
        return (
            v * e + w * i + x * n + y * r,
            v * f + w * j + x * o + y * s,
            v * g + w * k + x * p + y * t,
            v * h + w * m + x * q + y * u,
        )


def emptied(emptying: Emptying, seconds: float) -> float:
    """Give how likely nobody is there after a silence."""
    (p, a, b), (q, c, d), (r, e, f), (s, g, h) = emptying
    p, q, r, s = exp(p * seconds), exp(q * seconds), exp(r * seconds), exp(s * seconds)
    return (p * a + q * c + r * e + s * g) / (p * b + q * d + r * f + s * h) + LEAST


@lru_cache(maxsize=256)
def flow_of(pace: Pace, spoken: Rates = SILENT) -> Flow:
    """Give a flow, the same one for all spaces of one pace and with sensors of the same rates."""
    return Flow(pace, spoken)


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
