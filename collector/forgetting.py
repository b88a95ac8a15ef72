"""Lets the journal go of what is too old, and carries erasures out in it: a piece each time, so that no agent waits.

Nothing leaves before every projection has read it, and nothing of days whose single changes history still keeps: by
history's own word on these, which rests on what agents and collector agree on, not on one clock.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Protocol

from collector.telling import AgentKey, tell
from perch.adapters.journal.ageing import Bound, bound
from perch.adapters.journal.erasing import Arrived, Walked
from perch.adapters.journal.store import Entry, Journal
from perch.contract import StateEvent
from perch.delivery.boots import Boots
from perch.history.told import Stated
from perch.settings import Retention

log = logging.getLogger(__name__)

LOOK_MS = 60_000
SOON_MS = 1_000


class Known(Protocol):
    """What is asked of history."""

    def kept_from(self) -> int | None:
        """Give the day (UTC, since 1970) from which on words are kept; None where none was ever let go of."""
        ...

    def boots(self, site: str, agent: str) -> Boots:
        """Give what is known of an agent's boots."""
        ...


class Reading(Protocol):
    """A projection, as far as it has come."""

    @property
    def position(self) -> int:
        """How far it has come in the journal."""
        ...


class Forgetting:
    """Looks once a minute, and more often at first, whether there is something to let go of.

    The thread of the intake calls it. `readers` are the projections of the journal, the first of them history's.
    """

    def __init__(self, journal: Journal, history: Known, readers: Sequence[Reading], retention: Retention) -> None:
        self._journal = journal
        self._history = history
        self._readers = readers
        self._retention = retention
        self._look_ms = self._scrub_ms = 0
        self._bound: Bound | None = None
        self._done_ms: int | None = None
        self._is_whole = False
        self._after = self._gone = 0
        self._boots: dict[AgentKey, Boots] = {}

    def __repr__(self) -> str:
        return f"<Forgetting in {self._journal!r}>"

    def settle(self, mono_ms: int) -> None:
        """Do a piece of what is to be done, if anything; raises StorageError."""
        if self.strike() is not None:
            return
        if self._bound is None and mono_ms >= self._look_ms:
            self._is_whole = all(reader.position == self._journal.end for reader in self._readers)
            self._look_ms = mono_ms + (LOOK_MS if self._is_whole else SOON_MS)
            bound = self._too_old()
            self._bound, self._after = None if bound is None or bound.before_ms == self._done_ms else bound, 0
        if self._bound is not None:
            self._let_go(self._bound)
        elif mono_ms >= self._scrub_ms:
            self._scrub_ms = mono_ms + SOON_MS
            self._journal.scrub()

    def strike(self) -> Walked | None:
        """Carry out a piece of what is to be erased, once history has come there; None where nothing can be done."""
        pending = self._journal.pending
        if pending is None or not self._readers or self._readers[0].position < pending:
            return None
        self._boots.clear()
        return self._journal.strike(self._when)

    def _let_go(self, of: Bound) -> None:
        gone = self._journal.let_go(of, self._after)
        self._after, self._gone = gone.after, self._gone + gone.events
        if gone.more:
            return
        self._bound = None
        if self._is_whole:
            self._done_ms = of.before_ms
        if self._gone:
            log.info("the journal has let go of %d events that came before [retention] journal_days", self._gone)
            self._gone = 0

    def _too_old(self) -> Bound | None:
        """Say what may go; None where nothing may."""
        retention, words_day = self._retention, self._history.kept_from()
        if not retention.journal_days or not retention.transitions_days or words_day is None:
            return None
        today = words_day + retention.transitions_days
        upto = min((reader.position for reader in self._readers), default=0)
        return bound(today - retention.journal_days, today, upto)

    def _when(self, arrived: Arrived, event: StateEvent) -> int | None:
        """Say when an event was, as history has it."""
        stream = arrived.stream
        agent = (stream.site, stream.agent)
        known: Mapping[AgentKey, Boots] = self._boots
        if agent not in known:
            self._boots[agent] = self._history.boots(*agent)
        entry = Entry(0, *stream, arrived.received_ms, event, arrived.boot, arrived.sent_mono_ms)
        return next((told.time_ms for told in tell([entry], known) if isinstance(told, Stated)), None)
