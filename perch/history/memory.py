"""History in memory: the plainest source there is, for tests, invented days, and to compare others with."""

from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np

from perch.codes import DATING_CODES, REASON_CODES, STATE_CODES
from perch.history.source import (
    BEGINNING_MS,
    END_MS,
    EVERYTHING,
    NO_COUNT,
    Columns,
    EpochSpan,
    Horizon,
    Mark,
    Moved,
    Stretch,
    Tiers,
    Together,
    Vouch,
    side_by_side,
)
from perch.history.told import Forgotten, Lost, LostSpan, Marked, Stated, Told, evidence
from perch.model import SENSIBLE_MS


class MemoryHistory:
    """A `WordSource` over events that are handed to it; adding an event again changes nothing. One thread writes."""

    def __init__(self, told: Iterable[Told] = ()) -> None:
        self._told: set[Told] = set()
        self._moved: list[tuple[int, Moved]] = []
        self.add(told)

    def __repr__(self) -> str:
        return f"<MemoryHistory of {len(self._told)} events>"

    def add(self, told: Iterable[Told]) -> None:
        """Take in events, in any order."""
        self._told = self._told.union(told)

    def retell(self, forgotten: Sequence[Forgotten], told: Iterable[Told], position: int) -> None:
        """Void what some epochs told, and take in what they tell instead, at a position of the journal."""
        horizons = {one.site: self.horizon(one.site) for one in forgotten}
        before = [moved for one in forgotten for moved in self._spans(one)]
        kept = {word for word in self._told if not any(_is_of(word, one) for one in forgotten)}
        self._told = kept.union(told)
        after = [moved for one in forgotten for moved in self._spans(one)]
        after += [Moved(one.site, one.agent, *span) for one in forgotten for span in one.between]
        gone = [Moved(site, None, *span) for site, span in horizons.items() if span not in (None, self.horizon(site))]
        self._moved += [(position, moved) for moved in (*before, *after, *gone)]

    def moment(self) -> AbstractContextManager[None]:
        """Let all calls inside see one moment: whoever writes does not do so meanwhile."""
        return nullcontext()

    def moves(self, after: int, upto: int) -> list[Moved]:
        """Give what was forgotten and told anew after a position of the journal and up to another."""
        return [moved for position, moved in self._moved if after < position <= upto]

    def read(self, site: str, stretches: Sequence[Stretch]) -> list[Columns]:
        """Give what was stated in each stretch."""
        told = self._told
        return [self._columns(told, site, stretch) for stretch in stretches]

    def read_together(self, site: str, stretches: Sequence[Stretch]) -> Together:
        """Give the same in one piece."""
        return side_by_side(self.read(site, stretches))

    def horizon(self, site: str) -> Horizon | None:
        """Give the first and the last evidence of a site; None where there is none."""
        words = (evidence(one) for one in self._told if one.site == site)
        heard = [min(word.time_ms, word.received_ms) for word in words if word is not None]
        sensible = [ms for ms in heard if ms >= SENSIBLE_MS]
        return Horizon(min(sensible), max(sensible)) if sensible else None

    def tiers(self, _site: str) -> Tiers:
        """Keep everything."""
        return EVERYTHING

    def sheets(self, site: str) -> None:
        """Keep none."""

    def spaces(self, site: str, agent: str) -> list[str]:
        """Name the spaces of which an agent ever stated anything, in order."""
        key = (site, agent)
        return sorted({one.space for one in self._told if isinstance(one, Stated) and (one.site, one.agent) == key})

    def marks(self, site: str, agent: str, from_ms: int, to_ms: int) -> list[Mark]:
        """Give the agent's marks and the last evidence of its epochs in [from_ms, to_ms), in order."""
        marks = {
            Mark(one.time_ms, one.epoch)
            for one in self._told
            if isinstance(one, Marked) and (one.site, one.agent) == (site, agent)
        }
        marks.update(Mark(span.until_ms, span.epoch) for span in self.epochs(site) if span.agent == agent)
        return sorted(mark for mark in marks if from_ms <= mark.time_ms < to_ms)

    def mark_before(self, site: str, agent: str, epoch: str, before_ms: int) -> int | None:
        """Give the epoch's last mark before a moment, else its first evidence if that is before it, else None."""
        spans = [span for span in self.epochs(site) if (span.agent, span.epoch) == (agent, epoch)]
        if not spans or spans[0].first_ms >= before_ms:
            return None
        marks = self.marks(site, agent, spans[0].first_ms, before_ms)
        return max((mark.time_ms for mark in marks if mark.epoch == epoch), default=spans[0].first_ms)

    def epochs(self, site: str) -> list[EpochSpan]:
        """Give every epoch of every agent of the site, by agent and first evidence."""
        times: dict[tuple[str, str], list[int]] = {}
        for word in map(evidence, self._told):
            if word is not None and word.site == site:
                times.setdefault((word.agent, word.epoch), []).append(word.time_ms)
        spans = [EpochSpan(agent, epoch, min(of), max(of)) for (agent, epoch), of in times.items()]
        return sorted(spans, key=lambda span: (span.agent, span.first_ms, span.epoch))

    def last_evidence(self, site: str, agents: Collection[str]) -> dict[str, int]:
        """Give the last evidence of some agents."""
        until_ms: dict[str, int] = {}
        for span in self.epochs(site):
            if span.agent in agents:
                until_ms[span.agent] = max(span.until_ms, until_ms.get(span.agent, span.until_ms))
        return until_ms

    def _columns(self, told: Iterable[Told], site: str, stretch: Stretch) -> Columns:
        rows = sorted(self._stated(told, site, stretch.agent, stretch.space), key=lambda row: (row.time_ms, row.seq))
        lost = self._lost(told, site, stretch)
        decided = [
            row.time_ms
            for row in rows
            if not any(span.from_ms == row.time_ms or span.swallows(row.time_ms, row.epoch, row.seq) for span in lost)
        ]
        before = [row.time_ms for row in rows if row.time_ms < stretch.from_ms]
        after = [row.time_ms for row in rows if row.time_ms >= stretch.to_ms]
        first_ms = max({BEGINNING_MS, *before}.intersection({BEGINNING_MS, *decided})) if before else stretch.from_ms
        last_ms = min({END_MS, *after}.intersection({END_MS, *decided})) if after else stretch.to_ms - 1
        rows = [row for row in rows if first_ms <= row.time_ms <= last_ms]
        lost = _around(lost, stretch, first_ms, last_ms)
        until_ms = {span.epoch: span.until_ms for span in self.epochs(site) if span.agent == stretch.agent}
        epochs = sorted({*(row.epoch for row in rows), *(span.epoch for span in lost)})
        codes = np.array([_codes(row, epochs) for row in rows], dtype=np.int64).reshape(len(rows), 8)
        time_ms, seq, epoch, state, reason, clock, thousandths, count = codes.T
        vouches = tuple(Vouch(epoch, until_ms[epoch]) for epoch in epochs)
        return Columns(time_ms, seq, epoch, state, reason, clock, thousandths, count, vouches, lost)

    @staticmethod
    def _stated(told: Iterable[Told], site: str, agent: str, space: str) -> list[Stated]:
        key = (site, agent, space)
        return [one for one in told if isinstance(one, Stated) and (one.site, one.agent, one.space) == key]

    @staticmethod
    def _lost(told: Iterable[Told], site: str, stretch: Stretch) -> tuple[LostSpan, ...]:
        key = (site, stretch.agent)
        spans = {one.span for one in told if isinstance(one, Lost) and (one.site, one.agent) == key}
        return tuple(sorted(spans, key=_order_of_lost))

    def _spans(self, one: Forgotten) -> list[Moved]:
        """Give where the words of epochs lie now."""
        lived = [
            (span.first_ms, span.until_ms)
            for span in self.epochs(one.site)
            if span.agent == one.agent and span.epoch in one.epochs
        ]
        words = [word for word in self._told if isinstance(word, Lost) and _is_of(word, one)]
        lost = [(word.span.from_ms, word.span.to_ms) for word in words]
        return [Moved(one.site, one.agent, *span) for span in (*lived, *lost)]


def _is_of(word: Told, one: Forgotten) -> bool:
    """Tell whether a word is void with some epochs."""
    epoch = word.span.epoch if isinstance(word, Lost) else word.epoch
    return (word.site, word.agent) == (one.site, one.agent) and epoch in one.epochs


def _around(lost: Sequence[LostSpan], stretch: Stretch, first_ms: int, last_ms: int) -> tuple[LostSpan, ...]:
    """Choose the lost spans around rows of a stretch, which run from one moment to another (both inclusive)."""
    if first_ms >= stretch.from_ms:
        first_ms = max((span.from_ms for span in lost if span.from_ms < stretch.from_ms), default=first_ms)
    if last_ms < stretch.to_ms:
        last_ms = min((span.from_ms for span in lost if span.from_ms >= stretch.to_ms), default=last_ms)
    return tuple(span for span in lost if span.from_ms <= last_ms and first_ms <= span.to_ms)


def _order_of_lost(span: LostSpan) -> tuple[int | str, ...]:
    return span.from_ms, span.epoch, span.first_seq, span.last_seq, span.to_ms, DATING_CODES[span.clock]


def _codes(row: Stated, epochs: Sequence[str]) -> tuple[int, ...]:
    """Give the numbers of a row in the order of the columns."""
    return (
        row.time_ms,
        row.seq,
        epochs.index(row.epoch),
        STATE_CODES[row.state],
        REASON_CODES[row.reason],
        DATING_CODES[row.clock],
        round(row.probability * 1000),
        NO_COUNT if row.people is None else row.people,
    )
