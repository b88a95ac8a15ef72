"""Carries out what the command line asks of a running collector, a little at a time, so that no agent waits for it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from collector.erasing import Erasing, erasure_of
from collector.follower import Follower
from collector.forgetting import Forgetting
from collector.intake import Intake
from collector.replay import Discarding, Replaying
from perch.adapters.errands import Answer, Discard, Erase, Errand, Errands, Replay, failure
from perch.adapters.instants import now
from perch.adapters.journal.store import Journal
from perch.adapters.quarantine.store import Quarantine
from perch.delivery.liveness import Instant
from perch.errors import PerchError, StorageError

log = logging.getLogger(__name__)

LOOK_MS = 500
TELL_MS = 200


class Work(Protocol):
    """An errand under way."""

    @property
    def is_busy(self) -> bool:
        """Whether there is more to be done at once; others do the work otherwise."""
        ...

    def step(self, mono_ms: int) -> Answer:
        """Do a little more; tells how far it has come. What it raises ends the errand."""
        ...


@dataclass(frozen=True, slots=True)
class Rebuilding:
    """A projection that is made anew; `goal` is the journal's end when that was asked for."""

    follower: Follower
    goal: int

    @property
    def is_busy(self) -> bool:
        """Whether there is more to be done here: never, its own thread does the work."""
        return False

    def step(self, mono_ms: int) -> Answer:
        """Look how far it has come."""
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


@dataclass(frozen=True, slots=True)
class Means:
    """What errands are done with; `data` is the folder of it all."""

    journal: Journal
    intake: Intake
    quarantine: Quarantine
    followers: Sequence[Follower]
    forgetting: Forgetting
    data: Path


def begin(errand: Errand, means: Means) -> Work | str:
    """Begin an errand; gives in words why not, where it cannot be done."""
    if isinstance(errand, Replay):
        return Replaying(means.intake, means.quarantine, errand.ids)
    if isinstance(errand, Discard):
        return Discarding(means.quarantine, errand.ids)
    if isinstance(errand, Erase):
        erasure = erasure_of(errand, now().wall_ms)
        return Erasing(erasure, means.journal, means.quarantine, means.followers, means.forgetting, means.data)
    for follower in means.followers:
        if follower.name == errand.projection:
            follower.rebuild()
            return Rebuilding(follower, means.journal.end)
    return f"this collector keeps no projection {errand.projection!r}"


class Chores:
    """Looks for errands twice a second, and does one after the other. The collector's loop calls it."""

    def __init__(self, errands: Errands, means: Means) -> None:
        self._errands = errands
        self._means = means
        self._look_ms = self._tell_ms = 0
        self._at: tuple[str, Work] | None = None
        self._unanswerable: set[str] = set()
        self._complained: set[str] = set()

    def __repr__(self) -> str:
        return f"<Chores, {'busy' if self._at else 'idle'}>"

    @property
    def is_busy(self) -> bool:
        """Whether there is more to be done at once."""
        return self._at is not None and self._at[1].is_busy

    def settle(self, at: Instant) -> None:
        """Begin what was asked for, or go on with it; an errand that fails, however, ends nothing but itself."""
        if self._at is None and at.mono_ms >= self._look_ms:
            self._look_ms = at.mono_ms + LOOK_MS
            self._at = self._next()
        if self._at is None:
            return
        name, work = self._at
        if not self.is_busy and at.mono_ms < self._tell_ms:
            return
        answer = _step(name, work, at.mono_ms)
        if answer.done or answer.failed:
            self._at = None
        if self._at is None or at.mono_ms >= self._tell_ms:
            self._tell_ms = at.mono_ms + TELL_MS
            self._tell(name, answer)

    def _next(self) -> tuple[str, Work] | None:
        for name in self._names():
            errand = self._errands.read(name)
            if errand is None:
                continue
            work = errand if isinstance(errand, Answer) else self._begin(errand)
            if not isinstance(work, Answer):
                return name, work
            log.warning("the errand %r cannot be done: %s", name, work.failed)
            self._tell(name, work)
        return None

    def _begin(self, errand: Errand) -> Work | Answer:
        work = begin(errand, self._means)
        return failure(work, "see [influx] in perch.toml") if isinstance(work, str) else work

    def _names(self) -> list[str]:
        try:
            return [name for name in self._errands.names() if name not in self._unanswerable]
        except StorageError as error:
            self._complain(error)
            return []

    def _tell(self, name: str, answer: Answer) -> None:
        """Answer; an errand that cannot even be answered is let alone until the next start."""
        try:
            self._errands.tell(name, answer)
        except StorageError as error:
            self._complain(error)
            if self._at is None:
                self._unanswerable.add(name)

    def _complain(self, error: StorageError) -> None:
        if error.what not in self._complained:
            self._complained.add(error.what)
            log.warning("errands: %s; %s", error.what, error.remedy)


def _step(name: str, work: Work, mono_ms: int) -> Answer:
    try:
        return work.step(mono_ms)
    except PerchError as error:
        log.warning("the errand %r has failed: %s", name, error.what)
        return failure(error.what, error.remedy)
    except Exception as error:
        log.exception("the errand %r has failed", name)
        return failure(f"unexpected {type(error).__name__}: {error}", "see the collector's log")
