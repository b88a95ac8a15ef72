"""The recordings that the project carries: blocks of readings with the truth beside them."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from perch.adapters.tables.csv_files import read_readings, read_truth
from perch.model import Reading, SensedSpace, Sensor
from perch.settings import load_sensing
from perch.venue import recordings as carried

FOLDER = Path(__file__).parent.parent / "recordings"
SINGH, CANDANEDO = ("dec22", "dec23", "dec25", "jan10"), ("train", "test1", "test2")


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch without a long hole: readings in order of time, and how many people there were at each looked-at ms."""

    name: str
    readings: tuple[Reading, ...]
    moments: tuple[int, ...]
    people: tuple[int, ...]

    def only(self, sensors: Collection[str]) -> "Block":
        """Give the block as seen by some of the sensors."""
        readings = tuple(reading for reading in self.readings if reading.sensor in sensors)
        return Block(self.name, readings, self.moments, self.people)

    def first(self, looks: int) -> "Block":
        """Give the beginning of the block."""
        until_ms = self.moments[looks - 1]
        readings = tuple(reading for reading in self.readings if reading.time_ms <= until_ms)
        return Block(self.name, readings, self.moments[:looks], self.people[:looks])


@cache
def singh(name: str) -> Block:
    """Give a block of the room with desks."""
    if name in carried.BLOCKS:
        return _block(name, carried.readings_of(name), carried.truth_of(name), "singh")
    folder = FOLDER / "singh" / name
    return _block(name, folder / "readings.csv.gz", folder / "truth.csv.gz", "singh")


@cache
def candanedo(name: str) -> Block:
    """Give a block of the office."""
    folder = FOLDER / "candanedo" / name
    return _block(name, folder / "readings.csv.gz", folder / "truth.csv.gz", "candanedo")


@cache
def setting(recording: str) -> tuple[SensedSpace, tuple[Sensor, ...]]:
    """Give the space of a recording and all of its sensors."""
    sensing = load_sensing(FOLDER / recording / "sensing.toml")
    return sensing.spaces[0], sensing.sensors


def _block(name: str, readings: Path, truth: Path, recording: str) -> Block:
    rows = tuple(read_truth(truth))
    _, sensors = setting(recording)
    known = tuple(read_readings(readings, {sensor.id for sensor in sensors}))
    return Block(name, known, tuple(row.time_ms for row in rows), tuple(row.count for row in rows))
