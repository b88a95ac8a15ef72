"""When something turned: the states of one watch.

    state        it holds      it does not   nobody can tell
    None         True, began   False         None
    False        True, began   False         False
    True         True          False, ended  True

None is how a watch begins: what holds already is told at once, what does not hold is not worth a word.
"""

from enum import StrEnum

from perch.watching.conditions import Truth


class Turn(StrEnum):
    """What became of something that is watched."""

    BEGAN = "began"
    ENDED = "ended"


_TABLE: dict[tuple[Truth, Truth], tuple[Truth, Turn | None]] = {
    (None, True): (True, Turn.BEGAN),
    (None, False): (False, None),
    (None, None): (None, None),
    (False, True): (True, Turn.BEGAN),
    (False, False): (False, None),
    (False, None): (False, None),
    (True, True): (True, None),
    (True, False): (False, Turn.ENDED),
    (True, None): (True, None),
}


def turned(before: Truth, now: Truth) -> tuple[Truth, Turn | None]:
    """Give what holds from now on, and what turned."""
    return _TABLE[before, now]
