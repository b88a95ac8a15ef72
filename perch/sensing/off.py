"""A space whose sensing is switched off: it is `unknown/out-of-service`, whatever anybody says, and never `free`."""

from collections.abc import Mapping
from typing import NamedTuple

from perch.model import Occupancy, Reading, Reason, State


class Silence(NamedTuple):
    """What is believed of such a space."""

    occupancy: Occupancy
    deadline: int | None = None


class Off:
    """A `Judge` that listens to nothing."""

    sensors: tuple[str, ...] = ()
    can_vouch = False

    def begin(self, time_ms: int, probability: float) -> Silence:
        """Begin with not knowing, and stay there."""
        return Silence(Occupancy(State.UNKNOWN, probability, None, Reason.OUT_OF_SERVICE, time_ms))

    def with_levels(self, belief: Silence, _levels: Mapping[str, float], _time_ms: int) -> Silence:
        """Take nothing in."""
        return belief

    def memories(self, _belief: Silence) -> dict[str, tuple[float, ...]]:
        """Learn nothing."""
        return {}

    def with_memories(self, belief: Silence, _memories: Mapping[str, tuple[float, ...]]) -> Silence:
        """Remember nothing."""
        return belief

    def observe(self, belief: Silence, _reading: Reading) -> Silence:
        """Take nothing in."""
        return belief

    def expire(self, belief: Silence) -> Silence:
        """Let time pass."""
        return belief

    def leave_out(self, belief: Silence, _sensor: str, _reason: Reason, _time_ms: int) -> Silence:
        """Go on listening to nothing."""
        return belief

    def take_back(self, belief: Silence, _sensor: str, _level: float, _time_ms: int) -> Silence:
        """Go on listening to nothing."""
        return belief

    def shown(self, belief: Silence, _time_ms: int) -> Occupancy:
        """Give what is believed at any moment."""
        return belief.occupancy
