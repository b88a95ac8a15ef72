"""What is believed of a space: a value, and what can be told from it alone."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from perch.model import Occupancy, Reason, State
from perch.sensing.chain import Flow, Weights
from perch.sensing.doors import ALONE, Crossings, Crowd
from perch.sensing.voices import NEVER_MS, Evidence, Heard

GONE = frozenset({Reason.SENSOR_SILENT, Reason.SENSOR_STUCK})
"""Why nothing is known of a space of which no sensor can be heard."""


class Sign(NamedTuple):
    """The last sign of somebody, and what it was."""

    at_ms: int
    reason: Reason


NO_SIGN = Sign(-1, Reason.PRESENCE)


class Belief(NamedTuple):
    """What is believed of a space at `at_ms`, and the occupancy that is said of it (as it was when it was first said).

    `weights` are without the `evidence` of that very moment, `now` with it; `flow` is how silence weighs from then on,
    None where it says nothing. `crowd` is how many people there are, where doors count, and `crossings` those of this
    very moment. `covers_ms` is how long before it a sample may stand for, None while no sensor is heard whose quiet
    could vouch for an empty space.
    """

    at_ms: int
    weights: Weights
    evidence: Evidence
    now: Weights
    voices: tuple[Heard, ...]
    flow: Flow | None
    occupancy: Occupancy
    deadline: int
    sign: Sign = NO_SIGN
    crowd: Crowd = ALONE
    crossings: Crossings | None = None
    covers_ms: int | None = None


DEADLINE = Belief._fields.index("deadline")

belief_as: Callable[[tuple[Any, ...]], Belief] = partial(tuple.__new__, Belief)
"""Its constructor in a third of the time, for what happens with each reading."""


def signed(before: Sign, at_ms: int, reason: Reason) -> Sign:
    """Give the last sign of somebody; of several in one moment the same one, in whatever order they came."""
    if before.at_ms == at_ms and before.reason <= reason:
        return before
    return tuple.__new__(Sign, (at_ms, reason))


def saying(belief: Belief, state: State, reason: Reason, probability: float, count: int | None) -> Belief:
    """Give the belief with something else said of it from its moment on."""
    said = belief.occupancy
    since_ms = said.since_ms if state is said.state else belief.at_ms
    return belief._replace(occupancy=Occupancy(state, probability, count, reason, since_ms))


def rounded(probability: float) -> float:
    """Give a probability to three decimals; nothing is ever quite certain."""
    return round(min(max(probability, 0.001), 0.999), 3)


def due_ms(voices: Sequence[Heard]) -> int:
    """Give the next moment at which the silence of a sensor means something by itself."""
    if len(voices) == 1:
        return voices[0].due_ms
    return min([heard.due_ms for heard in voices], default=NEVER_MS)


def gone(voices: Sequence[Heard]) -> Reason:
    """Say why nothing is heard: a sensor that cannot be believed is worth more mention than one that is silent."""
    stuck = any(heard.silent is Reason.SENSOR_STUCK for heard in voices)
    return Reason.SENSOR_STUCK if stuck else Reason.SENSOR_SILENT
