"""Clocks that an agent can be given: the machine's own, and one that a recording moves."""

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from perch.adapters import age, instants
from perch.model import EARLIEST_MS
from perch.model import Clock as ClockState

_TIMESYNC = Path("/run/systemd/timesync")


class Clock(Protocol):
    """Two clocks of one machine: laws.

    `mono_ms` never goes back, goes on while the machine sleeps, and counts from its boot, which `boot` names (16 hex
    digits). `wall_ms` is UTC and may jump. `state` says whether wall time can be believed.
    """

    @property
    def boot(self) -> str:
        """Name this boot of the machine."""
        ...

    def mono_ms(self) -> int:
        """Give milliseconds since boot, sleep included."""
        ...

    def wall_ms(self) -> int:
        """Give milliseconds UTC, as the machine has them."""
        ...

    def state(self) -> ClockState:
        """Say whether wall time can be believed."""
        ...


class SystemClock:
    """The machine's clocks; wall time is believed unless systemd-timesyncd runs and has not synchronised it yet."""

    def __init__(self) -> None:
        self.boot = age.boot() or secrets.token_hex(8)

    def mono_ms(self) -> int:
        """Milliseconds since boot, sleep included."""
        return instants.boot_ms()

    def wall_ms(self) -> int:
        """Milliseconds UTC."""
        return instants.wall_ms()

    def state(self) -> ClockState:
        """Whether wall time has been synchronised since boot, as far as can be told."""
        waiting = _TIMESYNC.is_dir() and not (_TIMESYNC / "synchronized").exists()
        return ClockState.UNSYNCED if waiting or self.wall_ms() < EARLIEST_MS else ClockState.OK


@dataclass(slots=True)
class RecordedClock:
    """Virtual time: `now_ms` is set by whoever plays; the boot was at `start_ms`, wall time may be made wrong."""

    start_ms: int
    now_ms: int = 0
    wrong_by_ms: int = 0
    synced: ClockState = ClockState.OK
    boot: str = field(default_factory=lambda: secrets.token_hex(8))

    def __post_init__(self) -> None:
        self.now_ms = max(self.now_ms, self.start_ms)

    def mono_ms(self) -> int:
        """Milliseconds of virtual time since the start."""
        return self.now_ms - self.start_ms

    def wall_ms(self) -> int:
        """The recorded time, as a clock shows it that is wrong by `wrong_by_ms`."""
        return self.now_ms + self.wrong_by_ms

    def state(self) -> ClockState:
        """Whether wall time is to be believed."""
        return self.synced
