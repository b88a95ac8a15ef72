"""What an agent says of itself as metrics: how it and its sensors are, and nothing of any single space or sensor."""

from collections import Counter
from collections.abc import Sequence

from perch.adapters.health.exposition import Family, Kind, MetricsPort, Sample, by, one
from perch.adapters.instants import boot_ms
from perch.model import Clock, SensorHealth
from perch.settings.values import AgentSettings, MetricsAt
from sensor_agent.agent import Agent
from sensor_agent.clock import Clock as AgentsClock

LOOK_MS = 1_000


class AgentMetrics:
    """Looks at the agent now and then on its own loop; Prometheus is shown what was seen last."""

    def __init__(self, at: MetricsAt, settings: AgentSettings, agent: Agent, clock: AgentsClock) -> None:
        self._settings = settings
        self._agent = agent
        self._clock = clock
        self._started_s = clock.wall_ms() / 1000
        self._look_ms = boot_ms() + LOOK_MS
        self._seen: Sequence[Family] = self._look()
        self.port = MetricsPort(at, lambda: self._seen)

    def __repr__(self) -> str:
        return f"<AgentMetrics at {self.port!r}>"

    def settle(self) -> None:
        """Look, if it is time to."""
        if boot_ms() >= self._look_ms:
            self._look_ms = boot_ms() + LOOK_MS
            self._seen = self._look()

    def close(self) -> None:
        """Stop answering."""
        self.port.close()

    def _look(self) -> Sequence[Family]:
        agent, settings = self._agent, self._settings
        name = Sample({"site": settings.site, "agent": settings.agent}, 1.0)
        healths = Counter(health.health for health in agent.author.watch.healths(self._clock.mono_ms()).values())
        sensors = by("health", {health.value: count for health, count in healths.items()}, list(SensorHealth))
        gauge = Kind.GAUGE
        return (
            Family("perch_agent_info", gauge, "Which agent this is.", (name,)),
            one("perch_agent_broker_connected", gauge, "Whether it is connected to the broker.", agent.connected),
            one("perch_agent_outbox_events", gauge, "Events that are not acknowledged yet.", agent.unsettled),
            one(
                "perch_agent_troubled", gauge, "Whether something is wrong with the agent itself.", bool(agent.trouble)
            ),
            one(
                "perch_agent_clock_synced", gauge, "Whether its clock can be believed.", self._clock.state() is Clock.OK
            ),
            one("perch_agent_spaces", gauge, "Spaces that it serves.", len(settings.sensing.spaces)),
            Family("perch_agent_sensors", gauge, "Sensors by how they are.", sensors),
            one("perch_agent_started_timestamp_seconds", gauge, "When it was started (since 1970).", self._started_s),
        )
