"""What judges a space: the estimator, or the hold time that somebody has set; nothing where it is switched off."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from perch.model import Occupancy, Reading, Reason, SensedSpace, Sensor
from perch.sensing.estimator import Estimator
from perch.sensing.hold import Hold
from perch.sensing.off import Off


class Believed(Protocol):
    """What the watch asks of a belief; everything else in it is its judge's own business."""

    @property
    def occupancy(self) -> Occupancy:
        """What is said of the space; the same object as long as nothing else is said."""
        ...

    @property
    def deadline(self) -> int | None:
        """A moment before which time alone changes nothing."""
        ...


B = TypeVar("B", bound=Believed)


class Judge(Protocol[B]):
    """How one space is judged. Beliefs are values: everything here gives another one and touches nothing."""

    @property
    def sensors(self) -> tuple[str, ...]:
        """The sensors that it listens to."""
        ...

    @property
    def can_vouch(self) -> bool:
        """Whether its sensors can ever say that the space is empty."""
        ...

    def begin(self, time_ms: int, probability: float) -> B:
        """Begin with not knowing."""
        ...

    def with_levels(self, belief: B, levels: Mapping[str, float], time_ms: int) -> B:
        """Take in the levels found on the pins at a start."""
        ...

    def memories(self, belief: B) -> dict[str, tuple[float, ...]]:
        """Give what each sensor has been learned to be like."""
        ...

    def with_memories(self, belief: B, memories: Mapping[str, tuple[float, ...]]) -> B:
        """Begin with what was learned before."""
        ...

    def observe(self, belief: B, reading: Reading) -> B:
        """Take in a reading, after every deadline before it."""
        ...

    def expire(self, belief: B) -> B:
        """Let the deadline come."""
        ...

    def leave_out(self, belief: B, sensor: str, reason: Reason, time_ms: int) -> B:
        """Listen to a sensor no longer."""
        ...

    def take_back(self, belief: B, sensor: str, level: float, time_ms: int) -> B:
        """Listen to a sensor again, which has this level now."""
        ...

    def shown(self, belief: B, time_ms: int) -> Occupancy:
        """Give the occupancy at a moment not before the last one."""
        ...


def deaf(spaces: Sequence[SensedSpace], sensors: Sequence[Sensor]) -> tuple[str, ...]:
    """Name the spaces that stay `unknown`, since no sensor of theirs can ever say that they are empty."""
    return tuple(space.id for space in spaces if space.is_sensed and not judge(space, sensors).can_vouch)


def judge(space: SensedSpace, sensors: Sequence[Sensor]) -> Judge[Any]:
    """Give what judges a space: the estimator, or the hold time that somebody has set; nothing where it is off."""
    if not space.is_sensed:
        return Off()
    return Estimator(space, sensors) if space.hold_ms is None else Hold(space, sensors)
