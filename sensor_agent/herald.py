"""Says what holds now: the retained state of each space and the retained status of the agent."""

from collections.abc import Callable, Mapping

from perch import __version__, contract
from perch.contract import VERSION, LiveState, Publication, SensorStatus, Status
from perch.model import Occupancy, Sensor
from perch.sensing.ward import Health
from sensor_agent.author import Author
from sensor_agent.clock import Clock

HEARTBEATS_BELIEVED = 3
"""A state may be believed for so many heartbeats: two may be lost without anybody being told nonsense."""


class Herald:
    """Publishes on change and at each heartbeat; what the broker does not take is said again at the next one."""

    def __init__(
        self,
        site: str,
        agent: str,
        epoch: str,
        run: int,
        sensors: tuple[Sensor, ...],
        clock: Clock,
        publish: Callable[[Publication], bool],
        heartbeat_s: int = contract.HEARTBEAT_S,
    ) -> None:
        self._heartbeat_s = heartbeat_s
        self._site, self._agent = site, agent
        self._epoch, self._run = epoch, run
        self._sensors = {sensor.id: sensor for sensor in sensors}
        self._clock = clock
        self._publish = publish
        self.deadline = 0

    def __repr__(self) -> str:
        return f"<Herald of {self._site}/{self._agent}>"

    def beat(
        self, author: Author, unsettled: int, now_ms: int, trouble: str | None = None, notice: str | None = None
    ) -> None:
        """Say everything anew: the status first, so that no state is taken for that of an agent that is offline."""
        self.deadline = now_ms + self._heartbeat_s * 1000
        self.tell(author, unsettled, trouble, notice)
        self.say(author, author.watch.occupancies(self._clock.mono_ms()))

    def tell(self, author: Author, unsettled: int, trouble: str | None = None, notice: str | None = None) -> None:
        """Say the status alone."""
        self._publish(self._status(author, author.watch.healths(self._clock.mono_ms()), unsettled, trouble, notice))

    def say(self, author: Author, occupancies: Mapping[str, Occupancy]) -> None:
        """Say what some spaces are; `since_ms` is in the author's monotonic time."""
        for space, said in occupancies.items():
            state = LiveState(
                v=VERSION,
                epoch=self._epoch,
                state=said.state,
                probability=said.probability,
                count=said.count,
                reason=said.reason,
                since_ms=author.wall_of(said.since_ms),
                sent_ms=self._clock.wall_ms(),
                clock=self._clock.state(),
                valid_for_ms=self._heartbeat_s * 1000 * HEARTBEATS_BELIEVED,
            )
            self._publish(contract.build_state(self._site, self._agent, space, state))

    def farewell(self) -> None:
        """Say that this agent vouches for nothing from now on, as the broker would if it died."""
        self._publish(self.will())

    def will(self) -> Publication:
        """Give what the broker is to say when the agent is gone."""
        return contract.build_status(self._site, self._agent, contract.will(self._epoch, self._run))

    def _status(
        self,
        author: Author,
        healths: Mapping[str, Health],
        unsettled: int,
        trouble: str | None,
        notice: str | None,
    ) -> Publication:
        sensors = {
            sensor: SensorStatus(
                health.health,
                author.wall_of(health.since_ms),
                None if health.last_ms is None else author.wall_of(health.last_ms),
                self._sensors[sensor].kind,
                self._sensors[sensor].space,
                None if health.sign_ms is None else author.wall_of(health.sign_ms),
                None if health.drift_a_day is None else round(health.drift_a_day, 1),
            )
            for sensor, health in healths.items()
        }
        status = Status(
            v=VERSION,
            online=True,
            epoch=self._epoch,
            run=self._run,
            version=__version__,
            heartbeat_s=self._heartbeat_s,
            outbox=unsettled,
            sensors=sensors,
            trouble=trouble,
            notice=notice,
        )
        return contract.build_status(self._site, self._agent, status)
