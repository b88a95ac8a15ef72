"""Who looks at the past of single spaces, or at the audit, is written down before the answer is given."""

from fastapi import HTTPException, Request

from api.entrance.access import NOT_INCLUDED, Matter, Reader
from api.entrance.entrance import CHALLENGE, NO_KEY
from api.live.live import Live
from api.replica import LoggedReadings
from perch.adapters.readings_log import Reading, ReadingsLog


def note(request: Request, reader: Reader) -> None:
    """Write down what is asked, if it is asked with a key; waits for the disk, raises StorageError."""
    readings: ReadingsLog | LoggedReadings | None = request.app.state.readings
    if reader.key is not None and readings is not None:
        live: Live = request.app.state.live
        query = request.url.query
        what = f"{request.method} {request.url.path}{f'?{query}' if query else ''}"
        readings.note(Reading(live.now().wall_ms // 1000, reader.key, what))


def denied(reader: Reader, matter: Matter) -> HTTPException:
    """Say that a reader's role does not cover a matter, or that nobody knows what it is."""
    if reader.role is None:
        return HTTPException(NO_KEY.status, NO_KEY.why, {"WWW-Authenticate": CHALLENGE})
    return HTTPException(403, f"{NOT_INCLUDED}: {matter}")
