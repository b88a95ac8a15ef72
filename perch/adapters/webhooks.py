"""Messages to web addresses by the Standard Webhooks specification: signed, to allowed places only, never redirected.

Where messages may go is the operator's word: an origin each. One in the house is named apart, so that a name out in
the world cannot come to mean a machine in the house.
"""

import asyncio
import secrets
import ssl
from base64 import b64encode
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

import h11
from standardwebhooks.webhooks import Webhook

from perch.adapters.pinned import is_public, numbers_of, port_of
from perch.errors import PerchError
from perch.watching.posting import Answered

ANSWER_S = 10.0
LONGEST_ADDRESS = 2_000
_SECRET_BYTES = 32
_LONGEST_HEAD = 16_384
_RESOLVING_AT_ONCE = 4


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
        self._resolving = ThreadPoolExecutor(_RESOLVING_AT_ONCE, "resolving")  # names may take their time

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

    async def post(self, address: str, message: Message, secret: str) -> Answered:
        """Send a message and say what came of it, within ANSWER_S; its words do not name the address."""
        try:
            self.check(address)
            async with asyncio.timeout(ANSWER_S):
                return await self._post(_parts(address), message, secret)
        except PerchError as error:
            return Answered(None, error.what)
        except TimeoutError:
            return Answered(None, f"no answer within {ANSWER_S:.0f} s")
        except (OSError, ValueError, h11.ProtocolError) as error:
            return Answered(None, f"no answer ({type(error).__name__})")

    async def _post(self, parts: SplitResult, message: Message, secret: str) -> Answered:
        host, port = parts.hostname or "", port_of(parts.scheme, parts.port)
        numbers = await asyncio.get_running_loop().run_in_executor(self._resolving, numbers_of, host, port)
        if _origin(parts) not in self._inside and not all(map(is_public, numbers)):
            raise PerchError("its name means a machine in the house, which only webhook_inside allows")
        tls, name = (ssl.create_default_context(), host) if parts.scheme == "https" else (None, None)
        reader, writer = await asyncio.open_connection(
            numbers[0], port, limit=_LONGEST_HEAD, ssl=tls, server_hostname=name
        )
        try:
            return await _asked(reader, writer, parts, message, secret)
        finally:
            writer.transport.abort()  # whoever is slow to end a connection is not waited for


async def _asked(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, parts: SplitResult, message: Message, secret: str
) -> Answered:
    """Post a message over a connection, and read no more of the answer than its head."""
    wire, body = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD), message.body.encode()
    headers = {
        "Host": parts.netloc,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        "User-Agent": "Perch",
        **signed(message, secret, datetime.now(UTC)),
    }
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    events = (h11.Request(method="POST", target=target, headers=list(headers.items())), h11.Data(data=body))
    for event in (*events, h11.EndOfMessage()):
        writer.write(wire.send(event) or b"")
    await writer.drain()
    while True:
        found = wire.next_event()
        if found is h11.NEED_DATA:
            wire.receive_data(await reader.read(_LONGEST_HEAD))
        elif isinstance(found, h11.Response):
            return _answered(found)
        elif not isinstance(found, h11.InformationalResponse):
            raise ConnectionResetError("the connection ended before an answer")


def signed(message: Message, secret: str, now: datetime) -> dict[str, str]:
    """Give the headers that say whose message it is, and that nobody has changed it."""
    return {
        "webhook-id": message.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(message.id, now, message.body),
    }


def _answered(answer: h11.Response) -> Answered:
    asked = dict(answer.headers).get(b"retry-after", b"")
    wait_s = int(asked) if asked.isdigit() and len(asked) < 10 else None
    well = 200 <= answer.status_code < 300
    return Answered(answer.status_code, None if well else f"it answered {answer.status_code}", wait_s)


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


def origin_of(address: str) -> str:
    """Give the part of an address that names its receiver; the rest of it may be a secret."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, (parts.hostname or "").lower(), port_of(parts.scheme, parts.port)
