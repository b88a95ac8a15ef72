"""What an agent costs at rest: 16 motion sensors on mock pins, nobody moves."""

import os
import statistics
import time
from pathlib import Path

from benchmarks import servers
from benchmarks.figures import Figure, cpu_s, resident_mib, wait_for

INPUTS = 16
WATCHED_S = 20
RUNS = 3

AGENT = 'site = "hq"\nagent = "pi-0"\ndata = "{data}"\n[broker]\nhost = "127.0.0.1"\nport = {port}\n'
SPACE = (
    '[[space]]\nid = "d{n}"\nkind = "desk"\n[[sensor]]\nid = "pir{n}"\nkind = "motion"\nspace = "d{n}"\npin = {pin}\n'
)


def figures() -> list[Figure]:
    """Watch a resting agent whose events are acknowledged by a collector."""
    memory, share = [], []
    with servers.folder() as where, servers.broker(where / "broker") as broker:
        server = servers.write_server(where, broker, INPUTS)
        config = where / "agent.toml"
        spaces = "".join(SPACE.format(n=n, pin=4 + n) for n in range(INPUTS))
        config.write_text(AGENT.format(data=where / "agent", port=broker.port) + spaces)
        with servers.process("collector", "--config", str(server)):
            for _ in range(RUNS):
                mib, percent = _watch(config, where / "agent" / "outbox.db")
                memory.append(mib)
                share.append(percent)
    return [
        Figure("resident memory at rest with 16 inputs", memory, "MiB", "≤ 32"),
        Figure("processor at rest with 16 inputs", share, "% of a core"),
    ]


def _watch(config: Path, outbox: Path) -> tuple[float, float]:
    environment = {**os.environ, "GPIOZERO_PIN_FACTORY": "mock"}
    with servers.process("agent", "--config", str(config), environment=environment) as agent:
        wait_for(outbox.exists)
        time.sleep(5)
        began = cpu_s(agent.pid)
        samples = []
        for _ in range(WATCHED_S):
            time.sleep(1)
            samples.append(resident_mib(agent.pid))
        return statistics.median(samples), (cpu_s(agent.pid) - began) / WATCHED_S * 100
