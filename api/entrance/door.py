"""What every request passes first: whose name was called, who asks, and whether the answer is ready already."""

from collections.abc import Hashable, Mapping
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.entrance.access import ANYBODY, Matter, Reader
from api.entrance.allowances import UNLIMITED, Allowances, RawHeaders, Ruling, address_of
from api.entrance.entrance import Entrance, Refused
from api.entrance.origins import is_at_home
from api.entrance.revoked import WhileAdmitted
from api.live.kept import Kept, send_answer
from api.live.live import Live
from api.pages.troubles import explaining
from api.problems import problem
from api.wanted import has_pages, prefers_page

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SAFETY_HEADERS = [
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


class Door:
    """Wraps the application: decides the reader once, answers from what is kept, adds the safety headers to all.

    What takes long, as events do, ends when its reader would not be let in any more.
    """

    def __init__(self, app: ASGIApp, live: Live, kept: Kept, allowances: Allowances, entrance: Entrance) -> None:
        self._app = app
        self._allowances = allowances
        self._live = live
        self._kept = kept
        self._entrance = entrance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on with its reader in `scope["state"]`."""
        if scope["type"] != "http":
            return
        safely = _with_headers(send, SAFETY_HEADERS)
        headers = Headers(scope=scope)
        if not self._entrance.names.know(headers.get("host", "")) and scope["path"] != "/healthz":
            await _MISDIRECTED(scope, receive, explaining(scope, safely, None, self._app))
            return
        admitted = self._entrance.admit(scope, headers)
        ruling = self._ruling(admitted, scope)
        reader = admitted if isinstance(admitted, Reader) else None
        safely = _with_headers(explaining(scope, safely, reader, self._app), ruling.headers)
        if ruling.wait_s is not None and _is_way_in(scope, reader):
            await self._app(_passed_on(scope, {"reader": ANYBODY, "hurried": True}), receive, safely)
        elif ruling.wait_s is not None:
            await _TOO_MANY(scope, receive, safely)
        elif isinstance(admitted, Refused):
            await self._refuse(admitted, scope, receive, safely)
        elif scope["method"] not in _READING and not self._is_at_home(headers, admitted):
            await _FOREIGN(scope, receive, safely)
        else:
            await self._let_in(admitted, scope, receive, safely)

    def _ruling(self, admitted: Reader | Refused, scope: Scope) -> Ruling:
        """Take a request out of its reader's allowance.

        Everybody behind a proxy has one address. So that who shows no key cannot keep others out, how the server is
        may always be asked, a key may always be tried (the wrong ones are counted there), and the form is apart: where
        it is asked for too often, it is one that is written already.
        """
        path = scope["path"]
        if path in _OPERATIONS or (path == "/login" and scope["method"] == "POST"):
            return UNLIMITED
        who = _who(admitted, scope)
        return self._allowances.ask(("login", who) if path == "/login" else who)

    async def _let_in(self, reader: Reader, scope: Scope, receive: Receive, send: Send) -> None:
        self._live.settle()
        if scope["method"] in _READING:
            if scope["path"] == "/" and not reader.may_read(Matter.LIVE):
                await self._app(_led_to_login(scope, reader), receive, send)
                return
            answer = self._kept.get((reader, scope["path"], scope["query_string"]))
            if answer is not None:
                await send_answer(answer, scope, send)
                return
        while_admitted = WhileAdmitted(send, lambda: self._entrance.still_admits(reader))
        await while_admitted.run(self._app, _passed_on(scope, {"reader": reader}), receive)

    async def _refuse(self, refused: Refused, scope: Scope, receive: Receive, send: Send) -> None:
        """Show whoever wants a page where to log in; everybody else gets a problem document."""
        wants_page = has_pages(scope["path"]) and prefers_page(Headers(scope=scope).get("accept", ""))
        if refused.status in _LOGIN_HELPS and scope["method"] in _READING and wants_page:
            await self._app(_led_to_login(scope, ANYBODY, refused), receive, send)
            return
        await problem(refused.status, refused.why, headers=refused.headers)(scope, receive, send)

    def _is_at_home(self, headers: Headers, reader: Reader) -> bool:
        return is_at_home(headers, self._entrance.names, by_cookie=reader.session is not None)


def _who(admitted: Reader | Refused, scope: Scope) -> Hashable:
    """Tell whose allowance is meant: a login's, or that of a key at one place; several people may share a key."""
    if isinstance(admitted, Refused) or admitted.key is None:
        return address_of(scope)
    return admitted.session or (admitted.key, address_of(scope))


def _is_way_in(scope: Scope, reader: Reader | None) -> bool:
    """Tell whether somebody without a login asks for the form."""
    return scope["path"] == "/login" and scope["method"] in _READING and reader == ANYBODY


def _led_to_login(scope: Scope, reader: Reader, refused: Refused | None = None) -> Scope:
    """Answer with the page where one logs in and out, in place of what was asked for."""
    query = scope["query_string"].decode("latin-1")
    wanted = f"{quote(scope['path'])}?{query}" if query else quote(scope["path"])
    there = {**scope, "path": "/login", "raw_path": b"/login", "query_string": b""}
    return _passed_on(there, {"reader": reader, "refused": refused, "wanted": wanted})


def _passed_on(scope: Scope, said: Mapping[str, object]) -> Scope:
    """Let HEAD be answered as GET, whose body the server leaves out; a stream of events has no end to wait for."""
    as_get = scope["method"] == "HEAD" and not scope["path"].endswith("/events")
    state = {**scope.get("state", {}), **said}
    return {**scope, "method": "GET" if as_get else scope["method"], "state": state}


_MISDIRECTED = problem(421, "this name is not of this server; ask for the one that url under [api] names, or localhost")
_FOREIGN = problem(403, "a page of another origin may not change anything here")
_TOO_MANY = problem(429, "you ask more than is allowed; wait as long as Retry-After says, or listen to /api/v1/events")
_READING = ("GET", "HEAD")
_OPERATIONS = ("/healthz", "/readyz")
_LOGIN_HELPS = (401, 429)


def _with_headers(send: Send, headers: RawHeaders) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *headers]
        await send(message)

    return sending
