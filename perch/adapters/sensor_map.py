"""The sensor map: which sensor hangs where, and what a walk past it found, as one JSON file for whoever comes next."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from perch.adapters.whole_file import write_whole
from perch.model import SensorKind
from perch.sensing.commissioning import Verdict

FILE_NAME = "sensor-map.json"


class MappedSensor(Struct, frozen=True, kw_only=True):
    """One sensor: `place` is where it hangs, `order` its turn among those that were heard, 1 for the first."""

    id: str
    kind: SensorKind
    space: str
    place: str
    verdict: Verdict
    what: str
    remedy: str
    order: int | None
    heard_after_s: float | None


class SensorMap(Struct, frozen=True, kw_only=True):
    """A whole walk; `walked` is when it ended (RFC 3339), `over` is `pins` or `network`."""

    v: int
    site: str
    agent: str
    walked: str
    over: str
    complete: bool
    sensors: Sequence[MappedSensor]


def write_sensor_map(path: Path, found: SensorMap) -> None:
    """Write the file whole; raises StorageError."""
    remedy = "name a file that can be written with -o"
    write_whole(path, msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n", remedy)
