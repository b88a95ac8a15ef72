"""Fitting a space to its labels: what is learned, and whether it is better than the factory where nothing was learned.

Numbers of sensors and paces are counted (`teachers`, `paces`). How much each kind of sensor counts cannot be counted:
it is searched for, kind by kind and in fixed steps, so that the estimator itself is least surprised by the labels;
vacant and occupied time count for the same in that, and every step away from the factory has its price, so that few
labels move nothing. The probabilities at which a space is said to be what follow from the cost of each error alone and
are not learned: the labels of a few days knew no better ones.

Whether it helps is asked of labels that were kept back: contiguous blocks of them, never shuffled, each judged by what
was learned from the others.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil, log

from perch.model import LearnedSpace, Preference, SensedSpace, Sensor, SensorKind
from perch.sensing.accuracy import Tally
from perch.sensing.evidence import BEAMS
from perch.sensing.labels import Lesson, without
from perch.sensing.paces import paces
from perch.sensing.posterior import Known, readable
from perch.sensing.replayed import replayed, tallied, warmed
from perch.sensing.settled import QUICK
from perch.sensing.teachers import Account, accounts

WEIGHT_STEP = 2**0.5
WEIGHTS = (0.25, 4.0)
"""Quick sensors, which the factory tempers least, can only count for less: bursts are no surer than they are."""
SPREAD = 0.5
"""How far, as a logarithm, weights usually lie from the factory's."""

LOOKS_PER_H = 4
"""An hour of labels is worth so many independent looks when a step is weighed against its price."""

GAIN = 0.05
SEARCHED_READINGS = 60_000
"""A search hears no more than so many readings: of longer recordings, evenly spaced half days."""

PIECE_MS = 12 * 3_600_000
BLOCKS = 4
APART_MS = 15 * 60_000
"""So much beside a block that is kept back is not learned from: the air remembers."""

CHECKED_S = 1800.0
"""With less than this vacant, or occupied, there is nothing to keep back."""

COSTS = {Preference.NEVER_FALSE_FREE: 6.0, Preference.BALANCED: 2.0, Preference.RELEASE_FAST: 1.0}
"""What a minute said to be free although somebody is there costs, in minutes said to be occupied although nobody is."""

COIN = 0.6
"""A balanced accuracy that no sensor which sees anything falls below."""

CHEAPER = 0.9
COST_NOISE, FLAPS_NOISE = 0.25, 0.25
"""Minutes an hour, and flaps, that blocks of a few days cannot tell from nothing."""


@dataclass(frozen=True, slots=True)
class Model:
    """A space and its sensors with what was learned, and how that came about."""

    space: SensedSpace
    sensors: tuple[Sensor, ...]
    accounts: tuple[Account, ...]
    vacant: Known
    visit: Known


@dataclass(frozen=True, slots=True)
class Comparison:
    """The factory beside what was learned, on labels from which it was not learned."""

    blocks: int
    factory: Tally
    fitted: Tally

    def is_better(self, prefer: Preference) -> bool:
        """Tell whether truth surprises it less or errors cost clearly less, and neither errors nor flaps cost more."""
        before, after = (_cost(one, COSTS[prefer]) for one in (self.factory, self.fitted))
        surprised_less = (self.fitted.balanced_nats or 0.0) <= (self.factory.balanced_nats or 0.0)
        return (
            not self.is_senseless
            and (surprised_less or after < before * CHEAPER)
            and after <= before * 1.05 + COST_NOISE
            and self.fitted.flaps <= self.factory.flaps * 1.25 + FLAPS_NOISE
        )

    @property
    def is_senseless(self) -> bool:
        """Whether labels and readings do not belong together: hardly better than a coin, whatever was learned."""
        return (self.fitted.balanced or 0.0) < COIN


@dataclass(frozen=True, slots=True)
class Fit:
    """What came of fitting a space: the model, and the comparison, None where there are too few labels for one."""

    model: Model
    compared: Comparison | None
    seconds: tuple[float, float]

    @property
    def is_kept(self) -> bool:
        """Whether what was learned is worth writing down."""
        return self.compared is None or self.compared.is_better(self.model.space.prefer)


def fit(
    space: SensedSpace,
    sensors: Sequence[Sensor],
    lessons: Sequence[Lesson],
    tell: Callable[[str], None] = lambda _: None,
) -> Fit:
    """Learn of a space and its sensors; what they had learned before is forgotten. `tell` hears what is being done."""
    space = replace(space, learned=None)
    sensors = tuple(replace(sensor, learned=None) for sensor in sensors if sensor.space == space.id)
    lessons = sorted((warmed(lesson) for lesson in lessons if lesson.spans), key=lambda one: one.spans[0].from_ms)
    vacant_s = sum(lesson.seconds[0] for lesson in lessons)
    occupied_s = sum(lesson.seconds[1] for lesson in lessons)
    tell("all labels")
    model = learned(space, sensors, lessons)
    compared = None
    if min(vacant_s, occupied_s) >= CHECKED_S:
        compared = comparison(space, sensors, lessons, tell)
    return Fit(model, compared, (vacant_s, occupied_s))


def learned(space: SensedSpace, sensors: Sequence[Sensor], lessons: Sequence[Lesson]) -> Model:
    """Learn from all of these labels."""
    told = tuple(accounts(space, sensors, lessons))
    vacant, visit = paces(space, lessons)
    taught = tuple(replace(sensor, learned=one.learned) for sensor, one in zip(sensors, told, strict=True))
    paced = replace(space, learned=LearnedSpace(vacant.value, visit.value) if lessons else None)
    weighed = _searched(paced, taught, lessons)
    return Model(weighed, taught, told, vacant, visit)


def comparison(
    space: SensedSpace, sensors: Sequence[Sensor], lessons: Sequence[Lesson], tell: Callable[[str], None]
) -> Comparison:
    """Judge each block of labels by what the others teach, and by the factory."""
    factory, fitted, number = Tally(), Tally(), 0
    parted = list(blocks(lessons))
    for number, (taught, kept) in enumerate(parted, 1):
        tell(f"all labels but block {number} of {len(parted)}")
        model = learned(space, sensors, taught)
        factory += tallied(replayed(space, sensors, kept))
        fitted += tallied(replayed(model.space, model.sensors, kept))
    return Comparison(number, factory, fitted)


def blocks(lessons: Sequence[Lesson]) -> Iterator[tuple[list[Lesson], list[Lesson]]]:
    """Part labels into contiguous blocks: gives (all others, the block), one after the other.

    Where there are as many recordings as blocks, or more, each block is of whole ones that follow each other; otherwise
    each recording is parted into pieces of about as much labelled time. Next to a block nothing is learned.
    """
    each = 1 if len(lessons) >= BLOCKS else ceil(BLOCKS / max(len(lessons), 1))
    pieces = [(place, *bounds) for place, lesson in enumerate(lessons) for bounds in _parts(lesson, each)]
    for number in range(BLOCKS):
        kept = pieces[number * len(pieces) // BLOCKS : (number + 1) * len(pieces) // BLOCKS]
        block = [lessons[place].within(from_ms, until_ms) for place, from_ms, until_ms in kept]
        others = list(lessons)
        for place, from_ms, until_ms in kept:
            spans = without(others[place].spans, from_ms - APART_MS, until_ms + APART_MS)
            others[place] = Lesson(lessons[place].readings, spans)
        yield [one for one in others if one.spans], [warmed(one) for one in block if one.spans]


def _parts(lesson: Lesson, number: int) -> list[tuple[int, int]]:
    """Give the bounds of so many pieces of a recording, each with as much labelled time."""
    whole_ms = sum(span.until_ms - span.from_ms for span in lesson.spans)
    bounds, passed_ms = [lesson.spans[0].from_ms], 0
    for span in lesson.spans:
        while len(bounds) < number and passed_ms + span.until_ms - span.from_ms >= len(bounds) * whole_ms // number:
            bounds.append(span.from_ms + len(bounds) * whole_ms // number - passed_ms)
        passed_ms += span.until_ms - span.from_ms
    return list(pairwise([*bounds, lesson.spans[-1].until_ms]))


def _searched(space: SensedSpace, sensors: Sequence[Sensor], lessons: Sequence[Lesson]) -> SensedSpace:
    """Find how much each kind of sensor should count."""
    heard = _thinned(lessons)
    hours = 2 * min(sum(lesson.seconds[occupied] for lesson in heard) for occupied in (False, True)) / 3600
    if not hours:
        return space
    weights: dict[SensorKind, float] = {}
    least = _loss(space, sensors, heard, hours, weights)
    for kind in sorted({sensor.kind for sensor in sensors} - BEAMS):
        for step in (1 / WEIGHT_STEP, WEIGHT_STEP):
            most = 1.0 if kind in QUICK else WEIGHTS[1]
            while WEIGHTS[0] <= (weight := weights.get(kind, 1.0) * step) <= most:
                tried = {**weights, kind: readable(weight)}
                loss = _loss(space, sensors, heard, hours, tried)
                if loss > least - GAIN:
                    break
                weights, least = tried, loss
            if kind in weights:
                break
    return _weighed(space, weights)


def _loss(
    space: SensedSpace,
    sensors: Sequence[Sensor],
    lessons: Sequence[Lesson],
    hours: float,
    weights: Mapping[SensorKind, float],
) -> float:
    """Give how surprised the estimator is, in nats over all of independent looks, and what the weights cost."""
    surprise = tallied(replayed(_weighed(space, weights), sensors, lessons)).balanced_nats or 0.0
    return surprise * hours * LOOKS_PER_H + sum(log(weight) ** 2 for weight in weights.values()) / (2 * SPREAD**2)


def _weighed(space: SensedSpace, weights: Mapping[SensorKind, float]) -> SensedSpace:
    return replace(space, learned=replace(space.learned or LearnedSpace(), weights=tuple(sorted(weights.items()))))


def _thinned(lessons: Sequence[Lesson]) -> list[Lesson]:
    """Give lessons, or evenly spaced pieces of them where they are long."""
    total = sum(len(lesson.readings) for lesson in lessons)
    if total <= SEARCHED_READINGS:
        return list(lessons)
    pieces = [
        (lesson, from_ms)
        for lesson in lessons
        for from_ms in range(lesson.spans[0].from_ms, lesson.spans[-1].until_ms, PIECE_MS)
    ]
    parts = (
        lesson.within(from_ms, from_ms + PIECE_MS) for lesson, from_ms in pieces[:: ceil(total / SEARCHED_READINGS)]
    )
    return [warmed(part) for part in parts if part.spans]


def _cost(tally: Tally, of_a_missed_minute: float) -> float:
    return of_a_missed_minute * (tally.false_vacant or 0.0) + (tally.false_occupied or 0.0)
