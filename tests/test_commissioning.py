"""A walk past the sensors: what each is found to be, and that wiring mistakes are told apart."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.errors import IllegalEventError
from perch.model import Sensor, SensorKind
from perch.sensing import commissioning
from perch.sensing.commissioning import Verdict, Walk, advanced, begin, failed, findings, observed, spoke
from perch.sensing.commissioning_words import place, words

REST_MS = 20_000
EDGES = [SensorKind.MOTION, SensorKind.PRESENCE, SensorKind.PRESSURE, SensorKind.BEAM_IN, SensorKind.BEAM_OUT]


def sensor(kind: SensorKind, name: str = "s1", every_ms: int | None = None) -> Sensor:
    return Sensor(name, kind, "d01", every_ms, pin=17)


def a_walk(*sensors: Sensor, on: tuple[str, ...] = (), rest_ms: int = REST_MS) -> Walk:
    return begin(sensors, {one.id: float(one.id in on) for one in sensors if one.edge_driven}, 0, rest_ms)


def walked(walk: Walk, *moments: tuple[int, float], name: str = "s1") -> Walk:
    for time_ms, value in moments:
        walk = observed(walk, name, value, time_ms)
    return walk


def verdict(walk: Walk, name: str = "s1", *, ended: bool = False) -> Verdict:
    return findings(walk, ended=ended)[name]


@pytest.mark.parametrize("kind", [*EDGES, SensorKind.CONTACT])
def test_a_sensor_is_ticked_off_once_it_was_passed_after_the_rest(kind: SensorKind) -> None:
    walk = a_walk(sensor(kind))
    assert verdict(walk) is Verdict.WAITING
    walk = walked(walk, (25_000, 1.0))
    assert verdict(walk) is Verdict.OK
    assert verdict(walked(walk, (28_000, 0.0), (90_000, 1.0))) is Verdict.OK
    assert walk.traces["s1"].fired_ms == 25_000


@pytest.mark.parametrize("kind", EDGES)
def test_one_that_speaks_while_nobody_moves_is_not_ticked_off_by_that(kind: SensorKind) -> None:
    walk = advanced(walked(a_walk(sensor(kind)), (5_000, 1.0), (7_000, 0.0)), 30_000)
    assert verdict(walk) is Verdict.WAITING
    assert verdict(walk, ended=True) is Verdict.NEVER_FIRED


@pytest.mark.parametrize("kind", EDGES)
def test_an_inverted_sensor_is_on_at_rest_and_off_when_it_is_passed(kind: SensorKind) -> None:
    walk = advanced(a_walk(sensor(kind), on=("s1",)), 21_000)
    assert verdict(walk) is Verdict.INVERTED
    walk = walked(walk, (25_000, 0.0), (28_000, 1.0))
    assert verdict(advanced(walk, 60_000)) is Verdict.INVERTED
    assert verdict(advanced(walk, 60_000), ended=True) is Verdict.INVERTED


def test_one_that_only_saw_the_installer_at_rest_is_forgiven() -> None:
    walk = walked(a_walk(sensor(SensorKind.MOTION), on=("s1",)), (22_000, 0.0))
    assert verdict(walk) is Verdict.INVERTED
    walk = walked(advanced(walk, 50_000), (51_000, 1.0), (53_000, 0.0))
    assert verdict(walk) is Verdict.OK


def test_a_door_that_is_closed_at_rest_is_not_inverted() -> None:
    walk = advanced(a_walk(sensor(SensorKind.CONTACT), on=("s1",)), 30_000)
    assert verdict(walk) is Verdict.WAITING
    assert verdict(walked(walk, (31_000, 0.0))) is Verdict.OK


@pytest.mark.parametrize("kind", [*EDGES, SensorKind.CONTACT])
def test_a_floating_pin_chatters_and_is_forgiven_once_it_was_mended(kind: SensorKind) -> None:
    chance = random.Random(1)  # noqa: S311  mains hum, no secret
    walk, now_ms = a_walk(sensor(kind)), 21_000
    for step in range(200):
        now_ms += chance.randrange(5, 200)
        walk = observed(walk, "s1", float(step % 2 == 0), now_ms)
    assert verdict(walk) is Verdict.FLOATING
    assert verdict(walk, ended=True) is Verdict.FLOATING
    mended = advanced(walk, now_ms + 20_000)
    assert verdict(mended) is not Verdict.FLOATING


def test_a_pin_that_speaks_slowly_but_again_and_again_at_rest_floats() -> None:
    moments = [(2_000 * step, float(step % 2)) for step in range(1, 10)]
    assert verdict(walked(a_walk(sensor(SensorKind.MOTION)), *moments)) is Verdict.FLOATING


def test_busy_people_do_not_make_a_sensor_float() -> None:
    moments = [(21_000 + 1_500 * step, float(step % 2 == 0)) for step in range(60)]
    assert verdict(walked(a_walk(sensor(SensorKind.MOTION)), *moments)) is Verdict.OK


IN, OUT = sensor(SensorKind.BEAM_IN, "in"), sensor(SensorKind.BEAM_OUT, "out")


def through(walk: Walk, first: str, second: str, time_ms: int) -> Walk:
    for place_of, name in enumerate((first, second)):
        walk = observed(walk, name, 1.0, time_ms + 300 * place_of)
        walk = observed(walk, name, 0.0, time_ms + 300 * place_of + 200)
    return walk


def test_a_pair_of_beams_is_right_when_walking_in_passes_the_inner_way_first() -> None:
    walk = through(a_walk(IN, OUT), "in", "out", 30_000)
    assert findings(walk) == {"in": Verdict.OK, "out": Verdict.OK}
    assert findings(through(walk, "out", "in", 40_000)) == {"in": Verdict.OK, "out": Verdict.OK}


def test_a_swapped_pair_is_known_from_walking_in() -> None:
    walk = through(a_walk(IN, OUT), "out", "in", 30_000)
    assert findings(walk) == {"in": Verdict.SWAPPED, "out": Verdict.SWAPPED}
    walk = through(walk, "in", "out", 40_000)
    assert set(findings(walk, ended=True).values()) == {Verdict.SWAPPED}


def test_beams_that_each_speak_for_one_way_are_ticked_off_on_the_way_in_and_on_the_way_out() -> None:
    walk = walked(a_walk(IN, OUT), (30_000, 1.0), (30_200, 0.0), name="in")
    assert findings(walk) == {"in": Verdict.OK, "out": Verdict.WAITING}
    assert findings(walked(walk, (40_000, 1.0), name="out")) == {"in": Verdict.OK, "out": Verdict.OK}
    swapped = walked(a_walk(IN, OUT), (30_000, 1.0), (30_200, 0.0), name="out")
    assert set(findings(swapped).values()) == {Verdict.SWAPPED}


def test_a_walk_that_began_the_wrong_way_is_put_right_by_going_on() -> None:
    """Out, in, out, in: the first is taken for a mistake of the wiring until there are as many right ones."""
    walk = through(a_walk(IN, OUT), "out", "in", 30_000)
    walk = through(through(walk, "out", "in", 40_000), "in", "out", 50_000)
    assert set(findings(walk).values()) == {Verdict.OK}


def test_a_seat_on_a_channel_and_a_distance_are_ticked_off_by_sitting_down() -> None:
    mat, far = sensor(SensorKind.PRESSURE, "mat", 1000), sensor(SensorKind.DISTANCE, "far", 1000)
    walk = a_walk(mat, far)
    for second in range(1, 40):
        sits = second >= 30
        walk = observed(walk, "mat", 0.9 if sits else 0.1, second * 1000)
        walk = observed(walk, "far", 0.5 if sits else 1.6, second * 1000)
        assert set(findings(walk).values()) == {Verdict.OK if sits else Verdict.WAITING}


def test_a_distance_sensor_that_looks_at_the_desk_is_on_at_rest() -> None:
    walk = a_walk(sensor(SensorKind.DISTANCE, every_ms=1000))
    walk = walked(walk, *((second * 1000, 0.4) for second in range(40)))
    assert verdict(walk) is Verdict.INVERTED


def test_light_and_sound_are_ticked_off_by_a_hand_and_a_clap() -> None:
    sun, mic = sensor(SensorKind.LIGHT, "sun", 1000), sensor(SensorKind.SOUND, "mic", 1000)
    walk = a_walk(sun, mic)
    for second in range(1, 30):
        walk = observed(observed(walk, "sun", 0.6 + second % 2 / 50, second * 1000), "mic", 0.004, second * 1000)
    assert set(findings(walk).values()) == {Verdict.WAITING}
    assert set(findings(walk, ended=True).values()) == {Verdict.NEVER_FIRED}
    walk = observed(observed(walk, "sun", 0.2, 31_000), "mic", 0.05, 31_000)
    assert set(findings(walk).values()) == {Verdict.OK}


def test_air_is_ticked_off_by_itself_and_what_no_room_has_is_not_believed() -> None:
    air = sensor(SensorKind.CO2, every_ms=1000)
    assert verdict(observed(a_walk(air), "s1", 640.0, 21_000)) is Verdict.OK
    strange = observed(a_walk(air), "s1", 120.0, 21_000)
    assert verdict(strange) is Verdict.IMPLAUSIBLE
    assert verdict(observed(strange, "s1", 450.0, 22_000)) is Verdict.OK


def test_a_sensor_that_cannot_be_read_is_named_with_why_until_it_can() -> None:
    walk = failed(a_walk(sensor(SensorKind.CO2, every_ms=1000)), "s1", "no SCD4x answers", 21_000)
    assert (verdict(walk), walk.traces["s1"].why) == (Verdict.UNREADABLE, "no SCD4x answers")
    assert verdict(observed(walk, "s1", 640.0, 22_000)) is Verdict.OK


def test_a_sensor_of_which_only_is_known_that_it_spoke_is_ticked_off() -> None:
    walk = spoke(a_walk(sensor(SensorKind.MOTION), rest_ms=0), "s1", 1_000)
    assert verdict(walk) is Verdict.OK
    pair = spoke(spoke(a_walk(IN, OUT, rest_ms=0), "out", 1_000), "in", 1_400)
    assert set(findings(pair).values()) == {Verdict.SWAPPED}


@pytest.mark.parametrize("how", ["observed", "spoke", "failed", "advanced"])
def test_what_cannot_be_is_refused_and_changes_nothing(how: str) -> None:
    walk = advanced(a_walk(sensor(SensorKind.MOTION)), 5_000)
    say = {
        "observed": lambda name, at: observed(walk, name, 1.0, at),
        "spoke": lambda name, at: spoke(walk, name, at),
        "failed": lambda name, at: failed(walk, name, "why", at),
        "advanced": lambda _, at: advanced(walk, at),
    }[how]
    with pytest.raises(IllegalEventError):
        say("s1", 4_999)
    if how != "advanced":
        with pytest.raises(IllegalEventError):
            say("s2", 6_000)
    assert walk.now_ms == 5_000


@pytest.mark.parametrize("kind", SensorKind)
@pytest.mark.parametrize("verdict", Verdict)
def test_there_are_words_for_everything_that_can_be_found(kind: SensorKind, verdict: Verdict) -> None:
    said = words(sensor(kind), verdict, "no SCD4x answers")
    assert said.what
    assert bool(said.remedy) == (verdict not in (Verdict.OK, Verdict.WAITING))


def test_where_a_sensor_hangs_is_said_as_it_is_written() -> None:
    assert place(sensor(SensorKind.MOTION)) == "pin 17"
    assert place(Sensor("a", SensorKind.LIGHT, "d", 1000, channel=3)) == "channel 3"
    assert place(Sensor("a", SensorKind.CO2, "d", 1000, driver="scd4x")) == "the scd4x"
    assert place(Sensor("a", SensorKind.DISTANCE, "d", 1000, pin=4, trigger=5)) == "pins 4 and 5"


@given(st.lists(st.tuples(st.integers(0, 5_000), st.sampled_from(["s1", "in", "out"]), st.booleans()), max_size=60))
def test_how_often_one_looks_changes_nothing(moments: list[tuple[int, str, bool]]) -> None:
    """Time that passes in small steps is the same as time that passes at once."""
    once = often = a_walk(sensor(SensorKind.MOTION), IN, OUT, rest_ms=5_000)
    for gap_ms, name, value in moments:
        now_ms = once.now_ms + gap_ms
        for step in range(often.now_ms, now_ms, 700):
            often = advanced(often, step)
        once, often = observed(once, name, float(value), now_ms), observed(often, name, float(value), now_ms)
    assert once == often
    assert commissioning.findings(once) == commissioning.findings(often)
