"""The CSV files of the contract: READINGS (`time,sensor,value`), STATES and TRUTH.

A recording is surveyed before it is used: the survey reads all of it and refuses it with every broken row, so that
nothing is half done when row a million turns out to be broken. What a sensor measured is taken as it stands; what it
means is for the estimator to say.
"""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from perch.adapters.tables.csv_rows import read_rows
from perch.adapters.tables.csv_times import format_time, parse_time
from perch.model import Occupancy, Reading, State
from perch.settings.reading import RefusedError, choice, shown

READINGS = ("time", "sensor", "value")
STATES = ("time", "space", "state", "probability", "count")
TRUTH = ("time", "space", "count")
MOST_SENSORS = 10_000

_state = choice(State)


@dataclass(frozen=True, slots=True)
class Survey:
    """What a recording holds: rows, times of the first and last (None without rows), and the sensors it names."""

    rows: int
    first_ms: int | None
    last_ms: int | None
    sensors: frozenset[str]


@dataclass(frozen=True, slots=True)
class StatedRow:
    """A row of STATES: what was said of a space from this moment on."""

    time_ms: int
    space: str
    state: State
    probability: float | None
    count: int | None


@dataclass(frozen=True, slots=True)
class CountedRow:
    """A row of TRUTH: how many people were in a space."""

    time_ms: int
    space: str
    count: int


def survey_readings(path: Path) -> Survey:
    """Read all of a recording once; raises InputError with every broken row."""
    rows, first_ms, last_ms = 0, None, None
    sensors: set[str] = set()
    for last_ms, sensor, _ in _rows_of(path):
        first_ms = last_ms if first_ms is None else first_ms
        rows += 1
        if len(sensors) < MOST_SENSORS:
            sensors.add(sensor)
    return Survey(rows, first_ms, last_ms, frozenset(sensors))


def read_readings(path: Path, sensors: Collection[str]) -> Iterator[Reading]:
    """Give the readings of these sensors in order of time; raises InputError at the end if a row was broken."""
    for time_ms, sensor, value in _rows_of(path):
        if value is not None and sensor in sensors:
            yield Reading(time_ms, sensor, value)


def read_states(path: Path) -> Iterator[StatedRow]:
    """Give the rows of a STATES file in order; raises InputError at the end if a row was broken."""
    clock = _Clock()

    def convert(cells: Sequence[str]) -> StatedRow:
        time, space, state, probability, count = cells
        said = _probability(probability) if probability else None
        return StatedRow(clock.read(time), _name(space), _state(state), said, _whole(count) if count else None)

    return read_rows(path, STATES, convert)


def read_truth(path: Path) -> Iterator[CountedRow]:
    """Give the rows of a TRUTH file in its own order; raises InputError at the end if a row was broken."""
    return read_rows(path, TRUTH, _counted)


def state_line(time_ms: int, space: str, said: Occupancy) -> str:
    """Write a row of STATES; a count that nobody knows is empty."""
    return f"{format_time(time_ms)},{space},{_cells(said)}\n"


def both_line(time_ms: int, space: str, one: Occupancy | None, other: Occupancy | None) -> str:
    """Write a row of two STATES side by side; what one of them does not know is empty."""
    return f"{format_time(time_ms)},{space},{_cells(one)},{_cells(other)}\n"


def _cells(said: Occupancy | None) -> str:
    if said is None:
        return ",,"
    return f"{said.state},{said.probability:.3f},{'' if said.count is None else said.count}"


class _Clock:
    """Reads times that never go back; a text that stands in many rows in a row is read once."""

    def __init__(self) -> None:
        self._text = ""
        self._time_ms: int | None = None

    def read(self, text: str) -> int:
        """Give a time in ms; raises RefusedError where it is none, or lies before the one read last."""
        if text == self._text and self._time_ms is not None:
            return self._time_ms
        time_ms = parse_time(text)
        if self._time_ms is not None and time_ms < self._time_ms:
            raise RefusedError(
                f"{text} lies before {self._text}, which stands above it",
                "sort the rows by time, and take those of a wrong clock out",
            )
        self._text, self._time_ms = text, time_ms
        return time_ms


def _rows_of(path: Path) -> Iterator[tuple[int, str, float | None]]:
    """Read a recording; a row without a value is a sample that was missed, as if the row were not there."""
    clock = _Clock()

    def convert(cells: Sequence[str]) -> tuple[int, str, float | None]:
        time, sensor, value = cells
        return clock.read(time), _name(sensor), _number(value) if value else None

    return read_rows(path, READINGS, convert)


def _counted(cells: Sequence[str]) -> CountedRow:
    time, space, count = cells
    return CountedRow(parse_time(time), _name(space), _whole(count))


def _name(text: str) -> str:
    if not text:
        raise RefusedError("the row names nothing", "write the id of a sensor or space")
    return text


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or "_" in text:
        raise RefusedError(f"{shown(text)} is no number", "write a number, or nothing where there is no value")
    return number


def _probability(text: str) -> float:
    probability = _number(text)
    if not 0 <= probability <= 1:
        raise RefusedError(f"{shown(text)} is no probability", "write a number from 0 to 1")
    return probability


def _whole(text: str) -> int:
    number = _number(text)
    if number != int(number) or number < 0:
        raise RefusedError(f"{shown(text)} is no number of people", "write a whole number, 0 or more")
    return int(number)
