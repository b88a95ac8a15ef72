"""The recorded office (Candanedo): CO2 only, by factory settings and fitted on the first week."""

from collections.abc import Sequence

from benchmarks.accuracy.labelled import best_limit, fitted, two_states
from benchmarks.accuracy.recordings import CANDANEDO, Block, candanedo, setting
from benchmarks.accuracy.saying import above, estimator
from benchmarks.accuracy.scores import Score, scored
from benchmarks.accuracy.tables import FIGURES, Aim, Section, Table, at_least, below, figures, written
from perch.model import SensorKind

STALE_PPM = 800.0


def section(everything: Sequence[Block] = ()) -> Section:
    """Score the office, all of the recording without blocks; the first one is what is learned from."""
    space, all_sensors = setting("candanedo")
    sensors = [sensor for sensor in all_sensors if sensor.kind is SensorKind.CO2]
    everything = everything or [candanedo(name) for name in CANDANEDO]
    blocks = [block.only({"co2"}) for block in everything]
    train, tests = blocks[:1], blocks[1:]
    limit = best_limit(train)
    rows = {
        f"CO2 above {STALE_PPM:g} ppm": scored(above("co2", STALE_PPM), blocks),
        "Perch": scored(estimator(space, sensors), blocks),
        **{f"Perch, {block.name} alone": scored(estimator(space, sensors), [block]) for block in blocks},
        "Perch, with light beside CO2": scored(estimator(space, all_sensors), everything),
    }
    taught = {
        f"CO2 above {limit:g} ppm": scored(above("co2", limit), tests),
        "two-state": scored(two_states(sensors, train), tests),
        "Perch by factory settings": scored(estimator(space, sensors), tests),
        "Perch": scored(fitted(space, sensors, train), tests),
    }
    aims = [
        at_least("Office, factory, CO2 only: balanced accuracy", rows["Perch"].counted.balanced, 0.8),
        at_least("Office, fitted, CO2 only: balanced accuracy", taught["Perch"].counted.balanced, 0.85),
        _no_worse("that of the two-state filter", taught["Perch"], taught["two-state"]),
        _no_worse("that of factory settings", taught["Perch"], taught["Perch by factory settings"]),
    ]
    tables = [
        _table("Factory settings, CO2 only, all blocks", rows),
        _table("Fitted on `train`, scored on `test1` and `test2`, CO2 only", taught),
    ]
    return Section("office", tables, aims)


def _no_worse(than: str, fitted: Score, other: Score) -> Aim:
    return below(f"the same: Brier ({than})", fitted.counted.brier, round(other.counted.brier or 0, 4), 4)


def _table(caption: str, scores: dict[str, Score]) -> Table:
    rows = [(name, written(score.accuracy, 3), *figures(score)) for name, score in scores.items()]
    return Table(caption, ("rule", "accuracy", *FIGURES), rows)
