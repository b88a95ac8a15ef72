"""How far the doors of a space drift: whoever comes in goes out again, so what is left over is the beams' own error.

Several doors of one space cannot be told apart: people come by one and go by another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from typing import NamedTuple

from perch.model import DAY_MS, SensedSpace, Sensor, SensorKind
from perch.sensing.evidence import ON
from perch.sensing.health import Hearing, Vitals

LEAST_DAYS = 2.0
"""Who is still inside at the end of a day is no drift."""

FADE_DAYS = 14.0
"""A day counts less the longer ago it was: a beam that was put straight is soon believed again."""

DRIFTS_A_DAY = 1.0
"""A drift worth somebody's way to the door."""


@dataclass(frozen=True, slots=True)
class Drift:
    """How far the doors of a space drift: by how many a day more were counted in than out (below 0: out than in)."""

    space: str
    beams: tuple[str, ...]
    a_day: float


def in_words(a_day: float) -> str:
    """Say a drift: "1.5 more in than out a day"."""
    more, less = ("in", "out") if a_day > 0 else ("out", "in")
    return f"{abs(a_day):.1f} more {more} than {less} a day"


class Crossings(NamedTuple):
    """How often a beam was crossed in how many days of watching, both counted the less the longer ago."""

    times: float
    days: float


NOBODY_CROSSED = Crossings(0.0, 0.0)


class Tally:
    """Counts the crossings of one beam, however long it is watched."""

    __slots__ = ("_at_ms", "_crossings")

    def __init__(self, crossings: Crossings, time_ms: int) -> None:
        self._crossings = crossings
        self._at_ms = time_ms

    def __repr__(self) -> str:
        return f"<Tally of {self._crossings.times:.1f} crossings in {self._crossings.days:.1f} days>"

    def count(self, time_ms: int) -> None:
        """Count one more."""
        times, days = self.crossings(time_ms)
        self._crossings, self._at_ms = Crossings(times + 1, days), time_ms

    def crossings(self, time_ms: int) -> Crossings:
        """Give what was counted up to a moment not before the last one counted."""
        fade = exp((self._at_ms - time_ms) / (FADE_DAYS * DAY_MS))
        times, days = self._crossings
        return Crossings(times * fade, days * fade + FADE_DAYS * (1 - fade))


def drift(space: str, beams: Sequence[tuple[Sensor, Crossings]], inside: int = 0) -> Drift | None:
    """Give how far the doors of a space drift beyond those who are inside now; None before `LEAST_DAYS` of watching."""
    days = min((crossings.days for _, crossings in beams), default=0.0)
    if days < LEAST_DAYS:
        return None
    more_in = sum(
        crossings.times / crossings.days * (1 if beam.kind is SensorKind.BEAM_IN else -1) for beam, crossings in beams
    )
    return Drift(space, tuple(beam.id for beam, _ in beams), more_in - inside / days)


class BeamVitals(Vitals):
    """What is known of the health of a beam: how often it was crossed besides."""

    __slots__ = ("tally",)

    def __init__(self, sensor: Sensor, space: SensedSpace, time_ms: int, level: float, look_ms: int) -> None:
        super().__init__(sensor, space, time_ms, level, look_ms)
        self.tally = Tally(NOBODY_CROSSED, time_ms)

    def hear(self, time_ms: int, value: float) -> Hearing:
        """Take in a crossing, or its end."""
        hearing = super().hear(time_ms, value)
        if value > ON and hearing is not Hearing.IMPLAUSIBLE:
            self.tally.count(time_ms)
        return hearing
