"""Both clocks of this machine, alone or read together."""

import time

from perch.delivery.liveness import Instant


def boot_ms() -> int:
    """Read the time since the machine's boot, which goes on while it sleeps and which no clock can set."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def wall_ms() -> int:
    """Read the wall clock, UTC, which may jump."""
    return time.time_ns() // 1_000_000


def now() -> Instant:
    """Read both."""
    return Instant(wall_ms(), boot_ms())
