"""Simulated desks: fixed holds beside the estimator, told by edges and by samples at several rates."""

import math
from bisect import bisect_left
from collections.abc import Sequence

from benchmarks.accuracy.people_at_desks import SENSOR, Desk, desk, told_by_edges, told_by_samples
from benchmarks.accuracy.saying import estimator, held
from benchmarks.accuracy.scores import Score, scored
from benchmarks.accuracy.svg import Axis, Drawing
from benchmarks.accuracy.tables import NONE, Aim, Section, Table, percent, release, written
from perch.model import Preference, SensedSpace, Sensor, SensorKind, SpaceKind

DESKS, DAYS = 16, 5
SAMPLED_DESKS, SAMPLED_DAYS = 6, 2
EVERY_S = (1, 5, 30, 60, 300)
SHOWN_HOLDS_MIN = (5.0, 10.0, 15.0, 30.0)
HOLDS_MIN = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0, 15.0, 20.0, 25.0, 30.0, 45.0, 60.0, 90.0)

Holds = Sequence[tuple[float, Score]]


def section(desks: int = DESKS, days: int = DAYS) -> Section:
    """Score desks that tell each edge: the table, and the curve of both errors."""
    sensor = Sensor(SENSOR, SensorKind.MOTION, "desk", None)
    blocks = [told_by_edges(desk(seed, days)) for seed in range(desks)]
    holds = [(minutes, scored(held([sensor], _ms(minutes)), blocks)) for minutes in HOLDS_MIN]
    ours = {prefer.value: scored(estimator(_desk(prefer), [sensor]), blocks) for prefer in Preference}
    rows = [(f"hold {minutes:g} min", *_figures(score), NONE) for minutes, score in holds if minutes in SHOWN_HOLDS_MIN]
    rows += [(f"`{name}`", *_figures(score), _beside(score, holds)) for name, score in ours.items()]
    caption = f"{desks} simulated desks, {days} days each, a motion sensor that tells each edge"
    columns = ("rule", "fv", "fo", "flaps", "release", "Brier", "unknown", "a hold of the same fv")
    drawing = {"accuracy-desks.svg": str(_curve(holds, ours))}
    return Section("desks", [Table(caption, columns, rows)], _aims(ours, holds), drawing)


def sampled(desks: int = SAMPLED_DESKS, days: int = SAMPLED_DAYS, rates_s: Sequence[int] = EVERY_S) -> Section:
    """Score the same desks told by edges and by samples, each rate beside holds of that rate."""
    made = [desk(seed, days) for seed in range(desks)]
    rows, aims = [], []
    for every_s in (None, *rates_s):
        ours, holds = _at_rate(made, every_s)
        name = "edges" if every_s is None else f"every {every_s} s"
        rows.append((name, *_figures(ours), _beside(ours, holds)))
        aims.append(_better(f"Desks told by {name}, `balanced`", [ours], holds))
    columns = ("told by", "fv", "fo", "flaps", "release", "Brier", "unknown", "a hold of the same fv")
    caption = f"{desks} simulated desks, {days} days each, `balanced`, told at other rates"
    return Section("desk-rates", [Table(caption, columns, rows)], aims)


def _at_rate(made: Sequence[Desk], every_s: int | None) -> tuple[Score, Holds]:
    sensor = Sensor(SENSOR, SensorKind.MOTION, "desk", None if every_s is None else 1000 * every_s)
    blocks = [told_by_edges(one) if every_s is None else told_by_samples(one, every_s) for one in made]
    holds = [(minutes, scored(held([sensor], _ms(minutes)), blocks)) for minutes in HOLDS_MIN]
    return scored(estimator(_desk(Preference.BALANCED), [sensor]), blocks), holds


def _aims(ours: dict[str, Score], holds: Holds) -> list[Aim]:
    unknown = max(score.counted.unknown_share or 0.0 for score in ours.values())
    return [
        _better("Desks, all three preferences", list(ours.values()), holds),
        Aim("Desks, `unknown` while sensors report", "≤ 1 %", percent(unknown), unknown <= 0.01),
    ]


def _better(what: str, scores: Sequence[Score], holds: Holds) -> Aim:
    wanted = "fo and flaps ≤ those of a hold of the same fv"
    worst_fo = max((score.counted.false_occupied or 0.0) / _same(score, holds)[1] for score in scores)
    worst_flaps = max(score.counted.flaps / _same(score, holds)[2] for score in scores)
    reached = f"at most {worst_fo:.2f} and {worst_flaps:.2f} times those"
    return Aim(what, wanted, reached, worst_fo <= 1 and worst_flaps <= 1)


def _beside(score: Score, holds: Holds) -> str:
    minutes, fo, flaps = _same(score, holds)
    return f"{minutes:.0f} min: fo {fo:.1f}, flaps {flaps:.1f}"


def _same(score: Score, holds: Holds) -> tuple[float, float, float]:
    """Give the minutes, fo and flaps of a hold with the same fv, between those that were tried."""
    known = sorted((one.counted.false_vacant or 0.0, minutes, one) for minutes, one in holds)
    fv = score.counted.false_vacant or 0.0
    place = min(max(bisect_left([one[0] for one in known], fv), 1), len(known) - 1)
    (low, longer, a), (high, shorter, b) = known[place - 1 : place + 1]
    part = min(max((fv - low) / (high - low), 0.0), 1.0) if high > low else 0.0

    def mixed(one: float, other: float) -> float:
        return one + part * (other - one)

    fo = mixed(a.counted.false_occupied or 0.0, b.counted.false_occupied or 0.0)
    return mixed(longer, shorter), fo, mixed(a.counted.flaps, b.counted.flaps)


def _figures(score: Score) -> tuple[str, ...]:
    counted = score.counted
    return (
        written(counted.false_vacant, 2),
        written(counted.false_occupied, 2),
        written(counted.flaps, 1),
        release(score),
        written(counted.brier, 3),
        percent(counted.unknown_share),
    )


def _curve(holds: Holds, ours: dict[str, Score]) -> Drawing:
    across = Axis("false-vacant minutes an occupied hour", 0, 18, [(x, f"{x}") for x in range(0, 19, 3)])
    up = Axis("false-occupied minutes a vacant hour", 0, 40, [(y, f"{y}") for y in range(0, 41, 10)])
    drawing = Drawing("Simulated desks: both errors, by hold time and by preference", across, up)
    by_hold = [(minutes, _point(score)) for minutes, score in holds if _point(score)[0] <= across.high]
    drawing.line([point for _, point in by_hold], "b", "fixed hold time, minutes")
    drawing.dots([(point, f"{minutes:g}" if minutes in SHOWN_HOLDS_MIN else "") for minutes, point in by_hold], "b")
    by_preference = [(_point(score), name) for name, score in ours.items()]
    drawing.line(sorted(point for point, _ in by_preference), "a", "Perch, by preference")
    drawing.dots(by_preference, "a")
    return drawing


def _point(score: Score) -> tuple[float, float]:
    return score.counted.false_vacant or 0.0, score.counted.false_occupied or 0.0


def _desk(prefer: Preference) -> SensedSpace:
    return SensedSpace("desk", SpaceKind.DESK, 1, prefer)


def _ms(minutes: float) -> int:
    return math.floor(minutes * 60_000)
