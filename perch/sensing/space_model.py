"""How one space is judged: its voices, the pace of its kind, and at which probability it is said to be what."""

from collections.abc import Sequence
from math import exp

from perch.model import SensedSpace, Sensor, SensorKind
from perch.sensing.chain import Carry, Flow, Rates, Weights, carried, normalised, total_rates
from perch.sensing.deadlines import Quick, quick
from perch.sensing.evidence import BEAMS
from perch.sensing.pulses import SampledPulses
from perch.sensing.settled import Thresholds, pace_of, thresholds, voices_of
from perch.sensing.voices import NATS, NOTHING, Evidence, Heard, Voice

PRIOR = 0.5

_CARRIES_KNOWN = 64
_FACTORS_KNOWN = 512
_COVERS = 1.5
"""A sample stands for the time before it, but for no more than so many intervals."""


class SpaceModel:
    """The rule for one space. Nothing of it changes what is believed; it only remembers results that recur."""

    def __init__(self, space: SensedSpace, sensors: Sequence[Sensor]) -> None:
        own = [sensor for sensor in sensors if sensor.space == space.id]
        self.space = space
        self.doors = {sensor.id: sensor.kind is SensorKind.BEAM_IN for sensor in own if sensor.kind in BEAMS}
        self.pace = pace_of(space).through_doors() if self.doors else pace_of(space)
        self.voices: tuple[Voice, ...] = voices_of(space, own, self.pace)
        self.places = {voice.sensor.id: place for place, voice in enumerate(self.voices)}
        group = {place: one for place, one in enumerate(self.voices) if isinstance(one, SampledPulses) and one.moves}
        self.chorus = tuple(group) if len(group) > 1 else ()
        self._lead = next(iter(group.values()), None)
        self.limits: Thresholds = thresholds(space)
        sampled = [voice.sensor.every_ms for voice in self.voices if voice.sensor.every_ms is not None]
        self._covered_ms = self.near_ms = int(_COVERS * min(sampled, default=0))
        self._plain = Flow(self.pace)
        self._flows: dict[tuple[Rates | None, ...], Flow | None] = {}
        self._carries: dict[int, Carry] = {}
        self._factors: dict[Evidence, Weights] = {}
        self._quick: dict[Flow, Quick] = {}

    def __repr__(self) -> str:
        return f"<SpaceModel of {self.space.id}, {len(self.voices)} voices>"

    @property
    def even(self) -> Weights:
        """Somebody's being there is as likely as not."""
        _, moving, still, deep = self.pace.at_rest()
        share = PRIOR / (moving + still + deep)
        return normalised((1 - PRIOR, moving * share, still * share, deep * share))

    def flow(self, voices: Sequence[Heard]) -> Flow | None:
        """Give how the silence of all that would have spoken weighs."""
        spoken = tuple([voice.speaks(heard) for voice, heard in zip(self.voices, voices, strict=True)])
        if spoken not in self._flows:
            speaking = [rates for rates in spoken if rates is not None]
            self._flows[spoken] = Flow(self.pace, total_rates(speaking)) if speaking else None
        return self._flows[spoken]

    def together(self, voices: Sequence[Heard], time_ms: int) -> Evidence:
        """Give what the motion sensors that speak as one say at a moment."""
        return self._lead.together([voices[place] for place in self.chorus], time_ms) if self._lead else NOTHING

    def quick(self, flow: Flow) -> Quick:
        """Give what silence can do at soonest, worked out once for each flow."""
        if flow not in self._quick:
            self._quick[flow] = quick(flow, self.limits)
        return self._quick[flow]

    def moved(self, weights: Weights, flow: Flow | None, gap_ms: int) -> Weights:
        """Give weights after a time in which nothing was heard."""
        if flow is not None:
            return flow.after(weights, gap_ms / 1000)
        if gap_ms > self._covered_ms:
            gap_ms = self._covered_ms
        carry = self._carries.get(gap_ms)
        if carry is None:
            if len(self._carries) >= _CARRIES_KNOWN:
                self._carries.clear()
            carry = self._carries[gap_ms] = self._plain.carry(gap_ms / 1000)
        return carried(weights, carry)

    def weighed(self, weights: Weights, evidence: Evidence) -> Weights:
        """Give weights with evidence in them, normalised to 1."""
        factors = self._factors.get(evidence)
        if factors is None:
            most = max(evidence)
            if len(self._factors) >= _FACTORS_KNOWN:
                self._factors.clear()
            i, j, k, m = evidence
            factors = exp((i - most) / NATS), exp((j - most) / NATS), exp((k - most) / NATS), exp((m - most) / NATS)
            self._factors[evidence] = factors
        w, x, y, z = weights
        a, b, c, d = factors
        return normalised((w * a, x * b, y * c, z * d))
