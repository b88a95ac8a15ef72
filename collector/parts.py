"""What a running collector is made of."""

from collections.abc import Callable
from dataclasses import dataclass

from collector.chores import Chores
from collector.follower import Follower
from collector.forgetting import Forgetting
from collector.inbox import Inbox
from collector.intake import Intake
from collector.live import Live
from collector.others import Calls
from perch.adapters.influx.live import BestEffortWriter
from perch.adapters.journal.store import Journal
from perch.adapters.mqtt.connection import Connection
from perch.adapters.quarantine.store import Quarantine
from perch.errors import PerchError


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
    calls: Calls
    forgetting: Forgetting

    def wake_followers(self) -> None:
        """Tell the projections that the journal has grown, or that they are to stop."""
        for follower in self.followers:
            follower.wake()

    def check(self) -> None:
        """Raise DeadPartError if any thread has ended: half a collector is worse than none, which is started again.

        Raises StorageError where journal or quarantine were taken away beneath it.
        """
        self.journal.check()
        self.quarantine.check()
        _check("the connection to the broker", self.connection.check)
        for follower in self.followers:
            _check(f"the projection {follower.name}", follower.check)
        if self.writer is not None:
            _check("the writer of live rows", self.writer.check)


class DeadPartError(PerchError):
    """A part of the collector has died, and with it the whole: what it was, and of what."""

    def __init__(self, part: str, error: BaseException) -> None:
        if isinstance(error, PerchError):
            super().__init__(f"{part} has died: {error.what}", error.remedy)
        else:
            what = f"{part} has died: unexpected {type(error).__name__}: {error}"
            super().__init__(what, "run it with --debug to see where")


def _check(part: str, check: Callable[[], None]) -> None:
    try:
        check()
    except BaseException as error:
        raise DeadPartError(part, error) from error
