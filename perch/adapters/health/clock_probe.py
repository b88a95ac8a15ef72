"""What this machine's clock says of itself."""

import ctypes
import time
from pathlib import Path
from typing import NamedTuple

_TIMESYNC = Path("/run/systemd/timesync")
_TIME_ERROR = 5
_ROOM_FOR_TIMEX = 512


class ClockLook(NamedTuple):
    """The wall clock (ms UTC), and whether anything keeps it in step with the world; None where nobody can tell."""

    wall_ms: int
    synchronised: bool | None


def look_at_clock() -> ClockLook:
    """Ask the kernel, which time servers' programs tell how well they do, and systemd-timesyncd."""
    return ClockLook(time.time_ns() // 1_000_000, _synchronised())


def _synchronised() -> bool | None:
    if (_TIMESYNC / "synchronized").exists():
        return True
    try:
        # All zeros asks for nothing to be changed; the answer says whether the clock is in step.
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_ROOM_FOR_TIMEX))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _TIME_ERROR
