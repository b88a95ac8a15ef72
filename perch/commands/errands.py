"""How commands that change a collector's files get it done: by the running collector, or in its stead."""

import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

from perch.adapters.age import mark
from perch.adapters.errands import Answer, Errand, Errands
from perch.adapters.health.collector import read_health
from perch.adapters.sqlite import claim
from perch.commands.output import warn
from perch.errors import PerchError, StorageError, UnavailableError
from perch.settings import ServerSettings

LOOK_S = 0.1
PATIENCE_S = 15.0
"""A collector that answers nothing for so long does not look for errands: it is an older one, or hangs."""

WAITS_S = 60.0
"""What stands in the way for so long without a step forward will not be over in a moment."""

RESTART_S = 3.0
"""A collector that is gone for longer is not merely being started again."""


_STUCK = (
    "see to that, then run this again; a collector that runs remembers what it was asked for until it ends, and does it"
    " once nothing is in the way"
)


def have_done(
    settings: ServerSettings, errand: Errand, show: Callable[[Answer], None], waits_s: float = WAITS_S
) -> Answer:
    """Have an errand done, showing how far it has come; raises PerchError where it cannot be."""
    last: Answer | None = None
    stuck_s = time.monotonic()
    for answer in _answers(settings, errand):
        if answer.failed:
            raise PerchError(answer.failed, answer.remedy or "see the collector's log")
        if answer != last:
            show(answer)
        if answer.waits is None or last is None or (answer.taken, answer.rows) != (last.taken, last.rows):
            stuck_s = time.monotonic()
        elif time.monotonic() - stuck_s >= waits_s:
            raise UnavailableError(f"nothing has moved for {waits_s:g} s: {answer.waits}", _STUCK)
        last = answer
    if last is None or not last.done:
        raise UnavailableError("the collector has not answered", "see its log")
    return last


def show_progress(unit: str) -> Callable[[Answer], None]:
    """Give what shows progress on stderr: a line written over on a terminal, elsewhere only what it waits for."""
    told: set[str] = set()

    def show(answer: Answer) -> None:
        if answer.waits and not sys.stderr.isatty() and answer.waits not in told:
            told.add(answer.waits)
            warn(f"it waits: {answer.waits}")
        if sys.stderr.isatty():
            share = f"{answer.taken:,} of {answer.total:,} {unit}"
            rows = f", {answer.rows:,} rows written to InfluxDB" if answer.rows else ""
            waits = f"; waits: {answer.waits}" if answer.waits else ""
            end = "\n" if answer.done else ""
            sys.stderr.write(f"\r\x1b[K{share}{rows}{waits}{end}")
            sys.stderr.flush()

    return show


def _answers(settings: ServerSettings, errand: Errand) -> Iterator[Answer]:
    """Have it done by whoever has the journal: the collector, which may come and go meanwhile, or else this process."""
    if not _journal(settings).exists():
        raise StorageError(f"no collector has ever written in {settings.data}", "check data in perch.toml")
    while True:
        if _is_running(settings):
            if (yield from _ask(settings, errand)):
                return
        else:
            try:
                yield from _do(settings, errand)
            except StorageError:
                if not _is_running(settings):
                    raise
            else:
                return


def _journal(settings: ServerSettings) -> Path:
    return settings.data / "journal.db"


def _is_running(settings: ServerSettings) -> bool:
    """Tell whether a collector writes in the data folder."""
    try:
        claim(_journal(settings)).close()
    except StorageError:
        return True
    return False


def _do(settings: ServerSettings, errand: Errand) -> Iterator[Answer]:
    from collector import offline

    yield from offline.carry_out(settings, errand)


def _ask(settings: ServerSettings, errand: Errand) -> Generator[Answer, None, bool]:
    """Ask the collector; False where it has gone meanwhile and does not come back."""
    errands = Errands(settings.data)
    name = errands.leave(errand)
    pause, silent_s = threading.Event(), 0.0
    last: Answer | None = None
    try:
        while silent_s < PATIENCE_S:
            answer = errands.answer(name)
            if answer is not None:
                yield answer
                if answer.done or answer.failed:
                    return True
            is_heard = answer != last or (answer is not None and _is_well(settings)) or not errands.is_next(name)
            silent_s, last = 0.0 if is_heard else silent_s + LOOK_S, answer
            if silent_s >= RESTART_S and not _is_running(settings):
                return False
            pause.wait(LOOK_S)
    finally:
        errands.withdraw(name)
    raise UnavailableError(
        "the collector that runs there does not answer",
        "see its log; a collector of an older version has to be started again first",
    )


def _is_well(settings: ServerSettings) -> bool:
    health = read_health(settings.data)
    return health is not None and not health.is_stale(mark())
