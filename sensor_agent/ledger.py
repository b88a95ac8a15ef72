"""Numbers the events of one epoch and writes them into the outbox; confesses those that could not be written.

A number that was given out is used up, whether its event could be written or not. From the first write that fails no
event is accepted until another try succeeds; the first thing written then is a `lost` event about all the numbers in
between, and after it every space is stated anew.
"""

from collections.abc import Callable, Sequence

from perch.adapters.lost_spans import confessed, given_up
from perch.adapters.outbox.memory import Mark
from perch.adapters.outbox.store import Outbox
from perch.contract import ClockEvent, Event
from perch.delivery.lost import LossReason, Moment, Span, joined
from perch.errors import DamagedError, StorageError

FIRST_RETRY_MS = 1_000
LAST_RETRY_MS = 60_000


class Ledger:
    """Owns the numbering of an epoch; times are the agent's monotonic milliseconds.

    `told` hears of events once they are in the outbox. Of what the outbox raises only DamagedError comes through: a
    damaged outbox is of no use, all else is tried again at `deadline`.
    """

    def __init__(self, outbox: Outbox, epoch: str, boot: str, told: Callable[[Sequence[Event]], None]) -> None:
        self._outbox = outbox
        self._epoch = epoch
        self._boot = boot
        self._told = told
        self._seq = 0
        self._missed: tuple[Span, ...] = ()
        self._wait_ms = FIRST_RETRY_MS
        self.deadline: int | None = None
        self.trouble: str | None = None
        self.missed_clock = False

    def __repr__(self) -> str:
        return f"<Ledger of epoch {self._epoch}, {self._seq} events>"

    def number(self) -> int:
        """Give the next sequence number; whoever asks has to write an event under it."""
        self._seq += 1
        return self._seq

    def write(self, events: Sequence[Event], now: Moment) -> None:
        """Write events under the numbers given out for them, unless writing fails at present: then they are missed."""
        if not events:
            return
        if self.deadline is None:
            self.retry(events, now)
        else:
            self._miss(events, now)

    def retry(self, events: Sequence[Event], now: Moment) -> None:
        """Write events, also while writing fails; where it works, what was missed is confessed by them."""
        try:
            self._outbox.append(self._epoch, events)
        except DamagedError:
            raise
        except StorageError as error:
            self._miss(events, now)
            self._put_off(error, now)
            return
        self._missed, self.missed_clock = (), False
        self._works()
        self._told(events)

    def mark(self, mark: Mark, spaces: frozenset[str]) -> None:
        """Leave a local mark, and note of which spaces something was stated, unless writing fails at present."""
        if self.deadline is not None and mark.mono_ms < self.deadline:
            return
        try:
            if spaces != self._outbox.spaces:
                self._outbox.spaces = spaces
            self._outbox.mark = mark
        except DamagedError:
            raise
        except StorageError as error:
            self._put_off(error, Moment(mark.wall_ms, mark.mono_ms, mark.clock))
        else:
            if not self._missed:
                self._works()

    def confessions(self) -> list[Event]:
        """Give `lost` events, under new numbers, about all that was lost and that no event tells of yet."""
        spans = joined([*self._outbox.lost, *self._missed])
        return [confessed(self.number(), span, self._boot) for span in spans]

    def _miss(self, events: Sequence[Event], now: Moment) -> None:
        self.missed_clock |= any(isinstance(event, ClockEvent) for event in events)
        before = self._missed[-1].end if self._missed else now
        spans = [
            span
            for span in given_up(self._epoch, self._boot, events, before, LossReason.WRITE_FAILED)
            if span.epoch == self._epoch
        ]
        self._missed = joined([*self._missed, *spans])

    def _put_off(self, error: StorageError, now: Moment) -> None:
        self.trouble = f"{error.sentence}; events are not accepted until it can be written"
        self.deadline = now.mono_ms + self._wait_ms
        self._wait_ms = min(self._wait_ms * 2, LAST_RETRY_MS)

    def _works(self) -> None:
        self.deadline = self.trouble = None
        self._wait_ms = FIRST_RETRY_MS
