"""How many spaces were taken at one moment: a group's states side by side, and what was most and least of them.

A *profile* is a step function over a group: how many of its spaces stand there, how many are occupied and how many free
from each moment on. Time out of the hours asked for, or in which nothing stood there, says nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from perch.history.layout import Standing
from perch.history.measure import Floats, added_up, gathered, ratio
from perch.history.source import END_MS, FREE, OCCUPIED, Integers
from perch.history.timeline import Timeline

NEVER, MANY = -1, 2**31
"""Less and more than any number of spaces: the most and the least of nothing."""


class Profile(NamedTuple):
    """From each moment on, how many spaces stand there, are occupied, and are free; the rest is unknown."""

    start_ms: Integers
    stands: Integers
    occupied: Integers
    free: Integers


class Crowd(NamedTuple):
    """What was most and least, by group and step, or by cell.

    `peak` is the largest number occupied (NEVER where nothing stood there), first at `peak_at_ms`, `peak_ms` long in
    all; `ratio` the largest share occupied (NaN); `surplus` the least number surely free (MANY). With `_if_…` unknown
    spaces are taken for such. Of `stood_ms`, in which any space stood there, `full_ms` had surely none free,
    `roomy_ms` surely one. `days` are those on which any stood there, `day_peaks` the sum of their peaks.
    """

    known_ms: Integers
    inventory_ms: Integers
    stood_ms: Integers
    full_ms: Integers
    roomy_ms: Integers
    days: Integers
    day_peaks: Integers
    day_peaks_if_occupied: Integers
    peak: Integers
    peak_at_ms: Integers
    peak_ms: Integers
    peak_if_occupied: Integers
    ratio: Floats
    ratio_if_occupied: Floats
    surplus: Integers
    surplus_if_free: Integers

    def together(self, bins: Integers, number: int) -> "Crowd":
        """Take the steps of each bin for one."""
        peak = gathered(np.maximum, self.peak, bins, number, NEVER)
        at_peak = self.peak == peak[..., bins]
        peak_at_ms = np.where(at_peak, self.peak_at_ms, END_MS)
        return Crowd(
            known_ms=added_up(self.known_ms, bins, number),
            inventory_ms=added_up(self.inventory_ms, bins, number),
            stood_ms=added_up(self.stood_ms, bins, number),
            full_ms=added_up(self.full_ms, bins, number),
            roomy_ms=added_up(self.roomy_ms, bins, number),
            days=added_up(self.days, bins, number),
            day_peaks=added_up(self.day_peaks, bins, number),
            day_peaks_if_occupied=added_up(self.day_peaks_if_occupied, bins, number),
            peak=peak,
            peak_at_ms=gathered(np.minimum, peak_at_ms, bins, number, END_MS),
            peak_ms=added_up(self.peak_ms * at_peak, bins, number),
            peak_if_occupied=gathered(np.maximum, self.peak_if_occupied, bins, number, NEVER),
            ratio=gathered(np.fmax, self.ratio, bins, number, np.nan),
            ratio_if_occupied=gathered(np.fmax, self.ratio_if_occupied, bins, number, np.nan),
            surplus=gathered(np.minimum, self.surplus, bins, number, MANY),
            surplus_if_free=gathered(np.minimum, self.surplus_if_free, bins, number, MANY),
        )

    def in_order(self, first: npt.NDArray[np.intp]) -> "Crowd":
        """Take the steps from each of some places on, up to the next, for one; quicker than `together`."""
        repeats = np.diff(first, append=self.peak.shape[-1])
        found: dict[tuple[np.ufunc, int], npt.NDArray[Any]] = {}

        def of(how: np.ufunc, column: npt.NDArray[Any]) -> npt.NDArray[Any]:
            key = how, id(column)  # several may be the same column, where nothing is unknown
            if key not in found:
                found[key] = how.reduceat(column, first, axis=-1)
            return found[key]

        peak = of(np.maximum, self.peak)
        at_peak = self.peak == np.repeat(peak, repeats, axis=-1)
        return Crowd(
            known_ms=of(np.add, self.known_ms),
            inventory_ms=of(np.add, self.inventory_ms),
            stood_ms=of(np.add, self.stood_ms),
            full_ms=of(np.add, self.full_ms),
            roomy_ms=of(np.add, self.roomy_ms),
            days=of(np.add, self.days),
            day_peaks=of(np.add, self.day_peaks),
            day_peaks_if_occupied=of(np.add, self.day_peaks_if_occupied),
            peak=peak,
            peak_at_ms=np.minimum.reduceat(np.where(at_peak, self.peak_at_ms, END_MS), first, axis=-1),
            peak_ms=np.add.reduceat(self.peak_ms * at_peak, first, axis=-1),
            peak_if_occupied=of(np.maximum, self.peak_if_occupied),
            ratio=of(np.fmax, self.ratio),
            ratio_if_occupied=of(np.fmax, self.ratio_if_occupied),
            surplus=of(np.minimum, self.surplus),
            surplus_if_free=of(np.minimum, self.surplus_if_free),
        )

    @staticmethod
    def joined(parts: Sequence["Crowd"], join: Callable[[tuple[npt.NDArray[Any], ...]], npt.NDArray[Any]]) -> "Crowd":
        """Join several column by column."""
        return Crowd(**{name: join(tuple(getattr(part, name) for part in parts)) for name in Crowd._fields})


def profile(members: Sequence[tuple[Standing, Timeline]], from_ms: int, to_ms: int) -> Profile:
    """Put spaces side by side, each while a row of the layout is in force, over [from_ms, to_ms)."""
    parts = [_steps_of(of, max(row.from_ms, from_ms), min(row.to_ms, to_ms)) for row, of in members]
    edges = np.array([[from_ms, 0, 0, 0]], dtype=np.int64).T
    start_ms, *changes = np.concatenate([edges, *(part for part in parts if part is not None)], axis=1)
    order = np.argsort(start_ms, kind="stable")
    start_ms = start_ms[order]
    last = np.append(start_ms[1:] != start_ms[:-1], True)
    return Profile(start_ms[last], *(np.cumsum(change[order])[last] for change in changes))


def _steps_of(of: Timeline, from_ms: int, to_ms: int) -> Integers | None:
    """Give the moments at which a space changes, and by how much it adds to stands, occupied and free from then on."""
    if from_ms >= to_ms:
        return None
    first = int(np.searchsorted(of.start_ms, from_ms, side="right")) - 1
    last = int(np.searchsorted(of.start_ms, to_ms, side="left"))
    start_ms = np.append(of.start_ms[first:last], to_ms)
    start_ms[0] = from_ms
    state, out = of.state[first:last], of.out[first:last]
    flags = np.stack((~out, state == OCCUPIED, state == FREE)).astype(np.int64)
    changes = np.diff(flags, prepend=0, append=0, axis=1)
    return np.concatenate((start_ms[np.newaxis], changes))


def said(of: Profile, length_ms: Integers) -> Crowd:
    """Say of each step of a profile what is most and least in it; of days it says nothing."""
    unknown, stood, none = of.stands - of.occupied - of.free, of.stands > 0, np.zeros_like(length_ms)
    all_stood, all_known = bool(stood.all()), not unknown.any()

    def where_stood(number: Integers, nothing: int) -> Integers:
        return number if all_stood else np.where(stood, number, nothing)

    peak, share, surplus = where_stood(of.occupied, NEVER), ratio(of.occupied, of.stands), where_stood(of.free, MANY)
    taken = of.occupied + unknown
    return Crowd(
        known_ms=(of.occupied + of.free) * length_ms,
        inventory_ms=of.stands * length_ms,
        stood_ms=length_ms if all_stood else stood * length_ms,
        full_ms=(stood & (of.occupied == of.stands)) * length_ms,
        roomy_ms=(of.free > 0) * length_ms,
        days=none,
        day_peaks=none,
        day_peaks_if_occupied=none,
        peak=peak,
        peak_at_ms=of.start_ms,
        peak_ms=length_ms,
        peak_if_occupied=peak if all_known else where_stood(taken, NEVER),
        ratio=share,
        ratio_if_occupied=share if all_known else ratio(taken, of.stands),
        surplus=surplus,
        surplus_if_free=surplus if all_known else where_stood(of.free + unknown, MANY),
    )
