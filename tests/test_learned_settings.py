"""What was learned, in the configuration: read back as it was written, and refused where it cannot be."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.errors import InputError
from perch.model import LearnedSensor, LearnedSpace, SensorKind
from perch.settings import load_sensing
from perch.settings.learned import (
    NUMBERS,
    WEIGHED,
    learned_sensor_values,
    learned_space_values,
    read_learned_sensor,
    read_learned_space,
)
from perch.settings.table import Complaints, Table
from perch.settings.written import toml

SENSED = """
[[space]]
id = "d01"
kind = "desk"
[space.learned]
vacant_minutes = 0
weight_beam-in = 1.0
visit_minuts = 3

[[sensor]]
id = "s1"
kind = "co2"
space = "d01"
[sensor.learned]
empty_per_hour = 3
slope_ppm_per_hour = [1, 0]
slope_nats = [1, 2]
unrest_nats = [1]
ventilation_per_hour = "many"
"""
WITHIN = {
    "empty_per_hour": st.floats(0.001, 600),
    "empty_on_seconds": st.floats(0.1, 36_000),
    "empty_share": st.floats(1e-6, 0.9),
    "present_factor": st.floats(0.05, 20),
    "ventilation_per_hour": st.floats(0.05, 20),
}
CURVE = st.lists(st.tuples(st.floats(-1e5, 1e5), st.floats(-10, 10)), min_size=2, max_size=9, unique_by=lambda p: p[0])


@st.composite
def sensors(draw: st.DrawFn) -> tuple[SensorKind, LearnedSensor]:
    kind = draw(st.sampled_from(sorted(NUMBERS)))
    numbers = {key: draw(st.none() | WITHIN[key]) for key in NUMBERS[kind]}
    curves = {name: tuple(sorted(draw(CURVE))) for name in ("slopes", "unrest", "sources") if kind is SensorKind.CO2}
    return kind, LearnedSensor(**numbers, **curves)  # type: ignore[arg-type]


def read(values: dict[str, object]) -> tuple[Table, Complaints]:
    complaints = Complaints()
    return Table(tomllib.loads(toml({"learned": values}))["learned"], "f", complaints), complaints


@given(sensors())
def test_what_a_sensor_learned_comes_back_exactly(one: tuple[SensorKind, LearnedSensor]) -> None:
    kind, learned = one
    table, complaints = read(learned_sensor_values(learned))
    assert read_learned_sensor(table, kind) == learned
    assert len(complaints) == 0


@given(
    st.none() | st.floats(1, 1e5),
    st.none() | st.floats(1, 1e5),
    st.lists(st.tuples(st.sampled_from(WEIGHED), st.floats(0.05, 20)), unique_by=lambda one: one[0]),
)
def test_what_a_space_learned_comes_back_exactly(
    vacant: float | None, visit: float | None, weights: list[tuple[SensorKind, float]]
) -> None:
    learned = LearnedSpace(vacant, visit, tuple(sorted(weights, key=lambda one: WEIGHED.index(one[0]))))
    table, complaints = read(learned_space_values(learned))
    assert read_learned_space(table) == learned
    assert len(complaints) == 0


def test_every_complaint_comes_at_once(tmp_path: Path) -> None:
    path = tmp_path / "sensing.toml"
    path.write_text(SENSED)
    with pytest.raises(InputError) as refused:
        load_sensing(path)
    where = [complaint.where.partition(": ")[2] for complaint in refused.value.complaints]
    assert sorted(where) == [
        "[[sensor]][1]: [learned].empty_per_hour",
        "[[sensor]][1]: [learned].slope_ppm_per_hour",
        "[[sensor]][1]: [learned].unrest_ppm_per_hour",
        "[[sensor]][1]: [learned].ventilation_per_hour",
        "[[space]][1]: [learned].vacant_minutes",
        "[[space]][1]: [learned].visit_minuts",
        "[[space]][1]: [learned].weight_beam-in",
    ]


@given(
    st.recursive(
        st.dictionaries(
            st.text(min_size=1, max_size=8),
            st.text(max_size=9)
            | st.integers(-(2**60), 2**60)
            | st.floats(allow_nan=False)
            | st.booleans()
            | st.lists(st.integers(0, 9), max_size=3),
            max_size=4,
        ),
        lambda inner: st.dictionaries(
            st.text(min_size=1, max_size=8), inner | st.lists(inner, min_size=1, max_size=3), max_size=3
        ),
        max_leaves=8,
    )
)
def test_toml_is_written_so_that_it_reads_the_same(values: dict[str, object]) -> None:
    assert tomllib.loads(toml(values)) == values
