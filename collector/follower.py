"""A projection at work in a thread of its own."""

import math
import threading
import time
from collections.abc import Callable, Sequence

from collector import projection
from collector.projection import Log, Projection, Tally
from perch.adapters.cursor import Cursor
from perch.adapters.journal.store import Entry
from perch.errors import UnavailableError

LOOK_AGAIN_S = 60.0


class Follower:
    """Runs a projection from `start` until `stop` and knows how it is doing; `check` raises what ended it early.

    `then` is another one that is made from what this one makes, and is woken when there is something new. Now and then
    it looks again where its projection stands, so that what was lost meanwhile is noticed and made anew. `gather_s` is
    how long events may gather before they are projected together. `hangs` says what it waits for, if for long; `rest`
    does what can wait until there is nothing to project.
    """

    def __init__(
        self,
        name: str,
        log: Log,
        followed: Projection,
        stop: threading.Event,
        then: "Follower | None" = None,
        tally: Callable[[], Tally] = Tally,
        gather_s: float = 0.0,
        hangs: Callable[[], UnavailableError | None] = lambda: None,
        rest: Callable[[], bool] = lambda: False,
    ) -> None:
        self.name = name
        self.tally = tally
        self._trouble: UnavailableError | None = None
        self._hangs = hangs
        self._rest = rest
        self._log = log
        self._watched = _Watched(followed, self._wake_next)
        self._next = then
        self._gather_s = gather_s
        self._wake = threading.Event()
        self._stop = stop
        self._failure: BaseException | None = None
        self._looked_s = -math.inf
        self._thread = threading.Thread(target=self._run, name=f"projection-{name}", daemon=True)

    def __repr__(self) -> str:
        return f"<Follower {self.name}, at {self.position}>"

    @property
    def position(self) -> int:
        """How far it has come in the journal."""
        return self._watched.position

    @property
    def trouble(self) -> UnavailableError | None:
        """What is in its way, None while nothing is."""
        return self._trouble or self._hangs()

    @property
    def waits_to_begin_anew(self) -> bool:
        """Whether what it made before still stands, though it was asked to make it anew."""
        return self._watched.wanted_anew

    def rebuild(self) -> None:
        """Have everything made anew from the journal, in its own time."""
        self._watched.wanted_anew = True
        self._wake.set()

    def start(self) -> None:
        """Begin to follow the journal."""
        self._thread.start()

    def wake(self) -> None:
        """Tell it that there is something new, or that it is to stop."""
        self._wake.set()

    def check(self) -> None:
        """Raise what ended it, if anything did."""
        if self._failure is not None:
            raise self._failure

    def join(self, timeout_s: float) -> bool:
        """Wait for its end; tells whether it came."""
        if self._thread.is_alive():
            self._thread.join(max(0.0, timeout_s))
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            projection.run(
                self._log,
                self._watched,
                self._wake,
                self._stop,
                self._note,
                doubted=self._is_doubted,
                gather_seconds=self._gather_s,
                rest=self._rest,
            )
        except BaseException as error:
            self._failure = error

    def _is_doubted(self) -> bool:
        now_s = time.monotonic()
        if now_s - self._looked_s < LOOK_AGAIN_S and not self._watched.wanted_anew:
            return False
        self._looked_s = now_s
        return True

    def _wake_next(self) -> None:
        if self._next is not None:
            self._next.wake()

    def _note(self, trouble: UnavailableError | None) -> None:
        self._trouble = trouble


class _Watched:
    """A projection that lets other threads see its position, and ask for it to be made anew."""

    def __init__(self, inner: Projection, moved: Callable[[], None]) -> None:
        self._inner = inner
        self._moved = moved
        self.position = 0
        self.wanted_anew = False

    def cursor(self) -> Cursor | None:
        cursor = None if self.wanted_anew else self._inner.cursor()
        self.position = cursor.position if cursor is not None else 0
        return cursor

    def reset(self, journal: str) -> None:
        self._inner.reset(journal)
        self.position = 0
        self.wanted_anew = False

    def apply(self, entries: Sequence[Entry], journal: str) -> None:
        self._inner.apply(entries, journal)
        self.position = entries[-1].position
        self._moved()
