"""What every request passes first: whose name was called, who asks, and whether the answer is ready already."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access import Reader, is_own_name, reader_of
from api.allowances import Allowances, RawHeaders, address_of
from api.kept import Kept, Question, send_answer
from api.live import Live
from api.problems import problem

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SAFETY_HEADERS = [
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


class Door:
    """Wraps the application: decides the reader once, answers from what is kept, adds the safety headers to all."""

    def __init__(self, app: ASGIApp, live: Live, kept: Kept, allowances: Allowances) -> None:
        self._app = app
        self._allowances = allowances
        self._live = live
        self._kept = kept

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on with its reader in `scope["state"]`."""
        if scope["type"] != "http":
            return
        safely = _with_headers(send, SAFETY_HEADERS)
        headers = Headers(scope=scope)
        if not is_own_name(_without_port(headers.get("host", ""))):
            await _MISDIRECTED(scope, receive, safely)
            return
        if scope["method"] not in _READING and not _is_at_home(headers):
            await _FOREIGN(scope, receive, safely)
            return
        reader = reader_of(headers.get("authorization"))
        ruling = self._allowances.ask(address_of(scope))
        safely = _with_headers(safely, ruling.headers)
        if ruling.wait_s is not None:
            await _TOO_MANY(scope, receive, safely)
            return
        self._live.settle()
        if scope["method"] in _READING:
            answer = self._kept.get((reader, scope["path"], scope["query_string"]))
            if answer is not None:
                await send_answer(answer, scope, safely)
                return
        await self._app(_passed_on(scope, reader), receive, safely)


def _passed_on(scope: Scope, reader: Reader) -> Scope:
    """Let HEAD be answered as GET, whose body the server leaves out; a stream of events has no end to wait for."""
    as_get = scope["method"] == "HEAD" and not scope["path"].endswith("/events")
    state = {**scope.get("state", {}), "reader": reader}
    return {**scope, "method": "GET" if as_get else scope["method"], "state": state}


_MISDIRECTED = problem(421, "this name is not of this machine; ask for localhost or 127.0.0.1")
_FOREIGN = problem(403, "a page of another origin may not change anything here")
_TOO_MANY = problem(429, "you ask more than is allowed; wait as long as Retry-After says, or listen to /api/v1/events")
_READING = ("GET", "HEAD")


def _is_at_home(headers: Headers) -> bool:
    """Tell whether a request that changes something comes from a page of this server, or from no page at all."""
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2] == headers.get("host")


def question_of(scope: Scope) -> Question:
    """Give what an answer to this request may be kept under."""
    return scope["state"]["reader"], scope["path"], scope["query_string"]


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _with_headers(send: Send, headers: RawHeaders) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *headers]
        await send(message)

    return sending
