"""The projections of a collector, put together."""

import threading
from collections.abc import Callable
from contextlib import ExitStack

from collector.follower import Follower
from collector.history.projection import HistoryProjection
from collector.influx.checked import CheckedInflux
from collector.influx.projection import InfluxProjection
from collector.patience import Patience
from collector.projection import Trailing
from collector.recent import Recent, Remembered
from perch.adapters.history.store import HistoryReader, HistoryStore
from perch.adapters.influx.writing import InfluxWriter
from perch.adapters.journal.store import JournalReader
from perch.settings import Influx, ServerSettings

GATHER_S = 1.0
"""How old rows of history in InfluxDB may be: a space costs about as much for all its events of a second as for one."""

TIMEOUT_S = 30.0


def followers_of(
    settings: ServerSettings, files: ExitStack, stopping: threading.Event, recent: Recent | None = None
) -> tuple[Follower, ...]:
    """Put the projections together; the one into InfluxDB is made from history, and so follows it.

    `recent` has what is stored from now on; None where nothing is.
    """
    recent = recent or Recent()
    log_path, history_path = settings.data / "journal.db", settings.data / "history.db"
    store = files.enter_context(HistoryStore.open(history_path))
    log_of_history = files.enter_context(JournalReader(log_path))
    news = Remembered(log_of_history, recent)
    if settings.influx is None:
        alone = HistoryProjection(store, log_of_history, log_of_history.end, settings.retention)
        return (Follower("history", news, alone, stopping, rest=store.fold),)
    history = files.enter_context(HistoryReader(history_path))
    log_of_influx = files.enter_context(JournalReader(log_path))
    patience = Patience(settings.influx)
    connect = patience.with_store(connection_to(settings.influx, prepared=True))
    checked = CheckedInflux(
        lambda connected: InfluxProjection(
            settings.sites, log_of_influx, history, connected, settings.data, settings.elsewhere
        ),
        connect,
    )
    as_far_as_history = Trailing(Remembered(log_of_influx, recent), history.cursor)
    influx = Follower(
        "influx",
        as_far_as_history,
        checked,
        stopping,
        tally=checked.tally,
        gather_s=GATHER_S,
        hangs=patience.trouble,
    )
    into_history = HistoryProjection(store, log_of_history, lambda: influx.position, settings.retention)
    return (
        Follower("history", news, into_history, stopping, then=influx, rest=store.fold),
        influx,
    )


def connection_to(
    influx: Influx, *, prepared: bool = False, timeout_s: float = TIMEOUT_S
) -> Callable[[], InfluxWriter]:
    """Give what connects to an InfluxDB, on the thread that is going to use it."""

    def connect() -> InfluxWriter:
        writer = InfluxWriter(influx, timeout_s)
        if prepared:
            writer.prepare()
        return writer

    return connect
