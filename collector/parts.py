"""What a running collector is made of."""

from dataclasses import dataclass

from collector.chores import Chores
from collector.follower import Follower
from collector.inbox import Inbox
from collector.intake import Intake
from collector.live import Live
from perch.adapters.influx_live import BestEffortWriter
from perch.adapters.journal import Journal
from perch.adapters.mqtt import Connection
from perch.adapters.quarantine import Quarantine


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a collector, as `startup` put them together; `writer` is None where no InfluxDB is configured."""

    journal: Journal
    quarantine: Quarantine
    connection: Connection
    inbox: Inbox
    intake: Intake
    live: Live
    followers: tuple[Follower, ...]
    writer: BestEffortWriter | None
    chores: Chores

    def wake_followers(self) -> None:
        """Tell the projections that the journal has grown, or that they are to stop."""
        for follower in self.followers:
            follower.wake()

    def check(self) -> None:
        """Raise what ended any of the threads: half a collector is worse than none, which is started again."""
        self.connection.check()
        for follower in self.followers:
            follower.check()
        if self.writer is not None:
            self.writer.check()
