"""The table of faults: what can be broken, how often it is drawn, and by which deed.

A deed breaks something on a stage and gives what is to be undone after how many seconds; None where it was not
possible just then. Chance is the stage's own, so that a seed gives the same plan (not the same moments).
"""

from collections.abc import Callable
from dataclasses import dataclass

from perch.chaos.stage import Stage


@dataclass(frozen=True, slots=True)
class Broken:
    """Something is broken, until `undo` is called after `for_s`; `became` names it where it is another than wanted."""

    for_s: float = 0.0
    undo: Callable[[], None] | None = None
    became: str = ""


Deed = Callable[[Stage], Broken | None]


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault; `weight` is how often it is drawn in relation to others.

    One that `disturbs` all who watch is kept back at first, so that a short campaign sees something, too. One that is
    `deadly` ends processes.
    """

    name: str
    weight: float
    deed: Deed
    disturbs: bool = False
    deadly: bool = False
