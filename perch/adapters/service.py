"""Telling systemd that a process is ready and lives, over the socket that it names; elsewhere nothing happens.

A loop that hangs stops telling, and systemd starts the process anew: see `WatchdogSec` in the units that
`perch install` writes.
"""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

SHARES = 4
"""It says that it lives so many times within the time that it is given."""

_READY, _ALIVE, _STOPPING = b"READY=1", b"WATCHDOG=1", b"STOPPING=1"


class Service:
    """What systemd is told of this process. One thread; raises nothing: nobody is worse off for not being heard."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        name = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + name[1:] if name.startswith("@") else name
        mine = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        given = environment.get("WATCHDOG_USEC", "")
        self._every_ms = int(given) // 1000 // SHARES if mine and given.isdecimal() else 0
        self._is_ready = False
        self._told_ms = 0

    def __repr__(self) -> str:
        return f"<Service {'told' if self._address else 'untold'}>"

    def settle(self, now_ms: int) -> None:
        """Say at the first call that it is ready, and from then on, now and then, that it lives (monotonic ms)."""
        if not self._address:
            return
        if not self._is_ready:
            self._is_ready, self._told_ms = True, now_ms
            self._tell(_READY)
        elif self._every_ms and now_ms - self._told_ms >= self._every_ms:
            self._told_ms = now_ms
            self._tell(_ALIVE)

    def stopping(self) -> None:
        """Say that it ends, because it was told to."""
        if self._address:
            self._tell(_STOPPING)

    def _tell(self, word: bytes) -> None:
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as said:
            said.setblocking(False)
            said.sendto(word, self._address)
