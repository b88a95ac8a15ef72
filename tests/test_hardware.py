"""Sensors that are no plain pins: each real class, moved by hardware that is not there."""

import logging
import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from math import pi, sin
from pathlib import Path
from typing import cast

import pytest
from gpiozero import Device
from gpiozero.exc import PinInvalidState
from hypothesis import given
from hypothesis import strategies as st

from perch.doctor.findings import Verdict
from perch.errors import InputError, PerchError
from perch.model import EDGE_KINDS, Reading, SensedSpace, Sensor, SensorKind, SpaceKind
from perch.sensing.barriers import Barriers, broken
from perch.settings import load_sensing
from sensor_agent.analogue import SoundInput
from sensor_agent.carbon_dioxide import NotYetError, PulseWidthInput, Scd4xInput
from sensor_agent.inputs import Inputs, misplaced, move_pin, use_mock_pins
from sensor_agent.misses import Misses
from sensor_agent.mocks import MockHcSr04, MockMcp3008, MockMhz19, MockScd4x
from sensor_agent.pin_check import look_at_pins
from tests.parts import until


@pytest.fixture(autouse=True)
def pins() -> Iterator[None]:
    use_mock_pins()
    yield
    if Device.pin_factory is not None:  # the doctor leaves none behind
        Device.pin_factory.reset()


class Watch:
    """A clock that a test lets go on."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def let_pass(self, seconds: float) -> None:
        self.now_s += seconds


def on_channel(kind: SensorKind, channel: int = 0) -> Sensor:
    return Sensor(f"{kind}{channel}", kind, "d01", 60_000, channel=channel)


ON_A_PI = Path("/dev/i2c-1").exists() or Path("/dev/spidev0.0").exists()
CO2_PIN = Sensor("air", SensorKind.CO2, "d01", 60_000, pin=18)
CO2_BUS = Sensor("air", SensorKind.CO2, "d01", 60_000, driver="scd4x")


@pytest.mark.parametrize("kind", [SensorKind.LIGHT, SensorKind.PRESSURE])
def test_an_analogue_channel_gives_the_share_of_the_supply(kind: SensorKind) -> None:
    chip = MockMcp3008()
    sensors = [on_channel(kind, channel) for channel in range(8)]
    with Inputs(sensors, lambda *_: None) as inputs:
        chip.levels[:] = [channel / 7 for channel in range(8)]
        assert [inputs[one.id].read() for one in sensors] == pytest.approx([c / 7 for c in range(8)], abs=0.001)
        chip.levels[3] = 1.0
        assert inputs[sensors[3].id].read() == 1.0


def test_a_chip_that_does_not_answer_is_missed_and_not_believed() -> None:
    chip = MockMcp3008()
    with Inputs([on_channel(SensorKind.LIGHT)], lambda *_: None) as inputs:
        chip.answers = False
        with pytest.raises(OSError, match="no MCP3008 answers"):
            inputs["light0"].read()
        chip.answers, chip.levels[0] = True, 0.5
        assert inputs["light0"].read() == pytest.approx(0.5, abs=0.001)


def test_sound_is_how_much_it_swings_and_not_where_it_rests() -> None:
    chip, steps = MockMcp3008(), count()

    def swing(by: float) -> float:
        return 0.5 + by * sin(2 * pi * next(steps) / 8)

    sensor = on_channel(SensorKind.SOUND)
    moments = count()
    hearing = SoundInput(sensor, now_s=lambda: float(next(moments)))  # each look at it is a second later
    heard = []
    for by in (0.0, 0.1, 0.4):
        chip.levels[0] = lambda by=by: swing(by)
        heard.append(hearing.read())
    hearing.close()
    assert heard[0] == 0.0
    assert heard[2] == pytest.approx(4 * heard[1], rel=0.1)
    assert heard[1] == pytest.approx(0.1 / 2**0.5, rel=0.1)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_microphone_that_is_not_there_is_not_silence(level: float) -> None:
    chip = MockMcp3008()
    chip.levels[2] = level
    sensors = [on_channel(SensorKind.SOUND, 2)]
    with Inputs(sensors, lambda *_: None) as inputs, pytest.raises(OSError, match="no microphone"):
        inputs["sound2"].read()


def test_an_scd4x_gives_what_it_measured_last() -> None:
    sensor = MockScd4x()
    with Inputs([CO2_BUS], lambda *_: None, lambda: sensor) as inputs:
        with pytest.raises(NotYetError):
            inputs["air"].read()
        sensor.measure(612)
        assert inputs["air"].read() == 612.0
        with pytest.raises(NotYetError):
            inputs["air"].read()
        sensor.measure(0)
        with pytest.raises(OSError, match="0 ppm"):
            inputs["air"].read()


def test_an_scd4x_that_measures_since_before_is_asked_as_it_is() -> None:
    sensor = MockScd4x()
    sensor.measures = True
    sensor.measure(700)
    with Inputs([CO2_BUS], lambda *_: None, lambda: sensor) as inputs:
        assert inputs["air"].read() == 700.0


def test_an_scd4x_that_came_off_is_missed_and_found_again() -> None:
    sensor = MockScd4x()
    air = Scd4xInput(lambda: sensor)
    with pytest.raises(NotYetError):
        air.read()
    sensor.unplug()
    for _ in range(2):
        with pytest.raises(OSError, match="no SCD4x answers") as missed:
            air.read()
        assert not isinstance(missed.value, NotYetError)
    sensor.plug()
    with pytest.raises(NotYetError):
        air.read()
    sensor.measure(651)
    assert air.read() == 651.0


def test_an_scd4x_whose_checksums_do_not_add_up_is_missed() -> None:
    sensor = MockScd4x()
    air = Scd4xInput(lambda: sensor)
    with pytest.raises(NotYetError):
        air.read()
    sensor.garbles = True
    sensor.measure(650)
    with pytest.raises(OSError, match="no SCD4x answers"):
        air.read()
    sensor.garbles = False
    assert air.read() == 650.0


def test_an_i2c_bus_that_is_not_switched_on_stops_no_other_sensor() -> None:
    def no_bus() -> object:
        raise FileNotFoundError(2, "No such file or directory", "/dev/i2c-1")

    pir = Sensor("pir", SensorKind.MOTION, "d01", None, pin=17)
    with Inputs([CO2_BUS, pir], lambda *_: None, no_bus) as inputs:
        with pytest.raises(OSError, match="I2C is switched on"):
            inputs["air"].read()
        assert inputs.levels() == {"pir": 0.0}


@pytest.mark.parametrize("full_scale_ppm", [2000, 5000])
def test_an_mh_z19_tells_ppm_by_the_length_of_its_pulses(full_scale_ppm: int) -> None:
    watch = Watch()
    sensor = MockMhz19(18, watch.let_pass, full_scale_ppm)
    air = PulseWidthInput(replace(CO2_PIN, range_ppm=full_scale_ppm), watch)
    sensor.cycle(400)
    with pytest.raises(OSError, match="no pulses"):
        air.read()
    watch.let_pass(200.0)
    for ppm in (0.0, 412, 1250, full_scale_ppm):
        for _ in range(6):
            sensor.cycle(ppm)
        assert air.read() == pytest.approx(ppm, abs=1) if ppm else True
    air.close()


def test_an_mh_z19_is_not_believed_while_it_warms_up_nor_when_it_stopped() -> None:
    watch = Watch()
    sensor, air = MockMhz19(18, watch.let_pass), PulseWidthInput(CO2_PIN, watch)
    for _ in range(170):
        sensor.cycle(400)
    with pytest.raises(NotYetError, match="warms up"):
        air.read()
    for _ in range(20):
        sensor.cycle(800)
    assert air.read() == pytest.approx(800, abs=1)
    watch.let_pass(6.0)
    with pytest.raises(OSError, match="no pulses"):
        air.read()
    air.close()


def test_a_pin_that_flutters_is_no_mh_z19() -> None:
    watch, chance = Watch(), random.Random(4)  # noqa: S311  a flutter, no secret
    air = PulseWidthInput(CO2_PIN, watch)
    watch.let_pass(200.0)
    pin = Device.pin_factory.pin(18)
    for _ in range(500):
        pin.drive_high()
        watch.let_pass(chance.random() * 0.1)
        pin.drive_low()
        watch.let_pass(chance.random() * 0.1)
    with pytest.raises(OSError, match="no pulses"):
        air.read()
    air.close()


def test_edges_four_milliseconds_apart_are_no_mh_z19_either() -> None:
    """At just that the formula of its manual divides by nothing."""
    watch = Watch()
    watch.now_s = 0.0
    air = PulseWidthInput(CO2_PIN, watch)
    pin = Device.pin_factory.pin(18)
    for now_s in (0.0, 0.004, 0.008):
        watch.now_s = now_s
        pin.drive_high()
        watch.now_s = now_s + 0.001
        pin.drive_low()
    with pytest.raises(OSError, match="no pulses"):
        air.read()
    air.close()


class DriverError(Exception):
    """Like lgpio.error, GPIOZeroError and others: no OSError."""


@pytest.mark.parametrize("error", [DriverError("bad GPIO handle"), ValueError(), PinInvalidState("floating"), None])
def test_whatever_a_driver_raises_its_sensor_is_missed_and_no_other(
    error: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    """None stands for a driver that gives no number."""

    class Odd:
        def read(self) -> float:
            if error is not None:
                raise error
            return cast(float, None)

        def close(self) -> None:
            raise DriverError("already closed")

    sensors = [Sensor(f"s{pin}", SensorKind.MOTION, "d01", None, pin=pin) for pin in (17, 18, 19)]
    inputs = Inputs(sensors, lambda *_: None)
    kept, inputs._inputs["s18"] = inputs._inputs["s18"], Odd()
    for _ in range(3):
        assert inputs.read("s18") is None
        assert inputs.levels() == {"s17": 0.0, "s19": 0.0}
    assert len([one for one in caplog.records if "s18" in one.getMessage()]) == 1
    kept.close()
    with pytest.raises(DriverError):
        inputs.close()
    Inputs(sensors, lambda *_: None).close()  # every other pin was let go of


def test_a_driver_of_an_scd4x_that_raises_what_it_likes_is_missed_and_begun_anew() -> None:
    sensor, failing = MockScd4x(), [DriverError("the API of the transceiver is not supported")]

    def open_bus() -> object:
        if failing:
            raise failing.pop()
        return sensor

    air = Scd4xInput(open_bus)
    with pytest.raises(OSError, match="no SCD4x answers"):
        air.read()
    with pytest.raises(NotYetError):
        air.read()
    sensor.measure(500)
    assert air.read() == 500.0


def test_a_sensor_that_cannot_be_read_is_told_of_once_until_it_can(caplog: pytest.LogCaptureFixture) -> None:
    misses = Misses()
    with caplog.at_level(logging.INFO):
        misses.failed("air", NotYetError("warms up"))
        for _ in range(3):
            misses.failed("air", OSError("no SCD4x answers"))
        misses.worked("air")
        misses.worked("air")
    assert [record.getMessage() for record in caplog.records] == [
        "sensor air cannot be read: no SCD4x answers; its samples are missing until it can",
        "sensor air can be read again",
    ]


MISPLACED = [
    (SensorKind.MOTION, {"channel": 1}),
    (SensorKind.CO2, {"channel": 1}),
    (SensorKind.LIGHT, {"pin": 4}),
    (SensorKind.SOUND, {"pin": 4}),
    (SensorKind.LIGHT, {"driver": "scd4x"}),
    (SensorKind.CO2, {"driver": "scd30"}),
    (SensorKind.CO2, {}),
    (SensorKind.MOTION, {}),
]


@pytest.mark.parametrize(("kind", "place"), MISPLACED)
def test_a_sensor_that_cannot_hang_where_it_does_is_named_by_agent_and_doctor(
    kind: SensorKind, place: dict[str, object]
) -> None:
    wrong = Sensor("s1", kind, "d01", 60_000, **place)  # type: ignore[arg-type]
    with pytest.raises(PerchError, match="'s1'") as refused:
        Inputs([wrong], lambda *_: None)
    assert "docs/sensors.md" in refused.value.remedy
    found = [one for one in look_at_pins([wrong]) if one.verdict is Verdict.FAULT]
    assert any("'s1'" in one.what for one in found)


def test_the_doctor_says_which_bus_is_not_switched_on() -> None:
    assert misplaced(CO2_BUS) is None
    told = {one.what: one.remedy for one in look_at_pins([CO2_BUS, on_channel(SensorKind.LIGHT)])}
    assert any("I2C is not switched on" in what and "do_i2c" in remedy for what, remedy in told.items()) or ON_A_PI
    assert any("SPI is not switched on" in what and "do_spi" in remedy for what, remedy in told.items()) or ON_A_PI


SENSING = '[[space]]\nid = "d01"\nkind = "desk"\n'
ROW = '[[sensor]]\nid = "s{}"\nkind = "{}"\nspace = "d01"\n{}\n'


def test_pins_of_a_bus_that_is_used_are_no_pins_for_sensors(tmp_path: Path) -> None:
    config = tmp_path / "sensing.toml"
    row = '[[sensor]]\nid = "{}"\nkind = "{}"\nspace = "d01"\n{}\n'
    motion, pull = row.format("a", "motion", "pin = 9"), row.format("b", "contact", "pin = 3")
    config.write_text(SENSING + motion + pull)
    assert len(load_sensing(config).sensors) == 2
    config.write_text(
        SENSING + row.format("c", "light", "channel = 0") + row.format("d", "co2", 'driver = "scd4x"') + motion + pull
    )
    with pytest.raises(InputError) as refused:
        load_sensing(config)
    assert ["SPI" in one.what or "I2C" in one.what for one in refused.value.complaints] == [True, True]


def test_an_analogue_channel_has_no_edges_and_is_asked_each_minute(tmp_path: Path) -> None:
    config = tmp_path / "sensing.toml"
    config.write_text(SENSING + '[[sensor]]\nid = "mat"\nkind = "pressure"\nspace = "d01"\nchannel = 4\n')
    assert load_sensing(config).sensors[0].every_ms == 60_000


def test_an_ultrasonic_sensor_measures_no_more_often_than_it_is_asked() -> None:
    Device.pin_factory.pin(24)
    far = Sensor("far", SensorKind.DISTANCE, "d01", 60_000, pin=23, trigger=24)
    with Inputs([far], lambda *_: None) as inputs:
        assert inputs["far"]._device._queue.sample_wait == 5.0  # type: ignore[attr-defined]


def test_what_the_chips_say_is_what_the_estimator_takes() -> None:
    """A mat that is sat on through a channel, over the whole way from the chip to what is said of the desk."""
    from perch.sensing.watch import Watch as Estimating

    chip, desk = MockMcp3008(), SensedSpace("d01", SpaceKind.DESK, 1)
    mat = Sensor("mat", SensorKind.PRESSURE, "d01", 5_000, channel=4)
    estimating = Estimating((desk,), (mat,))
    estimating.start(0, {})
    with Inputs([mat], lambda *_: None) as inputs:
        for second in range(0, 600, 5):
            chip.levels[4] = 0.9 if second >= 300 else 0.05
            estimating.observe(Reading(second * 1000, "mat", inputs["mat"].read()))
            if second == 295:
                assert estimating.occupancies(second * 1000)["d01"].state == "free"
    assert estimating.occupancies(600_000)["d01"].state == "occupied"


IN = Sensor("in", SensorKind.BEAM_IN, "r1", None, pin=5, paired=True)
OUT = Sensor("out", SensorKind.BEAM_OUT, "r1", None, pin=6, paired=True)


def test_plain_light_barriers_tell_the_way_by_which_is_broken_first() -> None:
    said: list[tuple[str, float]] = []
    with Inputs([IN, OUT], lambda name, value: said.append((name, value))) as inputs:
        assert inputs.levels() == {"in": 0.0, "out": 0.0}
        for first, second in ((IN, OUT), (OUT, IN)):
            for beam in (first, second):
                move_pin(beam, 1.0)
            for beam in (first, second):
                move_pin(beam, 0.0)
    assert said == [("in", 1.0), ("in", 0.0), ("out", 1.0), ("out", 0.0)]


def test_beams_that_are_not_paired_each_speak_for_themselves() -> None:
    said: list[tuple[str, float]] = []
    alone = [replace(beam, paired=False) for beam in (IN, OUT)]
    with Inputs(alone, lambda name, value: said.append((name, value))):
        for beam in alone:
            move_pin(beam, 1.0)
    assert said == [("in", 1.0), ("out", 1.0)]


def crossings(*breaks: tuple[int, bool]) -> list[str]:
    pair, found = Barriers(), []
    for time_ms, into in breaks:
        pair, crossing = broken(pair, into=into, time_ms=time_ms)
        if crossing:
            found.append("in" if into else "out")
    return found


PASSINGS = [
    ("one comes", [(0, True), (400, False)], ["in"]),
    ("one goes", [(0, False), (400, True)], ["out"]),
    ("two come close behind each other", [(0, True), (300, True), (500, False), (800, False)], ["in", "in"]),
    ("two come one after the other", [(0, True), (400, False), (900, True), (1300, False)], ["in", "in"]),
    ("one comes while one goes", [(0, True), (100, False), (400, False), (500, True)], ["in", "out"]),
    ("the second beam missed one, another goes later", [(0, True), (5_000, False), (5_400, True)], ["in", "out"]),
    ("a slow one", [(0, True), (2_000, False)], ["in"]),
]


@pytest.mark.parametrize(("breaks", "found"), [case[1:] for case in PASSINGS], ids=[case[0] for case in PASSINGS])
def test_who_passes_a_door_is_counted_once_and_the_right_way(breaks: list[tuple[int, bool]], found: list[str]) -> None:
    assert crossings(*breaks) == found


@given(st.lists(st.tuples(st.integers(0, 3_000), st.booleans()), max_size=40))
def test_no_more_than_two_beams_are_ever_taken_for_one_crossing(gaps: list[tuple[int, bool]]) -> None:
    breaks, now_ms = [], 0
    for gap_ms, into in gaps:
        now_ms += gap_ms
        breaks.append((now_ms, into))
    assert len(breaks) / 2 <= len(crossings(*breaks)) <= len(breaks)


@pytest.mark.parametrize(
    ("rows", "key"),
    [
        ([("beam-in", "pin = 5\npaired = true")], "paired"),
        ([("beam-in", "pin = 5\npaired = true"), ("beam-out", "pin = 6")], "paired"),
        ([("motion", "pin = 5\npaired = true")], "paired"),
        ([("co2", "driver = 'scd4x'\nrange_ppm = 2000")], "range_ppm"),
        ([("motion", "pin = 5\nrange_ppm = 2000")], "range_ppm"),
        ([("light", "channel = 5\ninverted = true")], "inverted"),
        ([("pressure", "channel = 5\ninverted = true")], "inverted"),
    ],
)
def test_a_pair_needs_both_its_beams_and_a_range_its_pulses(
    tmp_path: Path, rows: list[tuple[str, str]], key: str
) -> None:
    config = tmp_path / "sensing.toml"
    listed = "".join(ROW.format(number, kind, place) for number, (kind, place) in enumerate(rows))
    config.write_text(SENSING + listed)
    with pytest.raises(InputError) as refused:
        load_sensing(config)
    assert [one.where.rpartition(".")[2] for one in refused.value.complaints] == [key]


def test_a_pair_and_a_range_are_read(tmp_path: Path) -> None:
    config = tmp_path / "sensing.toml"
    rows = [("beam-in", "pin = 5\npaired = true"), ("beam-out", "pin = 6\npaired = true")]
    rows.append(("co2", "pin = 7\nrange_ppm = 2000"))
    config.write_text(SENSING + "".join(ROW.format(number, *row) for number, row in enumerate(rows)))
    sensors = load_sensing(config).sensors
    assert [one.paired for one in sensors] == [True, True, False]
    assert sensors[2].range_ppm == 2000


DIGITAL = [kind for kind in SensorKind if kind in EDGE_KINDS]


@pytest.mark.parametrize("kind", DIGITAL)
@pytest.mark.parametrize("every_ms", [None, 30_000])
def test_an_inverted_pin_means_the_opposite(kind: SensorKind, every_ms: int | None) -> None:
    usual = Sensor("s1", kind, "d01", every_ms, pin=17)
    upside = replace(usual, inverted=True)
    edges: list[float] = []
    with Inputs([upside], lambda _, value: edges.append(value)) as inputs:
        move_pin(usual, 1.0)
        inputs["s1"].read()
        assert inputs["s1"].read() == 0.0
        edges.clear()
        move_pin(usual, 0.0)
        assert inputs["s1"].read() == 1.0
        move_pin(upside, 0.0)
        move_pin(upside, 1.0)
        assert inputs["s1"].read() == 1.0
    assert edges == ([1.0, 0.0, 1.0] if every_ms is None else [])


def test_an_inverted_pair_of_beams_is_a_pair() -> None:
    said: list[tuple[str, float]] = []
    pair = [replace(beam, inverted=True) for beam in (IN, OUT)]
    with Inputs(pair, lambda name, value: said.append((name, value))):
        for beam in pair:
            move_pin(beam, 0.0)  # a pin that nobody drives is pulled up, which is on here
        assert said == []
        for value in (1.0, 0.0):
            for beam in pair:
                move_pin(beam, value)
    assert said == [("in", 1.0), ("in", 0.0)]


def test_an_ultrasonic_sensor_sees_who_sits_and_misses_what_came_off() -> None:
    there = MockHcSr04(echo=23, trigger=24)
    far = Sensor("far", SensorKind.DISTANCE, "d01", 1_000, pin=23, trigger=24)
    with Inputs([far], lambda *_: None) as inputs:

        def metres() -> float | None:
            try:
                return inputs["far"].read()
            except OSError:
                return None

        assert until(lambda: (metres() or 0.0) > 1.5)
        there.stand(0.4)
        assert until(lambda: 0.2 < (metres() or 0.0) < 0.8)
        there.unplug()
        assert until(lambda: metres() is None)
