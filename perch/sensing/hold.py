"""The hold rule: a space is occupied while somebody is sensed and for a fixed time after that.

    unknown/starting ──presence──► occupied ──quiet for the hold time──► free
          │  └──quiet for the hold time────────────────────────────────►  │
          ◄──── a sensor speaks again ──── unknown/sensor-silent ◄── all sensors silent (from any state)

A belief is a value: `observe` and `expire` give a new one and touch nothing. Times are integer milliseconds of one
clock that never goes back. A deadline fires strictly before a reading of the same moment is *not* heard: a reading
counts first, so the order of readings of one moment changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from perch.model import Occupancy, Reading, Reason, SensedSpace, Sensor, SensorKind, SpaceKind, State
from perch.sensing.evidence import BEAMS, REASONS, VOICES, is_on, is_repeated
from perch.sensing.voices import PRIOR, silence_limit_ms

HOLD_MS = {
    SpaceKind.DESK: 900_000,
    SpaceKind.ROOM: 300_000,
    SpaceKind.BOOTH: 300_000,
    SpaceKind.LOUNGE: 600_000,
}
"""What installers choose where a fixed time is all there is."""

SURE_OCCUPIED, SURE_FREE = 0.95, 0.05


@dataclass(frozen=True, slots=True)
class Rule:
    """How one space is judged: its sensors that speak of presence, and the hold time in ms."""

    space: SensedSpace
    voices: tuple[Sensor, ...]
    hold_ms: int

    @property
    def counts(self) -> bool:
        """Whether a sensor of this space can count people."""
        return any(sensor.kind in BEAMS for sensor in self.voices)


@dataclass(frozen=True, slots=True)
class LastWord:
    """What one sensor last said, and when (None: nothing yet); `silent_ms` is when it counts as silent from."""

    value: float
    said_ms: int | None
    silent_ms: int
    silent: Reason | None = None


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed of one space: when somebody was last sensed and by what `cause`; beams count `people`."""

    occupancy: Occupancy
    voices: tuple[LastWord, ...]
    quiet_from_ms: int
    present_ms: int | None = None
    cause: Reason = Reason.PRESENCE
    people: int = 0
    deadline: int | None = None


class Hold:
    """Judges one space by the rule; it owns no belief, no clock and no timer."""

    def __init__(self, space: SensedSpace, sensors: Sequence[Sensor]) -> None:
        voices = tuple(sensor for sensor in sensors if sensor.space == space.id and sensor.kind in VOICES)
        self.rule = Rule(space, voices, hold_ms(space))

    def __repr__(self) -> str:
        return f"<Hold of {self.rule.space.id}, {self.rule.hold_ms} ms>"

    @property
    def sensors(self) -> tuple[str, ...]:
        """The sensors that it listens to."""
        return tuple(sensor.id for sensor in self.rule.voices)

    @property
    def can_vouch(self) -> bool:
        """Whether its sensors can ever say that the space is empty: any whose signs the hold time is counted from."""
        return bool(self.rule.voices)

    def begin(self, time_ms: int, probability: float = PRIOR) -> Belief:
        """Give the belief at a start: nothing is known, every sensor has its time to speak."""
        return begin(self.rule, time_ms, probability)

    def with_levels(self, belief: Belief, levels: Mapping[str, float], time_ms: int) -> Belief:
        """Take in the levels found on the pins at a start."""
        return with_levels(self.rule, belief, levels, time_ms)

    def observe(self, belief: Belief, reading: Reading) -> Belief:
        """Take in a reading of one of its sensors; every deadline before its time has been let expire."""
        return observe(self.rule, belief, reading)

    def expire(self, belief: Belief) -> Belief:
        """Let the deadline of a belief come."""
        return expire(self.rule, belief)

    def memories(self, _belief: Belief) -> dict[str, tuple[float, ...]]:
        """Give what was learned: nothing."""
        return {}

    def with_memories(self, belief: Belief, _memories: Mapping[str, tuple[float, ...]]) -> Belief:
        """Begin as ever: a fixed time learns nothing."""
        return belief

    def leave_out(self, belief: Belief, sensor: str, reason: Reason, time_ms: int) -> Belief:
        """Listen to a sensor no longer; where it was the last one, nothing is known from then on."""
        place = self.sensors.index(sensor)
        if belief.voices[place].silent:
            return belief
        deaf = replace(belief.voices[place], silent=reason)
        voices = (*belief.voices[:place], deaf, *belief.voices[place + 1 :])
        return _timed(self.rule, _judged(self.rule, replace(belief, voices=voices), time_ms))

    def take_back(self, belief: Belief, sensor: str, level: float, time_ms: int) -> Belief:
        """Listen to a sensor again, which has this level now."""
        place = self.sensors.index(sensor)
        if all(voice.silent for voice in belief.voices):
            began = begin(self.rule, time_ms, belief.occupancy.probability)
            starting = replace(began.occupancy, since_ms=belief.occupancy.since_ms)
            belief = replace(began, occupancy=starting, voices=belief.voices)
        heard = LastWord(0.0, None, _silent_ms(self.rule, self.rule.voices[place], time_ms))
        voices = (*belief.voices[:place], heard, *belief.voices[place + 1 :])
        return self.with_levels(_timed(self.rule, replace(belief, voices=voices)), {sensor: level}, time_ms)

    def shown(self, belief: Belief, time_ms: int) -> Occupancy:
        """Give the occupancy as it stands at a moment: while a space is held, its probability falls towards even."""
        return shown(self.rule, belief, time_ms)


def hold_ms(space: SensedSpace) -> int:
    """Give how long a space is held, ms: as it is set by hand, or as it is usual for its kind."""
    return HOLD_MS[space.kind] if space.hold_ms is None else space.hold_ms


def begin(rule: Rule, time_ms: int, probability: float = PRIOR) -> Belief:
    """Give the belief at a start: nothing is known, every sensor has its time to speak."""
    voices = tuple(LastWord(0.0, None, _silent_ms(rule, sensor, time_ms)) for sensor in rule.voices)
    said = Occupancy(State.UNKNOWN, probability, None, Reason.STARTING, time_ms)
    return _timed(rule, Belief(said, voices, time_ms))


def with_levels(rule: Rule, belief: Belief, levels: Mapping[str, float], time_ms: int) -> Belief:
    """Take in the levels found on the pins at a start: a level is no edge, so no door opened and nobody walked in."""
    voices = tuple(
        replace(voice, value=levels.get(sensor.id, voice.value)) if sensor.edge_driven else voice
        for sensor, voice in zip(rule.voices, belief.voices, strict=True)
    )
    return _timed(rule, _judged(rule, replace(belief, voices=voices), time_ms))


def observe(rule: Rule, belief: Belief, reading: Reading) -> Belief:
    """Take in a reading of one of the rule's sensors; every deadline before its time has been let expire."""
    at = next(i for i, sensor in enumerate(rule.voices) if sensor.id == reading.sensor)
    sensor, before = rule.voices[at], belief.voices[at]
    if is_repeated(sensor, before.value, reading.value):
        return belief
    if all(voice.silent for voice in belief.voices):
        belief = replace(belief, quiet_from_ms=reading.time_ms, present_ms=None, people=0)
    voice = LastWord(reading.value, reading.time_ms, _silent_ms(rule, sensor, reading.time_ms))
    belief = replace(belief, voices=(*belief.voices[:at], voice, *belief.voices[at + 1 :]))
    if sensor.kind in BEAMS and is_on(sensor.kind, reading.value):
        belief = replace(belief, people=_people(rule, belief.people, sensor))
    if _speaks_of_presence(sensor, before, reading.value):
        belief = replace(belief, present_ms=reading.time_ms, cause=REASONS[sensor.kind])
    crossing = sensor.kind in BEAMS and is_on(sensor.kind, reading.value)
    return _timed(rule, _judged(rule, belief, reading.time_ms, crossing=crossing))


def expire(rule: Rule, belief: Belief) -> Belief:
    """Let the deadline of a belief come; without one nothing changes."""
    if belief.deadline is None:
        return belief
    now = belief.deadline
    voices = tuple(
        replace(voice, silent=Reason.SENSOR_SILENT) if not voice.silent and voice.silent_ms <= now else voice
        for voice in belief.voices
    )
    return _timed(rule, _judged(rule, replace(belief, voices=voices), now, expired=True))


def shown(rule: Rule, belief: Belief, time_ms: int) -> Occupancy:
    """Give the occupancy as it stands at a moment: while a space is held, its probability falls towards even."""
    said = belief.occupancy
    if said.state is not State.OCCUPIED or belief.present_ms is None or _present_now(rule, belief) is not None:
        return said
    quiet_ms = max(time_ms - belief.present_ms, 0)
    if quiet_ms == 0:
        return said
    doubt = (SURE_OCCUPIED - PRIOR) * min(quiet_ms / rule.hold_ms, 1.0)
    return replace(said, probability=round(SURE_OCCUPIED - doubt, 3), reason=Reason.HELD)


def _silent_ms(rule: Rule, sensor: Sensor, heard_ms: int) -> int:
    return heard_ms + silence_limit_ms(sensor, rule.space.quiet_limit_ms)


def _speaks_of_presence(sensor: Sensor, before: LastWord, value: float) -> bool:
    """Whether a reading is a sign of somebody: a value that is on, the end of a level, a door that moved."""
    if sensor.kind is SensorKind.CONTACT:
        return value != before.value and (sensor.edge_driven or before.said_ms is not None)
    fell = sensor.edge_driven and sensor.kind not in BEAMS and is_on(sensor.kind, before.value)
    return is_on(sensor.kind, value) or fell


def _people(rule: Rule, people: int, sensor: Sensor) -> int:
    if sensor.kind is SensorKind.BEAM_IN:
        return min(people + 1, rule.space.capacity or people + 1)
    return max(people - 1, 0)


def _only_beams(rule: Rule, belief: Belief) -> bool:
    """Whether no sensor but door beams can be heard, so that the count alone decides."""
    heard = (sensor.kind for sensor, voice in zip(rule.voices, belief.voices, strict=True) if not voice.silent)
    return all(kind in BEAMS for kind in heard)


def _present_now(rule: Rule, belief: Belief) -> Reason | None:
    """Give why somebody is there at this very moment: a level that is on, or people counted where only beams speak."""
    for sensor, voice in zip(rule.voices, belief.voices, strict=True):
        is_level = sensor.edge_driven and sensor.kind not in BEAMS and sensor.kind is not SensorKind.CONTACT
        if is_level and not voice.silent and is_on(sensor.kind, voice.value):
            return REASONS[sensor.kind]
    return Reason.COUNT if belief.people > 0 and _only_beams(rule, belief) else None


def _judged(rule: Rule, belief: Belief, now: int, *, expired: bool = False, crossing: bool = False) -> Belief:
    """Say what follows at this moment: of a deadline that has come, of somebody crossing a door, or of a value."""
    if belief.voices and all(voice.silent for voice in belief.voices):
        stuck = any(voice.silent is Reason.SENSOR_STUCK for voice in belief.voices)
        reason = Reason.SENSOR_STUCK if stuck else Reason.SENSOR_SILENT
        return _saying(rule, replace(belief, people=0), State.UNKNOWN, reason, now)
    level = _present_now(rule, belief)
    if level is not None:
        return _saying(rule, replace(belief, present_ms=now, cause=level), State.OCCUPIED, level, now)
    was = belief.occupancy.state
    left = crossing and was is State.OCCUPIED and belief.people == 0 and _only_beams(rule, belief)
    free_ms = _free_ms(rule, belief)
    if left or (expired and free_ms is not None and now >= free_ms):
        reason = Reason.COUNT if left else Reason.QUIET
        return _saying(rule, replace(belief, people=0), State.FREE, reason, now)
    if was is State.OCCUPIED or (belief.present_ms == now and not _only_beams(rule, belief)):
        reason = belief.cause if belief.present_ms == now else Reason.HELD
        return _saying(rule, belief, State.OCCUPIED, reason, now)
    return belief if was is State.FREE else _saying(rule, belief, State.UNKNOWN, Reason.STARTING, now)


def _free_ms(rule: Rule, belief: Belief) -> int | None:
    """Give when the hold time is over *and* somebody said that it is quiet; None while nobody has."""
    since_ms = _quiet_since(belief)
    began = belief.present_ms is None
    quiet = [
        since_ms if sensor.edge_driven else voice.said_ms
        for sensor, voice in zip(rule.voices, belief.voices, strict=True)
        if not voice.silent and (sensor.edge_driven or _spoke_since(voice, since_ms, began))
    ]
    return max(since_ms + rule.hold_ms, min(ms for ms in quiet if ms is not None)) if quiet else None


def _spoke_since(voice: LastWord, since_ms: int, began: bool) -> bool:
    """Whether a sampled sensor said anything after the last sign of somebody, or from the beginning on."""
    return voice.said_ms is not None and (voice.said_ms > since_ms or (began and voice.said_ms == since_ms))


def _quiet_since(belief: Belief) -> int:
    return belief.quiet_from_ms if belief.present_ms is None else belief.present_ms


def _saying(rule: Rule, belief: Belief, state: State, reason: Reason, now: int) -> Belief:
    said = belief.occupancy
    probability = {
        State.OCCUPIED: SURE_OCCUPIED,
        State.FREE: SURE_FREE,
        State.UNKNOWN: shown(rule, belief, now).probability,
    }[state]
    since_ms = said.since_ms if state is said.state else now
    return replace(belief, occupancy=Occupancy(state, probability, _count(rule, belief, state), reason, since_ms))


def _count(rule: Rule, belief: Belief, state: State) -> int | None:
    if state is State.UNKNOWN or not rule.counts:
        return None
    return max(belief.people, 1) if state is State.OCCUPIED else 0


def _timed(rule: Rule, belief: Belief) -> Belief:
    """Set the deadline: the next moment at which silence alone changes something."""
    moments = [voice.silent_ms for voice in belief.voices if not voice.silent]
    free_ms = _free_ms(rule, belief)
    if free_ms is not None and belief.occupancy.state is not State.FREE and _present_now(rule, belief) is None:
        moments.append(free_ms)
    return replace(belief, deadline=min(moments, default=None))
