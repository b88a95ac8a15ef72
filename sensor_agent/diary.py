"""Raw readings, kept on the agent's own disk if somebody asks for it, so that another rule can be tried on them later.

They never leave the machine by themselves: no part of Perch sends or reads them but `perch sense`, run by hand. Off
unless `keep_readings_mib` is set; the oldest go first.
"""

import logging
from pathlib import Path

from perch.adapters.tables.csv_files import READINGS
from perch.adapters.tables.csv_times import format_time
from perch.model import DAY_MS

FOLDER = "readings"
ROWS_HELD = 200
HELD_MS = 60_000
MOST_FILES = 1_000
FILES_AT_LEAST = 8
"""A file takes this share of the room at most, so that little is lost at once when the oldest goes."""

HEAD = ",".join(READINGS) + "\n"

log = logging.getLogger(__name__)


class Diary:
    """Writes readings to files of at most a day each, all of which together never take more than `most_bytes`.

    A new file begins at each start, each day (UTC), where one has an eighth of the room, and wherever time goes back,
    so that within a file it never does. A disk that cannot be written stops the diary, and nothing else.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._file: Path | None = None
        self._bytes = 0
        self._rows: list[str] = []
        self._from_ms = self._last_ms = 0
        self._failed = False

    def __repr__(self) -> str:
        return f"<Diary in {self._folder}>"

    def note(self, wall_ms: int, sensor: str, value: float) -> None:
        """Keep a reading; it is on disk within about a minute."""
        if self._failed:
            return
        row = f"{format_time(wall_ms)},{sensor},{value:.10g}\n"
        if self._needs_new(wall_ms, row):
            self.write()
            self._file, self._bytes = self._free_name(wall_ms), len(HEAD)
        if not self._rows:
            self._from_ms = wall_ms
        self._rows.append(row)
        self._bytes += len(row)
        self._last_ms = wall_ms
        if len(self._rows) >= ROWS_HELD or wall_ms - self._from_ms >= HELD_MS:
            self.write()

    def write(self) -> None:
        """Write what is held, as at the end."""
        if not self._rows or self._file is None:
            return
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._forget(self._file)
            begun = self._file.exists()
            with self._file.open("a") as file:
                file.writelines(self._rows if begun else [HEAD, *self._rows])
        except OSError as error:
            self._failed = True
            log.warning("raw readings are no longer kept: %s: %s", self._folder, error.strerror)
        self._rows.clear()

    def _needs_new(self, wall_ms: int, row: str) -> bool:
        full = self._bytes + len(row) > self._most_bytes // FILES_AT_LEAST
        return self._file is None or full or wall_ms < self._last_ms or wall_ms // DAY_MS != self._last_ms // DAY_MS

    def _free_name(self, wall_ms: int) -> Path:
        """Name a file by the second of its first moment, so that names sort as their times do; a second one is told."""
        second = format_time(wall_ms // 1000 * 1000).replace(":", "")
        names = (f"{second}{f'_{number:03}' if number else ''}.csv" for number in range(MOST_FILES + 1))
        return next(path for name in names if not (path := self._folder / name).exists())

    def _forget(self, in_use: Path) -> None:
        """Take the oldest files away until there is room for the one in use, with all that it is about to hold."""
        files = [path for path in sorted(self._folder.glob("*.csv")) if path != in_use]
        sizes = {path: path.stat().st_size for path in files}
        whole = self._bytes + sum(sizes.values())
        for number, path in enumerate(files):
            if whole <= self._most_bytes and len(files) - number < MOST_FILES:
                return
            path.unlink()
            whole -= sizes[path]
