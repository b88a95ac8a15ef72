"""Where history comes from: the law that every store of it keeps, and the shape in which it hands things over.

A store keeps words, not answers. It knows nothing of layouts, calendars or metrics: rows are kept by (site, agent,
space), whoever serves that space today, and what a row is worth is decided at the moment of asking.
"""

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from perch.codes import DATINGS, REASONS, STATE_CODES, STATES
from perch.history.sheets import Sheets
from perch.history.told import LostSpan
from perch.model import Dating, Reason, State

Integers = npt.NDArray[np.int64]

BEGINNING_MS = -(2**60)
END_MS = 2**60
"""Bounds beyond every time on the wire, for spaces that always stood and for ever will."""

FREE, OCCUPIED, UNKNOWN = (STATE_CODES[state] for state in STATES)
NO_COUNT = -1


@dataclass(frozen=True, slots=True)
class StateRow:
    """One statement about a space: `probability` in thousandths exactly, `count` None where nothing counts."""

    time_ms: int
    seq: int
    epoch: str
    state: State
    probability: float
    count: int | None
    reason: Reason
    clock: Dating


class Vouch(NamedTuple):
    """An epoch (its id of 32 hex digits) and the last moment at which it is known to have lived."""

    epoch: str
    until_ms: int


class Stretch(NamedTuple):
    """What to read: the words of one agent about one space over [from_ms, to_ms)."""

    space: str
    agent: str
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Columns:
    """Statements of one agent about one space as arrays of equal length, in order of (time, seq).

    `epoch` points into `vouches`; `state`, `reason` and `clock` into the tables of `perch.codes`; `thousandths` is the
    probability; `count` is NO_COUNT where nothing counts. `lost` are the agent's lost spans around these statements.
    """

    time_ms: Integers
    seq: Integers
    epoch: Integers
    state: Integers
    reason: Integers
    clock: Integers
    thousandths: Integers
    count: Integers
    vouches: tuple[Vouch, ...]
    lost: tuple[LostSpan, ...] = ()

    def __len__(self) -> int:
        return len(self.time_ms)

    def take(self, places: npt.NDArray[np.intp] | npt.NDArray[np.bool_] | slice) -> "Columns":
        """Give the rows at some places, in that order, or those where a mask is true."""
        return Columns(
            self.time_ms[places],
            self.seq[places],
            self.epoch[places],
            self.state[places],
            self.reason[places],
            self.clock[places],
            self.thousandths[places],
            self.count[places],
            self.vouches,
            self.lost,
        )

    def row(self, place: int) -> StateRow:
        """Give one row as a value."""
        count = int(self.count[place])
        return StateRow(
            int(self.time_ms[place]),
            int(self.seq[place]),
            self.vouches[int(self.epoch[place])].epoch,
            STATES[self.state[place]],
            int(self.thousandths[place]) / 1000,
            None if count == NO_COUNT else count,
            REASONS[self.reason[place]],
            DATINGS[self.clock[place]],
        )


_NONE = np.zeros(0, dtype=np.int64)
NO_ROWS = Columns(_NONE, _NONE, _NONE, _NONE, _NONE, _NONE, _NONE, _NONE, ())


class Together(NamedTuple):
    """Statements of several stretches side by side, each after the one before: `counts` says how many are of each.

    `lost` names the places of those stretches whose answers have lost spans: these are left out here, to be read one by
    one.
    """

    rows: Columns
    counts: Integers
    lost: frozenset[int]

    @property
    def place(self) -> Integers:
        """Say of each row of which stretch it is."""
        return np.repeat(np.arange(len(self.counts)), self.counts)


def side_by_side(answers: Sequence[Columns]) -> Together:
    """Put what was read of several stretches into one; those with lost spans are left out."""
    lost = frozenset(place for place, rows in enumerate(answers) if rows.lost)
    answers = [NO_ROWS if rows.lost else rows for rows in answers]
    vouches = sorted({vouch for rows in answers for vouch in rows.vouches})
    places = {vouch: place for place, vouch in enumerate(vouches)}
    epochs = [np.array([places[vouch] for vouch in rows.vouches], dtype=np.int64)[rows.epoch] for rows in answers]
    joined = NO_ROWS
    if answers:
        joined = Columns(
            np.concatenate([rows.time_ms for rows in answers]),
            np.concatenate([rows.seq for rows in answers]),
            np.concatenate(epochs),
            np.concatenate([rows.state for rows in answers]),
            np.concatenate([rows.reason for rows in answers]),
            np.concatenate([rows.clock for rows in answers]),
            np.concatenate([rows.thousandths for rows in answers]),
            np.concatenate([rows.count for rows in answers]),
            tuple(vouches),
        )
    return Together(
        joined,
        np.array([len(rows) for rows in answers], dtype=np.int64),
        lost,
    )


class Horizon(NamedTuple):
    """First and last evidence of a site's agents since 2000: times of events, but none later than it was received."""

    first_ms: int
    last_ms: int


class Tiers(NamedTuple):
    """From when on a source has the words of a site, and from when on sums by quarter hour, midnights UTC in ms.

    What is older than the words is summed up, what is older than the sums is gone.
    """

    words_ms: int = BEGINNING_MS
    sums_ms: int = BEGINNING_MS


EVERYTHING = Tiers()


class Moved(NamedTuple):
    """All words of an agent that may have changed since they were told lie in [from_ms, to_ms], before and now.

    Where `agent` is None the site's horizon gave way: nothing may be told there any more, by whomever.
    """

    site: str
    agent: str | None
    from_ms: int
    to_ms: int


class Mark(NamedTuple):
    """An `alive` mark of an agent, or the last evidence of one of its epochs."""

    time_ms: int
    epoch: str


class HistorySource(Protocol):
    """What was stated in the past, as far as answers need it. Laws:

    - Times are milliseconds UTC. What was never told is simply absent: unknown sites, spaces and agents are empty,
      never an error.
    - Over a stretch that lies within a tenure, `hold` of what is `counted` of an answer is the same within the stretch
      whichever source gives it: states, reasons, until when each holds, transitions. A source may hand over every word
      (a `WordSource` does), or only what counts, and then without lost spans.
    - All this is so from `tiers(site).words_ms` on; one for answers refuses to read what is older (QuestionError).
    - Any thread may call, several at once. May raise StorageError or UnavailableError, nothing else.
    """

    def read(self, site: str, stretches: Sequence[Stretch]) -> list[Columns]:
        """Give what was stated in each stretch."""
        ...

    def read_together(self, site: str, stretches: Sequence[Stretch]) -> Together:
        """Give the same in one piece, for whoever reads many at once."""
        ...

    def horizon(self, site: str) -> Horizon | None:
        """Give the first and the last evidence of a site that the source has; None where there is none."""
        ...

    def tiers(self, site: str) -> Tiers:
        """Say how much of a site is kept."""
        ...

    def sheets(self, site: str) -> Sheets | None:
        """Give the sheets of a site, which tell what its words tell; None where the source keeps none."""
        ...


class WordSource(HistorySource, Protocol):
    """A source of every word, that also knows the words around a word, for projections that follow it. More laws:

    - `read` answers all stretches from one moment of the store, in the order asked. Each answer holds every row of its
      stretch, and those around it up to the nearest millisecond that decides: at which something was stated that no
      lost span of the agent swallows, and no such span begins. Where rows lie on a side and none decides, it holds all
      of that side. Its order is (time, seq), ties between epochs in any order. `lost` are the agent's spans that meet
      these, by beginning; on a side without rows also the nearest that begins there, and what meets that. So an answer
      tells all that counts in its stretch, and what lies further away is no part of it. `vouches` are exactly the
      epochs of these rows and spans, in any order, with all that is known of them, also from outside.
    - Equal events give equal answers, in whatever order and however often they were stored.
    """

    def moment(self) -> AbstractContextManager[None]:
        """Let all calls inside see one moment of the store; a long one costs a store that is written to."""
        ...

    def spaces(self, site: str, agent: str) -> list[str]:
        """Name the spaces of which an agent ever stated anything, in order."""
        ...

    def marks(self, site: str, agent: str, from_ms: int, to_ms: int) -> list[Mark]:
        """Give the agent's marks in [from_ms, to_ms) in order of (time, epoch), each once.

        The last evidence of an epoch is one of them, whether it was an `alive` mark or not.
        """
        ...

    def mark_before(self, site: str, agent: str, epoch: str, before_ms: int) -> int | None:
        """Give the epoch's last mark before a moment, else its first evidence if that is before it, else None."""
        ...

    def moves(self, after: int, upto: int) -> list[Moved]:
        """Give what was forgotten and told anew after a position of the journal and up to another, in any order.

        Outside of these spans nothing but what was told for the first time has changed between the two.
        """
        ...

    def epochs(self, site: str) -> list["EpochSpan"]:
        """Give every epoch of every agent of the site, by agent and first evidence."""
        ...

    def last_evidence(self, site: str, agents: Collection[str]) -> dict[str, int]:
        """Give the last evidence of some agents, of those that left any: the latest of their epochs' last moments."""
        ...


class EpochSpan(NamedTuple):
    """How long an epoch of an agent is known to have lived."""

    agent: str
    epoch: str
    first_ms: int
    until_ms: int
