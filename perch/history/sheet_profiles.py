"""A group's profile over one day, from its sheet, where `profiles.profile` puts space beside space."""

import numpy as np

from perch.history.asked import Asked
from perch.history.members import Members, Seen
from perch.history.profiles import Profile
from perch.history.sheets import CODES, OUT
from perch.history.source import FREE, OCCUPIED, Integers
from perch.model import DAY_MS

_CODES = np.arange(CODES)
_FLAGS = np.stack((_CODES & OUT == 0, _CODES & 3 == OCCUPIED, _CODES & 3 == FREE)).astype(np.int64)
"""Whether a code stands there, is occupied, is free."""
_TURNS = (_FLAGS[:, np.newaxis, :] - _FLAGS[:, :, np.newaxis]).reshape(len(_FLAGS), -1)


def moments_of(part: Asked, group: int, members: Members, seen: Seen) -> Profile:
    """Give the profile of a group over a part of a question within one day, cut at its cells."""
    bounds = part.cut.bounds_ms - seen.day * DAY_MS
    time, turn, codes = seen.time, seen.turn, seen.code
    if members.groups > 1:
        chosen = members.group[seen.of] == group
        time, turn, codes = time[chosen], turn[chosen], codes[members.group[seen.member] == group]
    begun, over = np.searchsorted(time, bounds[0], side="right"), np.searchsorted(time, bounds[-1])
    level = _FLAGS[:, codes].sum(axis=1) + _TURNS[:, turn[:begun]].sum(axis=1)
    level[0] += int((members.group == group).sum()) - len(codes)
    time, turn = time[begun:over], turn[begun:over]
    places = np.searchsorted(time, bounds[1:-1])
    moments = np.concatenate((bounds[:1], np.insert(time, places, bounds[1:-1])))
    last = np.append(moments[1:] != moments[:-1], True)
    columns = (
        _levels(int(begin), np.insert(turned[turn], places, 0))[last]
        for begin, turned in zip(level, _TURNS, strict=True)
    )
    return Profile(moments[last] + seen.day * DAY_MS, *columns)


def _levels(begin: int, changes: Integers) -> Integers:
    """Add changes up from a beginning on."""
    return np.cumsum(np.append(begin, changes))
