"""Learning from labels: what is counted, how sure it is, and that few labels move little."""

import random
from bisect import bisect_right
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perch.model import LearnedSpace, Preference, Reading, SensedSpace, Sensor, SensorKind, SpaceKind
from perch.sensing.accuracy import Tally
from perch.sensing.ambience import LOUD
from perch.sensing.estimator import Estimator
from perch.sensing.fit import APART_MS, Comparison, Fit, blocks, fit, learned
from perch.sensing.labels import Label, Lesson, Span, spans_of
from perch.sensing.learned import shares
from perch.sensing.posterior import nats, rate, share
from perch.sensing.replayed import replayed, tallied
from perch.sensing.settled import pace_of
from perch.sensing.teachers import TEACHERS, accounts

DESK = SensedSpace("d01", SpaceKind.DESK, 1)
HOUR_S = 3600
HOUR_MS = HOUR_S * 1000


def pir(kind: SensorKind = SensorKind.MOTION, every_ms: int | None = None) -> Sensor:
    return Sensor("s1", kind, "d01", every_ms)


def visits(hours: int) -> list[tuple[float, float]]:
    """Somebody is there for an hour in every two."""
    return [(start * HOUR_S, (start + 1) * HOUR_S) for start in range(1, hours, 2)]


def pulses(hours: int, false_per_hour: float, per_hour: float, seed: int = 1) -> list[Reading]:
    """Two-second pulses of a motion sensor, at one rate while the desk is empty and at another while it is not."""
    chance, time_s, readings = random.Random(seed), 0.0, [Reading(0, "s1", 0.0)]  # noqa: S311  no secret
    while True:
        there = int(time_s // HOUR_S) % 2 == 1
        time_s += 2.5 + chance.expovariate((per_hour if there else false_per_hour) / HOUR_S)
        if time_s >= hours * HOUR_S:
            return [*readings, Reading(hours * HOUR_S * 1000, "s1", 0.0)]
        readings += [Reading(round(time_s * 1000), "s1", 1.0), Reading(round(time_s * 1000) + 2000, "s1", 0.0)]


def lesson(hours: int, false_per_hour: float = 1.3, per_hour: float = 100.0, seed: int = 1) -> Lesson:
    spans = [Span(hour * HOUR_S * 1000, (hour + 1) * HOUR_S * 1000, occupied=hour % 2 == 1) for hour in range(hours)]
    return Lesson(pulses(hours, false_per_hour, per_hour, seed), tuple(spans))


def shifted(one: Lesson, hours: int) -> Lesson:
    by_ms = hours * HOUR_S * 1000
    readings = [replace(reading, time_ms=reading.time_ms + by_ms) for reading in one.readings]
    return Lesson(readings, tuple(Span(a + by_ms, b + by_ms, occupied) for a, b, occupied in one.spans))


def test_without_labels_everything_is_as_it_comes_from_the_factory() -> None:
    for kind in TEACHERS:
        (account,) = accounts(DESK, [pir(kind, 60_000)], [Lesson([Reading(0, "s1", 400.0)], ())])
        assert (account.learned, account.numbers) == (None, ())
    untaught = fit(DESK, [pir()], [])
    assert untaught.model.sensors == (pir(),)
    assert pace_of(untaught.model.space) == pytest.approx(pace_of(DESK))


def test_false_triggers_are_learned() -> None:
    (busy,) = accounts(DESK, [pir()], [lesson(60, false_per_hour=10)])
    (still,) = accounts(DESK, [pir()], [lesson(60, false_per_hour=0.1)])
    assert busy.learned
    assert still.learned
    assert 6 < (busy.learned.empty_per_hour or 0) < 11
    assert (still.learned.empty_per_hour or 9) < 0.5


def test_samples_teach_the_same_of_false_triggers_as_edges() -> None:
    edges = lesson(60, false_per_hour=6, per_hour=60)
    ons = sorted(reading.time_ms for reading in edges.readings if reading.value)
    samples = [
        Reading(at_ms, "s1", float(any(at_ms - 30_000 < on <= at_ms for on in ons if abs(on - at_ms) < 60_000)))
        for at_ms in range(30_000, 60 * HOUR_S * 1000, 30_000)
    ]
    (by_edges,) = accounts(DESK, [pir()], [edges])
    (by_samples,) = accounts(DESK, [pir(every_ms=30_000)], [Lesson(samples, edges.spans)])
    assert by_edges.learned
    assert by_samples.learned
    assert by_samples.learned.empty_per_hour == pytest.approx(by_edges.learned.empty_per_hour, rel=0.15)


@pytest.mark.parametrize("kind", [SensorKind.MOTION, SensorKind.CONTACT, SensorKind.PRESENCE])
def test_a_sensor_that_says_the_same_once_more_teaches_the_same(kind: SensorKind) -> None:
    """Some recorders write the state of a door each minute, opened or not; some write a row twice."""
    told = lesson(24, false_per_hour=6)
    again = [
        one
        for before, after in pairwise(told.readings)
        for one in (
            before,
            before,
            *(replace(before, time_ms=at) for at in range(before.time_ms, after.time_ms, 60_000)),
        )
        if one is before or not before.value
    ]
    repeated = Lesson([*again, told.readings[-1]], told.spans)
    assert accounts(DESK, [pir(kind)], [repeated]) == accounts(DESK, [pir(kind)], [told])


def test_motion_sensors_that_speak_as_one_learn_what_all_of_them_said() -> None:
    """Each of two sees half of the room, now one, now the other: together they teach what one that sees all would."""
    whole = lesson(60, false_per_hour=6, per_hour=60)
    ons = [reading.time_ms for reading in whole.readings if reading.value]
    one, other = (Sensor(name, SensorKind.MOTION, "d01", 30_000) for name in ("s1", "s2"))
    alone, halves = [], []
    for at_ms in range(30_000, 60 * HOUR_S * 1000, 30_000):
        seen = [place % 2 for place in range(bisect_right(ons, at_ms - 30_000), bisect_right(ons, at_ms))]
        alone.append(Reading(at_ms, "s1", float(bool(seen))))
        halves += [Reading(at_ms, "s1", float(0 in seen)), Reading(at_ms, "s2", float(1 in seen))]
    (expected,) = accounts(DESK, [one], [Lesson(alone, whole.spans)])
    taught = accounts(DESK, [one, other], [Lesson(halves, whole.spans)])
    assert [account.learned for account in taught] == [expected.learned, expected.learned]
    assert "together with s2" in taught[0].numbers[0].name


def test_a_sound_that_stands_out_is_no_surer_a_sign_for_quiet_nights() -> None:
    readings = [Reading(at_ms, "s1", 0.1 + 0.001 * (at_ms // 30_000 % 3)) for at_ms in range(0, 30 * HOUR_MS, 30_000)]
    night = Lesson(readings, (Span(0, 30 * HOUR_MS, occupied=False),))
    (account,) = accounts(DESK, [pir(SensorKind.SOUND, 30_000)], [night])
    assert account.learned
    assert (account.learned.empty_share or 1.0) < LOUD[0] / 2
    assert shares(LOUD, account.learned) == LOUD


def test_a_radar_that_lets_go_slowly_is_known_to() -> None:
    readings = [Reading(0, "s1", 0.0)]
    for start_s, end_s in visits(60):
        readings += [Reading(round(start_s * 1000), "s1", 1.0), Reading(round(end_s + 240) * 1000, "s1", 0.0)]
    (account,) = accounts(DESK, [pir(SensorKind.PRESENCE)], [Lesson(readings, lesson(60).spans)])
    assert account.learned
    assert 100 < (account.learned.empty_on_seconds or 0) < 300
    assert (account.learned.present_factor or 9) < 1


@pytest.mark.parametrize("false_per_hour", [0.3, 1.3, 12.0])
def test_the_more_labels_the_narrower_the_interval(false_per_hour: float) -> None:
    widths = []
    for hours in (4, 40, 160):
        (account,) = accounts(DESK, [pir()], [lesson(hours, false_per_hour)])
        known = account.numbers[0].known
        assert known.low <= known.value <= known.high
        widths.append((known.high - known.low) / known.value)
    assert widths[0] > widths[1] > widths[2]


def test_ten_minutes_move_little() -> None:
    whole = lesson(60, false_per_hour=6)
    (account,) = accounts(DESK, [pir()], [whole.within(HOUR_S * 1000 - 300_000, HOUR_S * 1000 + 300_000)])
    assert account.learned
    assert 0.8 < (account.learned.empty_per_hour or 0) / 1.3333 < 1.6
    assert 0.7 < (account.learned.present_factor or 0) < 1.3


@given(st.floats(0.01, 50), st.floats(0.1, 100), st.integers(0, 1000), st.floats(0, 1000))
def test_a_rate_lies_between_what_is_usual_and_what_was_seen(
    usual: float, worth: float, events: int, hours: float
) -> None:
    known = rate(usual, worth, events, hours)
    seen = events / hours if hours else usual
    assert min(usual, seen) * 0.999 <= known.value <= max(usual, seen) * 1.001 or not hours
    assert known.low <= known.value <= known.high


@given(st.floats(0.001, 0.9), st.integers(0, 500), st.integers(0, 500))
def test_a_share_stays_a_share(usual: float, hits: int, misses: int) -> None:
    known = share(usual, 60, hits, hits + misses)
    assert 0 < known.low <= known.value <= known.high < 1


def test_a_place_where_nothing_was_seen_means_what_it_always_meant() -> None:
    taught = nats((0.5, -1.0, 2.0), 6, vacant=(0, 40, 0), occupied=(0, 5, 35))
    assert taught[0].value == pytest.approx(0.5)
    assert taught[1].value < -1.0
    assert taught[2].value > 2.0


def test_the_order_of_recordings_does_not_matter() -> None:
    parts = [shifted(lesson(4, seed=seed), 24 * seed) for seed in (1, 2, 3)]
    assert fit(DESK, [pir()], parts) == fit(DESK, [pir()], parts[::-1])


def test_what_was_learned_before_is_forgotten() -> None:
    marked = replace(DESK, learned=LearnedSpace(vacant_minutes=5.0, visit_minutes=5.0))
    assert learned(marked, [pir()], [lesson(4)]) == learned(DESK, [pir()], [lesson(4)])


def test_it_is_better_on_days_it_has_not_seen() -> None:
    """A desk at a busy aisle."""
    model = learned(DESK, [pir()], [lesson(24, false_per_hour=12)])
    unseen = [lesson(24, false_per_hour=12, seed=2)]
    factory, fitted = tallied(replayed(DESK, [pir()], unseen)), tallied(replayed(model.space, model.sensors, unseen))
    assert (fitted.balanced or 0) > (factory.balanced or 1)
    assert (fitted.brier or 1) < (factory.brier or 0)


def test_blocks_are_contiguous_apart_from_what_is_learned_and_cover_everything() -> None:
    for lessons in (
        [lesson(8)],
        [lesson(4), shifted(lesson(3), 24)],
        [shifted(lesson(2), 24 * day) for day in range(6)],
    ):
        kept_s = 0.0
        for others, block in blocks(lessons):
            kept_s += sum(sum(one.seconds) for one in block)
            for other in others:
                for mine in block:
                    assert all(
                        a.until_ms + APART_MS <= b.from_ms or b.until_ms + APART_MS <= a.from_ms
                        for a in other.spans
                        for b in mine.spans
                    )
        assert kept_s == pytest.approx(sum(sum(one.seconds) for one in lessons))


def test_what_is_no_better_is_not_kept() -> None:
    good, bad = Tally(seen=90, missed=10, imagined=1, rightly_free=99), Tally(seen=60, missed=40, rightly_free=100)
    model = learned(DESK, [pir()], [lesson(4)])
    assert Fit(model, Comparison(4, factory=bad, fitted=good), (1.0, 1.0)).is_kept
    assert not Fit(model, Comparison(4, factory=good, fitted=bad), (1.0, 1.0)).is_kept
    coin = Tally(seen=55, missed=45, imagined=45, rightly_free=55)
    assert not Fit(model, Comparison(4, factory=coin, fitted=coin), (1.0, 1.0)).is_kept


TENTH = Tally(seen=90, missed=10, imagined=10, rightly_free=90, changes=10, true_changes=10, nats_occupied=50)


@pytest.mark.parametrize(
    ("changed", "kept_where"),
    [
        ({"nats_occupied": 45}, set(Preference)),
        ({"nats_occupied": 60}, set()),
        ({"nats_occupied": 60, "seen": 95, "missed": 5, "imagined": 5, "rightly_free": 95}, set(Preference)),
        ({"nats_occupied": 45, "seen": 80, "missed": 20}, set()),
        ({"nats_occupied": 45, "changes": 14}, set(Preference)),
        ({"nats_occupied": 45, "changes": 20}, set()),
        (
            {"nats_occupied": 60, "seen": 86, "missed": 14, "imagined": 3, "rightly_free": 97},
            {Preference.RELEASE_FAST},
        ),
        (
            {"nats_occupied": 45, "seen": 86, "missed": 14, "imagined": 3, "rightly_free": 97},
            {Preference.RELEASE_FAST, Preference.BALANCED},
        ),
    ],
)
def test_it_is_kept_where_truth_surprises_it_less_or_errors_cost_less_and_neither_errors_nor_flaps_cost_more(
    changed: dict[str, int], kept_where: set[Preference]
) -> None:
    """Six minutes of an occupied hour said to be free, and six the other way; 50 nats; a flap for each true change."""
    compared = Comparison(4, factory=TENTH, fitted=replace(TENTH, **changed))
    assert {prefer for prefer in Preference if compared.is_better(prefer)} == kept_where


def test_quick_sensors_never_count_for_more_and_ten_minutes_change_no_weight() -> None:
    whole = lesson(12, false_per_hour=0.5, per_hour=30)
    little = whole.within(HOUR_S * 1000 - 300_000, HOUR_S * 1000 + 300_000)

    def weights(kind: SensorKind, told: Lesson) -> dict[SensorKind, float]:
        model = learned(DESK, [pir(kind)], [told])
        assert model.space.learned
        return dict(model.space.learned.weights)

    assert weights(SensorKind.PRESENCE, whole) == {}
    assert weights(SensorKind.MOTION, whole)[SensorKind.MOTION] < 1
    assert weights(SensorKind.MOTION, little) == {}


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 300), st.booleans()), min_size=1, max_size=20), st.sampled_from(sorted(TEACHERS))
)
def test_whatever_is_labelled_the_estimator_can_use_what_it_taught(
    looks: list[tuple[int, bool]], kind: SensorKind
) -> None:
    chance = random.Random(len(looks))  # noqa: S311  no secret
    readings = [Reading(minute * 60_000, "s1", chance.choice((0.0, 1.0, 450.0))) for minute in range(300)]
    labels = [Label(minute * 60_000, occupied) for minute, occupied in dict(looks).items()]
    model = learned(DESK, [pir(kind, 60_000)], [Lesson(readings, spans_of(labels))])
    belief = Estimator(model.space, model.sensors).begin(0)
    assert 0 < sum(belief.now) < 1.1
