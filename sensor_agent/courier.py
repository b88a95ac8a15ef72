"""Carries events to the collector: reads what the sender says is due, lets go of what is acknowledged.

What the outbox cannot do at present is as good as not asked for: an acknowledgement that cannot be noted counts as not
heard, and an event that cannot be read is read again when its flight is overdue.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import TypeVar

from perch import contract
from perch.adapters.outbox.store import Outbox
from perch.contract import VERSION, Ack, Batch, Event, Publication
from perch.delivery import hearing, journals
from perch.delivery import sender as sending
from perch.delivery.journals import Journals
from perch.delivery.sender import Flight, Sender
from perch.delivery.watermark import Watermark
from perch.errors import DamagedError, StorageError
from sensor_agent.clock import Clock

REPLACED_TOLD_MS = 86_400_000
"""So long is told of a journal that took the place of another one: it was restored, or it vanished."""

Key = TypeVar("Key")


class Courier:
    """Owns the sender's state; `now_ms` is always the machine's monotonic time, also while a recording is replayed.

    Of what the outbox raises only DamagedError comes through; `trouble_at` tells of the rest.
    """

    def __init__(
        self,
        site: str,
        agent: str,
        outbox: Outbox,
        clock: Clock,
        publish: Callable[[Publication], bool],
        chance: Callable[[], float],
        now_ms: int,
    ) -> None:
        self._site, self._agent = site, agent
        self._outbox = outbox
        self._clock = clock
        self._publish = publish
        self._chance = chance
        self._born_ms = now_ms - outbox.lived_ms
        self._sender = Sender(outbox.lanes(), journals=journals.remembered(outbox.journals))
        self._replaced: tuple[int, str] | None = None
        self._failed: dict[str, str] = {}
        self._unread: dict[tuple[str, int], str] = {}

    def __repr__(self) -> str:
        return f"<Courier with {self.unsettled} events to deliver>"

    @property
    def deadline(self) -> int | None:
        """When something must be sent again (monotonic ms)."""
        return self._sender.deadline

    @property
    def unsettled(self) -> int:
        """How many events the collector has not acknowledged yet."""
        return self._sender.unsettled

    def trouble_at(self, now_ms: int) -> str | None:
        """Say what is wrong with the outbox, or with the answers that come, None where nothing is.

        What failed stays so until the same is done again and works.
        """
        flying = {(flight.epoch, flight.first) for flight in self._sender.flights}
        self._unread = {flight: what for flight, what in self._unread.items() if flight in flying}
        return next(chain(self._failed.values(), self._unread.values()), None) or hearing.trouble(self._sender, now_ms)

    def notice_at(self, now_ms: int) -> str | None:
        """Say in a sentence that the collector's journal is another one since not long ago, None where it is not."""
        if self._replaced is None or now_ms - self._replaced[0] >= REPLACED_TOLD_MS:
            return None
        return self._replaced[1]

    def accepted(self, epoch: str, events: Sequence[Event], now_ms: int) -> None:
        """Take charge of events that are in the outbox; numbers left out before them were used up by nothing."""
        first, last = events[0].seq, events[-1].seq
        expected = sending.next_number(self._sender, epoch)
        if expected < first:
            self._sender = sending.skipped(self._sender, epoch, expected, first - 1)
        self._sender = sending.appended(self._sender, epoch, first, last)
        self._let_go()
        self.send(now_ms)

    def linked(self, connected: bool, now_ms: int) -> None:
        """Note that the connection came or went."""
        self._sender = sending.linked(self._sender, connected)
        self.send(now_ms)

    def heard(self, ack: Ack, now_ms: int) -> None:
        """Let go of what is durably stored; where the collector has lost something, send all that is kept again."""
        have = Watermark(ack.upto).add_all(ack.have)
        sender, settled = hearing.heard(self._sender, ack.journal, ack.epoch, have, now_ms)
        if not settled.heeded:
            self._sender = sender
            return
        with self._noted(self._failed, "acknowledge"):
            self._outbox.acknowledge(settled, have.upto, now_ms - self._born_ms)
            self._note_journal(sender.journals, now_ms)
            self._sender = sender
        self.send(now_ms)

    def purge(self, now_ms: int) -> None:
        """Drop from the disk some of what was acknowledged more than 48 hours ago."""
        with self._noted(self._failed, "purge"):
            self._outbox.purge(now_ms - self._born_ms)
        self._let_go()

    def send(self, now_ms: int) -> None:
        """Send whatever is due."""
        self._sender, flights = sending.due(self._sender, now_ms, self._chance())
        for flight in flights:
            with self._noted(self._unread, (flight.epoch, flight.first)):
                self._send(flight)

    def _note_journal(self, journals: Journals, now_ms: int) -> None:
        before = self._sender.journals.present
        if before not in (None, journals.present):
            told = (
                f"the collector answers from another journal, {journals.present} in place of {before}:"
                " what is still kept here was sent again"
            )
            self._replaced = now_ms, told

    def _let_go(self) -> None:
        for epoch, first, last in self._outbox.take_dropped():
            self._sender = sending.dropped(self._sender, epoch, first, last)

    @contextmanager
    def _noted(self, troubles: dict[Key, str], deed: Key) -> Iterator[None]:
        """Tolerate what the outbox cannot do at present, and note it until it can."""
        try:
            yield
        except DamagedError:
            raise
        except StorageError as error:
            troubles[deed] = error.sentence
        else:
            troubles.pop(deed, None)

    def _send(self, flight: Flight) -> None:
        boot = self._outbox.boot_of(flight.epoch)
        sent_mono_ms = self._clock.mono_ms() if boot == self._clock.boot else None
        for events in _consecutive(self._outbox.read(flight.epoch, flight.first, flight.last)):
            batch = Batch(v=VERSION, epoch=flight.epoch, boot=boot, sent_mono_ms=sent_mono_ms, events=events)
            self._publish(contract.build_up(self._site, self._agent, batch))


def _consecutive(events: Sequence[Event]) -> Iterator[tuple[Event, ...]]:
    """Cut events where numbers are kept no longer: those of one message follow each other."""
    start = 0
    for place, event in enumerate(events, 1):
        if place == len(events) or events[place].seq != event.seq + 1:
            yield tuple(events[start:place])
            start = place
