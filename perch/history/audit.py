"""The report of the audit: how right Perch is, in all, by space, and by what the sensors of a space are worth."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from perch.history.accuracy import Estimate, Figures, figures, shortfalls
from perch.history.looks import SETTLED_MS, Compared, Look, compare
from perch.history.source import HistorySource
from perch.model import Site, SpaceKind

MOMENTS = (
    "Looks are moments: false-vacant minutes are the share of looks times 60, as if looks were spread evenly over"
    " occupied time; to measure minutes import truth that is dense, a row a minute"
)
NO_SENSORS = "No agent told of its sensors, so none are named"

Key = tuple[str, str]
"""(site, space)."""


class AuditSensor(NamedTuple):
    """A sensor as its agent describes it today; `kind` may be unknown."""

    agent: str
    id: str
    kind: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which spaces to report on; None: all."""

    floor: str | None = None
    kind: str | None = None
    space: str | None = None

    def takes(self, one: Compared) -> bool:
        """Tell whether a look is at such a space, as it stood then."""
        asked = ((self.floor, one.space.floor), (self.kind, one.space.kind), (self.space, one.space.id))
        return all(wish in (None, has) for wish, has in asked)


@dataclass(frozen=True, slots=True)
class SpaceAudit:
    """How right Perch is about a space; `advice` says what is worse than it should be, `fit` what to do about it."""

    site: str
    space: str
    name: str
    floor: str
    kind: SpaceKind
    figures: Figures
    advice: tuple[str, ...]
    fit: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SensorAudit:
    """What a sensor is worth: `alone` is whether the figures are its own, or those of it and `beside` together."""

    site: str
    space: str
    agent: str
    id: str
    kind: str | None
    alone: bool
    beside: tuple[str, ...]
    precision: Estimate
    recall: Estimate


@dataclass(frozen=True, slots=True)
class Report:
    """The whole of it; times are ms UTC of the first and last look that counts, None where there is none.

    `waiting` looks are too new for history to know of their moments, `left_out` are at spaces that did not stand then.
    """

    first_ms: int | None
    last_ms: int | None
    waiting: int
    left_out: int
    overall: Figures
    spaces: tuple[SpaceAudit, ...]
    sensors: tuple[SensorAudit, ...]
    warnings: tuple[str, ...]


class Asked(NamedTuple):
    """A site with the looks at it that count, and how many were left out."""

    compared: list[Compared]
    waiting: int
    left_out: int


def ask(site: Site, looks: Iterable[Look], source: HistorySource, now_ms: int) -> Asked:
    """Put the looks at a site beside history, as far as that can know of them yet."""
    all_looks = list(looks)
    settled = [look for look in all_looks if look.time_ms <= now_ms - SETTLED_MS]
    compared = list(compare(site, settled, source))
    return Asked(compared, len(all_looks) - len(settled), len(settled) - len(compared))


def report(
    asked: Sequence[Asked], wanted: Wanted, sensors: Mapping[Key, Sequence[AuditSensor]], config: str = "perch.toml"
) -> Report:
    """Report on sites; `sensors` names those of each space, `config` the server's file, for commands to be copied."""
    chosen = [one for of_site in asked for one in of_site.compared if wanted.takes(one)]
    times = [one.look.time_ms for one in chosen]
    by_space: dict[Key, list[Compared]] = {}
    for one in chosen:
        by_space.setdefault((one.site, one.space.id), []).append(one)
    spaces = tuple(_of_space(by_space[key], config) for key in sorted(by_space))
    waiting, left_out = sum(of.waiting for of in asked), sum(of.left_out for of in asked)
    return Report(
        min(times, default=None),
        max(times, default=None),
        waiting,
        left_out,
        figures(chosen),
        spaces,
        tuple(found for space in spaces for found in _of_sensors(space, sensors.get((space.site, space.space), ()))),
        tuple(_warnings(waiting, left_out, bool(sensors))),
    )


def _of_space(looks: Sequence[Compared], config: str) -> SpaceAudit:
    latest = max(looks, key=lambda one: one.look.time_ms)
    space, judged = latest.space, figures(looks)
    advice = shortfalls(judged)
    fit = _fit(latest.site, space.id, config) if advice else ()
    return SpaceAudit(latest.site, space.id, space.name, space.floor, space.kind, judged, advice, fit)


def _fit(site: str, space: str, config: str) -> tuple[str, ...]:
    """Give the commands that teach an agent from these looks, and before them what READINGS.csv is."""
    return (
        "# READINGS.csv: what the agent keeps from when keep_readings_mib is set in its configuration",
        f"perch audit export --config {config} --site {site} --space {space} > truth.csv",
        "perch fit READINGS.csv truth.csv --config sensing.toml > fitted.toml",
    )


def _of_sensors(of: SpaceAudit, sensors: Sequence[AuditSensor]) -> list[SensorAudit]:
    def of_one(sensor: AuditSensor) -> SensorAudit:
        beside = tuple(other.id for other in sensors if other != sensor)
        return SensorAudit(of.site, of.space, *sensor, not beside, beside, of.figures.precision, of.figures.recall)

    return list(map(of_one, sensors))


def _warnings(waiting: int, left_out: int, has_sensors: bool) -> Iterable[str]:
    yield MOMENTS
    if waiting:
        yield f"Looks of the last {SETTLED_MS // 60_000} minutes, which history does not know of yet, wait: {waiting}"
    if left_out:
        yield f"Looks left out because the layout names no such space at their time: {left_out}"
    if not has_sensors:
        yield NO_SENSORS
