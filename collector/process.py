"""The collector as a process: startup, loop, shutdown."""

import logging
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext, suppress

from collector.chores import Chores, Means
from collector.followers import connection_to, followers_of
from collector.forgetting import Forgetting
from collector.health import Reporter
from collector.inbox import Inbox
from collector.intake import Intake
from collector.live import Live
from collector.others import AGAIN_MS, Calls
from collector.parts import Parts
from collector.recent import Recent
from perch.adapters.errands import Errands
from perch.adapters.history.store import HistoryReader
from perch.adapters.influx.live import BestEffortWriter
from perch.adapters.instants import boot_ms, now
from perch.adapters.journal.store import Journal
from perch.adapters.mqtt.connection import Connection
from perch.adapters.quarantine.store import Quarantine
from perch.adapters.service import Service
from perch.contract import ROOT
from perch.errors import StorageError, UnavailableError
from perch.model import Site
from perch.settings import ServerSettings

log = logging.getLogger(__name__)

WAIT_S = 0.2
"""How long the loop waits for messages, and projections for more of them: few large batches are the cheaper ones."""

SHUTDOWN_S = 5.0

LIVE_TIMEOUT_S = 6.0
"""Rows of what is true now are few: an InfluxDB that has not taken them by then is as good as away."""

SWITCH_S = 0.0005
"""How long a busy thread may hold up the others: projections work hard while the broker's thread has to keep up."""


def run(settings: ServerSettings, stop: threading.Event, again_ms: int = AGAIN_MS) -> None:
    """Collect until `stop` is set; raises PerchError, and whatever ended one of its threads.

    Another collector is named once it is heard for `again_ms`.
    """
    sys.setswitchinterval(SWITCH_S)
    with ExitStack() as files:
        stopping = threading.Event()
        parts = startup(settings, files, stopping, again_ms)
        reporter = Reporter(settings, parts, now())
        try:
            with _shown(settings, reporter):
                loop(parts, reporter, stop)
        finally:
            with suppress(StorageError):  # it may be what ended the loop
                reporter.close(now())
            shutdown(parts, stopping, time.monotonic() + SHUTDOWN_S)


def startup(settings: ServerSettings, files: ExitStack, stopping: threading.Event, again_ms: int) -> Parts:
    """Open the files, which `files` closes in the end, and start all threads; a broker that is away is waited for."""
    journal = files.enter_context(Journal.open(settings.data / "journal.db"))
    quarantine = files.enter_context(Quarantine.open(settings.data / "quarantine.db"))
    named = places(settings.sites)
    inbox = Inbox(named.keys(), own_journal=journal.id)
    connection = Connection(
        settings.broker,
        f"perch-collector-{journal.id}",
        subscriptions=subscriptions(settings),
        own_messages=False,
        on_message=inbox.put,
    )
    writer = (
        None if settings.influx is None else BestEffortWriter(connection_to(settings.influx, timeout_s=LIVE_TIMEOUT_S))
    )
    live = Live(settings.sites, _let_go if writer is None else writer.offer, now())
    recent = Recent()
    intake = Intake(journal, quarantine, named, live, connection.publish, recent.add, again_ms)
    followers = followers_of(settings, files, stopping, recent)
    errands = Errands(settings.data)
    errands.prepare()
    history = files.enter_context(HistoryReader(settings.data / "history.db"))
    forgetting = Forgetting(journal, history, followers, settings.retention)
    chores = Chores(errands, Means(journal, intake, quarantine, followers, forgetting, settings.data))
    calls = Calls(journal.id, [site.id for site in settings.sites], connection.publish)
    parts = Parts(journal, quarantine, connection, inbox, intake, live, followers, writer, chores, calls, forgetting)
    for part in (connection, *followers, *(() if writer is None else (writer,))):
        part.start()
    log.info("journal %s in %s has %d events", journal.id, settings.data, journal.end)
    return parts


def _shown(settings: ServerSettings, reporter: Reporter) -> AbstractContextManager[object]:
    """Show metrics where that is asked for."""
    if settings.metrics is None:
        return nullcontext()
    from perch.adapters.health.collector_metrics import families_of
    from perch.adapters.health.exposition import MetricsPort

    agents = [f"{site}/{agent}" for site, agent in places(settings.sites)]
    try:
        return closing(MetricsPort(settings.metrics, lambda: families_of(reporter.seen, agents)))
    except UnavailableError as error:
        log.warning("%s", error.sentence)
        return nullcontext()


def loop(parts: Parts, reporter: Reporter, stop: threading.Event) -> None:
    """Take in what comes, until told to stop or until any part has died."""
    woken_end, woken_s, service = parts.journal.end, 0.0, Service()
    while not stop.is_set():
        arrivals = parts.inbox.take(0 if parts.chores.is_busy else WAIT_S)
        parts.check()
        parts.intake.take(arrivals)
        parts.chores.settle(now())
        parts.forgetting.settle(boot_ms())
        parts.calls.settle(boot_ms())
        parts.live.settle(now())
        parts.quarantine.pass_time(boot_ms())
        reporter.settle(now())
        service.settle(boot_ms())
        if parts.journal.end != woken_end and time.monotonic() - woken_s >= WAIT_S:
            woken_end, woken_s = parts.journal.end, time.monotonic()
            parts.wake_followers()
    service.stopping()


def shutdown(parts: Parts, stopping: threading.Event, deadline: float) -> None:
    """End every thread by `deadline` (monotonic seconds); what is not acknowledged by now will be sent again."""
    stopping.set()
    parts.wake_followers()
    parts.connection.stop(_left(deadline) / 2)
    if parts.writer is not None:
        parts.writer.stop(_left(deadline) / 2)
    for follower in parts.followers:
        if not follower.join(_left(deadline)):
            log.warning("the projection %s did not end in time; it will go on from its cursor", follower.name)
    log.info("stopped with %d events in the journal", parts.journal.end)


def subscriptions(settings: ServerSettings) -> list[str]:
    """Give what to hear: wider than what is wanted, so that a message on a wrong topic is seen and not just missing.

    Where others collect some of the sites, it is what is said at one's own.
    """
    if not settings.elsewhere:
        return [f"{ROOT}/#"]
    return [f"{ROOT}/{site.id}/#" for site in settings.sites]


def places(sites: Sequence[Site]) -> dict[tuple[str, str], frozenset[str]]:
    """Give the spaces that the layout has ever given to an agent, by (site, agent)."""
    homes: dict[tuple[str, str], set[str]] = {(site.id, agent): set() for site in sites for agent in site.agents}
    for site in sites:
        for space in site.spaces:
            if space.agent is not None and (home := homes.get((site.id, space.agent))) is not None:
                home.add(space.id)
    return {agent: frozenset(spaces) for agent, spaces in homes.items()}


def _let_go(_lines: Iterable[str]) -> None:
    """Take rows of a collector that has no InfluxDB."""


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
