"""Messages to web addresses by the Standard Webhooks specification: signed, to allowed places only, never redirected.

Where messages may go is the operator's word: an origin each. One in the house is named apart, so that a name out in
the world cannot come to mean a machine in the house.
"""

import secrets
from base64 import b64encode
from collections.abc import Collection
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from standardwebhooks.webhooks import Webhook
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from perch.adapters.pinned import is_public, numbers_of, pool, port_of
from perch.errors import PerchError
from perch.watching.posting import Answered

ANSWER_S = 10.0
LONGEST_ADDRESS = 2_000
_SECRET_BYTES = 32


class Message(NamedTuple):
    """What is sent: the same bytes at each try, signed anew."""

    id: str
    body: str


def new_secret() -> str:
    """Make up what messages are signed with."""
    return "whsec_" + b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


class Destinations:
    """Where messages may go: `origins` out in the world, `inside` anywhere; as in `https://hooks.example:8443`."""

    def __init__(self, origins: Collection[str], inside: Collection[str]) -> None:
        self._inside = {_origin(urlsplit(origin)) for origin in inside}
        self._origins = {_origin(urlsplit(origin)) for origin in origins} | self._inside

    def __repr__(self) -> str:
        return f"<Destinations: {len(self._origins)}>"

    def check(self, address: str) -> None:
        """Refuse an address to which nothing may be sent; raises PerchError."""
        parts = _parts(address)
        if _origin(parts) not in self._origins:
            raise PerchError(
                "nothing may be sent there",
                "have the operator name its origin in webhook_origins, or webhook_inside, under [api] in perch.toml",
            )

    def post(self, address: str, message: Message, secret: str) -> Answered:
        """Send a message and say what came of it; it never raises, and its words do not name the address."""
        try:
            self.check(address)
            return self._post(_parts(address), message, secret)
        except PerchError as error:
            return Answered(None, error.what)
        except (HTTPError, OSError, ValueError) as error:
            return Answered(None, f"no answer ({type(error).__name__})")

    def _post(self, parts: SplitResult, message: Message, secret: str) -> Answered:
        scheme, host = parts.scheme, parts.hostname or ""
        port = port_of(scheme, parts.port)
        numbers = numbers_of(host, port)
        if _origin(parts) not in self._inside and not all(map(is_public, numbers)):
            raise PerchError("its name means a machine in the house, which only webhook_inside allows")
        headers = {
            "Host": parts.netloc,
            "Content-Type": "application/json",
            "User-Agent": "Perch",
            **signed(message, secret, datetime.now(UTC)),
        }
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        with pool(scheme, host, numbers[0], port, ANSWER_S) as connections:
            answer = connections.urlopen(
                "POST", path, body=message.body.encode(), headers=headers, redirect=False, preload_content=False
            )
            try:
                return _answered(answer)
            finally:
                answer.close()


def signed(message: Message, secret: str, now: datetime) -> dict[str, str]:
    """Give the headers that say whose message it is, and that nobody has changed it."""
    return {
        "webhook-id": message.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(message.id, now, message.body),
    }


def _answered(answer: BaseHTTPResponse) -> Answered:
    asked = answer.headers.get("Retry-After", "")
    wait_s = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 10 else None
    well = 200 <= answer.status < 300
    return Answered(answer.status, None if well else f"it answered {answer.status}", wait_s)


def _parts(address: str) -> SplitResult:
    """Take an address apart; raises PerchError where it is none that a message can go to."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
        sound = parts.scheme in ("http", "https") and bool(host) and port != 0
    except ValueError:
        sound = False
    if not sound or not address.isascii() or not address.isprintable() or " " in address or "\\" in address:
        raise PerchError("this is no web address", "write it as https://hooks.example/perch")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise PerchError("a name, a password or a fragment has no place in this address", "leave them out")
    if len(address) > LONGEST_ADDRESS:
        raise PerchError(f"this address is longer than {LONGEST_ADDRESS} characters", "give a shorter one")
    return parts


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, (parts.hostname or "").lower(), port_of(parts.scheme, parts.port)
