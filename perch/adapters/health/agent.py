"""How an agent is doing, as one small file that it writes now and then, so that nobody need disturb it to know."""

import math
from pathlib import Path

import msgspec
from msgspec import Struct

from perch.adapters.age import Mark, age_seconds
from perch.adapters.whole_file import write_whole
from perch.model import Clock

FILE_NAME = "agent.json"
WRITE_MS = 30_000
WRITE_WAITING_MS = 5_000
"""An agent writes as often as this while what it wrote last says that something waits."""

STALE_S = 3 * WRITE_MS / 1000
"""A file that is older was left behind by an agent that is gone, or hangs."""


class AgentHealth(Struct, frozen=True, kw_only=True):
    """What an agent knows of itself; `running` is False in its last words.

    `started_ms` and `written_ms` are wall clock (ms UTC), for people to read; ages are told by the marks. `broker` is
    why it is not connected, None while it is. `waiting` events are not acknowledged yet; nothing was acknowledged since
    `waiting_since`, None while nothing waits. `trouble` is one sentence, None while all is well; `notice` says
    what has happened and is over.
    """

    version: str
    written: Mark
    written_ms: int
    started_ms: int
    running: bool
    broker: str | None
    waiting: int
    waiting_since: Mark | None
    clock: Clock
    trouble: str | None = None
    notice: str | None = None

    def silent_s(self, now: Mark) -> float:
        """Tell for how long its agent has written nothing; for ever, where the machine was started anew since."""
        silent_s = age_seconds(self.written, now)
        return math.inf if silent_s is None else silent_s

    def is_stale(self, now: Mark) -> bool:
        """Tell whether its agent has not written for too long."""
        return self.silent_s(now) > STALE_S

    def waited_s(self, now: Mark) -> float:
        """Tell for how long nothing was acknowledged of what waits, 0 where nothing does."""
        return 0.0 if self.waiting_since is None else age_seconds(self.waiting_since, now) or 0.0


def write_agent_health(folder: Path, health: AgentHealth) -> None:
    """Put the file into a data folder, whole or not at all; raises StorageError."""
    write_whole(folder / FILE_NAME, msgspec.json.encode(health) + b"\n")


def read_agent_health(folder: Path) -> AgentHealth | None:
    """Read the file of a data folder, None where there is none or none that can be understood."""
    try:
        return msgspec.json.decode((folder / FILE_NAME).read_bytes(), type=AgentHealth)
    except (OSError, msgspec.DecodeError):
        return None
