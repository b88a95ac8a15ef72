"""How fast an agent that was cut off gets rid of what it kept: its full outbox, through the broker, into the journal.

The agent is a real process that starts with an outbox of events nobody acknowledged; the clock runs from its first
message to the moment at which the collector's journal holds the last of them.
"""

import os
import secrets
import time
from pathlib import Path

from benchmarks import servers, venue
from benchmarks.agent import AGENT, INPUTS, SPACE
from benchmarks.figures import Figure, wait_for
from perch.adapters.journal.store import JournalReader
from perch.adapters.outbox.store import Outbox
from perch.contract import StateEvent
from perch.model import Clock, Reason, State
from tests.parts import Broker

RUNS = 3
EVENTS = 20_000
ARRIVAL_PER_S = 0.4
"""What 1,000 desks have to tell: a desk changes every 42 minutes."""


def figures() -> list[Figure]:
    """Give events per second while draining, and how often that is what arrives from a thousand desks."""
    rates = []
    with servers.folder() as where, servers.broker(where / "broker") as broker:
        for run in range(RUNS):
            folder = where / str(run)
            folder.mkdir()
            rates.append(_drained(folder, broker))
    return [
        Figure("events/s from an outbox to the journal", rates, "/s"),
        Figure("the same ÷ what 1,000 desks tell", [rate / ARRIVAL_PER_S for rate in rates], "×", "≥ 20"),
        Figure("the same ÷ what 50,000 desks tell", [rate / ARRIVAL_PER_S / 50 for rate in rates], "×", "≥ 20"),
    ]


def _drained(where: Path, broker: Broker) -> float:
    server = servers.write_server(where, broker, INPUTS)
    config = where / "agent.toml"
    spaces = "".join(SPACE.format(n=n, pin=4 + n) for n in range(INPUTS))
    config.write_text(AGENT.format(data=where / "agent", port=broker.port) + spaces)
    _fill(where / "agent" / "outbox.db")
    journal = where / "data" / "journal.db"
    with servers.process("collector", "--config", str(server)):
        wait_for(journal.exists)
        time.sleep(2)
        environment = {**os.environ, "GPIOZERO_PIN_FACTORY": "mock"}
        with (
            JournalReader(journal) as log,
            servers.process("agent", "--config", str(config), environment=environment),
        ):
            wait_for(lambda: log.end() > 0)
            began, before = time.perf_counter(), log.end()
            wait_for(lambda: log.end() >= EVENTS, timeout_s=120)
            return (log.end() - before) / (time.perf_counter() - began)


def _fill(path: Path) -> None:
    epoch = secrets.token_hex(16)
    path.parent.mkdir()
    with Outbox.open(path) as outbox:
        outbox.begin(epoch, "0" * 16)
        for first in range(1, EVENTS + 1, 100):
            outbox.append(epoch, [_event(seq) for seq in range(first, first + 100)])


def _event(seq: int) -> StateEvent:
    state, reason = (State.OCCUPIED, Reason.MOTION) if seq % 2 else (State.FREE, Reason.QUIET)
    at = venue.START_MS + seq * 60_000, seq * 60_000, Clock.OK
    return StateEvent(seq, f"d{seq % INPUTS}", state, 0.031, None, reason, *at)
