"""The recorded room with desks (Singh): factory settings, labels of the other blocks, and simpler rules beside us."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from benchmarks.accuracy.drawings import day, reliability
from benchmarks.accuracy.labelled import fitted, two_states
from benchmarks.accuracy.recordings import SINGH, Block, setting, singh
from benchmarks.accuracy.saying import Rule, above, estimator, held
from benchmarks.accuracy.scores import Score, scored
from benchmarks.accuracy.tables import FIGURES, Aim, Section, Table, at_least, below, figures
from perch.model import Sensor, SensorKind

MIXES: Mapping[str, frozenset[SensorKind]] = {
    "all sensors": frozenset(SensorKind),
    "PIR only": frozenset({SensorKind.MOTION}),
    "PIR and CO2": frozenset({SensorKind.MOTION, SensorKind.CO2}),
    "PIR and sound": frozenset({SensorKind.MOTION, SensorKind.SOUND}),
    "CO2 only": frozenset({SensorKind.CO2}),
}
ALL, PIR = "all sensors", "PIR only"
HOLDS_MIN = (5, 10, 15)
STALE_PPM = 800.0

Scores = Mapping[str, Score]
Fit = Callable[[Sequence[Sensor], Sequence[Block]], Rule]


def section(blocks: Sequence[Block] = ()) -> Section:
    """Score the room by factory settings; here and below, without blocks, all of the recording."""
    space, sensors = setting("singh")
    blocks = blocks or _blocks()
    plain = {f"PIR held {minutes} min": scored(held(sensors, minutes * 60_000), blocks) for minutes in HOLDS_MIN}
    plain[f"CO2 above {STALE_PPM:g} ppm"] = scored(above("co2", STALE_PPM), blocks)
    factory = {mix: scored(estimator(space, some), _seen(blocks, some)) for mix, some in _by_mix(MIXES).items()}
    table = _table("Factory settings, no labels", {**plain, **_of("Perch", factory)})
    drawings = {"accuracy-day.svg": str(day(space, sensors, blocks[0]))}
    return Section("room", [table], _factory_aims(plain, factory), drawings)


def with_labels(blocks: Sequence[Block] = ()) -> Section:
    """Fit all sensors to three blocks and score the fourth, for all four."""
    space, sensors = setting("singh")
    blocks = blocks or _blocks()
    factory = scored(estimator(space, sensors), blocks)
    reference = held_out(two_states, sensors, blocks)
    taught = held_out(_perch, sensors, blocks)
    scores = {"two-state": reference, "Perch, factory settings": factory, "Perch, fitted": taught}
    table = _table("All sensors, fitted on three blocks, scored on the fourth", scores)
    drawings = {"accuracy-reliability.svg": str(reliability(scores))}
    return Section("room-fitted", [table], _fitted_aims(taught, reference), drawings)


def mixes_with_labels(blocks: Sequence[Block] = ()) -> Section:
    """The same with only some of the sensors."""
    blocks = blocks or _blocks()
    scores: dict[str, Score] = {}
    for mix, some in _by_mix(mix for mix in MIXES if mix != ALL).items():
        scores[f"two-state, {mix}"] = held_out(two_states, some, blocks)
        scores[f"Perch, {mix}"] = held_out(_perch, some, blocks)
    return Section("room-mixes", [_table("Some of the sensors, fitted in the same way", scores)])


def held_out(fit: Fit, sensors: Sequence[Sensor], blocks: Sequence[Block]) -> Score:
    """Score each block by what the others taught."""
    score, seen = Score(), _seen(blocks, sensors)
    for block in seen:
        rule = fit(sensors, [one for one in seen if one is not block])
        score.add(block.moments, block.people, rule(block.readings, block.moments))
    return score


def _perch(sensors: Sequence[Sensor], blocks: Sequence[Block]) -> Rule:
    return fitted(setting("singh")[0], sensors, blocks)


def _blocks() -> list[Block]:
    return [singh(name) for name in SINGH]


def _by_mix(mixes: Iterable[str]) -> dict[str, list[Sensor]]:
    return {mix: [sensor for sensor in setting("singh")[1] if sensor.kind in MIXES[mix]] for mix in mixes}


def _seen(blocks: Sequence[Block], sensors: Sequence[Sensor]) -> list[Block]:
    return [block.only({sensor.id for sensor in sensors}) for block in blocks]


def _of(name: str, by_mix: Scores) -> dict[str, Score]:
    return {f"{name}, {mix}": score for mix, score in by_mix.items()}


def _table(caption: str, scores: Scores) -> Table:
    return Table(caption, ("rule", *FIGURES), [(name, *figures(score)) for name, score in scores.items()])


def _factory_aims(plain: Scores, factory: Scores) -> list[Aim]:
    best = max((plain[f"PIR held {minutes} min"] for minutes in HOLDS_MIN), key=lambda score: score.counted.f1 or 0.0)
    ours, motion = factory[ALL].counted, factory[PIR].counted
    return [
        at_least("Room, factory, all sensors: F1", ours.f1, 0.97),
        below("the same: fv", ours.false_vacant, 0.5),
        below("the same: fo", ours.false_occupied, 0.8),
        below("the same: flaps", ours.flaps, 3, 1),
        at_least("Room, factory, PIR only: F1 (that of the best hold)", motion.f1, round(best.counted.f1 or 0.0, 3)),
        below("the same: flaps (those of that hold)", motion.flaps, round(best.counted.flaps, 1), 1),
    ]


def _fitted_aims(taught: Score, reference: Score) -> list[Aim]:
    counted = taught.counted
    both = None if counted.false_vacant is None else counted.false_vacant + (counted.false_occupied or 0.0)
    return [
        at_least("Room, fitted, all sensors: F1", counted.f1, 0.977),
        below("the same: fv + fo", both, 0.9),
        below("the same: flaps", counted.flaps, 2, 1),
        below(
            "the same: Brier (that of the two-state filter)", counted.brier, round(reference.counted.brier or 0, 4), 4
        ),
    ]
