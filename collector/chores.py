"""Carries out what the command line asks of a running collector, a little at a time, so that no agent waits for it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from collector.follower import Follower
from collector.intake import Intake
from collector.replay import Replaying
from perch.adapters.errands import Answer, Errand, Errands, Rebuild
from perch.adapters.quarantine import Quarantine
from perch.delivery.liveness import Instant

LOOK_MS = 500
TELL_MS = 200


class Work(Protocol):
    """An errand under way."""

    def step(self, mono_ms: int) -> Answer:
        """Do a little more; tells how far it has come."""
        ...


@dataclass(frozen=True, slots=True)
class Rebuilding:
    """A projection that is made anew; `goal` is the journal's end when that was asked for."""

    follower: Follower
    goal: int

    def step(self, mono_ms: int) -> Answer:
        """Look how far it has come; its own thread does the work."""
        del mono_ms
        waits = self.follower.waits_to_begin_anew
        position = 0 if waits else min(self.follower.position, self.goal)
        trouble = self.follower.trouble
        return Answer(
            done=not waits and position >= self.goal,
            taken=position,
            total=self.goal,
            rows=self.follower.tally().rows,
            waits=None if trouble is None else trouble.what,
        )


def begin(
    errand: Errand, intake: Intake, quarantine: Quarantine, followers: Sequence[Follower], end: int
) -> Work | str:
    """Begin an errand in a journal of so many entries; gives in words why not, where it cannot be done."""
    if not isinstance(errand, Rebuild):
        return Replaying(intake, quarantine, errand.ids)
    for follower in followers:
        if follower.name == errand.projection:
            follower.rebuild()
            return Rebuilding(follower, end)
    return f"this collector keeps no projection {errand.projection!r}"


class Chores:
    """Looks for errands twice a second, and does one after the other. The collector's loop calls it."""

    def __init__(
        self,
        errands: Errands,
        intake: Intake,
        quarantine: Quarantine,
        followers: Sequence[Follower],
        end: Callable[[], int],
    ) -> None:
        self._errands = errands
        self._intake = intake
        self._quarantine = quarantine
        self._followers = followers
        self._end = end
        self._look_ms = self._tell_ms = 0
        self._at: tuple[str, Work] | None = None

    def __repr__(self) -> str:
        return f"<Chores, {'busy' if self._at else 'idle'}>"

    @property
    def is_busy(self) -> bool:
        """Whether there is more to be done at once."""
        return self._at is not None and isinstance(self._at[1], Replaying)

    def settle(self, now: Instant) -> None:
        """Begin what was asked for, or go on with it; raises StorageError."""
        if self._at is None and now.mono_ms >= self._look_ms:
            self._look_ms = now.mono_ms + LOOK_MS
            self._at = self._next()
        if self._at is None:
            return
        name, work = self._at
        if not self.is_busy and now.mono_ms < self._tell_ms:
            return
        answer = work.step(now.mono_ms)
        if answer.done:
            self._at = None
        if answer.done or now.mono_ms >= self._tell_ms:
            self._tell_ms = now.mono_ms + TELL_MS
            self._errands.tell(name, answer)

    def _next(self) -> tuple[str, Work] | None:
        for name, errand in self._errands.pending():
            work = begin(errand, self._intake, self._quarantine, self._followers, self._end())
            if isinstance(work, str):
                self._errands.tell(name, Answer(done=False, taken=0, total=0, failed=work))
            else:
                return name, work
        return None
