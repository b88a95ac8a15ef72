"""Erases what was said of a space over a period, from wherever the collector keeps it.

It is written down in the journal first: from then on whatever comes of it is stored without its content, and whoever
makes anything of the journal erases it there. Should the collector die, the next one goes on with it.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from collector.follower import Follower
from collector.forgetting import Forgetting
from perch.adapters.errands import Answer, Erase
from perch.adapters.journal.store import Journal
from perch.adapters.quarantine.store import Quarantine
from perch.adapters.upgrade import let_all_copies_go
from perch.delivery.erasing import KEPT_BACK_MS, Erasure

WAITS = "the projection {} has yet to come there"


class Erasing:
    """An erasure under way; `step` does the next piece. The thread of the intake calls it."""

    def __init__(
        self,
        of: Erasure,
        journal: Journal,
        quarantine: Quarantine,
        followers: Sequence[Follower],
        forgetting: Forgetting,
        data: Path,
    ) -> None:
        self._of = of
        self._journal = journal
        self._quarantine = quarantine
        self._followers = followers
        self._forgetting = forgetting
        self._data = data
        self._position: int | None = None
        self._walked = self._erased = 0
        self.is_busy = True

    def __repr__(self) -> str:
        return f"<Erasing {self._of.space} at {self._of.site}>"

    def step(self, mono_ms: int) -> Answer:
        """Do a piece; raises StorageError."""
        del mono_ms
        if self._position is None:
            self._position = self._journal.erase(self._of)
            of = self._of
            self._quarantine.erase(of.site, of.space, of.from_ms, of.to_ms + KEPT_BACK_MS)
            let_all_copies_go(self._data)
        walked = self._forgetting.strike()
        if walked is not None and walked.erasure.period == self._of.period:
            self._walked, self._erased = walked.upto, self._erased + walked.erased
        self.is_busy = walked is not None
        behind = next((one for one in self._followers if one.position < self._position), None)
        is_through = not self.is_busy and behind is None and self._journal.pending is None
        return Answer(
            done=is_through and self._journal.scrub(),
            taken=self._position if is_through else min(self._walked, self._position - 1),
            total=self._position,
            erased=self._erased,
            rows=sum(one.tally().rows for one in self._followers),
            waits=None if behind is None else _why(behind),
        )


class InTurn:
    """Several erasures under way, one after the other."""

    def __init__(self, works: Sequence[Erasing]) -> None:
        self._works = list(works)
        self._erased = 0

    def __repr__(self) -> str:
        return f"<InTurn, {len(self._works)} are left>"

    @property
    def is_busy(self) -> bool:
        """Whether there is more to be done at once."""
        return self._works[0].is_busy

    def step(self, mono_ms: int) -> Answer:
        """Do a piece of the first; raises StorageError."""
        answer = self._works[0].step(mono_ms)
        told = msgspec.structs.replace(answer, erased=self._erased + answer.erased)
        if answer.done and len(self._works) > 1:
            self._works.pop(0)
            self._erased = told.erased
            return msgspec.structs.replace(told, done=False)
        return told


def _why(behind: Follower) -> str:
    return WAITS.format(behind.name) if behind.trouble is None else behind.trouble.what


def erasure_of(errand: Erase, now_ms: int) -> Erasure:
    """Give what an errand asks to erase, from now on."""
    return Erasure(errand.site, errand.space, errand.from_ms, errand.to_ms, now_ms)
