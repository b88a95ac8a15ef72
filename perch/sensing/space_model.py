"""How one space is judged: its voices, the pace of its kind, and at which probability it is said to be what."""

from collections.abc import Sequence
from functools import lru_cache
from math import exp
from typing import NamedTuple

from perch.model import Reason, SensedSpace, Sensor, SensorKind
from perch.sensing.belief import gone
from perch.sensing.chain import LEAST, Flow, Pace, Rates, Weights, carried, flow_of, normalised, total_rates
from perch.sensing.evidence import BEAMS
from perch.sensing.pulses import SampledPulses
from perch.sensing.settled import Thresholds, pace_of, thresholds, voices_of
from perch.sensing.voices import NATS, NOTHING, PRIOR, Evidence, Heard, Voice, more

_FACTORS_KNOWN = 4096
_FLOWS_KNOWN = 64
_COVERS = 1.5
"""A sample stands for the time before it, but for no more than so many intervals."""


class Place(NamedTuple):
    """Where a sensor's voice stands among those of its space, and whether it tells each edge."""

    place: int
    voice: Voice
    edge_driven: bool


class SpaceModel:
    """The rule for one space. Nothing of it changes what is believed; it only remembers results that recur."""

    def __init__(self, space: SensedSpace, sensors: Sequence[Sensor]) -> None:
        own = [sensor for sensor in sensors if sensor.space == space.id]
        self.space = space
        self.doors = {sensor.id: sensor.kind is SensorKind.BEAM_IN for sensor in own if sensor.kind in BEAMS}
        self.pace = pace_of(space).through_doors() if self.doors else pace_of(space)
        self.voices: tuple[Voice, ...] = voices_of(space, own, self.pace)
        self.places = {
            voice.sensor.id: Place(place, voice, voice.sensor.edge_driven) for place, voice in enumerate(self.voices)
        }
        group = {place: one for place, one in enumerate(self.voices) if isinstance(one, SampledPulses) and one.moves}
        self.chorus = tuple(group) if len(group) > 1 else ()
        self._lead = next(iter(group.values()), None)
        self.several = len(self.voices) > 1
        self.limits: Thresholds = thresholds(space)
        sampled = [voice.sensor.every_ms for voice in self.voices if voice.sensor.every_ms is not None]
        self.near_ms = int(_COVERS * min(sampled, default=0))
        self.even = _even(self.pace)
        self._plain = flow_of(self.pace)
        self._carries = self._plain.carries
        self._flows: dict[tuple[Rates | None, ...], Flow | None] = {}

    def __repr__(self) -> str:
        return f"<SpaceModel of {self.space.id}, {len(self.voices)} voices>"

    def flow(self, voices: Sequence[Heard]) -> Flow | None:
        """Give how the silence of all that would have spoken weighs."""
        if len(voices) == 1:
            spoken: tuple[Rates | None, ...] = (self.voices[0].speaks(voices[0]),)
        else:
            spoken = tuple([voice.speaks(heard) for voice, heard in zip(self.voices, voices, strict=True)])
        try:
            return self._flows[spoken]
        except KeyError:
            speaking = [rates for rates in spoken if rates is not None]
            if len(self._flows) >= _FLOWS_KNOWN:
                self._flows.clear()
            flow = self._flows[spoken] = flow_of(self.pace, total_rates(speaking)) if speaking else None
            return flow

    def together(self, voices: Sequence[Heard], before: Sequence[Heard], time_ms: int) -> Evidence:
        """Give what the motion sensors that speak as one say at a moment, beyond what they said `before` in it."""
        lead = self._lead
        if lead is None:
            return NOTHING
        told = lead.together([voices[place] for place in self.chorus], time_ms)
        return more(told, lead.together([before[place] for place in self.chorus], time_ms)) if before else told

    def covers_ms(self, voices: Sequence[Heard]) -> int | None:
        """Give how long before it a sample may stand for: some intervals of the quickest sensor that is heard.

        None while none is heard whose quiet can vouch for an empty space: then time tells nothing.
        """
        known = list(zip(self.voices, voices, strict=True))
        if not any(voice.vouches(heard) for voice, heard in known):
            return None
        every = [voice.sensor.every_ms or 0 for voice, heard in known if not heard.silent]
        return int(_COVERS * min([every_ms for every_ms in every if every_ms], default=0))

    def why_unknown(self, voices: Sequence[Heard]) -> Reason:
        """Say why nothing can be said: what could vouch for an empty space is ill, or has yet to speak."""
        able = [heard for voice, heard in zip(self.voices, voices, strict=True) if voice.can_vouch] or voices
        return gone(able) if any(heard.silent for heard in able) else Reason.STARTING

    def moved(self, weights: Weights, flow: Flow | None, gap_ms: int, covers_ms: int | None) -> Weights:
        """Give weights after a time in which nothing was heard, or nothing by which it could be told."""
        if covers_ms is None:
            return self.even
        if flow is not None:
            return flow.after(weights, gap_ms / 1000)
        if gap_ms > covers_ms:
            gap_ms = covers_ms
        return carried(weights, self._carries.get(gap_ms) or self._plain.carry(gap_ms)) if gap_ms else weights


def _even(pace: Pace) -> Weights:
    """Give weights by which somebody's being there is as likely as not."""
    _, moving, still, deep = pace.at_rest()
    share = PRIOR / (moving + still + deep)
    return normalised((1 - PRIOR, moving * share, still * share, deep * share))


def weighed(weights: Weights, evidence: Evidence) -> Weights:
    """Give weights with evidence in them, normalised to 1."""
    w, x, y, z = weights
    a, b, c, d = factors(evidence)
    w, x, y, z = w * a, x * b, y * c, z * d
    whole = w + x + y + z
    return w / whole + LEAST, x / whole + LEAST, y / whole + LEAST, z / whole + LEAST


@lru_cache(maxsize=_FACTORS_KNOWN)
def factors(evidence: Evidence) -> Weights:
    """Give what evidence multiplies weights by."""
    i, j, k, m = evidence
    most = max(evidence)
    return exp((i - most) / NATS), exp((j - most) / NATS), exp((k - most) / NATS), exp((m - most) / NATS)
