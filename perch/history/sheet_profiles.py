"""A group's profile over one day, from its sheet, where `profiles.profile` puts space beside space."""

import numpy as np

from perch.history.asked import Asked
from perch.history.members import Members, Seen
from perch.history.profiles import Profile
from perch.history.sheets import CODES, OUT
from perch.history.source import FREE, OCCUPIED
from perch.model import DAY_MS

_CODES = np.arange(CODES)
_FLAGS = np.stack((_CODES & OUT == 0, _CODES & 3 == OCCUPIED, _CODES & 3 == FREE)).astype(np.int64)
"""Whether a code stands there, is occupied, is free."""
_TURNS = (_FLAGS[:, np.newaxis, :] - _FLAGS[:, :, np.newaxis]).reshape(len(_FLAGS), -1)

_NO_TURN = np.zeros(1, dtype=np.uint8)


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
    turn = np.concatenate((_NO_TURN, np.insert(turn, places, _NO_TURN)))
    last = np.flatnonzero(np.append(moments[1:] != moments[:-1], True))
    columns = (np.cumsum(turned[turn])[last] + begin for begin, turned in zip(level, _TURNS, strict=True))
    return Profile(moments[last] + seen.day * DAY_MS, *columns)
