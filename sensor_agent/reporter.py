"""Tells in a file of the data folder how the agent is doing, for `perch doctor` and whoever looks after it."""

from pathlib import Path

from perch import __version__
from perch.adapters import age, instants
from perch.adapters.health.agent import WRITE_MS, WRITE_WAITING_MS, AgentHealth, write_agent_health
from perch.errors import StorageError
from sensor_agent.agent import Agent
from sensor_agent.clock import Clock


class Reporter:
    """Writes the file when something turns, and now and then; where the disk will not have it, sensing goes on."""

    def __init__(self, folder: Path, agent: Agent, clock: Clock) -> None:
        self._folder = folder
        self._agent = agent
        self._clock = clock
        self._started_ms = clock.wall_ms()
        self._write_ms = 0
        self._waiting = agent.unsettled
        self._waiting_since: age.Mark | None = None
        self._told: tuple[str | None, ...] | None = None

    def __repr__(self) -> str:
        return f"<Reporter into {str(self._folder)!r}>"

    def settle(self) -> None:
        """Look, and write if it is time to or something turned."""
        self._note()
        now_ms, turned = instants.boot_ms(), (self._broker, self._agent.trouble, self._agent.notice)
        if now_ms >= self._write_ms or turned != self._told:
            self._write_ms = now_ms + (WRITE_WAITING_MS if self._waiting else WRITE_MS)
            self._told = turned
            self._write(running=True)

    def close(self) -> None:
        """Write the last words."""
        self._write(running=False)

    def _note(self) -> None:
        """Note since when nothing was acknowledged of what waits; what comes to wait meanwhile changes nothing."""
        waiting = self._agent.unsettled
        if waiting == 0:
            self._waiting_since = None
        elif self._waiting_since is None or waiting < self._waiting:
            self._waiting_since = age.mark()
        self._waiting = waiting

    @property
    def _broker(self) -> str | None:
        return None if self._agent.connected else self._agent.problem or "not connected yet"

    def _write(self, *, running: bool) -> None:
        health = AgentHealth(
            version=__version__,
            written=age.mark(),
            written_ms=self._clock.wall_ms(),
            started_ms=self._started_ms,
            running=running,
            broker=self._broker,
            waiting=self._waiting,
            waiting_since=self._waiting_since,
            clock=self._clock.state(),
            trouble=self._agent.trouble,
            notice=self._agent.notice,
        )
        try:
            write_agent_health(self._folder, health)
        except StorageError:
            return
