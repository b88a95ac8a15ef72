"""How an agent is doing, as one small file that it writes now and then, so that nobody need disturb it to know."""

import os
from pathlib import Path

import msgspec
from msgspec import Struct

from perch.errors import StorageError
from perch.model import Clock

FILE_NAME = "agent.json"
WRITE_MS = 30_000
WRITE_WAITING_MS = 5_000
"""An agent writes as often as this while what it wrote last says that something waits."""

STALE_MS = 3 * WRITE_MS
"""A file that is older was left behind by an agent that is gone, or hangs."""


class AgentHealth(Struct, frozen=True, kw_only=True):
    """What an agent knows of itself (times are wall clock, ms UTC); `running` is False in its last words.

    `broker` is why it is not connected, None while it is. `waiting` events are not acknowledged yet; nothing was
    acknowledged since `waiting_since_ms`, None while nothing waits. `trouble` is one sentence, None while all is well.
    """

    version: str
    written_ms: int
    started_ms: int
    running: bool
    broker: str | None
    waiting: int
    waiting_since_ms: int | None
    clock: Clock
    trouble: str | None = None


def write_agent_health(folder: Path, health: AgentHealth) -> None:
    """Put the file into a data folder, whole or not at all; raises StorageError."""
    path = folder / FILE_NAME
    beside = path.with_suffix(".json.new")
    try:
        beside.write_bytes(msgspec.json.encode(health) + b"\n")
        os.replace(beside, path)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}", "check the disk and the rights") from error


def read_agent_health(folder: Path) -> AgentHealth | None:
    """Read the file of a data folder, None where there is none or none that can be understood."""
    try:
        return msgspec.json.decode((folder / FILE_NAME).read_bytes(), type=AgentHealth)
    except (OSError, msgspec.DecodeError):
        return None
