"""Whether something that somebody wants to be told of holds: yes, no, or nobody can tell.

What is not known is no reason to call anybody: a space that is unknown is not free, and of a group of which less than
half is known nothing is said at all, so that neither a start nor a broker that went away tells of anything.
"""

from enum import StrEnum
from typing import NamedTuple

LEAST_KNOWN = 0.5
CALMS_BY = 0.05
"""What was full stays so until it is by this share of it below: at the very edge people come and go each minute."""


class About(StrEnum):
    """What can be watched."""

    SPACE_FREE = "space-free"
    FULL = "full"
    OVER_CAPACITY = "over-capacity"
    AGENT_OFFLINE = "agent-offline"
    CAMPING = "camping"


Truth = bool | None
"""None: nobody can tell."""


class Counts(NamedTuple):
    """How many spaces of a group are free, occupied and unknown, and how many people are known to be there.

    An occupied space without a count has one person for certain.
    """

    free: int = 0
    occupied: int = 0
    unknown: int = 0
    people: int = 0

    @property
    def known(self) -> int:
        """How many are free or occupied."""
        return self.free + self.occupied

    @property
    def is_known(self) -> bool:
        """Whether enough of the group is known to say anything of it."""
        return self.known > 0 and self.known >= LEAST_KNOWN * (self.known + self.unknown)


def one_is_free(counts: Counts) -> Truth:
    """Tell whether there is a free space; one that is known to be free is enough."""
    if counts.free:
        return True
    return False if counts.is_known else None


def is_full(counts: Counts, share: float, before: Truth) -> Truth:
    """Tell whether at least a share of the known spaces is occupied."""
    if not counts.is_known:
        return None
    limit = share - CALMS_BY if before else share
    return counts.occupied >= limit * counts.known


def is_over(counts: Counts, people: int, before: Truth) -> Truth:
    """Tell whether there are more people than a number; as many as that are enough, whatever is unknown."""
    limit = people * (1 - CALMS_BY) if before else people
    if counts.people > limit:
        return True
    return False if counts.is_known else None
