"""Calendars fetched from the web, within bounds, and never from where a stranger points to.

The address in the configuration is the operator's own word and may be in the house. What a server answers instead is
not: a redirect is followed to the same host, or to a public address, and the connection goes to the address that was
looked at.
"""

import time
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from perch.adapters.bookings.calendar_times import MOST_BYTES
from perch.adapters.pinned import is_public, numbers_of, pool, port_of
from perch.errors import PerchError, UnavailableError

MOST_REDIRECTS = 3
ANSWER_S, WHOLE_S = 10.0, 30.0
_REMEDY = "check the address in site.toml, and that the server answers"


def fetch(address: str) -> bytes:
    """Fetch a calendar; raises PerchError, whose words do not name the address."""
    first, until_s = urlsplit(address).hostname, time.monotonic() + WHOLE_S
    for _ in range(MOST_REDIRECTS + 1):
        try:
            answer = _ask(address, trusted=urlsplit(address).hostname == first)
        except (HTTPError, OSError, ValueError) as error:
            raise UnavailableError(f"its server does not answer ({type(error).__name__})", _REMEDY) from None
        try:
            if not isinstance(answer.get_redirect_location(), str):
                return _body(answer, until_s)
            address = urljoin(address, str(answer.get_redirect_location()))
        finally:
            answer.close()
    raise UnavailableError(f"its server redirects more than {MOST_REDIRECTS} times", _REMEDY)


def _ask(address: str, *, trusted: bool) -> urllib3.BaseHTTPResponse:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UnavailableError("its server redirects to what is no web address", _REMEDY)
    port = port_of(parts.scheme, parts.port)
    numbers = numbers_of(parts.hostname, port)
    if not trusted and not all(map(is_public, numbers)):
        raise UnavailableError("its server redirects to an address that is not public", _REMEDY)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"
    headers = {"Host": host, "Accept": "text/calendar", "Accept-Encoding": "identity", "User-Agent": "Perch"}
    connections = pool(parts.scheme, parts.hostname, numbers[0], port, ANSWER_S)
    return connections.urlopen(
        "GET", path, headers=headers, redirect=False, preload_content=False, decode_content=False
    )


def _body(answer: urllib3.BaseHTTPResponse, until_s: float) -> bytes:
    if answer.status != 200:
        raise UnavailableError(f"its server answers {answer.status}", _REMEDY)
    body = bytearray()
    try:
        while chunk := answer.read1(65_536):
            body += chunk
            if len(body) > MOST_BYTES or time.monotonic() > until_s:
                raise PerchError(f"it is larger than {MOST_BYTES >> 20} MiB, or comes too slowly", _REMEDY)
    except (HTTPError, OSError) as error:
        raise UnavailableError(f"its server breaks off ({type(error).__name__})", _REMEDY) from None
    return bytes(body)
