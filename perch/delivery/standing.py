"""How a sequence number may stand with the agent that gave it out, and what moves it: the sender's theory, as data.

    unborn    it was not given out yet
    waiting   its event is kept and not on its way
    flying    its event is on its way, and overdue at some moment
    settled   the collector has it; its event is kept for two more days, should the collector lose it
    gone      its event is kept no longer, or never was: it cannot be sent, and need not be

The sender does not run on TABLE: it moves whole ranges, by arithmetic. What it is asked to do it looks up here, and
refuses what TABLE does not say; that each number ends up where TABLE has it is what a property test holds it to.

What TABLE does not say is illegal. An acknowledgement may claim anything, as it comes from outside: of numbers that are
unborn it says nothing. A flight is sent again as a whole: of its numbers those that are settled meanwhile are sent in
vain, and those that are gone are not in it any more.
"""

from enum import StrEnum


class Standing(StrEnum):
    """How a sequence number stands."""

    UNBORN = "unborn"
    WAITING = "waiting"
    FLYING = "flying"
    SETTLED = "settled"
    GONE = "gone"


class Move(StrEnum):
    """What may happen to a sequence number."""

    APPEND = "append"
    SKIP = "skip"
    SEND = "send"
    ACKNOWLEDGE = "acknowledge"
    MISS = "miss"
    FORGET = "forget"
    UNLINK = "unlink"
    DROP = "drop"


TABLE: dict[tuple[Standing, Move], Standing] = {
    (Standing.UNBORN, Move.APPEND): Standing.WAITING,
    (Standing.UNBORN, Move.SKIP): Standing.GONE,
    (Standing.UNBORN, Move.ACKNOWLEDGE): Standing.UNBORN,
    (Standing.UNBORN, Move.MISS): Standing.UNBORN,
    (Standing.UNBORN, Move.FORGET): Standing.UNBORN,
    (Standing.UNBORN, Move.UNLINK): Standing.UNBORN,
    (Standing.WAITING, Move.SEND): Standing.FLYING,
    (Standing.WAITING, Move.ACKNOWLEDGE): Standing.SETTLED,
    (Standing.WAITING, Move.MISS): Standing.WAITING,
    (Standing.WAITING, Move.FORGET): Standing.WAITING,
    (Standing.WAITING, Move.UNLINK): Standing.WAITING,
    (Standing.WAITING, Move.DROP): Standing.GONE,
    (Standing.FLYING, Move.SEND): Standing.FLYING,
    (Standing.FLYING, Move.ACKNOWLEDGE): Standing.SETTLED,
    (Standing.FLYING, Move.MISS): Standing.WAITING,
    (Standing.FLYING, Move.FORGET): Standing.WAITING,
    (Standing.FLYING, Move.UNLINK): Standing.WAITING,
    (Standing.FLYING, Move.DROP): Standing.GONE,
    (Standing.SETTLED, Move.SEND): Standing.SETTLED,
    (Standing.SETTLED, Move.ACKNOWLEDGE): Standing.SETTLED,
    (Standing.SETTLED, Move.MISS): Standing.WAITING,
    (Standing.SETTLED, Move.FORGET): Standing.WAITING,
    (Standing.SETTLED, Move.UNLINK): Standing.SETTLED,
    (Standing.SETTLED, Move.DROP): Standing.GONE,
    (Standing.GONE, Move.SEND): Standing.GONE,
    (Standing.GONE, Move.ACKNOWLEDGE): Standing.GONE,
    (Standing.GONE, Move.MISS): Standing.GONE,
    (Standing.GONE, Move.FORGET): Standing.GONE,
    (Standing.GONE, Move.UNLINK): Standing.GONE,
    (Standing.GONE, Move.DROP): Standing.GONE,
}
"""Where a number stands after a move."""
