"""One agent of a campaign: the real agent on mock pins that random people touch, with an outbox that testifies.

`python -m perch.commands.chaos_agent` tells on standard output what it accepts (`perch.chaos.testimony`) and obeys
lines on standard input: `load EDGES_PER_SECOND`, `wrong MILLISECONDS`, `unsynced`, `synced`. It ends when that ends.
"""

import logging
import os
import random
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from perch.chaos.testimony import TestifyingOutbox
from perch.commands.stopping import stop_on_signals
from perch.model import Clock, Sensor
from perch.settings import AgentSettings, load_agent
from sensor_agent.agent import Agent
from sensor_agent.clock import SystemClock
from sensor_agent.inputs import move_pin, use_mock_pins
from sensor_agent.process import Polls, loop

HOLD_MS = 30
HEARTBEAT_S = 1


@dataclass
class ChaosClock:
    """The machine's clocks, for a boot that may have begun later, with wall time that may be wrong or not believed."""

    boot: str
    began_ms: int
    wrong_by_ms: int = 0
    believed: bool = True

    def __post_init__(self) -> None:
        self._real = SystemClock()

    def mono_ms(self) -> int:
        """Milliseconds since the boot that is played."""
        return self._real.mono_ms() - self.began_ms

    def wall_ms(self) -> int:
        """Wall time as this agent's clock shows it."""
        return self._real.wall_ms() + self.wrong_by_ms

    def state(self) -> Clock:
        """Whether wall time is believed; as on a Pi, never one before 2025."""
        return Clock.OK if self.believed and self.wall_ms() > 1_735_689_600_000 else Clock.UNSYNCED


class Load:
    """Random edges at mock pins, so many a second, from a thread of its own."""

    def __init__(self, sensors: Sequence[Sensor], seed: int, per_second: float, stop: threading.Event) -> None:
        self.per_second = per_second
        self._sensors = sensors
        self._chance = random.Random(seed)  # noqa: S311  # people, not secrets
        self._stop = stop
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def _run(self) -> None:
        values = dict.fromkeys(self._sensors, 0.0)
        while not self._stop.wait(self._chance.expovariate(self.per_second) if self.per_second else 0.05):
            if self.per_second:
                sensor = self._chance.choice(self._sensors)
                values[sensor] = 1.0 - values[sensor]
                move_pin(sensor, values[sensor])


def obey(clock: ChaosClock, load: Load, stop: threading.Event) -> None:
    """Read orders from standard input until it ends, which is the end."""
    orders: dict[str, Callable[[str], None]] = {
        "load": lambda words: setattr(load, "per_second", float(words)),
        "wrong": lambda words: setattr(clock, "wrong_by_ms", int(words)),
        "unsynced": lambda _: setattr(clock, "believed", False),
        "synced": lambda _: setattr(clock, "believed", True),
    }
    for line in sys.stdin:
        order, _, words = line.strip().partition(" ")
        if order in orders:
            orders[order](words)
    stop.set()


def quickened(settings: AgentSettings) -> AgentSettings:
    """Let desks be free again at once, so that every edge is an event."""
    spaces = tuple(replace(space, hold_ms=HOLD_MS) for space in settings.sensing.spaces)
    return replace(settings, sensing=replace(settings.sensing, spaces=spaces))


def play(
    config: Path, seed: int, load: float, boot: str | None, began_ms: int, unsynced: bool, kind: type[Agent] = Agent
) -> None:
    """Run until told to stop; `kind` is the agent to try, which tests replace."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stop = stop_on_signals()
    use_mock_pins()
    clock = ChaosClock(boot or SystemClock().boot, began_ms, believed=not unsynced)
    settings = quickened(load_agent(config, {}))
    sensors = settings.sensing.sensors
    with kind(settings, clock, sensors, open_outbox=TestifyingOutbox.open, heartbeat_s=HEARTBEAT_S) as agent:
        people = Load(sensors, seed ^ os.getpid(), load, stop)
        people.start()
        threading.Thread(target=obey, args=(clock, people, stop), name="orders", daemon=True).start()
        loop(agent, clock, Polls(sensors, clock.mono_ms()), stop)
    sys.stderr.flush()
    os._exit(0)  # the thread that reads orders may wait for ever


@click.command()
@click.option("--config", type=click.Path(path_type=Path), required=True)
@click.option("--seed", type=int, required=True)
@click.option("--load", type=float, required=True)
@click.option("--boot")
@click.option("--began-ms", type=int, default=0)
@click.option("--unsynced", is_flag=True)
def run(config: Path, seed: int, load: float, boot: str | None, began_ms: int, unsynced: bool) -> None:
    """Run until told to stop."""
    play(config, seed, load, boot, began_ms, unsynced)


if __name__ == "__main__":
    run()
