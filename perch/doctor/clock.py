"""Clock: is it right, and does anything keep it so."""

from collections.abc import Iterator
from datetime import UTC, datetime

from perch.adapters.health.clock_probe import ClockLook
from perch.doctor.findings import Finding, fault, ok, warn
from perch.model import EARLIEST_MS

_SYNC = "let systemd-timesyncd or chrony set it: timedatectl set-ntp true"


def look_at_clock(look: ClockLook) -> Iterator[Finding]:
    """Say how the clock of this machine is."""
    moment = datetime.fromtimestamp(look.wall_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if look.wall_ms < EARLIEST_MS:
        yield fault("clock", f"it says {moment}, which cannot be", _SYNC)
    elif look.synchronised is None:
        yield warn("clock", f"{moment}; nothing tells whether it is kept in step", _SYNC)
    elif not look.synchronised:
        yield warn("clock", f"{moment}; nothing keeps it in step with the world, so it drifts", _SYNC)
    else:
        yield ok("clock", f"{moment}, kept in step")
