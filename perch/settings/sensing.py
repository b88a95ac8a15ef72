"""`sensing.toml`, and the same part of `agent.toml`: spaces, and the sensors in them.

The sensors of a space whose sensing is switched off are read from the file and checked, and are given to nobody.
"""

from collections.abc import Sequence
from pathlib import Path

from perch.model import EDGE_KINDS, Preference, Purpose, SensedSpace, Sensor, SensorKind, SpaceKind
from perch.settings.files import open_toml
from perch.settings.learned import read_learned_sensor, read_learned_space
from perch.settings.reading import choice, flag, identifier, milliseconds, text, whole
from perch.settings.table import Complaints, Table, refuse_twice
from perch.settings.values import SensingSettings

HOUR_MS = 3_600_000
SAMPLED_EVERY_MS = 60_000
LAST_PIN = 27
LAST_CHANNEL = 7
SPI_PINS, I2C_PINS = (8, 9, 10, 11), (2, 3)
AGENT_KEYS = ("site", "agent", "data", "outbox_events", "keep_readings_mib", "broker", "homeassistant", "metrics")


def load_sensing(path: Path) -> SensingSettings:
    """Read a `sensing.toml`, or the same part of an `agent.toml`; raises InputError with every complaint."""
    complaints = Complaints()
    table = open_toml(path, complaints)
    table.ignore(*AGENT_KEYS)
    sensing = read_sensing(table)
    table.finish()
    complaints.settle()
    return sensing


def read_sensing(table: Table) -> SensingSettings:
    """Read the spaces and sensors of a file and see that they fit together."""
    space_tables, sensor_tables = table.tables("space", needed=True), table.tables("sensor")
    spaces = tuple(map(_space, space_tables))
    sensors = tuple(map(_sensor, sensor_tables))
    refuse_twice(space_tables, spaces, "id", lambda space: space.id)
    refuse_twice(sensor_tables, sensors, "id", lambda sensor: sensor.id)
    _refuse_shared_pins(sensor_tables, sensors)
    refuse_twice(sensor_tables, sensors, "channel", lambda sensor: sensor.channel)
    _refuse_half_pairs(sensor_tables, sensors)
    known = {space.id for space in spaces}
    for at, sensor in zip(sensor_tables, sensors, strict=True):
        if sensor.space and sensor.space not in known:
            at.complain("space", f"there is no space {sensor.space}", "add a [[space]] of that id, or name another")
    _refuse_in_private(space_tables, sensor_tables, spaces, sensors)
    off = {space.id for space in spaces if not space.is_sensed}
    return SensingSettings(spaces, tuple(sensor for sensor in sensors if sensor.space not in off))


def _refuse_in_private(
    space_tables: Sequence[Table], tables: Sequence[Table], spaces: Sequence[SensedSpace], sensors: Sequence[Sensor]
) -> None:
    """Refuse sensors in spaces that are said to be private, even if they are switched off."""
    purposes = [table.take("purpose", choice(Purpose), Purpose.SHARED) for table in space_tables]
    private = {space.id for space, purpose in zip(spaces, purposes, strict=True) if purpose is Purpose.PRIVATE}
    for table, sensor in zip(tables, sensors, strict=True):
        if sensor.space in private:
            what = f"{sensor.space} is private, and nobody is sensed in a private space"
            table.complain("space", what, "take this sensor away")


def _refuse_shared_pins(tables: Sequence[Table], sensors: Sequence[Sensor]) -> None:
    users: dict[int, str] = {}
    if any(sensor.channel is not None for sensor in sensors):
        users |= dict.fromkeys(SPI_PINS, "the SPI bus, on which the channels are,")
    if any(sensor.driver == "scd4x" for sensor in sensors):
        users |= dict.fromkeys(I2C_PINS, "the I2C bus, on which the SCD4x is,")
    for table, sensor in zip(tables, sensors, strict=True):
        for key, pin in (("pin", sensor.pin), ("trigger", sensor.trigger)):
            if pin is None:
                continue
            if pin in users:
                table.complain(key, f"pin {pin} is used by {users[pin]} already", "give each its own")
            users.setdefault(pin, sensor.id)


def _refuse_half_pairs(tables: Sequence[Table], sensors: Sequence[Sensor]) -> None:
    paired = [(sensor.space, sensor.kind) for sensor in sensors if sensor.paired]
    for table, sensor in zip(tables, sensors, strict=True):
        if not sensor.paired:
            continue
        partner = SensorKind.BEAM_OUT if sensor.kind is SensorKind.BEAM_IN else SensorKind.BEAM_IN
        if sensor.kind not in (SensorKind.BEAM_IN, SensorKind.BEAM_OUT) or sensor.every_ms is not None:
            table.complain("paired", "only beams that report edges are paired", "leave it out")
        elif paired.count((sensor.space, partner)) != 1 or paired.count((sensor.space, sensor.kind)) != 1:
            what = f"{sensor.space} needs one paired beam-in and one paired beam-out"
            table.complain("paired", what, "give the other beam of this door `paired = true` too, or leave it out")


def _space(table: Table) -> SensedSpace:
    learned = read_learned_space(table.table("learned")) if "learned" in table else None
    space = SensedSpace(
        id=table.need("id", identifier, ""),
        kind=table.need("kind", choice(SpaceKind), SpaceKind.DESK),
        capacity=table.take("capacity", whole(1, 100_000), None),
        prefer=table.take("prefer", choice(Preference), Preference.BALANCED),
        hold_ms=table.take("hold_seconds", milliseconds(1000, 86_400), None),
        quiet_limit_ms=table.take("quiet_limit_hours", milliseconds(HOUR_MS, 8_760), 168 * HOUR_MS),
        learned=learned,
        is_sensed=table.take("sensing", flag, True),
    )
    table.ignore("purpose")
    table.finish()
    return space


def _sensor(table: Table) -> Sensor:
    kind = table.need("kind", choice(SensorKind), SensorKind.MOTION)
    every_ms = table.take("every_seconds", milliseconds(1000, 86_400), None)
    learned = read_learned_sensor(table.table("learned"), kind) if "learned" in table else None
    sensor = Sensor(
        id=table.need("id", identifier, ""),
        kind=kind,
        space=table.need("space", identifier, ""),
        every_ms=SAMPLED_EVERY_MS if every_ms is None and (kind not in EDGE_KINDS or "channel" in table) else every_ms,
        pin=table.take("pin", whole(0, LAST_PIN), None),
        channel=table.take("channel", whole(0, LAST_CHANNEL), None),
        driver=table.take("driver", text, None),
        trigger=table.take("trigger", whole(0, LAST_PIN), None),
        learned=learned,
        paired=table.take("paired", flag, False),
        inverted=table.take("inverted", flag, False),
        range_ppm=table.take("range_ppm", whole(1000, 20_000), 5000),
    )
    if "range_ppm" in table and (kind is not SensorKind.CO2 or sensor.pin is None):
        table.complain("range_ppm", "only a CO2 sensor with a pin has one", "leave it out")
    if sensor.inverted and (kind not in EDGE_KINDS or sensor.pin is None):
        table.complain("inverted", "only what is on or off at a pin can be inverted", "leave it out")
    inputs = [key for key in ("pin", "channel", "driver") if key in table]
    if len(inputs) > 1:
        what = f"more than one of {', '.join(inputs)} is given"
        table.complain("", what, "a sensor hangs on one of them: leave the others out")
    if (sensor.trigger is None) != (kind is not SensorKind.DISTANCE or sensor.pin is None):
        what = "a distance sensor with a pin has a trigger as well, and no other sensor has one"
        table.complain("trigger", what, "give the pin of the echo as `pin` and that of the trigger as `trigger`")
    table.finish()
    return sensor
