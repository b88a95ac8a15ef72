"""By which names this server is called, and from which pages something may be changed."""

import re
from dataclasses import dataclass

from starlette.datastructures import Headers

from api.entrance.access import is_own_name

_HOME = frozenset({"same-origin", "none"})
_WAY = re.compile(r"[/?#].*", re.DOTALL)
_PROXIED = frozenset(
    {b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip"}
)


@dataclass(frozen=True, slots=True)
class Names:
    """This machine's own names, and the origin at which others reach it (None: they do not)."""

    url: str | None = None

    @property
    def is_private(self) -> bool:
        """Whether only this machine's users are meant to reach it."""
        return self.url is None

    @property
    def is_tls(self) -> bool:
        """Whether readers come by TLS, which ends at a proxy in front."""
        return self.url is not None and self.url.startswith("https://")

    def know(self, host: str) -> bool:
        """Tell whether a `Host` header names this server."""
        return self._is_public(host) or is_own_name(_without_port(host))

    def origin(self, host: str) -> str:
        """Give the origin of this server's own pages, as a browser that called it so writes it."""
        return self.url if self.url is not None and self._is_public(host) else f"http://{host.lower()}"

    def _is_public(self, host: str) -> bool:
        return self.url is not None and _without_port(host).lower() == _without_port(self.url.partition("://")[2])


def is_proxied(http_version: str, headers: Headers) -> bool:
    """Tell whether a request was handed on for somebody elsewhere, as far as it shows.

    A proxy says so in a header, or speaks HTTP/1.0 to what is behind it, as nginx does unless told otherwise.
    """
    return http_version == "1.0" or any(name in _PROXIED for name, _ in headers.raw)


def is_of_another(headers: Headers, names: Names) -> bool:
    """Tell whether a request comes from a page that was not called by a name of this server."""
    said = (*headers.getlist("origin"), *headers.getlist("referer"))
    return not all(names.know(_WAY.sub("", page.partition("://")[2])) for page in said)


def is_at_home(headers: Headers, names: Names, *, by_cookie: bool) -> bool:
    """Tell whether a request that changes something comes from a page of this server, or from no page at all.

    Browsers say where from in `Sec-Fetch-Site`, which no page can forge, or in `Origin` where they were not reached by
    TLS. Whoever says neither is no browser of today, and comes with no cookie.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site in _HOME
    return not by_cookie if origin is None else origin == names.origin(headers.get("host", ""))


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
