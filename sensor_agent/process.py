"""The agent's process: startup, loop, shutdown."""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Protocol

from perch.adapters.instants import boot_ms
from perch.adapters.outbox.aside import set_aside
from perch.adapters.outbox.store import Outbox
from perch.adapters.service import Service
from perch.errors import DamagedError, UnavailableError
from perch.model import Sensor
from perch.settings import AgentSettings
from sensor_agent import keepsakes
from sensor_agent.agent import LONGEST_WAIT_S, Agent, outbox_path
from sensor_agent.clock import Clock, SystemClock
from sensor_agent.reporter import Reporter

SHORTEST_LIFE_MS = 60_000
"""A disk that damages two outboxes within a minute is beyond what beginning anew can mend."""

log = logging.getLogger("perch.agent")


class Shown(Protocol):
    """Metrics that somebody may look at."""

    def settle(self) -> None:
        """Look at the agent, if it is time to."""
        ...

    def close(self) -> None:
        """Show nothing any more."""
        ...


class Polls:
    """When each polled sensor is to be read next, on the agent's clock."""

    def __init__(self, sensors: Sequence[Sensor], now_ms: int) -> None:
        self._every = {sensor.id: sensor.every_ms for sensor in sensors if sensor.every_ms is not None}
        self._due = dict.fromkeys(self._every, now_ms)

    @property
    def deadline(self) -> int | None:
        """The next moment at which a sensor is to be read."""
        return min(self._due.values(), default=None)

    def due(self, now_ms: int) -> list[str]:
        """Give the sensors to read now; polls that were missed are not made up for."""
        due = [sensor for sensor, at_ms in self._due.items() if at_ms <= now_ms]
        for sensor in due:
            late = now_ms - self._due[sensor]
            self._due[sensor] += (late // self._every[sensor] + 1) * self._every[sensor]
        return due


def run(settings: AgentSettings, stop: threading.Event, open_outbox: Callable[[Path], Outbox] = Outbox.open) -> None:
    """Sense and report until `stop` is set; raises PerchError where outbox or pins cannot be used.

    An outbox that turns out to be damaged while it is used ends the agent's life; its next begins at once.
    """
    clock, began_ms = SystemClock(), 0
    while not stop.is_set():
        try:
            learned = keepsakes.load(settings.data)
            with Agent(settings, clock, settings.sensing.sensors, open_outbox, learned=learned) as agent:
                log.info("agent %s/%s senses %d spaces", settings.site, settings.agent, len(settings.sensing.spaces))
                reporter = Reporter(settings.data, agent, clock)
                kept = keepsakes.Keepsakes(settings.data, agent.author.watch.learned, boot_ms())

                shown = _shown(settings, agent, clock)

                def settle(
                    reporter: Reporter = reporter, kept: keepsakes.Keepsakes = kept, shown: Shown | None = shown
                ) -> None:
                    reporter.settle()
                    kept.settle(boot_ms())
                    if shown is not None:
                        shown.settle()

                with nullcontext() if shown is None else closing(shown):
                    loop(agent, clock, Polls(settings.sensing.sensors, clock.mono_ms()), stop, settle)
                kept.close()
                reporter.close()
            log.info("agent %s/%s stopped with %d events to deliver", settings.site, settings.agent, agent.unsettled)
        except DamagedError as error:
            if began_ms and boot_ms() - began_ms < SHORTEST_LIFE_MS:
                raise
            began_ms = boot_ms()
            set_aside(outbox_path(settings), error)


def _shown(settings: AgentSettings, agent: Agent, clock: Clock) -> "Shown | None":
    """Show metrics where that is asked for; where it is not, nothing for it takes memory."""
    if settings.metrics is None:
        return None
    from sensor_agent.metrics import AgentMetrics

    try:
        return AgentMetrics(settings.metrics, settings, agent, clock)
    except UnavailableError as error:  # nobody is to go unseen because nobody can look
        log.warning("%s", error.sentence)
        return None


def loop(
    agent: Agent, clock: Clock, polls: Polls, stop: threading.Event, report: Callable[[], None] = lambda: None
) -> None:
    """Own the agent: one thing at a time, in the order in which things happen."""
    said, troubled, service = "", "", Service()
    while not stop.is_set():
        if agent.turn(_wait_s(agent, clock, polls)):
            log.warning("the agent stood still for more than a minute; that time is unknown")
        for sensor in polls.due(clock.mono_ms()):
            agent.poll(sensor)
        said, troubled = say_once(agent, said), trouble_once(agent, troubled)
        report()
        service.settle(boot_ms())
    service.stopping()


def _wait_s(agent: Agent, clock: Clock, polls: Polls) -> float:
    """Give how long nothing is due, capped so that a stop is seen soon."""
    waits = [agent.author.deadline + 1 - clock.mono_ms(), agent.delivery_deadline - boot_ms()]
    if polls.deadline is not None:
        waits.append(polls.deadline - clock.mono_ms())
    return min(max(min(waits) / 1000, 0.001), LONGEST_WAIT_S)


def say_once(agent: Agent, said: str) -> str:
    """Log a change of the connection once, not each time that it is tried."""
    now = "connected" if agent.connected else agent.problem or said
    if now != said:
        (log.info if agent.connected else log.warning)("broker: %s", now)
    return now


def trouble_once(agent: Agent, told: str) -> str:
    """Log a change of what troubles the agent itself once."""
    trouble = agent.trouble or ""
    if trouble != told:
        (log.warning if trouble else log.info)("trouble: %s", trouble or "none any more")
    return trouble
