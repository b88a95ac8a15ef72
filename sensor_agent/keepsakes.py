"""What an agent learned of its sensors, over its restarts: `learned.json` in its data folder."""

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from perch.adapters.whole_file import write_whole
from perch.errors import StorageError
from perch.sensing.drift import NOBODY_CROSSED, Crossings
from perch.sensing.ward import Learned

FILE = "learned.json"
MOST_BYTES = 1_000_000
MOST_MS = 366 * 86_400_000
MOST_CROSSINGS = 1e9

log = logging.getLogger(__name__)


SAVE_EVERY_MS = 3_600_000


class Keepsakes:
    """Saves what an agent learned once an hour, and when it ends."""

    def __init__(self, folder: Path, learned: Callable[[], Mapping[str, Learned]], now_ms: int) -> None:
        self._folder = folder
        self._learned = learned
        self._due_ms = now_ms + SAVE_EVERY_MS

    def settle(self, now_ms: int) -> None:
        """Save if an hour has passed."""
        if now_ms >= self._due_ms:
            self._due_ms = now_ms + SAVE_EVERY_MS
            self.close()

    def close(self) -> None:
        """Save now."""
        save(self._folder, self._learned())


def save(folder: Path, learned: Mapping[str, Learned]) -> None:
    """Write what was learned; a disk that cannot be written costs only that."""
    body = {"v": 1, "sensors": {sensor: one._asdict() for sensor, one in learned.items()}}
    try:
        write_whole(folder / FILE, json.dumps(body).encode())
    except StorageError as error:
        log.warning("what was learned of the sensors is not kept: %s", error.what)


def load(folder: Path) -> dict[str, Learned]:
    """Give what was learned; a file that is missing, or that nobody understands, is as good as none."""
    path = folder / FILE
    try:
        with path.open("rb") as file:
            sensors = json.loads(file.read(MOST_BYTES))["sensors"]
            return {sensor: _learned(one) for sensor, one in sensors.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError) as error:
        log.warning("%s is not understood, so sensors are learned anew: %s", path, error)
        return {}


def _learned(found: Mapping[str, object]) -> Learned:
    memory, busy, steady_ms = found["memory"], found["busy"], found["steady_ms"]
    if not isinstance(memory, list) or not all(type(number) in (int, float) for number in memory):
        raise ValueError(f"{memory!r:.80} is no list of numbers")
    if not isinstance(busy, int | float) or not 0 <= busy <= 1000:
        raise ValueError(f"{busy!r:.80} is no number from 0 to 1000")
    if not isinstance(steady_ms, int) or not 0 <= steady_ms <= MOST_MS:
        raise ValueError(f"{steady_ms!r:.80} is no time in ms")
    return Learned(tuple(float(number) for number in memory), float(busy), steady_ms, _crossings(found))


def _crossings(found: Mapping[str, object]) -> Crossings:
    """Give how often a beam was crossed; earlier versions did not keep it."""
    crossings = found.get("crossings", NOBODY_CROSSED)
    if not isinstance(crossings, list | Crossings) or len(crossings) != 2:
        raise ValueError(f"{crossings!r:.80} are no crossings")
    times, days = crossings
    if not all(isinstance(one, int | float) and 0 <= one < MOST_CROSSINGS for one in (times, days)):
        raise ValueError(f"{crossings!r:.80} are no crossings")
    return Crossings(float(times), float(days))
