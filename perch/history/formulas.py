"""One formula for each metric: from milliseconds summed over a row's spaces to its value, low and high."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple


class Figures(NamedTuple):
    """Sums over one row of an answer: any space's occupied, known and inventory time."""

    occupied_ms: int
    known_ms: int
    inventory_ms: int

    @property
    def unknown_ms(self) -> int:
        """Inventory time that nobody observed."""
        return self.inventory_ms - self.known_ms


class Bounded(NamedTuple):
    """A value between its bounds; None where there is nothing to divide by."""

    value: float | None
    low: float | None
    high: float | None


def coverage(of: Figures) -> Bounded:
    """Known / inventory time; exact, so both bounds are the value."""
    value = _ratio(of.known_ms, of.inventory_ms)
    return Bounded(value, value, value)


def time_used_ratio(of: Figures) -> Bounded:
    """Occupied / known time; unknown time as free below, as occupied above."""
    return Bounded(
        _ratio(of.occupied_ms, of.known_ms),
        _ratio(of.occupied_ms, of.inventory_ms),
        _ratio(of.occupied_ms + of.unknown_ms, of.inventory_ms),
    )


FORMULAS: Mapping[str, Callable[[Figures], Bounded]] = MappingProxyType(
    {"coverage": coverage, "time_used_ratio": time_used_ratio}
)
"""The formula of each metric of `definitions.py`, by its id."""


def _ratio(part_ms: int, whole_ms: int) -> float | None:
    return part_ms / whole_ms if whole_ms else None
