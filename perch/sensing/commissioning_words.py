"""What an installer is told of a sensor: what to do at it, what was found, and what to do about that."""

from typing import NamedTuple

from perch.model import Sensor, SensorKind
from perch.sensing.commissioning import AIR_PPM, Verdict


class Words(NamedTuple):
    """What was found, and what to do about it (empty where there is nothing to do)."""

    what: str
    remedy: str = ""


DEEDS = {
    SensorKind.MOTION: "walk past it",
    SensorKind.PRESENCE: "step in front of it",
    SensorKind.CONTACT: "open the door and close it",
    SensorKind.PRESSURE: "sit down on it",
    SensorKind.DISTANCE: "sit down in front of it",
    SensorKind.BEAM_IN: "walk in through the door, then out",
    SensorKind.BEAM_OUT: "walk in through the door, then out",
    SensorKind.CO2: "wait: it is read by itself",
    SensorKind.SOUND: "clap twice",
    SensorKind.LIGHT: "cover it with your hand for two seconds",
}

_TURN = "say inverted = true of it in agent.toml"
_BEAM = f"see that nothing stands in the beam and that it is aligned; else use its light-on/dark-on switch, or {_TURN}"
_ON_AT_REST = {
    SensorKind.MOTION: "its output rests high: take a PIR that is low at rest, and see that nothing moves before it",
    SensorKind.PRESENCE: f"it sees somebody: turn it away from you, a fan or a thin wall; else {_TURN}",
    SensorKind.PRESSURE: f"take off what lies on it; if the switch opens when pressed, {_TURN}",
    SensorKind.DISTANCE: "something stands closer than 0.8 m: aim it past the desk and the chair's back",
    SensorKind.BEAM_IN: _BEAM,
    SensorKind.BEAM_OUT: _BEAM,
}

_FLUTTERS = (
    "connect it, join the grounds, shorten or shield the cable; 1 kΩ in series and 100 nF to ground calm a long one"
)


def words(sensor: Sensor, verdict: Verdict, why: str = "") -> Words:
    """Say what a verdict means for a sensor; `why` is why it cannot be read."""
    at = place(sensor)
    if verdict is Verdict.OK:
        return Words("heard")
    if verdict is Verdict.WAITING:
        return Words(f"not heard yet: {DEEDS[sensor.kind]}")
    if verdict is Verdict.FLOATING:
        return Words(f"chatters without pause: nothing holds the level at {at}", _FLUTTERS)
    if verdict is Verdict.INVERTED:
        return Words("is on while nobody is there", _ON_AT_REST.get(sensor.kind, "see to its wiring"))
    if verdict is Verdict.SWAPPED:
        return Words(
            "the pair counts the wrong way round",
            f"swap the pins of the two beams of {sensor.space} in agent.toml; or walk in first, then out",
        )
    if verdict is Verdict.IMPLAUSIBLE:
        return Words(
            f"says what no air in a room has (below {AIR_PPM[0]:.0f} or above {AIR_PPM[1]:.0f} ppm)",
            "calibrate it outdoors; for an MH-Z19 see that range_ppm is what its label says",
        )
    if verdict is Verdict.UNREADABLE:
        return Words(f"cannot be read: {why}", "docs/sensors.md has the wiring")
    return Words(
        "never fired",
        f"see to its supply, its ground and its wire to {at}; then {DEEDS[sensor.kind]}",
    )


def place(sensor: Sensor) -> str:
    """Say where a sensor hangs."""
    if sensor.trigger is not None:
        return f"pins {sensor.pin} and {sensor.trigger}"
    if sensor.pin is not None:
        return f"pin {sensor.pin}"
    if sensor.channel is not None:
        return f"channel {sensor.channel}"
    return f"the {sensor.driver}" if sensor.driver else "its agent"
