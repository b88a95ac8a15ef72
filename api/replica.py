"""An API that keeps nothing: any number of them read what the network's InfluxDB and broker hold.

Keys are read from a copy of the main API's `api.db` in the data folder, where there is one. What would have to be kept
(watches, looks of the audit, logins) is refused with a word; who read what of single spaces goes to the log.
"""

import logging

from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import problem
from perch.adapters.readings_log import Reading

KEEPS = ("/api/v1/watches", "/api/v1/audit", "/audit", "/login", "/logout")
"""Where these addresses begin, something would be kept."""

_WHY = "this API is a replica and keeps nothing: ask the network's main API, or send a key with each request"
_log = logging.getLogger("perch.api.readings")


class Replica:
    """Goes around the routes of an application: addresses that keep something answer 503."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __repr__(self) -> str:
        return f"<Replica of {self._app!r}>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http" and scope["path"].startswith(KEEPS):
            await problem(503, _WHY)(scope, receive, send)
            return
        await self._app(scope, receive, send)


class LoggedReadings:
    """Takes the place of the log of readings: each goes to the process's log."""

    def note(self, reading: Reading) -> None:
        """Write down one."""
        _log.info("key %s read %s", reading.key, reading.what)
