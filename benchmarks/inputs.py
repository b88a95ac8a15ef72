"""What an agent with every kind of sensor costs at rest, and what an edge costs it, on mock pins.

Mock chips answer bit by bit in Python, so channels are dearer here than on a bus. On a Pi all else is dearer: this
says what is dear beside what, and what a core of this machine can take.
"""

import os
import statistics
import sys
import threading
import time
from pathlib import Path

from benchmarks import servers
from benchmarks.figures import Figure, cpu_s, resident_mib, wait_for

WATCHED_S = 20
RUNS = 3
EDGES = 20_000

HEAD = 'site = "hq"\nagent = "pi-0"\ndata = "{data}"\n[broker]\nhost = "127.0.0.1"\nport = {port}\n'
SPACE = '[[space]]\nid = "d{n}"\nkind = "desk"\n'
SENSOR = '[[sensor]]\nid = "s{n}"\nkind = "{kind}"\nspace = "d{n}"\n{place}\n'
PLACES = (
    *(("motion", f"pin = {pin}") for pin in (4, 5, 6, 7, 12, 13)),
    *(("presence", f"pin = {pin}") for pin in (14, 15)),
    *(("beam-in", "pin = 16"), ("beam-out", "pin = 17"), ("contact", "pin = 18")),
    *(("distance", "pin = 19\ntrigger = 20"), ("co2", "pin = 21")),
    *(("light", "channel = 0"), ("sound", "channel = 1"), ("pressure", "channel = 2\nevery_seconds = 5")),
)
"""Sixteen inputs of every kind there is."""


def figures() -> list[Figure]:
    """Watch a resting agent with inputs of every kind, then move the pins of one with sixteen motion sensors."""
    memory, share, edge_us = [], [], []
    with servers.folder() as where, servers.broker(where / "broker") as broker:
        server = servers.write_server(where, broker, len(PLACES))
        config = where / "agent.toml"
        with servers.process("collector", "--config", str(server)):
            for run in range(RUNS):
                _write(config, where / f"mixed-{run}", broker.port, PLACES)
                mib, percent = _watch(config, where / f"mixed-{run}" / "outbox.db")
                memory.append(mib)
                share.append(percent)
                _write(
                    config, where / f"moved-{run}", broker.port, [("motion", f"pin = {pin}") for pin in range(4, 20)]
                )
                edge_us.append(_move(config))
    return [
        Figure("resident memory at rest with 16 inputs of every kind", memory, "MiB"),
        Figure("processor at rest with 16 inputs of every kind", share, "% of a core", "≤ 0.5"),
        Figure("processor for an edge, 16 motion sensors", edge_us, "µs"),
    ]


def _write(config: Path, data: Path, port: int, places: object) -> None:
    rows = enumerate(places)  # type: ignore[call-overload]
    spaces = "".join(SPACE.format(n=n) + SENSOR.format(n=n, kind=kind, place=place) for n, (kind, place) in rows)
    config.write_text(HEAD.format(data=data, port=port) + spaces)


def _watch(config: Path, outbox: Path) -> tuple[float, float]:
    environment = {**os.environ, "GPIOZERO_PIN_FACTORY": "mock"}
    with servers.process("agent", "--config", str(config), environment=environment) as agent:
        wait_for(outbox.exists)
        time.sleep(5)
        began, samples = cpu_s(agent.pid), []
        for _ in range(WATCHED_S):
            time.sleep(1)
            samples.append(resident_mib(agent.pid))
        return statistics.median(samples), (cpu_s(agent.pid) - began) / WATCHED_S * 100


def _move(config: Path) -> float:
    """Give the processor time (µs) that this process spends on an edge: pin, queue, estimator, outbox and broker."""
    from perch.settings import load_agent
    from sensor_agent import process
    from sensor_agent.agent import Agent
    from sensor_agent.clock import SystemClock
    from sensor_agent.inputs import move_pin, use_mock_pins

    use_mock_pins()
    settings, clock, stop = load_agent(config), SystemClock(), threading.Event()
    sensors = settings.sensing.sensors
    with Agent(settings, clock, sensors) as agent:
        loop = threading.Thread(target=process.loop, args=(agent, clock, process.Polls((), 0), stop))
        loop.start()
        wait_for(lambda: agent.connected)
        began_s = time.process_time()
        for number in range(EDGES):
            move_pin(sensors[number // 2 % len(sensors)], float(number % 2 == 0))
            if number % 100 == 0:
                time.sleep(0.01)
        stop.set()
        agent.edge(sensors[0].id, 0.0)
        loop.join()
        return (time.process_time() - began_s) / EDGES * 1e6


if __name__ == "__main__":
    for figure in figures():
        sys.stdout.write(f"{figure}\n")
