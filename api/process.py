"""The API as a process: startup, loop, shutdown."""

import asyncio
import contextlib
import errno
import logging
import os
import resource
import secrets
import socket
import threading
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from api.application import build
from api.audit.taps import PURGE_S, Taps
from api.entrance.access import is_own_name
from api.entrance.entrance import Entrance
from api.entrance.keys import Keys
from api.entrance.origins import Names
from api.history.configured import configured_history
from api.history.way import History
from api.live.live import SUBSCRIPTIONS, Live
from api.readiness import checks_of
from api.replica import LoggedReadings
from api.watches.watches import Watches
from api.wire import Crowd, wires
from perch.adapters.health.collector import read_health
from perch.adapters.instants import boot_ms, now
from perch.adapters.mqtt.connection import Connection, Received
from perch.adapters.readings_log import ReadingsLog
from perch.adapters.service import Service
from perch.adapters.watches_file import WatchesFile
from perch.adapters.webhooks import Destinations
from perch.errors import Complaint, InputError, PerchError, StorageError
from perch.settings import Api, ServerSettings

STOP_SEEN_S = 0.1
GRACE_S = 1
MOST_CONNECTIONS = 12_000
OWN_FILES = 200
"""What the process itself may have open: databases, plans, the broker, threads' pipes."""

UNHEARD_MS = 60_000
"""A reader whose machine has not confirmed what was sent to it for so long is gone."""

_log = logging.getLogger("perch.api")


def run(settings: ServerSettings, stop: threading.Event) -> None:
    """Serve until `stop` is set; raises PerchError where the address cannot be listened on."""
    require_url(settings.api)
    with contextlib.closing(listen(settings.api)) as listening:
        asyncio.run(_serve(settings, listening, stop))


def listen(api: Api) -> socket.socket:
    """Take the port; raises PerchError with what to do."""
    try:
        family, _, _, _, address = socket.getaddrinfo(api.host, api.port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise PerchError(f"cannot listen on {api.host}: {error}", "correct host under [api]") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNHEARD_MS)
        # The body of an answer does not wait until the reader's system acknowledges its head, which takes 40 ms.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.bind(address)
        listening.listen(2048)
    except OSError as error:
        listening.close()
        raise _not_bound(api, error) from error
    listening.setblocking(False)
    return listening


def require_url(api: Api) -> None:
    """Refuse to listen where others can read what goes over the line, unless somebody said so; raises InputError."""
    if api.url is None and not is_own_name(api.host):
        what = f"{api.host!r} can be reached from other machines, and no url says how readers come, by TLS or without"
        remedy = (
            'keep host = "127.0.0.1", let a proxy in front do TLS, and set url = "https://perch.hq.example", the '
            "address that readers use"
        )
        raise InputError((Complaint("[api] host", what, remedy),))
    if api.url is not None and api.url.startswith("http://") and not is_own_name(api.host):
        _log.warning("keys go over the line in the clear: %s is no https; put a proxy with TLS in front", api.url)


def room() -> int:
    """Ask for as many open files as this process may have; gives how many connections that makes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + OWN_FILES
    files = max(soft, wanted if hard == resource.RLIM_INFINITY else min(hard, wanted))
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return max(OWN_FILES, min(MOST_CONNECTIONS, files - OWN_FILES))


def _not_bound(api: Api, error: OSError) -> PerchError:
    if error.errno == errno.EADDRINUSE:
        return PerchError(
            f"port {api.port} of {api.host} is taken by another program",
            "end that program, or set another port under [api]",
        )
    return PerchError(f"cannot listen on {api.host}:{api.port}: {error}", "set another host or port under [api]")


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handlers: whoever calls `run` decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(settings: ServerSettings, listening: socket.socket, stop: threading.Event) -> None:
    """Start up, loop until told to stop, shut down."""
    live, history = Live(settings.sites, now), configured_history(settings)
    connection = _connection(settings, live, asyncio.get_running_loop())
    app, works = await _application(settings, live, history, connection)
    server = _Server(_config(app))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    connection.start()
    working = [asyncio.create_task(work) for work in (_keep_time(live), *works)]
    _log.info("serving on http://%s:%s", *listening.getsockname()[:2])
    service = Service()
    try:
        while not (stop.is_set() or any(task.done() for task in (serving, *working))):
            connection.check()
            service.settle(boot_ms())
            await asyncio.sleep(STOP_SEEN_S)
    finally:
        service.stopping()
        live.feeds.end()
        server.should_exit = True
        for task in working:
            task.cancel()
        await asyncio.to_thread(connection.stop, GRACE_S)
        outcomes = await asyncio.gather(serving, *working, return_exceptions=True)
        history.store.close()
        _log.info("stopped")
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome


Work = Coroutine[Any, Any, None]


async def _application(
    settings: ServerSettings, live: Live, history: History, connection: Connection
) -> tuple[ASGIApp, Sequence[Work]]:
    """Give the application, and what has to go on beside it for as long as it serves."""
    taps = Taps(settings.data, settings.retention.audit_days, lambda: live.now().mono_ms)
    replica = settings.api.replica
    keys = Keys(
        settings.data,
        lambda: live.now().wall_ms / 1000,
        lambda: live.now().mono_ms / 1000,
        notes_use=not replica,
    )
    keys.look()
    entrance = _entrance(settings.api, keys, live)
    watches, readings = _watches(settings, live, entrance), ReadingsLog(settings.data)
    if not replica:
        await watches.begin()
    app = build(
        live,
        history,
        taps,
        checks_of(connection, history.store, settings.data, settings.sites),
        health=lambda: read_health(settings.data),
        demo=os.environ.get("PERCH_DEMO") == "1",
        settings=settings.api,
        entrance=entrance,
        readings=LoggedReadings() if replica else readings,
        watches=watches,
        faces=settings.faces,
        served=settings,
    )
    if replica:
        return app, (keys.follow(),)
    return app, (_purge(taps, readings, live), keys.follow(), watches.follow())


def _entrance(api: Api, keys: Keys, live: Live) -> Entrance:
    entrance = Entrance(keys, Names(api.url), lambda: live.now().mono_ms, public_summary=api.public_summary)
    if not entrance.is_open and not keys.any:
        _log.warning("there is no key yet, so nobody can read: make one with perch key create")
    return entrance


def _watches(settings: ServerSettings, live: Live, entrance: Entrance) -> Watches:
    destinations = Destinations(settings.api.webhook_origins, settings.api.webhook_inside)
    return Watches(WatchesFile(settings.data), destinations, live, entrance.reader_by)


def _config(app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]  # uvicorn has ASGI types of its own
        http=wires(Crowd(room())),
        log_config=None,
        log_level="warning",  # what it says of its own start would stand there as `uvicorn.error`
        access_log=False,
        lifespan="off",
        ws="none",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )


def _connection(settings: ServerSettings, live: Live, loop: asyncio.AbstractEventLoop) -> Connection:
    def hand_over(received: Received) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody is left to tell
            loop.call_soon_threadsafe(live.hear, received)

    name = f"perch-api-{secrets.token_hex(4)}"
    return Connection(settings.broker, name, subscriptions=SUBSCRIPTIONS, on_message=hand_over)


async def _purge(taps: Taps, readings: ReadingsLog, live: Live) -> None:
    """Let go what is too old; a file that fails now may do better next time, and whoever taps is told."""
    while True:
        try:
            await asyncio.to_thread(taps.purge, live.now().wall_ms)
            await asyncio.to_thread(readings.purge, live.now().wall_ms // 1000)
        except StorageError as error:
            _log.warning("cannot let go of what is too old: %s", error.what)
        await asyncio.sleep(PURGE_S)


async def _keep_time(live: Live) -> None:
    while True:
        await asyncio.sleep(live.settle() / 1000)
