"""How old something is that another program left behind, in a time that no clock can set.

Wall clocks jump, so a file that is to tell how fresh it is carries a mark of the machine's time since boot. Within that
boot its age is exact; a mark of another boot says only that whoever left it is gone.
"""

from pathlib import Path

from msgspec import Struct

from perch.adapters import instants

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Mark(Struct, frozen=True):
    """A moment: `boot` names a boot of this machine, '' where it has no name; `boot_ms` counts from there."""

    boot: str
    boot_ms: int


def boot() -> str:
    """Give the name of the machine's present boot (16 hex digits), '' where it has none."""
    try:
        return _BOOT_ID.read_text().replace("-", "")[:16]
    except OSError:
        return ""


def mark() -> Mark:
    """Give the present moment."""
    return Mark(boot(), instants.boot_ms())


def age_seconds(marked: Mark, now: Mark | None = None) -> float | None:
    """Tell how long before now a mark was made, None where it was in another boot, so that nobody can tell."""
    now = now or mark()
    if not now.boot or marked.boot != now.boot:
        return None
    return max(0, now.boot_ms - marked.boot_ms) / 1000
