"""Who comes in, and as whom: by key, by login, or because nobody needs to.

Before there is any key, an API that only this machine's users can reach takes each of them for `facilities`. From the
first key on, and at once where others can reach it, whoever shows none sees nothing but the summary, if that is public.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import Scope

from api.entrance.access import ANYBODY, AT_THIS_MACHINE, Reader
from api.entrance.allowances import Allowances, address_of
from api.entrance.keys import Keys
from api.entrance.origins import Names, is_of_another, is_proxied
from perch.adapters.keys import ANYWHERE, BEGINNING, Key

FREE = frozenset(
    {
        *("/healthz", "/readyz", "/login", "/logout", "/spaceapi"),
        *("/privacy", "/privacy/notice", "/api/v1/privacy"),
    }
)
"""What anybody may ask: `/readyz` then says no more than whether all is well, `/spaceapi` what operators publish."""

_ASSETS = "/assets/"
PUBLIC = frozenset({"/", "/api/v1/summary"})
"""What anybody may ask where the summary is public."""

_NAMES_OF_KEYS = frozenset({b"key", b"api_key", b"apikey", b"token", b"access_token", b"authorization"})
TRIES_PER_MINUTE = 30
LOGINS_PER_MINUTE = 60
"""By one key from one address, which everybody behind a proxy has."""

TOLD_EACH_MS = 600_000
_LONGEST_CREDENTIAL = 200
_log = logging.getLogger("perch.api")


CHALLENGE = 'Bearer realm="perch"'
UNAUTHORIZED = 401


@dataclass(frozen=True, slots=True)
class Refused:
    """Nobody is let in: with which status, and why; seconds to wait where it was tried too often."""

    status: int
    why: str
    wait_s: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        """What goes with the answer."""
        wait = {} if self.wait_s is None else {"Retry-After": str(self.wait_s)}
        return {"WWW-Authenticate": CHALLENGE, **wait} if self.status == UNAUTHORIZED else wait


NO_KEY = Refused(401, "this needs a key: send it as `Authorization: Bearer perch_…`, or log in at /login")
WRONG_KEY = Refused(401, "this key opens nothing: it is unknown, revoked or over; ask for another")
NO_BEARER = Refused(401, "send one key, as `Authorization: Bearer perch_…`")
IN_ADDRESS = Refused(
    400,
    "a key has no place in an address, where logs and histories keep it: send it as `Authorization: Bearer perch_…`. "
    "Take the key for known, and have it revoked",
)
PROXIED = Refused(
    403,
    "this came through a proxy, and there is no key yet to tell readers apart: set url under [api] in perch.toml, and "
    "make a key with perch key create",
)
OF_ANOTHER = Refused(
    403,
    "this comes from a page of another name, and there is no key yet to tell readers apart: open this address "
    "yourself, or make a key with perch key create",
)
UNREADABLE = Refused(503, "the keys cannot be read now, so nobody is let in; the log of the API tells more", 10)


class Entrance:
    """Decides of each request who asks; it opens no file, and may be asked as often as one likes."""

    def __init__(self, keys: Keys, names: Names, now_ms: Callable[[], int], *, public_summary: bool = False) -> None:
        self.keys = keys
        self.names = names
        self.public_summary = public_summary
        self.pages: frozenset[str] = frozenset()
        """Origins whose pages may read, as the operator says."""
        self._tries = Allowances(TRIES_PER_MINUTE, now_ms)
        self._logins = Allowances(LOGINS_PER_MINUTE, now_ms)
        self._now_ms = now_ms
        self._quiet_until_ms = now_ms()

    def __repr__(self) -> str:
        return f"<Entrance, {'open' if self.is_open else 'by key'}>"

    @property
    def is_open(self) -> bool:
        """Whether nobody needs a key: only this machine's users can come, and there never was one."""
        return self.names.is_private and not self.keys.any

    @property
    def cookie(self) -> str:
        """The name of the cookie that a login sets; the prefix binds it to this name and to TLS."""
        return "__Host-perch" if self.names.is_tls else "perch-session"

    def admit(self, scope: Scope, headers: Headers) -> Reader | Refused:
        """Say who asks, or why they are not let in."""
        path: str = scope["path"]
        if path == "/healthz":
            return ANYBODY
        if holds_key(scope):
            return IN_ADDRESS
        if not self.keys.believable:
            return UNREADABLE
        if self.is_open:
            return self._by_place(scope, headers)
        given = headers.getlist("authorization")
        if given:
            return self._by_key(given, scope)
        return self._by_session(headers) or self._by_nothing(path)

    def _by_place(self, scope: Scope, headers: Headers) -> Reader | Refused:
        """Let this machine's users in, unless it shows that somebody elsewhere asks."""
        if is_proxied(scope["http_version"], headers):
            return PROXIED
        others = headers.get("origin") not in self.pages and is_of_another(headers, self.names)
        return OF_ANOTHER if others else AT_THIS_MACHINE

    def _by_key(self, given: list[str], scope: Scope) -> Reader | Refused:
        scheme, _, text = given[0].partition(" ")
        if len(given) > 1 or scheme.lower() != "bearer":
            return NO_BEARER
        key = self.try_key(text.strip(), scope)
        return key if isinstance(key, Refused) else Reader(key.role, key.sites, key.id)

    def try_key(self, text: str, scope: Scope) -> Key | Refused:
        """Find a key; who tries many that open nothing waits, and a key that does is never kept waiting."""
        key = self.keys.find(text) if len(text) <= _LONGEST_CREDENTIAL else None
        if key is not None:
            return key
        wait_s = self._tries.ask(address_of(scope)).wait_s
        if wait_s is None:
            return WRONG_KEY
        self._tell_of_tries()
        return Refused(429, "too many keys were tried that open nothing", wait_s)

    def wait_to_log_in(self, key: Key, scope: Scope) -> int | None:
        """Count a login; gives the seconds to wait where one key was used for too many of them at one address."""
        return self._logins.ask((key.id, address_of(scope))).wait_s

    def _tell_of_tries(self) -> None:
        """Tell whoever reads the log, once in a while, and not from where: that would be somebody's address."""
        if self._now_ms() >= self._quiet_until_ms:
            self._quiet_until_ms = self._now_ms() + TOLD_EACH_MS
            _log.warning("many keys are tried that open nothing; the log of a proxy in front may say from where")

    def _by_session(self, headers: Headers) -> Reader | None:
        token = cookie_parser(headers.get("cookie", "")).get(self.cookie, "")
        found = self.keys.find_session(token) if 0 < len(token) <= _LONGEST_CREDENTIAL else None
        if found is None:
            return None
        key, session = found
        return Reader(key.role, key.sites, key.id, session)

    def _by_nothing(self, path: str) -> Reader | Refused:
        if path in FREE or path.startswith(_ASSETS) or (self.public_summary and path in PUBLIC):
            return ANYBODY
        return NO_KEY

    def reader_by(self, id_: str | None) -> Reader | None:
        """Give as whom somebody is told of things who asked for it with a key, or needed none; None: not any more."""
        key = self.keys.get(id_)
        if id_ is None or key is None:
            return AT_THIS_MACHINE if id_ is None and self.is_open else None
        return Reader(key.role, key.sites, key.id) if self.keys.holds(key.id, None) else None

    def still_admits(self, reader: Reader) -> bool:
        """Tell whether somebody who was let in once would be let in again, as long answers ask."""
        if reader.key is not None:
            return self.keys.believable and self.keys.holds(reader.key, reader.session)
        return reader == ANYBODY or self.is_open


def holds_key(scope: Scope) -> bool:
    """Tell whether an address holds a key, or asks for one by name."""
    query: bytes = scope["query_string"]
    if b"%" in query or b"+" in query:
        query = unquote_to_bytes(query.replace(b"+", b" "))
    said = f"{scope['path']}?{query.decode('latin-1')}".lower()
    if BEGINNING in said and ANYWHERE.search(said):  # most addresses need no search
        return True
    return bool(query) and any(part.partition(b"=")[0].lower() in _NAMES_OF_KEYS for part in query.split(b"&"))


def open_entrance(now_ms: Callable[[], int]) -> Entrance:
    """Give an entrance that takes everybody for somebody at this machine."""
    never_read = Keys(Path(), lambda: now_ms() / 1000, lambda: 0.0)
    return Entrance(never_read, Names(), now_ms)
