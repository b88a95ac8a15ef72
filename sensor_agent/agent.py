"""One agent: author, courier and herald around one outbox and one connection, owned by one loop.

Other threads (gpiozero's, paho's) only put into the inbox; whoever runs the loop takes from it with `take`. Sensing
runs on the agent's `Clock`, delivery and heartbeats on the machine's monotonic time: the two differ in a replay.
"""

import random
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from perch import contract
from perch.adapters.instants import boot_ms
from perch.adapters.mailbox import Mailbox
from perch.adapters.mqtt.connection import ONE_NAME, Connection, Received
from perch.adapters.outbox.aside import open_or_begin
from perch.adapters.outbox.store import Outbox
from perch.contract import Event
from perch.errors import ContractError
from perch.model import Clock as ClockState
from perch.model import Occupancy, Sensor
from perch.sensing.ward import Learned
from perch.sensing.watch import Change
from perch.settings import AgentSettings
from sensor_agent.author import Author
from sensor_agent.clock import Clock
from sensor_agent.courier import Courier
from sensor_agent.credential import Credential
from sensor_agent.diary import FOLDER, Diary
from sensor_agent.herald import HEARTBEATS_BELIEVED, Herald
from sensor_agent.home_assistant import HomeAssistant
from sensor_agent.inputs import Inputs
from sensor_agent.tidings import Tidings
from sensor_agent.upkeep import Upkeep

LONGEST_WAIT_S = 5.0

Item = tuple[str, float, int] | Received | bool
"""An edge (sensor, value, monotonic ms), a message, or that the connection came or went."""

CONFESS_EVERY_MS = 60_000
"""A full outbox loses by its own confessions, too: so they come no more often than this."""

NEVER_MS = 2**62

EVENTS_PER_SPACE = 8
"""An outbox holds at least so many events for each space: after a loss all spaces are stated at once."""


def outbox_path(settings: AgentSettings) -> Path:
    """Give where an agent keeps its outbox."""
    return settings.data / "outbox.db"


class Agent:
    """Use as a context manager: entering opens outbox, pins and connection, leaving closes them."""

    def __init__(
        self,
        settings: AgentSettings,
        clock: Clock,
        sensors: Sequence[Sensor],
        open_outbox: Callable[[Path], Outbox] = Outbox.open,
        heartbeat_s: int = contract.HEARTBEAT_S,
        learned: Mapping[str, Learned] | None = None,
    ) -> None:
        self._settings = settings
        self._learned = learned
        self._clock = clock
        self._sensors = tuple(sensors)
        self._inbox: Mailbox[Item] = Mailbox()
        self._tidings = Tidings(self._sensors)
        self._confess_ms = NEVER_MS
        self._confessed_ms = -NEVER_MS
        self._epoch = secrets.token_hex(16)
        self._outbox, self._aside = open_or_begin(outbox_path(settings), open_outbox)
        try:
            self._begin(heartbeat_s)
        except BaseException:
            self._outbox.close()
            raise

    def _begin(self, heartbeat_s: int) -> None:
        settings, clock = self._settings, self._clock
        epoch, site, agent = self._epoch, settings.site, settings.agent
        most = max(settings.outbox_events, EVENTS_PER_SPACE * len(settings.sensing.spaces))
        self._outbox.hold(most)
        run = self._outbox.begin(epoch, clock.boot)
        self._herald = Herald(site, agent, epoch, run, self._sensors, clock, self._publish, heartbeat_s)
        chance = random.Random()  # noqa: S311  it spreads the retries of many agents, and guards nothing
        self._courier = Courier(site, agent, self._outbox, clock, self._publish, chance.random, boot_ms())
        self._upkeep = Upkeep(self._outbox, most, self._courier.purge, boot_ms())
        self.author = Author(
            self._outbox, clock, epoch, settings.sensing.spaces, self._sensors, self._accepted, self._say
        )
        self._diary = Diary(settings.data / FOLDER, settings.keep_readings_mib * 1_048_576)
        self._home_assistant = HomeAssistant(settings, heartbeat_s * 1000 * HEARTBEATS_BELIEVED, self._publish)
        self._connection = Connection(
            settings.broker,
            f"{contract.user_name(site, agent)}",
            will=self._herald.will(),
            subscriptions=[contract.topic(site, agent, "ack")],
            on_message=self._inbox.put,
            on_connection=self._inbox.put,
        )
        self._credential = Credential(settings.broker, f"{site}/{agent}")
        self.inputs = Inputs((), self.edge)

    def __repr__(self) -> str:
        return f"<Agent {self._settings.site}/{self._settings.agent}, {self.unsettled} events to deliver>"

    def __enter__(self) -> Self:
        try:
            self.inputs = Inputs(self._sensors, self.edge)
            self.author.start(self.inputs.levels(), self._learned)
            self._connection.start()
        except BaseException:
            with ExitStack() as last:
                last.callback(self._outbox.close)
                self.inputs.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with ExitStack() as last:  # whatever of this fails, the rest is done
            last.callback(self._outbox.close)
            last.callback(self.inputs.close)
            last.callback(self._diary.write)
            last.callback(self._connection.stop, 1.0)
            last.callback(self._herald.farewell)
            if error is None:
                self.author.note()

    @property
    def unsettled(self) -> int:
        """How many events the collector has not acknowledged yet."""
        return self._courier.unsettled

    @property
    def connected(self) -> bool:
        """Whether the broker is there."""
        return self._connection.connected

    @property
    def problem(self) -> str | None:
        """Why there is no connection, None where there is one or none was tried yet."""
        problem = self._connection.problem
        return None if problem is None else f"{problem.what} ({problem.remedy})"

    def edge(self, sensor: str, value: float) -> None:
        """Take in an edge; may be called from any thread."""
        self._inbox.put((sensor, value, self._clock.mono_ms()))

    def poll(self, sensor: str) -> None:
        """Read a polled sensor now; a read that fails is a missing sample."""
        value = self.inputs.read(sensor)
        if value is not None:
            self.edge(sensor, value)

    def take(self, timeout_s: float) -> bool:
        """Wait for the next thing in the inbox and deal with it; tells whether there was one."""
        item = self._next(timeout_s)
        if item is not None:
            self._handle(item)
        return item is not None

    def turn(self, timeout_s: float) -> bool:
        """Wait, then do all that there is to do by now; tells whether the loop had stood still for more than a minute.

        That is looked at after the wait and again before each thing that would vouch for the time that passed.
        """
        item = self._next(timeout_s)
        stood_still = self._resume()
        while item is not None:
            self._handle(item)
            item = self._next(0)
            stood_still |= self._resume()
        self.advance()
        self.deliver()
        return stood_still

    def advance(self) -> None:
        """Let the agent's time pass up to now."""
        self.author.advance(self._clock.mono_ms())

    def deliver(self) -> None:
        """Do what delivery and heartbeats have to do by now."""
        now = boot_ms()
        self._courier.send(now)
        if now >= self._herald.deadline:
            self._beat(now)
        if now >= self._tidings.deadline:
            self._tidings.told(now)
            self._herald.tell(self.author, self.unsettled, self.trouble, self.notice)
        if now >= self._confess_ms:
            self._confess(now)
        self._upkeep.work(now)

    def announce(self) -> None:
        """Say anew what holds now."""
        self._beat(boot_ms())

    @property
    def trouble(self) -> str | None:
        """What is wrong with this agent itself, None where all is well."""
        first = self.author.trouble or self._courier.trouble_at(boot_ms())
        rivalry = self._connection.rivalry
        named = None if rivalry is None else f"{rivalry} ({ONE_NAME})"
        unheard = None if (denied := self._connection.denied) is None else denied.sentence
        return _joined(dict.fromkeys((first, named, unheard, self._credential.trouble, *self._upkeep.troubles)))

    @property
    def notice(self) -> str | None:
        """What somebody should know of, though nothing is wrong any more; None where there is nothing."""
        return _joined((self._courier.notice_at(boot_ms()), self._upkeep.notice, self._aside))

    @property
    def delivery_deadline(self) -> int:
        """When `deliver` has something to do (machine's monotonic ms)."""
        moments = (
            self._courier.deadline,
            self._herald.deadline,
            self._tidings.deadline,
            self._upkeep.deadline,
            self._confess_ms,
        )
        return min(moment for moment in moments if moment is not None)

    def _next(self, timeout_s: float) -> Item | None:
        self._connection.check()
        return self._inbox.take(timeout_s)

    def _handle(self, item: Item) -> None:
        if isinstance(item, Received):
            self._hear(item)
        elif isinstance(item, bool):
            self._link(item)
        else:
            sensor, value, mono_ms = item
            mono_ms = max(mono_ms, self.author.watch.now_ms)
            self.author.observe(sensor, value, mono_ms)
            self._tidings.heard(sensor, boot_ms())
            if self._settings.keep_readings_mib and self._clock.state() is ClockState.OK:
                self._diary.note(self.author.wall_of(mono_ms), sensor, value)

    def _resume(self) -> bool:
        if not self.author.stood_still:
            return False
        self.author.resume(self.inputs.levels())
        self.announce()
        return True

    def _hear(self, message: Received) -> None:
        try:
            ack = contract.parse_ack(message.payload)
        except ContractError:
            return
        if not message.retained:
            now = boot_ms()
            self._courier.heard(ack, now)
            if self._outbox.lost:  # whoever acknowledges is there to be told
                self._confess_ms = max(now, self._confessed_ms + CONFESS_EVERY_MS)

    def _link(self, connected: bool) -> None:
        self._courier.linked(connected, boot_ms())
        if connected:
            self._credential.look()
            self.announce()
            self._home_assistant.announce()

    def _beat(self, now_ms: int) -> None:
        self._tidings.told(now_ms)
        self._herald.beat(self.author, self.unsettled, now_ms, self.trouble, self.notice)

    def _confess(self, now_ms: int) -> None:
        self._confess_ms, self._confessed_ms = NEVER_MS, now_ms
        if self._outbox.lost:
            self.author.confess()

    def _say(self, changes: Sequence[Change]) -> None:
        latest: dict[str, Occupancy] = {change.space: change.occupancy for change in changes}
        self._herald.say(self.author, latest)

    def _accepted(self, events: Sequence[Event]) -> None:
        self._courier.accepted(self._epoch, events, boot_ms())

    def _publish(self, publication: contract.Publication) -> bool:
        return self._connection.publish(publication)


def _joined(sentences: Iterable[str | None]) -> str | None:
    return "; ".join(filter(None, sentences)) or None
