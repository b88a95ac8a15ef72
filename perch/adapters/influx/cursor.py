"""What the InfluxDB projection keeps beside the journal: how far it has come, and the lines that were refused."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from perch.adapters.influx.writing import RefusedLine
from perch.errors import StorageError

_RIGHTS = "check the rights of the data folder and the space on its disk"

Spans = Sequence[tuple[int, int]]
"""From when until when, each (ms)."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A journal's entries up to a position are in `target`, for sites as they were laid out then.

    By site, `layouts` has a digest of its layout (another digest means that its rows are to be written anew), `lived`
    the spans (ms) in which its rows of quarter hours are, and `tried` those in which some may be. `moved` is what was
    taken to have moved when rows were last deleted, until all are written again: site, agent, from and to (ms).
    """

    journal: str
    position: int
    target: str
    layouts: Mapping[str, str]
    lived: Mapping[str, Spans] = field(default_factory=dict)
    tried: Mapping[str, Spans] = field(default_factory=dict)
    moved: Sequence[tuple[str, str, int, int]] = ()


class ProgressFile:
    """One small file, always whole: written beside its place, synced and moved there. Raises StorageError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __repr__(self) -> str:
        return f"<ProgressFile {str(self._path)!r}>"

    def load(self) -> Progress | None:
        """Give what was saved last; None where there is nothing, or nothing that can be understood."""
        try:
            told = json.loads(self._path.read_text("utf-8"))
            position, layouts = int(told["position"]), dict(told["layouts"])
            lived, tried = _by_site(told["lived"]), _by_site(told["tried"])
            moved = tuple((str(site), str(agent), int(ms), int(to_ms)) for site, agent, ms, to_ms in told["moved"])
            return Progress(str(told["journal"]), position, str(told["target"]), layouts, lived, tried, moved)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"{self._path} cannot be read: {error.strerror}", _RIGHTS) from error
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def save(self, progress: Progress) -> None:
        """Replace what was saved; after a power cut the one or the other is there."""
        beside = self._path.with_name(self._path.name + ".new")
        try:
            with beside.open("w", encoding="utf-8") as file:
                json.dump(asdict(progress), file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as error:
            raise StorageError(f"{self._path} cannot be written: {error.strerror}", _RIGHTS) from error

    def forget(self) -> None:
        """Remove what was saved."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"{self._path} cannot be removed: {error.strerror}", _RIGHTS) from error


def _by_site(told: Mapping[str, Spans]) -> dict[str, Spans]:
    return {site: [(int(from_ms), int(to_ms)) for from_ms, to_ms in spans] for site, spans in told.items()}


class DeadLetters:
    """Lines that InfluxDB refused, as JSON lines for a person to look at: a bounded file, counted beyond its bound."""

    def __init__(self, path: Path, limit_bytes: int = 1 << 20) -> None:
        self._path = path
        self._limit_bytes = limit_bytes
        self.count = 0

    def __repr__(self) -> str:
        return f"<DeadLetters {str(self._path)!r}, {self.count} since start>"

    def add(self, refused: Sequence[RefusedLine]) -> None:
        """Keep refused lines; raises StorageError."""
        self.count += len(refused)
        try:
            with self._path.open("a", encoding="utf-8") as file:
                for letter in refused:
                    if file.tell() < self._limit_bytes:
                        file.write(json.dumps(asdict(letter), ensure_ascii=False) + "\n")
        except OSError as error:
            raise StorageError(f"{self._path} cannot be written: {error.strerror}", _RIGHTS) from error

    def erase(self, space: str) -> None:
        """Let the lines that name a space go; raises StorageError."""
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines(keepends=True)
            left = [line for line in lines if f"space={space}," not in line and f"space={space} " not in line]
            if len(left) < len(lines):
                self._path.write_text("".join(left), encoding="utf-8")
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageError(f"{self._path} cannot be written: {error.strerror}", _RIGHTS) from error
