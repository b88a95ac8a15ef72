"""A plain two-state filter, to stand beside the estimator: what a weekend with the textbook gives.

A hidden chain is empty or occupied (mean stays from the labels). Each sensor's evidence is quantised, and how likely
each bin is in either state is counted from the labels: motion as on or off; sound by sevenths of its range of values;
CO2 by its slopes over 10 and over 30 minutes. Neighbouring samples and sensors of a kind tell nearly the same, so the
evidence of each kind is tempered: multiplied by the share, of a few tried, with which the labels are least surprising.

It needs labels of the very space, knows sampled sensors only, and nothing of silence, health or counts.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import exp, log
from statistics import quantiles

from perch.model import Reading, Sensor, SensorKind

SLOPES_S = (600.0, 1800.0)
BINS = 7
SHARES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
FIRST_SHARE, ROUNDS = 0.2, 2
LEAST_STAY_S, MOST_STAY_S = 600.0, 48 * 3600.0
LEAST = 1e-6

Feature = tuple[str, int]
"""A sensor, and which number is made of it."""

Labels = Sequence[tuple[int, bool]]
"""At which ms somebody looked, and whether anybody was there."""

Blocks = Sequence[tuple[Sequence[Reading], Labels]]

Told = tuple[int, tuple[tuple[SensorKind, float], ...]]
"""At which ms, and what each kind of sensor said."""

KINDS = (SensorKind.MOTION, SensorKind.SOUND, SensorKind.CO2)


@dataclass(frozen=True, slots=True)
class TwoState:
    """A fitted filter: mean stays, bins and nats for somebody's being there by feature, and shares by kind."""

    kinds: Mapping[str, SensorKind]
    vacant_s: float
    visit_s: float
    edges: Mapping[Feature, Sequence[float]]
    nats: Mapping[Feature, Sequence[float]]
    shares: Mapping[SensorKind, float]

    def probabilities(self, readings: Sequence[Reading], moments: Sequence[int]) -> list[float]:
        """Give how likely somebody is there at each moment, from what was read until then."""
        return self._filtered(self._told(readings), moments)

    def tempered(self, blocks: Blocks) -> "TwoState":
        """Choose for each kind in turn how much of its evidence counts, so that the labels are least surprising."""
        told = [(self._told(readings), labels) for readings, labels in blocks]
        best = self
        for kind in KINDS * ROUNDS:
            if kind in self.shares:
                tries = [replace(best, shares={**best.shares, kind: share}) for share in SHARES]
                best = min(tries, key=lambda one: one._surprise(told))
        return best

    def _told(self, readings: Sequence[Reading]) -> list[Told]:
        """Give what each kind of sensor said at each moment, as nats for somebody's being there."""
        told = []
        for time_ms, seen in features(readings, self.kinds):
            nats: dict[SensorKind, float] = dict.fromkeys(self.shares, 0.0)
            for one, value in seen.items():
                if one in self.nats:
                    nats[self.kinds[one[0]]] += self.nats[one][bisect_right(self.edges[one], value)]
            told.append((time_ms, tuple(nats.items())))
        return told

    def _filtered(self, told: Sequence[Told], moments: Sequence[int]) -> list[float]:
        rest = self.visit_s / (self.visit_s + self.vacant_s)
        rate = 1 / self.visit_s + 1 / self.vacant_s
        probability, before_ms, at, said = rest, told[0][0] if told else 0, 0, []
        for moment in moments:
            while at < len(told) and told[at][0] <= moment:
                time_ms, nats = told[at]
                prior = rest + (probability - rest) * exp(-(time_ms - before_ms) / 1000 * rate)
                odds = prior / (1 - prior) * exp(sum(self.shares[kind] * one for kind, one in nats))
                probability = min(max(odds / (1 + odds), LEAST), 1 - LEAST)
                before_ms, at = time_ms, at + 1
            said.append(probability)
        return said

    def _surprise(self, told: Sequence[tuple[Sequence[Told], Labels]]) -> float:
        total = 0.0
        for statements, labels in told:
            probabilities = self._filtered(statements, [time_ms for time_ms, _ in labels])
            total -= sum(log(p if occupied else 1 - p) for p, (_, occupied) in zip(probabilities, labels, strict=True))
        return total


def fitted(sensors: Sequence[Sensor], blocks: Blocks) -> TwoState:
    """Fit a filter to labelled blocks; what is no motion, sound or CO2 sensor is left out."""
    kinds = {sensor.id: sensor.kind for sensor in sensors if sensor.kind in KINDS}
    seen = [list(features(readings, kinds)) for readings, _ in blocks]
    truth = [labels for _, labels in blocks]
    edges, nats = _tables(seen, truth, kinds)
    vacant_s, visit_s = _stays(truth)
    even = dict.fromkeys(kinds.values(), FIRST_SHARE)
    return TwoState(kinds, vacant_s, visit_s, edges, nats, even).tempered(blocks)


def features(
    readings: Sequence[Reading], kinds: Mapping[str, SensorKind]
) -> Iterator[tuple[int, dict[Feature, float]]]:
    """Give the numbers made of the sensors at each moment at which any was read."""
    past: dict[str, deque[tuple[int, float]]] = {
        name: deque() for name, kind in kinds.items() if kind is SensorKind.CO2
    }
    now: dict[Feature, float] = {}
    now_ms: int | None = None
    for time_ms, name, value in ((one.time_ms, one.sensor, one.value) for one in readings if one.sensor in kinds):
        if now_ms is not None and time_ms != now_ms:
            yield now_ms, now
            now = {}
        now_ms = time_ms
        if name in past:
            now |= _slopes(name, past[name], time_ms, value)
        else:
            now[name, 0] = value
    if now_ms is not None:
        yield now_ms, now


def _slopes(name: str, past: deque[tuple[int, float]], time_ms: int, value: float) -> dict[Feature, float]:
    past.append((time_ms, value))
    while time_ms - past[0][0] > 1000 * max(SLOPES_S) * 1.1:
        past.popleft()
    found: dict[Feature, float] = {}
    for number, seconds in enumerate(SLOPES_S):
        earlier = bisect_left(past, (time_ms - int(1000 * seconds), -1e9))
        gap_s = (time_ms - past[earlier][0]) / 1000
        if gap_s > 0.8 * seconds:
            found[name, number] = (value - past[earlier][1]) / gap_s * 3600
    return found


Seen = Sequence[Sequence[tuple[int, dict[Feature, float]]]]


def _tables(
    seen: Seen, truth: Sequence[Labels], kinds: Mapping[str, SensorKind]
) -> tuple[dict[Feature, Sequence[float]], dict[Feature, Sequence[float]]]:
    """Count how often each feature lies in each of its bins, while nobody was there and while somebody was."""
    values: dict[Feature, tuple[list[float], list[float]]] = {}
    for moments, labels in zip(seen, truth, strict=True):
        times = [time_ms for time_ms, _ in labels]
        for time_ms, one in moments:
            place = bisect_right(times, time_ms) - 1
            if place >= 0:
                for feature, value in one.items():
                    values.setdefault(feature, ([], []))[labels[place][1]].append(value)
    edges: dict[Feature, Sequence[float]] = {}
    nats: dict[Feature, Sequence[float]] = {}
    for feature, (vacant, occupied) in values.items():
        motion = kinds[feature[0]] is SensorKind.MOTION
        edges[feature] = [0.5] if motion else sorted({*quantiles(vacant + occupied, n=BINS)})
        nats[feature] = [
            log((b + 1) / (len(occupied) + BINS)) - log((a + 1) / (len(vacant) + BINS))
            for a, b in zip(_counts(vacant, edges[feature]), _counts(occupied, edges[feature]), strict=True)
        ]
    return edges, nats


def _counts(values: Sequence[float], edges: Sequence[float]) -> list[int]:
    counts = [0] * (len(edges) + 1)
    for value in values:
        counts[bisect_right(edges, value)] += 1
    return counts


def _stays(truth: Sequence[Labels]) -> tuple[float, float]:
    """Give the mean seconds that it stands empty, and that it is occupied."""
    seconds, changes = [0.0, 0.0], 1
    for labels in truth:
        for (time_ms, occupied), (after_ms, after) in pairwise(labels):
            seconds[occupied] += (after_ms - time_ms) / 1000
            changes += occupied != after
    vacant_s, visit_s = (min(max(2 * one / changes, LEAST_STAY_S), MOST_STAY_S) for one in seconds)
    return vacant_s, visit_s
