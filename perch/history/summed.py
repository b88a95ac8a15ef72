"""A day of a site by quarter hours: how long each series was what, and not when. What is left of a day in the end.

Like a sheet it knows nothing of layouts: it holds what each agent said of each space, as if it served that space for
ever. So beside the sums stands in which quarter hours anything was stated, for whoever asks from some date on.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

QUARTERS = 96
"""Quarter hours of a UTC day."""

NEVER, FAR = -(2**40), 2**40
"""Quarter hours since 1970 beyond all others: nothing was stated before, nothing will be after."""

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class QuarterSums:
    """A UTC day (number since 1970) of some series, the rest of which is unknown; tables by series and quarter hour.

    `…_ms` are milliseconds, `counted_ms` people counted times milliseconds of known time. `stated` says where anything
    was stated, `lent` where some is vouched for only by what the agent said when it came back. By series, in quarter
    hours since 1970: `before` when what holds at midnight was stated (NEVER), `after` when the first word after the day
    (FAR). By count of people above an occupied series: `count_of` which (a place in `series`), in which `count_quarter`
    of the day, `count` how many, and `count_ms` how long.
    """

    day: int
    series: Integers
    occupied_ms: Integers
    known_ms: Integers
    out_ms: Integers
    counted_ms: Integers
    stated: Flags
    lent: Flags
    before: Integers
    after: Integers
    count_of: Integers
    count_quarter: Integers
    count: Integers
    count_ms: Integers
