"""A day of a site on one sheet: what all its spaces were from midnight to midnight (UTC), change by change.

A sheet says nothing that statements do not say, but so that sums over many spaces need one pass over arrays. Like a
store it knows nothing of layouts: it holds what each agent said of each space, as if it served that space for ever. So
where a layout says otherwise it does not tell, and statements are read instead (`perch.history.members`).
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from perch.history.summed import QuarterSums

OUT, SILENT = 4, 8
"""What a code tells beside the state (its two lower bits): out of service, or no sensor spoke."""
CODES = 16
NOTHING = 2
"""The code of a space of which nothing is known."""

Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]
Spoken = Mapping[int, tuple[str, str]]
"""By the number of a series, whose words it holds: an agent's, of a space."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A UTC day (number since 1970) of some series, the rest of which is unknown; arrays by series, and by change.

    By series: its number, the code and count at midnight, `since_ms` when that was stated, and whether some of the day
    is `lent`: vouched for only by what the agent said when it came back. By change, in order of time: ms since midnight
    (never 0), `of` which series (a place in `series`), `turn` = code before · 16 + code after, and the counts (NO_COUNT
    where nothing counts; None where nothing ever did).
    """

    day: int
    series: Integers
    code: Bytes
    count: Integers
    since_ms: Integers
    lent: Flags
    time: Integers
    of: Integers
    turn: Bytes
    count_before: Integers | None
    count_after: Integers | None


class Day(NamedTuple):
    """A day (UTC, since 1970); `stamp` is another one whenever something of what its sheet tells has changed."""

    day: int
    stamp: Hashable


class Kept(Protocol):
    """A bounded memory of what was worked out; any thread may call, and anything may be forgotten at any time."""

    def number_of(self, about: Hashable) -> int:
        """Give a number that stands for what is asked, never the same for two."""
        ...

    def get(self, key: tuple[int, Day, bytes]) -> Any:
        """Give what is kept under a key; None where nothing is."""
        ...

    def put(self, key: tuple[int, Day, bytes], value: object, size: int) -> None:
        """Keep something of so many bytes."""
        ...


class Sheets(Protocol):
    """The sheets that a source has of a site, and what was worked out from them. Laws:

    - A sheet tells what the source's words tell, whenever it is read; one that ceased to is gone with its stamp, and no
      stamp is ever given twice.
    - `spoken` names every series of which a sheet holds anything.
    """

    @property
    def kept(self) -> Kept:
        """What was worked out from them."""
        ...

    def days(self, first: int, last: int) -> Sequence[Day]:
        """Name the days from the first to the last (exclusive) of which there can be sheets, in order."""
        ...

    def spoken(self) -> Spoken:
        """Name the series."""
        ...

    def read(self, days: Sequence[Day]) -> Iterator[Sheet | None]:
        """Give the sheets of some days; None for one that is gone."""
        ...

    def summed(self, days: Sequence[Day]) -> Iterator[QuarterSums | None]:
        """Give the quarter hours of some days of which no words are kept; None where nothing is known."""
        ...


def nothing(day: int) -> Sheet:
    """Give the sheet of a day of which nothing is known."""
    none, codes = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint8)
    return Sheet(day, none, codes, none, none, np.zeros(0, dtype=np.bool_), none, none, codes, None, None)
