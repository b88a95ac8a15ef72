"""The estimator: from readings to how likely it is that somebody is there, and to what is said of it.

    unknown/starting ──likely──► occupied ──unlikely──► free
          │  └──unlikely────────────────────────────────► │ ◄─likely─ …
          ◄── a sensor speaks again ── unknown/sensor-silent ◄── none left that can vouch (from any state)

A space is judged while a sensor is heard whose quiet can vouch for its being empty. Light, a door's contact, a
microphone that never heard anything, air whose slope is not known yet cannot: without any that can, nothing is said,
and time moves nothing, since it would be the prior alone that speaks.

The belief is a distribution over what the space is doing (`chain`); readings weigh its states (`voices`), and the
silence of sensors that would have spoken does so too. What is *said* changes with hysteresis: occupied at one
probability, free at a lower one, chosen from what each error costs. The readings of one moment are heard together and
judged when the moment is over, so their order changes nothing.

A belief is a value; times are integer ms of one clock that never goes back. `deadline` is a moment before which time
alone changes nothing; at that moment `expire` may change what is said, or only find a later deadline.
"""

from collections.abc import Mapping, Sequence
from math import isfinite

from perch.model import Occupancy, Reading, Reason, SensedSpace, Sensor, State
from perch.sensing.belief import DEADLINE, GONE, Belief, belief_as, due_ms, rounded, saying, signed
from perch.sensing.chain import Flow, Weights
from perch.sensing.deadlines import passing
from perch.sensing.doors import Crossings, Crowd, crossed, most_likely, settled
from perch.sensing.evidence import ON, is_repeated
from perch.sensing.space_model import SpaceModel, weighed
from perch.sensing.voices import NEVER_MS, NOTHING, PRIOR, Heard, added

_UNKNOWN, _FREE, _OCCUPIED = State.UNKNOWN, State.FREE, State.OCCUPIED


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

    @property
    def can_vouch(self) -> bool:
        """Whether its sensors can ever say that the space is empty."""
        return any(voice.can_vouch for voice in self.model.voices)

    def begin(self, time_ms: int, probability: float = PRIOR) -> Belief:
        """Start with not knowing, whatever was believed before."""
        even = self.model.even
        voices = tuple(voice.begin(time_ms) for voice in self.model.voices)
        said = Occupancy(_UNKNOWN, probability, None, Reason.STARTING, time_ms)
        belief = Belief(time_ms, even, NOTHING, even, voices, None, said, time_ms)
        return self._timed(self._listening(belief, voices))

    def with_levels(self, belief: Belief, levels: Mapping[str, float], time_ms: int) -> Belief:
        """Take in the levels found on the pins at a start."""
        heard = list(belief.voices)
        for place, voice in enumerate(self.model.voices):
            if voice.sensor.edge_driven and voice.sensor.id in levels:
                heard[place], said = voice.found(heard[place], levels[voice.sensor.id])
                belief = belief._replace(evidence=added(belief.evidence, said))
        now = weighed(belief.weights, belief.evidence)
        return self._listening(belief._replace(now=now, deadline=time_ms), tuple(heard))

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
        model, time_ms, value = self.model, reading.time_ms, reading.value
        at_ms, weights, evidence, now, others, flow, said, deadline, sign, crowd, crossings, covers_ms = belief
        place, voice, edges = model.places[reading.sensor]
        before = others[place]
        if (before.said_ms == time_ms and before.value == value) or (
            edges and (before.value > ON) is (value > ON) and is_repeated(voice.sensor, before.value, value)
        ):
            return belief
        heard, told = voice.hear(before, time_ms, value)
        voices = (*others[:place], heard, *others[place + 1 :]) if model.several else (heard,)
        if place in model.chorus:
            told = model.together(voices, others if time_ms == at_ms else (), time_ms)
        if time_ms > at_ms:
            weights, evidence, crossings = model.moved(now, flow, time_ms - at_ms, covers_ms), told, None
            now = weighed(weights, told)
        elif told is not NOTHING or model.doors:
            evidence = added(evidence, told)
            now = weighed(weights, evidence)
        if model.doors:
            if reading.sensor in model.doors and value > ON:
                sign, deadline = signed(sign, time_ms, Reason.COUNT), time_ms
            now, crowd, crossings = self._through_doors(belief, reading, now, crossings)
        if told[1] > told[0]:
            sign = signed(sign, time_ms, voice.reason)
        if edges and voice.speaks(heard) is not voice.speaks(before):
            flow = model.flow(voices)
        if covers_ms is None or before.silent:
            flow, covers_ms, said = self._heard_now(voices, said)
            deadline = min(deadline, heard.due_ms) if covers_ms is None else time_ms
        elif deadline != time_ms:
            likely, state, (occupied, free) = 1 - now[0], said.state, model.limits
            if (likely >= occupied and state is not _OCCUPIED) or (likely <= free and state is not _FREE):
                deadline = time_ms
            elif flow is not None:
                deadline = min(due_ms(voices), time_ms + passing(flow, now, state, model.limits))
            elif not model.several or deadline < time_ms + model.near_ms:
                deadline = due_ms(voices)
            elif heard.due_ms < deadline:
                deadline = heard.due_ms
        return belief_as(
            (time_ms, weights, evidence, now, voices, flow, said, deadline, sign, crowd, crossings, covers_ms)
        )

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
        now_ms, lapses = belief.deadline, due_ms(belief.voices) <= belief.deadline
        if now_ms > belief.at_ms:
            if belief.flow is None and not lapses:  # silence says nothing, and nobody's silence is new
                return self._timed(belief)
            belief = self._at(belief, now_ms)
        if lapses:
            belief = self._lapsed(belief, now_ms)
        return self._timed(self._judged(belief) if belief.covers_ms is not None else self._not_knowing(belief))

    def leave_out(self, belief: Belief, sensor: str, reason: Reason, time_ms: int) -> Belief:
        """Listen to a sensor no longer; where it was the last one, nothing is known from then on."""
        place = self.model.places[sensor].place
        if belief.voices[place].silent:
            return belief
        deaf = belief.voices[place]._replace(silent=reason, due_ms=NEVER_MS)
        return self._hearing(self._at(belief, time_ms), (*belief.voices[:place], deaf, *belief.voices[place + 1 :]))

    def take_back(self, belief: Belief, sensor: str, level: float, time_ms: int) -> Belief:
        """Listen to a sensor again, which has this level now; what it learned is kept."""
        place = self.model.places[sensor].place
        heard = self.model.voices[place].begin(time_ms)
        heard = heard._replace(memory=belief.voices[place].memory or heard.memory)
        belief = self._hearing(self._at(belief, time_ms), (*belief.voices[:place], heard, *belief.voices[place + 1 :]))
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

    def _at(self, belief: Belief, time_ms: int) -> Belief:
        """Give the belief as it is at a moment at which nothing was heard."""
        at_ms, _, _, now, voices, flow, said, deadline, sign, crowd, _, covers_ms = belief
        if time_ms == at_ms:
            return belief
        if self.model.doors:
            crowd = self._crowd(belief, time_ms)
        now = self.model.moved(now, flow, time_ms - at_ms, covers_ms)
        return belief_as((time_ms, now, NOTHING, now, voices, flow, said, deadline, sign, crowd, None, covers_ms))

    def _hearing(self, belief: Belief, voices: tuple[Heard, ...]) -> Belief:
        """Give the belief with other voices from its moment on."""
        return self._listening(belief._replace(deadline=belief.at_ms), voices)

    def _listening(self, belief: Belief, voices: tuple[Heard, ...]) -> Belief:
        flow, covers_ms, said = self._heard_now(voices, belief.occupancy)
        return belief._replace(voices=voices, flow=flow, covers_ms=covers_ms, occupancy=said)

    def _heard_now(self, voices: tuple[Heard, ...], said: Occupancy) -> tuple[Flow | None, int | None, Occupancy]:
        """Give how silence weighs, what a sample covers, and what is said where sensors can be heard again."""
        covers_ms = self.model.covers_ms(voices)
        if said.reason in GONE and (covers_ms is not None or self.model.why_unknown(voices) is Reason.STARTING):
            said = Occupancy(_UNKNOWN, said.probability, None, Reason.STARTING, said.since_ms)
        return None if covers_ms is None else self.model.flow(voices), covers_ms, said

    def _not_knowing(self, belief: Belief) -> Belief:
        """Say nothing, since no sensor can vouch for anything; nothing will be known of the time until one can."""
        even, said = self.model.even, belief.occupancy
        begun = Belief(belief.at_ms, even, NOTHING, even, belief.voices, None, said, belief.deadline)
        reason = self.model.why_unknown(belief.voices)
        if said.state is _UNKNOWN and said.reason is reason:
            return begun
        return saying(begun, _UNKNOWN, reason, said.probability, None)

    def _lapsed(self, belief: Belief, now_ms: int) -> Belief:
        voices, total = [], belief.evidence
        for voice, heard in zip(self.model.voices, belief.voices, strict=True):
            if heard.due_ms <= now_ms:
                heard, said = voice.lapse(heard, now_ms)
                total = added(total, said)
            voices.append(heard)
        now = weighed(belief.weights, total)
        if belief.crossings is not None:
            now, _ = crossed(now, belief.crossings, self.model.space.capacity)
        return self._listening(belief._replace(evidence=total, now=now), tuple(voices))

    def _judged(self, belief: Belief) -> Belief:
        """Say what follows from the probability of this moment."""
        probability, state = 1 - belief.now[0], belief.occupancy.state
        if probability >= self.model.limits.occupied and state is not _OCCUPIED:
            reason = self._reason(belief, belief.at_ms)
            return saying(belief, _OCCUPIED, reason, rounded(probability), self._count(belief))
        if probability <= self.model.limits.free and state is not _FREE:
            return saying(belief, _FREE, Reason.QUIET, rounded(probability), 0 if self.model.doors else None)
        if state is _OCCUPIED and self._count(belief) != belief.occupancy.count:
            reason = self._reason(belief, belief.at_ms)
            return saying(belief, _OCCUPIED, reason, rounded(probability), self._count(belief))
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
        flow, said, due = belief.flow, belief.occupancy, due_ms(belief.voices)
        if flow is not None:
            due = min(due, belief.at_ms + passing(flow, belief.now, said.state, self.model.limits))
        return belief_as((*belief[:DEADLINE], due, *belief[DEADLINE + 1 :]))
