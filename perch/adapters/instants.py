"""Both clocks of this machine, read together."""

import time

from perch.delivery.liveness import Instant


def now() -> Instant:
    """Read the wall clock and the time since boot, which goes on while the machine sleeps."""
    return Instant(time.time_ns() // 1_000_000, time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000)
