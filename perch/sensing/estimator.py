"""The estimator: from readings to how likely it is that somebody is there, and to what is said of it.

    unknown/starting ──likely──► occupied ──unlikely──► free
          │  └──unlikely────────────────────────────────► │ ◄─likely─ …
          ◄── a sensor speaks again ── unknown/sensor-silent ◄── all sensors silent (from any state)

The belief is a distribution over what the space is doing (`chain`); readings weigh its states (`voices`), and the
silence of sensors that would have spoken does so too. What is *said* changes with hysteresis: occupied at one
probability, free at a lower one, chosen from what each error costs. The readings of one moment are heard together and
judged when the moment is over, so their order changes nothing.

A belief is a value; times are integer ms of one clock that never goes back. `deadline` is a moment before which time
alone changes nothing; at that moment `expire` may change what is said, or only find a later deadline.
"""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import NamedTuple

from perch.model import Occupancy, Reading, Reason, SensedSpace, Sensor, State
from perch.sensing.chain import Flow, Weights
from perch.sensing.deadlines import passing
from perch.sensing.doors import ALONE, Crossings, Crowd, crossed, most_likely, settled
from perch.sensing.evidence import ON, is_repeated
from perch.sensing.space_model import PRIOR, SpaceModel
from perch.sensing.voices import NEVER_MS, NOTHING, Evidence, Heard

_UNKNOWN, _FREE, _OCCUPIED = State.UNKNOWN, State.FREE, State.OCCUPIED


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
    very moment.
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


class Estimator:
    """Judges one space; it owns no belief, no clock and no timer."""

    def __init__(self, space: SensedSpace, sensors: Sequence[Sensor]) -> None:
        self.model = SpaceModel(space, sensors)

    def __repr__(self) -> str:
        return f"<Estimator of {self.model.space.id}>"

    @property
    def sensors(self) -> tuple[str, ...]:
        """The sensors that it listens to."""
        return tuple(voice.sensor.id for voice in self.model.voices)

    def begin(self, time_ms: int, probability: float = PRIOR) -> Belief:
        """Start with not knowing, whatever was believed before."""
        even = self.model.even
        voices = tuple(voice.begin(time_ms) for voice in self.model.voices)
        said = Occupancy(_UNKNOWN, probability, None, Reason.STARTING, time_ms)
        belief = Belief(time_ms, even, NOTHING, even, voices, self.model.flow(voices), said, time_ms)
        return self._timed(belief)

    def with_levels(self, belief: Belief, levels: Mapping[str, float], time_ms: int) -> Belief:
        """Take in the levels found on the pins at a start."""
        heard = list(belief.voices)
        for place, voice in enumerate(self.model.voices):
            if voice.sensor.edge_driven and voice.sensor.id in levels:
                heard[place], said = voice.found(heard[place], levels[voice.sensor.id])
                belief = belief._replace(evidence=added(belief.evidence, said))
        now = self.model.weighed(belief.weights, belief.evidence)
        return belief._replace(voices=tuple(heard), now=now, flow=self.model.flow(heard), deadline=time_ms)

    def memories(self, belief: Belief) -> dict[str, tuple[float, ...]]:
        """Give what each sensor has been learned to be like."""
        told = zip(self.model.voices, belief.voices, strict=True)
        return {voice.sensor.id: tuple(heard.memory) for voice, heard in told if voice.remembers and heard.memory}

    def with_memories(self, belief: Belief, memories: Mapping[str, tuple[float, ...]]) -> Belief:
        """Begin with what was learned before; what does not fit its sensor is forgotten."""
        voices = []
        for voice, heard in zip(self.model.voices, belief.voices, strict=True):
            memory = memories.get(voice.sensor.id, ())
            fits = voice.remembers == len(memory) > 0 and all(map(isfinite, memory))
            voices.append(heard._replace(memory=memory) if fits else heard)
        return belief._replace(voices=tuple(voices))

    def observe(self, belief: Belief, reading: Reading) -> Belief:
        """Take in a reading of one of its sensors; every deadline before its time has been let expire."""
        model, time_ms = self.model, reading.time_ms
        if belief.occupancy.reason in GONE:
            belief = self._again(belief, time_ms)
        at_ms, weights, evidence, now, voices, flow, occupancy, deadline, sign, crowd, crossings = belief
        place = model.places[reading.sensor]
        voice, before = model.voices[place], voices[place]
        if is_repeated(voice.sensor, before.value, reading.value) or (
            before.said_ms == time_ms and before.value == reading.value
        ):
            return belief
        heard, said = voice.hear(before, time_ms, reading.value)
        others = voices
        voices = (*voices[:place], heard, *voices[place + 1 :]) if len(voices) > 1 else (heard,)
        if place in model.chorus:
            said = more(model.together(voices, time_ms), model.together(others, time_ms))
        if time_ms > at_ms:
            weights, evidence, crossings = model.moved(now, flow, time_ms - at_ms), said, None
        elif said is not NOTHING:
            evidence = added(evidence, said)
        now = model.weighed(weights, evidence)
        if model.doors:
            if reading.sensor in model.doors and reading.value > ON:
                sign, deadline = Sign(time_ms, Reason.COUNT), time_ms
            now, crowd, crossings = self._through_doors(belief, reading, now, crossings)
        if said[1] > said[0] and (sign.at_ms != time_ms or voice.reason < sign.reason):
            sign = Sign(time_ms, voice.reason)
        if voice.speaks(heard) is not voice.speaks(before):
            flow = model.flow(voices)
        likely, state = 1 - now[0], occupancy.state
        if (likely >= model.limits.occupied and state is not _OCCUPIED) or (
            likely <= model.limits.free and state is not _FREE
        ):
            deadline = time_ms
        elif deadline != time_ms and flow is not None:
            silent_ms = passing(flow, now, state, model.limits, model.quick(flow))
            deadline = min(time_ms + silent_ms, due_ms(voices))
        elif deadline != time_ms:
            deadline = (
                heard.due_ms if len(voices) == 1 else due_ms(voices) if deadline < time_ms + model.near_ms else deadline
            )
        return _belief((time_ms, weights, evidence, now, voices, flow, occupancy, deadline, sign, crowd, crossings))

    def _through_doors(
        self, belief: Belief, reading: Reading, now: Weights, crossings: Crossings | None
    ) -> tuple[Weights, Crowd, Crossings | None]:
        """Give what a moment's crossings, this reading's among them, make of a belief."""
        doors, time_ms = self.model.doors, reading.time_ms
        crowd = self._crowd(belief, time_ms) if time_ms > belief.at_ms else belief.crowd
        if reading.sensor in doors and reading.value > ON:
            crossings = (crossings or Crossings(crowd)).and_one(into=doors[reading.sensor])
        if crossings is None:
            return now, crowd, None
        return (*crossed(now, crossings, self.model.space.capacity), crossings)

    def expire(self, belief: Belief) -> Belief:
        """Let the deadline come: voices fall silent or speak again, and what is said follows what is believed."""
        now_ms = belief.deadline
        if now_ms > belief.at_ms:
            belief = self._at(belief, now_ms, belief.voices)
        if due_ms(belief.voices) <= now_ms:
            belief = self._lapsed(belief, now_ms)
        if belief.voices and all(heard.silent for heard in belief.voices):
            return self._timed(_saying(belief, _UNKNOWN, gone(belief.voices), belief.occupancy.probability, None))
        return self._timed(self._judged(belief))

    def leave_out(self, belief: Belief, sensor: str, reason: Reason, time_ms: int) -> Belief:
        """Listen to a sensor no longer; where it was the last one, nothing is known from then on."""
        place = self.model.places[sensor]
        if belief.voices[place].silent:
            return belief
        deaf = belief.voices[place]._replace(silent=reason, due_ms=NEVER_MS)
        return self._at(belief, time_ms, (*belief.voices[:place], deaf, *belief.voices[place + 1 :]))

    def take_back(self, belief: Belief, sensor: str, level: float, time_ms: int) -> Belief:
        """Listen to a sensor again, which has this level now; what it learned is kept."""
        place = self.model.places[sensor]
        if belief.occupancy.reason in GONE:
            belief = self._again(belief, time_ms)
        heard = self.model.voices[place].begin(time_ms)
        heard = heard._replace(memory=belief.voices[place].memory or heard.memory)
        belief = self._at(belief, time_ms, (*belief.voices[:place], heard, *belief.voices[place + 1 :]))
        return self.with_levels(belief, {sensor: level}, time_ms)

    def shown(self, belief: Belief, time_ms: int) -> Occupancy:
        """Give the occupancy as it stands at a moment not before the last one."""
        said, weights = belief.occupancy, belief.now
        if said.state is _UNKNOWN:
            return said
        if belief.flow is not None and time_ms > belief.at_ms:
            weights = belief.flow.after(weights, (time_ms - belief.at_ms) / 1000)
        reason = self._reason(belief, time_ms) if said.state is _OCCUPIED else said.reason
        return Occupancy(said.state, rounded(1 - weights[0]), said.count, reason, said.since_ms)

    def _at(self, belief: Belief, time_ms: int, voices: tuple[Heard, ...]) -> Belief:
        """Give the belief as it is at a moment in which other voices begin to be listened to."""
        if time_ms > belief.at_ms:
            moved = self.model.moved(belief.now, belief.flow, time_ms - belief.at_ms)
            crowd = self._crowd(belief, time_ms) if self.model.doors else ALONE
            belief = belief._replace(
                at_ms=time_ms, weights=moved, evidence=NOTHING, now=moved, crowd=crowd, crossings=None
            )
        return belief._replace(voices=voices, flow=self.model.flow(voices), deadline=time_ms)

    def _again(self, belief: Belief, time_ms: int) -> Belief:
        """Begin anew after all sensors were silent: nothing is known of the time between."""
        said = belief.occupancy
        starting = Occupancy(_UNKNOWN, said.probability, None, Reason.STARTING, said.since_ms)
        begun = self.begin(time_ms, said.probability)
        return begun._replace(voices=belief.voices, flow=self.model.flow(belief.voices), occupancy=starting)

    def _lapsed(self, belief: Belief, now_ms: int) -> Belief:
        voices, total = [], belief.evidence
        for voice, heard in zip(self.model.voices, belief.voices, strict=True):
            if heard.due_ms <= now_ms:
                heard, said = voice.lapse(heard, now_ms)
                total = added(total, said)
            voices.append(heard)
        now = self.model.weighed(belief.weights, total)
        if belief.crossings is not None:
            now, _ = crossed(now, belief.crossings, self.model.space.capacity)
        return belief._replace(voices=tuple(voices), evidence=total, now=now, flow=self.model.flow(voices))

    def _judged(self, belief: Belief) -> Belief:
        """Say what follows from the probability of this moment."""
        probability, state = 1 - belief.now[0], belief.occupancy.state
        if probability >= self.model.limits.occupied and state is not _OCCUPIED:
            reason = self._reason(belief, belief.at_ms)
            return _saying(belief, _OCCUPIED, reason, rounded(probability), self._count(belief))
        if probability <= self.model.limits.free and state is not _FREE:
            return _saying(belief, _FREE, Reason.QUIET, rounded(probability), 0 if self.model.doors else None)
        if state is _OCCUPIED and self._count(belief) != belief.occupancy.count:
            reason = self._reason(belief, belief.at_ms)
            return _saying(belief, _OCCUPIED, reason, rounded(probability), self._count(belief))
        return belief

    def _reason(self, belief: Belief, time_ms: int) -> Reason:
        """Say why a space is occupied at a moment: by a sensor that sees somebody now, or because it is held."""
        for voice, heard in zip(self.model.voices, belief.voices, strict=True):
            if voice.is_on(heard):
                return voice.reason
        return belief.sign.reason if belief.sign.at_ms == time_ms else Reason.HELD

    def _count(self, belief: Belief) -> int | None:
        return most_likely(belief.crowd) if self.model.doors else None

    def _crowd(self, belief: Belief, time_ms: int) -> Crowd:
        """Give how many people there are at a later moment, when some may have come unseen."""
        arriving = belief.now[0] * (time_ms - belief.at_ms) / 1000 / self.model.pace.vacant
        return settled(belief.crowd, 1 - belief.now[0], arriving)

    def _timed(self, belief: Belief) -> Belief:
        """Find the next moment at which something may change."""
        flow, said = belief.flow, belief.occupancy
        due = due_ms(belief.voices)
        if flow is None or said.reason in GONE:
            return belief._replace(deadline=due)
        silent_ms = passing(flow, belief.now, said.state, self.model.limits, self.model.quick(flow))
        return belief._replace(deadline=min(due, belief.at_ms + silent_ms))


def added(one: Evidence, other: Evidence) -> Evidence:
    """Add up two pieces of evidence, exactly."""
    a, b, c, d = one
    e, f, g, h = other
    return a + e, b + f, c + g, d + h


def more(one: Evidence, other: Evidence) -> Evidence:
    """Give what one piece of evidence says more than another."""
    a, b, c, d = one
    e, f, g, h = other
    return a - e, b - f, c - g, d - h


def rounded(probability: float) -> float:
    """Give a probability to three decimals; nothing is ever quite certain."""
    return round(min(max(probability, 0.001), 0.999), 3)


def due_ms(voices: Sequence[Heard]) -> int:
    """Give the next moment at which the silence of a sensor means something by itself."""
    return min((heard.due_ms for heard in voices), default=NEVER_MS)


def gone(voices: Sequence[Heard]) -> Reason:
    """Say why nothing is heard: a sensor that cannot be believed is worth more mention than one that is silent."""
    stuck = any(heard.silent is Reason.SENSOR_STUCK for heard in voices)
    return Reason.SENSOR_STUCK if stuck else Reason.SENSOR_SILENT


def _belief(fields: tuple[object, ...]) -> Belief:
    return tuple.__new__(Belief, fields)  # a third of the time of its constructor, once for each reading


def _saying(belief: Belief, state: State, reason: Reason, probability: float, count: int | None) -> Belief:
    said = belief.occupancy
    since_ms = said.since_ms if state is said.state else belief.at_ms
    return belief._replace(occupancy=Occupancy(state, probability, count, reason, since_ms))
