"""What both floors of Tejo Works share: measures, stairs, lift and washrooms."""

from perch.venue.plans.building import (
    Door,
    Opening,
    basin,
    boards,
    lift,
    stairs,
    tiles,
    toilet,
    wall,
)
from perch.venue.plans.furniture import (
    lamp,
    stool,
)
from perch.venue.plans.shapes import LINE, box, placed, words
from perch.venue.plans.sheet import rectangle, room

INNER = 12
WIDTH, DEPTH = 1560, 1060
SOUTH = 356
"""Where the northern strip of rooms ends."""


def core(word: str) -> list[str]:
    """Draw what both floors share: stairs, lift and washrooms."""
    return [
        tiles(1012, 10, 230, 340),
        boards(1254, 10, 296, 346),
        placed([stairs(120, 284, 13, word)], 1258, 18),
        placed([lift(140, 140)], 1404, 196),
        wall((1396, 184), (1550, 184), thickness=INNER),
        wall((1396, 184), (1396, 350), Opening(46, 84), thickness=INNER),
        wall((1248, 10), (1248, SOUTH), thickness=INNER),
        wall((1006, 10), (1006, SOUTH), thickness=INNER),
        wall((1006, SOUTH), (1248, SOUTH), Door(130, 80, far=True, left=True), thickness=INNER),
        wall((1127, 10), (1127, 150), thickness=8),
        wall((1006, 150), (1248, 150), Door(24, 70), Door(150, 70), thickness=8),
        placed([toilet()], 1066, 14),
        placed([toilet()], 1188, 14),
        placed([basin()], 1014, 250, 270),
        placed([basin()], 1014, 310, 270),
        words(1130, 300, "WC", 22, opacity="0.7"),
    ]


def booth(number: int, x: float) -> str:
    """Draw a phone booth against the northern wall."""
    middle = x + 67
    inside = [box(x + 4, 14, 127, 44, 0, LINE), placed([stool(19)], middle, 96), placed([lamp()], x + 24, 36)]
    return room(f"phone-{number}", f"Phone {number}", "booth", rectangle(x, 10, 135, 162), inside, (middle, 150), 21)
