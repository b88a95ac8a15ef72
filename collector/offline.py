"""Carries out errands in the data folder of a collector that does not run, by the same means as a running one."""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from collector.ageing import FOR_EVER
from collector.chores import Means, Work, begin
from collector.erasing import Erasing, InTurn
from collector.follower import Follower
from collector.followers import followers_of
from collector.forgetting import Forgetting
from collector.intake import Intake
from collector.live import Live
from collector.process import SHUTDOWN_S, places
from perch.adapters.errands import Answer, Errand
from perch.adapters.history.store import HistoryReader
from perch.adapters.instants import now
from perch.adapters.journal.store import Journal
from perch.adapters.quarantine.store import Quarantine
from perch.delivery.erasing import Erasure
from perch.errors import PerchError
from perch.settings import Broker, ServerSettings

LOOK_S = 0.1


def carry_out(settings: ServerSettings, errand: Errand) -> Iterator[Answer]:
    """Do an errand, telling now and then how far it has come.

    Raises StorageError where a collector runs after all or a file fails, and PerchError where it cannot be done.
    """
    with _means(settings) as (means, stopping):
        work = begin(errand, means)
        if isinstance(work, str):
            raise PerchError(work, "see [influx] in perch.toml")
        yield from _done(work, means.followers, stopping)


def erase_again(data: Path, erasures: Iterable[Erasure]) -> int:
    """Erase in a data folder what was erased elsewhere; gives how many events lost their content. Raises PerchError."""
    nowhere = ServerSettings(data, (), (), Broker("localhost"), retention=replace(FOR_EVER, journal_days=0))
    with _means(nowhere) as (means, stopping):
        works = [
            Erasing(of, means.journal, means.quarantine, means.followers, means.forgetting, data) for of in erasures
        ]
        answers = list(_done(InTurn(works), means.followers, stopping)) if works else []
    return answers[-1].erased if answers else 0


@contextmanager
def _means(settings: ServerSettings) -> Iterator[tuple[Means, threading.Event]]:
    with ExitStack() as files:
        journal = files.enter_context(Journal.open(settings.data / "journal.db"))
        quarantine = files.enter_context(Quarantine.open(settings.data / "quarantine.db"))
        live = Live((), lambda _: None, now())
        intake = Intake(journal, quarantine, places(settings.sites), live, lambda _: False)
        stopping = threading.Event()
        followers = followers_of(settings, files, stopping)
        history = files.enter_context(HistoryReader(settings.data / "history.db"))
        forgetting = Forgetting(journal, history, followers, settings.retention)
        yield Means(journal, intake, quarantine, followers, forgetting, settings.data), stopping


def _done(work: Work, followers: Sequence[Follower], stopping: threading.Event) -> Iterator[Answer]:
    """Work to the end, with the projections at work beside it, so that they hold what is stored."""
    for follower in followers:
        follower.start()
    try:
        while not (answer := work.step(now().mono_ms)).done:
            yield answer
            for follower in followers:
                follower.check()
            if not work.is_busy:
                stopping.wait(LOOK_S)
        yield answer
    finally:
        stopping.set()
        deadline = time.monotonic() + SHUTDOWN_S
        for follower in followers:
            follower.wake()
            follower.join(deadline - time.monotonic())
