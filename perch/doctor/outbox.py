"""Outbox and agent: what waits there, whether the file is whole, whether an agent runs on it and how it does."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from perch.adapters.age import Mark
from perch.adapters.health.agent import AgentHealth, read_agent_health
from perch.adapters.outbox.look import OutboxLook, look_at_outbox
from perch.adapters.sqlite import is_in_use
from perch.doctor.findings import Finding, counted, fault, fault_of, ok, warn
from perch.errors import StorageError

FILE_NAME = "outbox.db"
PATIENCE_S = 60
"""An agent that waits longer than this for an acknowledgement while it is connected is not well."""


@dataclass(frozen=True, slots=True)
class OutboxState:
    """What was found: whether an agent runs, what it says of itself, and what a look at its file gave."""

    in_use: bool
    health: AgentHealth | None
    look: OutboxLook | None
    damage: StorageError | None = None

    def well(self, now: Mark) -> AgentHealth | None:
        """Give what a running agent says of itself if it is well, None otherwise."""
        health = self.health
        if not self.in_use or health is None or not health.running or health.is_stale(now):
            return None
        return None if health.waited_s(now) > PATIENCE_S or health.broker is not None else health


def outbox_state(folder: Path) -> OutboxState:
    """Look at an agent's data folder; raises OSError."""
    path = folder / FILE_NAME
    health = read_agent_health(folder)
    if not path.exists():
        return OutboxState(in_use=False, health=health, look=None)
    try:
        if is_in_use(path):
            return OutboxState(in_use=True, health=health, look=None)
        return OutboxState(in_use=False, health=health, look=look_at_outbox(path))
    except BlockingIOError:  # the agent was started just now
        return OutboxState(in_use=True, health=health, look=None)
    except StorageError as error:
        return OutboxState(in_use=False, health=health, look=None, damage=error)


def look_at_outbox_state(state: OutboxState, capacity: int, now: Mark) -> Iterator[Finding]:
    """Say how agent and outbox are."""
    if state.in_use:
        yield from _running(state, now)
        return
    yield warn("agent", "does not run here", "start it: perch agent --config agent.toml")
    if state.damage is not None:
        yield fault_of("outbox", state.damage)
    elif state.look is None:
        yield ok("outbox", "not there yet; it is made at the first start")
    else:
        yield _filled(
            state.look.waiting, capacity, f"whole; {counted(state.look.events, 'event')}, {state.look.waiting} waiting"
        )


def _running(state: OutboxState, now: Mark) -> Iterator[Finding]:
    health = state.health
    if health is None:
        yield ok("agent", "runs")
        yield ok("outbox", "in use by the agent that runs here, so it is left alone")
        return
    if health.is_stale(now):
        silent_s = health.silent_s(now)
        silence = "since the machine was started" if math.isinf(silent_s) else f"for {silent_s:.0f} s"
        yield fault("agent", f"runs, but has said nothing {silence}", "see its log, and restart it")
    elif health.trouble:
        what = f"{health.trouble}; so it said {health.silent_s(now):.0f} s ago"
        yield fault("agent", what, "mend that; it is said no more within half a minute after it is over")
    elif health.broker is not None:
        what = f"runs without a broker, as it said {health.silent_s(now):.0f} s ago: {health.broker}"
        yield fault("agent", what, "see the line of the broker")
    else:
        yield ok("agent", f"runs, version {health.version}, clock {health.clock}")
    if health.notice:
        yield warn("agent", health.notice, "nothing is wrong any more; see its log for when and why")
    yield _waiting(health, now)


def _waiting(health: AgentHealth, now: Mark) -> Finding:
    if health.waiting_since is None:
        return ok("outbox", "in use by the agent; everything is acknowledged")
    waited_s = health.waited_s(now)
    what = f"in use by the agent; waiting: {health.waiting}, none acknowledged for {waited_s:.0f} s"
    if waited_s <= PATIENCE_S:
        return ok("outbox", what)
    return fault("outbox", what, "see that broker and collector run: perch doctor on the server")


def _filled(waiting: int, capacity: int, what: str) -> Finding:
    if waiting >= capacity * 9 // 10:
        remedy = "see why nothing is acknowledged: a full outbox loses its oldest events"
        return fault("outbox", f"nearly full: {waiting} of {capacity} events wait", remedy)
    return ok("outbox", what)
