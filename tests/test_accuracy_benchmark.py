"""The accuracy benchmark runs, and what it measures with is itself right. How accurate anything is, it only tells."""

from xml.etree import ElementTree

import pytest

from benchmarks import two_state
from benchmarks.accuracy import desks, doors, office, rates, room, sections
from benchmarks.accuracy.people_at_desks import Desk, told_by_edges, told_by_samples
from benchmarks.accuracy.recordings import CANDANEDO, SINGH, candanedo, setting, singh
from benchmarks.accuracy.report import DOCUMENT, with_tables
from benchmarks.accuracy.rooms_with_doors import Beside, counter
from benchmarks.accuracy.rooms_with_doors import room as made_room
from benchmarks.accuracy.saying import Said, held
from benchmarks.accuracy.scores import Score
from benchmarks.accuracy.svg import Axis, Drawing
from perch.model import Sensor, SensorKind, State

MINUTE_MS = 60_000
SVG = "{http://www.w3.org/2000/svg}"


def root_of(drawing: str) -> ElementTree.Element:
    return ElementTree.fromstring(drawing)  # noqa: S314 - it comes out of what is tested


@pytest.mark.parametrize("name", [*SINGH, *CANDANEDO])
def test_the_recordings_are_carried_in_order(name: str) -> None:
    block = singh(name) if name in SINGH else candanedo(name)
    assert len(block.readings) >= len(block.moments) > 1000
    assert list(block.moments) == sorted(block.moments)
    times = [reading.time_ms for reading in block.readings]
    assert times == sorted(times)


def test_the_reference_filter_is_a_probability_and_learns() -> None:
    """And it uses nothing that comes later: the same beginning gives the same probabilities."""
    block, sensors = singh("dec22"), setting("singh")[1]
    labels = [(at_ms, count > 0) for at_ms, count in zip(block.moments, block.people, strict=True)]
    fitted = two_state.fitted(sensors, [(block.readings, labels[:900])])
    said = fitted.probabilities(block.readings, block.moments)
    assert all(0 < probability < 1 for probability in said)
    half = block.first(700)
    assert fitted.probabilities(half.readings, half.moments) == said[:700]
    by_truth: dict[bool, list[float]] = {False: [], True: []}
    for probability, (_, occupied) in zip(said, labels, strict=True):
        by_truth[occupied].append(probability)
    assert sum(by_truth[True]) / len(by_truth[True]) > sum(by_truth[False]) / len(by_truth[False])


def test_a_score_counts_what_was_said() -> None:
    """Unknown is not offered, so it counts as occupied; delays are those of vacancies that last."""
    people = (1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1)
    free, occupied = Said(State.FREE, 0.1, 0), Said(State.OCCUPIED, 0.9, 2)
    said = [Said(State.UNKNOWN, 0.5), occupied, occupied, occupied, *[free] * 7, occupied]
    score = Score()
    score.add([minute * MINUTE_MS for minute in range(12)], people, said)
    counted = score.counted
    assert (counted.seen, counted.missed, counted.imagined, counted.rightly_free) == (3, 1, 2, 6)
    assert (counted.unknown, counted.changes, counted.true_changes) == (1, 2, 2)
    assert score.releases == [2.0]
    assert score.count_error == (1 + 2 + 2 + 1 + 1) / 11


def test_a_hold_lasts_from_the_last_movement() -> None:
    moved = Desk(1, (), (30_000.0,))
    rule = held([Sensor("pir", SensorKind.MOTION, "desk", None)], 5 * MINUTE_MS)
    block = told_by_edges(moved)
    occupied = [
        at_ms // 1000
        for at_ms, one in zip(block.moments, rule(block.readings, block.moments), strict=True)
        if one.state is State.OCCUPIED
    ]
    assert occupied == list(range(30_000, 30_303, 30))


def test_a_sample_stands_for_the_time_before_it() -> None:
    samples = told_by_samples(Desk(1, (), (31_000.0, 31_001.0)), 300)
    assert [reading.time_ms // 1000 for reading in samples.readings if reading.value] == [31_200]
    assert len(samples.readings) == 24 * 12 - 1


def test_a_thinned_recording_forgets_no_movement_unless_rows_are_dropped() -> None:
    block = singh("dec22").first(300)
    motion = rates.slower([sensor for sensor in setting("singh")[1] if sensor.kind is SensorKind.MOTION], 300)

    def moved(lossy: bool) -> float:
        thinned = rates.thinned(block, motion, lossy=lossy)
        assert len(thinned.readings) in range(60, 67)
        return sum(reading.value for reading in thinned.readings)

    assert moved(lossy=False) > moved(lossy=True) > 0


def test_a_plain_counter_never_counts_below_zero_or_above_what_fits() -> None:
    made = made_room(1)
    block = made.block(Beside.NOTHING)
    people = [said.people or 0 for said in counter(made.capacity)(block.readings, block.moments)]
    assert min(people) == 0
    assert 1 < max(people) <= made.capacity
    assert min(block.people) == 0


def test_every_section_runs_and_writes_tables() -> None:
    """On slices: enough to see that every part works."""
    room_part = [singh("dec22").first(200), singh("jan10").first(200)]
    office_part = [candanedo("train").first(200), candanedo("test1").first(200)]
    found = [
        room.section(room_part),
        room.with_labels(room_part),
        room.mixes_with_labels(room_part),
        office.section(office_part),
        rates.section(room_part, office_part),
        desks.section(desks=1, days=1),
        desks.sampled(desks=1, days=1, rates_s=(300,)),
        doors.section(rooms=1),
    ]
    assert {section.name for section in found} == sections.SECTIONS.keys()
    for section in found:
        for table in str(section).split("\n\n")[1::2]:
            assert len({line.count("|") for line in table.splitlines()}) == 1
        for drawing in section.drawings.values():
            assert root_of(drawing).tag == f"{SVG}svg"


def test_the_document_has_a_place_for_every_table() -> None:
    text = DOCUMENT.read_text()
    renewed = with_tables(text, dict.fromkeys((*sections.SECTIONS, "aims"), "| new |"))
    assert renewed.count("| new |") == len(sections.SECTIONS) + 1
    assert with_tables(renewed, {}) == renewed
    assert renewed.splitlines()[0] == text.splitlines()[0]


def test_a_table_without_a_place_is_told() -> None:
    with pytest.raises(ValueError, match="needs one pair of markers <!-- room -->"):
        with_tables("# No markers\n", {"room": "| new |"})


def test_a_drawing_escapes_what_is_written_in_it() -> None:
    axis = Axis("a < b", 0, 1, [(0, "0"), (1, "1")])
    drawing = Drawing("more & less", axis, axis)
    drawing.line([(0, 0), (1, 1)], "a", "this > that")
    assert root_of(str(drawing)).findtext(f"{SVG}title") == "more & less"
