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
from math import exp
from typing import NamedTuple

from perch.model import Occupancy, Reading, Reason, SensedSpace, Sensor, SensorKind, State
from perch.sensing.chain import Carry, Flow, Rates, Weights, carried, normalised, total_rates
from perch.sensing.doors import ALONE, CROSSING_RATES, Crowd, crossed, settled
from perch.sensing.evidence import BEAMS, ON
from perch.sensing.settled import PACES, Thresholds, thresholds, voices_of
from perch.sensing.voices import NATS, NEVER_MS, NOTHING, Evidence, Heard, Voice

PRIOR = 0.5
SURE = 0.9
"""A belief this sure or surer is not looked at again before it could have become unsure."""

_CARRIES_KNOWN = 64
_FACTORS_KNOWN = 512
NOBODY = (None, ALONE, ALONE, 0, 0)
_FARTHEST_MS = 7 * 24 * 3_600_000
_COVERS = 1.5
"""A sample stands for the time before it, but for no more than so many intervals."""


class Belief(NamedTuple):
    """What is believed of a space at `at_ms`, and what is said of it.

    `weights` are without the `evidence` of that very moment, `now` with it; `flow` is how silence weighs, None where it
    says nothing. The last sign of somebody came at `sign_ms` for the reason `cause`. Where doors count, `crowd` is how
    many people there are now; `came` and `went` of them in this very moment, before which there were `crowd_before`.
    """

    at_ms: int
    weights: Weights
    evidence: Evidence
    now: Weights
    voices: tuple[Heard, ...]
    flow: Flow | None
    state: State
    reason: Reason
    probability: float
    since_ms: int
    deadline: int
    sign_ms: int = -1
    cause: Reason = Reason.PRESENCE
    people: int | None = None
    crowd: Crowd = ALONE
    crowd_before: Crowd = ALONE
    came: int = 0
    went: int = 0


class Model:
    """How one space is judged: its voices, the pace of its kind, and when it is said to be what. It never changes."""

    def __init__(self, space: SensedSpace, sensors: Sequence[Sensor]) -> None:
        self.space = space
        self.doors = {
            sensor.id: sensor.kind is SensorKind.BEAM_IN
            for sensor in sensors
            if sensor.space == space.id and sensor.kind in BEAMS
        }
        self.pace = PACES[space.kind].through_doors() if self.doors else PACES[space.kind]
        self.voices: tuple[Voice, ...] = voices_of(space, sensors, self.pace)
        self.places = {voice.sensor.id: place for place, voice in enumerate(self.voices)}
        self.limits: Thresholds = thresholds(space)
        sampled = [voice.sensor.every_ms for voice in self.voices if voice.sensor.every_ms is not None]
        self._covered_ms = int(_COVERS * min(sampled, default=0))
        self._plain = Flow(self.pace)
        self._flows: dict[tuple[Rates | None, ...], Flow | None] = {}
        self._carries: dict[int, Carry] = {}
        self._factors: dict[Evidence, Weights] = {}
        self._quick: dict[Flow, tuple[int, bool]] = {}

    def __repr__(self) -> str:
        return f"<Model of {self.space.id}, {len(self.voices)} voices>"

    def flow(self, voices: Sequence[Heard]) -> Flow | None:
        """Give how the silence of all that would have spoken weighs."""
        spoken = tuple([voice.speaks(heard) for voice, heard in zip(self.voices, voices)])  # noqa: B905  hot
        if spoken not in self._flows:
            speaking = [rates for rates in spoken if rates is not None] + [CROSSING_RATES] * bool(self.doors)
            self._flows[spoken] = Flow(self.pace, total_rates(speaking)) if speaking else None
        return self._flows[spoken]

    def weighed(self, weights: Weights, evidence: Evidence) -> Weights:
        """Give weights with evidence in them, normalised to 1."""
        factors = self._factors.get(evidence)
        if factors is None:
            most = max(evidence)
            if len(self._factors) >= _FACTORS_KNOWN:
                self._factors.clear()
            a, b, c, d = evidence
            factors = exp((a - most) / NATS), exp((b - most) / NATS), exp((c - most) / NATS), exp((d - most) / NATS)
            self._factors[evidence] = factors
        w, x, y, z = weights
        a, b, c, d = factors
        return normalised((w * a, x * b, y * c, z * d))

    def moved(self, belief: Belief, time_ms: int) -> Weights:
        """Give the weights at a later moment, before anything is heard in it."""
        gap_ms = time_ms - belief.at_ms
        if belief.flow is not None:
            return belief.flow.after(belief.now, gap_ms / 1000)
        gap_ms = min(gap_ms, self._covered_ms)
        carry = self._carries.get(gap_ms)
        if carry is None:
            if len(self._carries) >= _CARRIES_KNOWN:
                self._carries.clear()
            carry = self._carries[gap_ms] = self._plain.carry(gap_ms / 1000)
        return carried(belief.now, carry)

    def crowd(self, belief: Belief, weights: Weights, time_ms: int) -> tuple[Crowd, int, int]:
        """Give how many people there were before the crossings of a moment, and those crossings."""
        if time_ms == belief.at_ms:
            return belief.crowd_before, belief.came, belief.went
        arriving = belief.now[0] * (time_ms - belief.at_ms) / 1000 / self.pace.vacant
        return settled(belief.crowd, 1 - belief.now[0], arriving), 0, 0

    def quick(self, flow: Flow) -> tuple[int, bool]:
        """Give how soon (ms) silence could free a sure belief, and whether it could ever make a free space occupied."""
        if flow not in self._quick:
            surely: Weights = (1 - SURE, SURE, 0.0, 0.0)
            falls_ms = crossing(flow, surely, below=self.limits.free, above=2.0)
            free: Weights = (1 - self.limits.free, self.limits.free, 0.0, 0.0)
            rises_ms = crossing(flow, free, below=-1.0, above=self.limits.occupied)
            self._quick[flow] = (_FARTHEST_MS if falls_ms is None else falls_ms, rises_ms is not None)
        return self._quick[flow]


def begin(model: Model, time_ms: int, probability: float = PRIOR, levels: Mapping[str, float] | None = None) -> Belief:
    """Start with not knowing, whatever was believed before; the levels of pins that can be read say what they mean."""
    known = levels or {}
    voices = tuple(voice.begin(time_ms, known.get(voice.sensor.id)) for voice in model.voices)
    belief = Belief(
        time_ms,
        even(model),
        NOTHING,
        even(model),
        voices,
        model.flow(voices),
        State.UNKNOWN,
        Reason.STARTING,
        probability,
        time_ms,
        time_ms,
    )
    return _timed(model, belief)


def observe(model: Model, belief: Belief, reading: Reading) -> Belief:
    """Take in a reading of one of the model's sensors; every deadline before its time has been let expire."""
    time_ms = reading.time_ms
    if reading.sensor in model.doors:
        return _crossing(model, belief, reading)
    place = model.places[reading.sensor]
    voice = model.voices[place]
    if belief.reason is Reason.SENSOR_SILENT:
        belief = _again(model, belief, time_ms)
    at_ms, weights, evidence, now, all_heard, flow, state, reason, probability, since_ms, deadline, sign_ms, cause = (
        belief[:13]
    )
    before = all_heard[place]
    heard, said = voice.hear(before, time_ms, reading.value)
    voices = (*all_heard[:place], heard, *all_heard[place + 1 :]) if len(all_heard) > 1 else (heard,)
    if time_ms > at_ms:
        weights, evidence = model.moved(belief, time_ms), said
    elif said is not NOTHING:
        a, b, c, d = evidence
        e, f, g, h = said
        evidence = (a + e, b + f, c + g, d + h)
    now = model.weighed(weights, evidence)
    crowd = ()
    if model.doors:
        crowd = model.crowd(belief, weights, time_ms)
        now, after = crossed(now, crowd[0], crowd[1], crowd[2], model.space.capacity)
        crowd = (belief.people, after, *crowd)
    if voice.sensor.every_ms is None or before.silent:
        flow = model.flow(voices)
    if said[1] > said[0]:
        sign_ms, cause = time_ms, voice.reason
    occupied, free = model.limits
    likely = 1 - now[0]
    if (likely >= occupied and state is not State.OCCUPIED) or (likely <= free and state is not State.FREE):
        deadline = time_ms
    elif flow is not None:
        deadline = _deadline(model, flow, time_ms, now, state, voices)
    elif deadline <= time_ms:
        deadline = _due_ms(voices)
    return Belief._make(
        (
            time_ms,
            weights,
            evidence,
            now,
            voices,
            flow,
            state,
            reason,
            probability,
            since_ms,
            deadline,
            sign_ms,
            cause,
            *(crowd or NOBODY),
        )
    )


def _crossing(model: Model, belief: Belief, reading: Reading) -> Belief:
    if reading.value <= ON:
        return belief
    time_ms = reading.time_ms
    later = time_ms > belief.at_ms
    weights = model.moved(belief, time_ms) if later else belief.weights
    evidence = NOTHING if later else belief.evidence
    before, came, went = model.crowd(belief, weights, time_ms)
    if model.doors[reading.sensor]:
        came += 1
    else:
        went += 1
    now, crowd = crossed(model.weighed(weights, evidence), before, came, went, model.space.capacity)
    return belief._replace(
        at_ms=time_ms,
        weights=weights,
        evidence=evidence,
        now=now,
        crowd=crowd,
        crowd_before=before,
        came=came,
        went=went,
        sign_ms=time_ms,
        cause=Reason.COUNT,
        deadline=time_ms,
    )


def expire(model: Model, belief: Belief) -> Belief:
    """Let the deadline come: voices fall silent or speak again, and what is said follows what is believed."""
    now = belief.deadline
    if now > belief.at_ms:
        weights = model.moved(belief, now)
        crowd = model.crowd(belief, weights, now)[0]
        belief = belief._replace(
            at_ms=now, weights=weights, evidence=NOTHING, now=weights, crowd=crowd, crowd_before=crowd, came=0, went=0
        )
    if any(heard.due_ms <= now for heard in belief.voices):
        belief = _lapsed(model, belief, now)
    if model.voices and all(heard.silent for heard in belief.voices):
        return _timed(model, _saying(belief, State.UNKNOWN, Reason.SENSOR_SILENT, belief.probability))
    return _timed(model, _judged(model, belief))


def shown(model: Model, belief: Belief, time_ms: int) -> Occupancy:
    """Give the occupancy as it stands at a moment not before the last one."""
    if belief.state is State.UNKNOWN:
        return Occupancy(belief.state, belief.probability, None, belief.reason, belief.since_ms)
    weights = belief.now
    if belief.flow is not None and time_ms > belief.at_ms:
        weights = belief.flow.after(weights, (time_ms - belief.at_ms) / 1000)
    reason = belief.reason
    if belief.state is State.OCCUPIED:
        reason = _reason(model, belief, time_ms)
    return Occupancy(belief.state, rounded(1 - weights[0]), None, reason, belief.since_ms)


def even(model: Model) -> Weights:
    """Give the weights of a belief that holds somebody's being there as likely as not."""
    empty, moving, still, deep = model.pace.at_rest()
    share = PRIOR / (moving + still + deep)
    return normalised((1 - PRIOR, moving * share, still * share, deep * share)) if empty else model.pace.at_rest()


def rounded(probability: float) -> float:
    """Give a probability to three decimals; nothing is ever quite certain."""
    return round(min(max(probability, 0.001), 0.999), 3)


def crossing(flow: Flow, weights: Weights, below: float, above: float) -> int | None:
    """Give after how many ms of silence the probability leaves (below, above), None if not within a week."""
    step, before = 1000, 0
    while not _is_out(flow, weights, step, below, above):
        if step >= _FARTHEST_MS:
            return None
        before, step = step, 2 * step
    while step - before > 1:
        middle = (before + step) // 2
        if _is_out(flow, weights, middle, below, above):
            step = middle
        else:
            before = middle
    return step


def _is_out(flow: Flow, weights: Weights, ms: int, below: float, above: float) -> bool:
    return not below < 1 - flow.after(weights, ms / 1000)[0] < above


def _again(model: Model, belief: Belief, time_ms: int) -> Belief:
    """Begin anew after all sensors were silent: nothing is known of the time between."""
    return belief._replace(
        at_ms=time_ms,
        weights=even(model),
        evidence=NOTHING,
        now=even(model),
        reason=Reason.STARTING,
        since_ms=belief.since_ms,
        sign_ms=-1,
    )


def _lapsed(model: Model, belief: Belief, now: int) -> Belief:
    voices, totals = [], list(belief.evidence)
    for voice, heard in zip(model.voices, belief.voices, strict=True):
        if heard.due_ms <= now:
            heard, said = voice.lapse(heard, now)
            totals = [total + one for total, one in zip(totals, said, strict=True)]
        voices.append(heard)
    a, b, c, d = totals
    now = model.weighed(belief.weights, (a, b, c, d))
    return belief._replace(voices=tuple(voices), evidence=(a, b, c, d), now=now, flow=model.flow(voices))


def _judged(model: Model, belief: Belief) -> Belief:
    """Say what follows from the probability of this moment."""
    probability = 1 - belief.now[0]
    if probability >= model.limits.occupied and belief.state is not State.OCCUPIED:
        return _saying(belief, State.OCCUPIED, _reason(model, belief, belief.at_ms), rounded(probability))
    if probability <= model.limits.free and belief.state is not State.FREE:
        return _saying(belief, State.FREE, Reason.QUIET, rounded(probability))
    return belief


def _saying(belief: Belief, state: State, reason: Reason, probability: float) -> Belief:
    since_ms = belief.since_ms if state is belief.state else belief.at_ms
    return belief._replace(state=state, reason=reason, probability=probability, since_ms=since_ms)


def _reason(model: Model, belief: Belief, time_ms: int) -> Reason:
    """Say why a space is occupied at a moment: by a sensor that sees somebody now, or because it is held."""
    for voice, heard in zip(model.voices, belief.voices, strict=True):
        if voice.is_on(heard):
            return voice.reason
    return belief.cause if belief.sign_ms == time_ms else Reason.HELD


def _deadline(model: Model, flow: Flow, at_ms: int, now: Weights, state: State, voices: tuple[Heard, ...]) -> int:
    """Find a moment before which silence changes nothing, as cheaply as may be."""
    falls_ms, rises = model.quick(flow)
    if state is State.OCCUPIED and now[0] <= 1 - SURE:
        return min(at_ms + falls_ms, _due_ms(voices))
    if state is State.FREE and not rises:
        return _due_ms(voices)
    return _next(model, flow, at_ms, now, state, voices)


def _next(model: Model, flow: Flow, at_ms: int, now: Weights, state: State, voices: tuple[Heard, ...]) -> int:
    """Find the next moment at which silence changes something."""
    below = -1.0 if state is State.FREE else model.limits.free
    above = 2.0 if state is State.OCCUPIED else model.limits.occupied
    passing = crossing(flow, now, below, above)
    due_ms = _due_ms(voices)
    return due_ms if passing is None else min(due_ms, at_ms + passing)


def _timed(model: Model, belief: Belief) -> Belief:
    """Find the next moment at which something changes."""
    if belief.flow is None or belief.reason is Reason.SENSOR_SILENT:
        return belief._replace(deadline=_due_ms(belief.voices))
    deadline = _next(model, belief.flow, belief.at_ms, belief.now, belief.state, belief.voices)
    return belief._replace(deadline=deadline)


def _due_ms(voices: tuple[Heard, ...]) -> int:
    return min((heard.due_ms for heard in voices), default=NEVER_MS)
