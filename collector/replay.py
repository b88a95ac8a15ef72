"""Takes messages of the quarantine in once more, after an upgrade that can read them or a layout that names them.

They go through the same sorting and the same intake as when they came, with the time of their receipt. Those that are
still refused stay; the others leave the quarantine after their events are in the journal, so that whatever dies in
between, a further replay finds what is there and stores nothing twice. Messages of which nobody wants to know any more
are let go unread.
"""

from collections.abc import Sequence

from collector.intake import Intake
from perch.adapters.errands import Answer, Refusal
from perch.adapters.quarantine.store import Quarantine, Quarantined

STEP = 50
DISCARDED_AT_ONCE = 500


class Replaying:
    """A replay under way; `step` takes the next few messages. The thread of the intake calls it."""

    is_busy = True

    def __init__(self, intake: Intake, quarantine: Quarantine, ids: Sequence[int]) -> None:
        self._intake = intake
        self._quarantine = quarantine
        self._left = sorted(set(ids))
        self._answer = Answer(done=not self._left, taken=0, total=len(self._left))

    def __repr__(self) -> str:
        return f"<Replaying, {self._answer.taken} of {self._answer.total}>"

    def step(self, mono_ms: int) -> Answer:
        """Take some messages in; raises StorageError."""
        before, ids, self._left = self._answer, self._left[:STEP], self._left[STEP:]
        messages = self._quarantine.find(ids)
        outcome = self._intake.retry(messages, mono_ms)
        stay = {refusal.id for refusal in outcome.refused}
        taken_in = [message.id for message in messages if message.id not in stay]
        if taken_in:
            self._quarantine.remove(taken_in)
        self._answer = Answer(
            done=not self._left,
            taken=before.taken + len(ids),
            total=before.total,
            stored=before.stored + outcome.stored,
            known=before.known + outcome.known,
            refused=(*before.refused, *outcome.refused, *_gone(ids, messages)),
        )
        return self._answer


class Discarding:
    """Messages that leave the quarantine unread; `step` lets the next few hundred go."""

    is_busy = True

    def __init__(self, quarantine: Quarantine, ids: Sequence[int]) -> None:
        self._quarantine = quarantine
        self._left = sorted(set(ids))
        self._total = len(self._left)
        self._gone: list[Refusal] = []

    def __repr__(self) -> str:
        return f"<Discarding, {self._total - len(self._left)} of {self._total}>"

    def step(self, mono_ms: int) -> Answer:
        """Let some go; raises StorageError."""
        del mono_ms
        ids, self._left = self._left[:DISCARDED_AT_ONCE], self._left[DISCARDED_AT_ONCE:]
        found = self._quarantine.find(ids)
        self._quarantine.remove([message.id for message in found])
        self._gone += _gone(ids, found)
        taken = self._total - len(self._left)
        return Answer(done=not self._left, taken=taken, total=self._total, refused=tuple(self._gone))


def _gone(ids: Sequence[int], found: Sequence[Quarantined]) -> list[Refusal]:
    """Name those that are not in the quarantine: they were taken in before, or made room."""
    there = {message.id for message in found}
    return [Refusal(number, "gone", "it is not in the quarantine any more") for number in ids if number not in there]
