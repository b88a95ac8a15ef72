"""Who may read what: the one place where a request's reader, and with it the role, is decided.

Keys come with a later release. Until then the API listens on loopback addresses only, so whoever reaches it sits at
this machine and reads as `facilities`; a name in the `Host` header that is none of this machine's own is turned away,
so that no foreign web page can read through a visitor's browser.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from perch.errors import Complaint, InputError
from perch.model import Purpose, Space


class Role(StrEnum):
    """What a reader is there for."""

    MEMBER = "member"
    MANAGER = "manager"
    FACILITIES = "facilities"
    ADMIN = "admin"


class Matter(StrEnum):
    """What can be read, or told."""

    NETWORK = "sites and definitions"
    LIVE = "live states"
    EXACT_TIMES = "exact times of live states"
    LIVE_OF_ALL_PURPOSES = "live states of assigned and private spaces"
    HISTORY_OF_GROUPS = "history by zone and wider"
    HISTORY_OF_SPACES = "history of single spaces"
    FLEET = "agents and sensors"
    AUDIT = "the audit of accuracy"
    AUDIT_TAPS = "taps of the audit"


_READERS = frozenset({Role.MEMBER, Role.MANAGER, Role.FACILITIES})

MAY_READ: Mapping[Matter, frozenset[Role]] = MappingProxyType(
    {
        Matter.NETWORK: frozenset(Role),
        Matter.LIVE: _READERS,
        Matter.EXACT_TIMES: frozenset({Role.MANAGER, Role.FACILITIES}),
        Matter.LIVE_OF_ALL_PURPOSES: frozenset({Role.FACILITIES}),
        Matter.HISTORY_OF_GROUPS: frozenset({Role.MANAGER, Role.FACILITIES}),
        Matter.HISTORY_OF_SPACES: frozenset({Role.FACILITIES}),
        Matter.FLEET: frozenset({Role.MANAGER, Role.FACILITIES, Role.ADMIN}),
        Matter.AUDIT: frozenset({Role.FACILITIES}),
        Matter.AUDIT_TAPS: frozenset({Role.MANAGER, Role.FACILITIES}),
    }
)
"""Which roles may read what; taps are the one thing that can be told."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who asks: a role, and the sites it is limited to (None: all)."""

    role: Role
    sites: frozenset[str] | None = None

    def may_read(self, matter: Matter) -> bool:
        """Tell whether the role covers a matter."""
        return self.role in MAY_READ[matter]

    def may_see_site(self, site: str) -> bool:
        """Tell whether a site exists for this reader."""
        return self.sites is None or site in self.sites

    def may_see(self, site: str, space: Space) -> bool:
        """Tell whether a space exists for this reader: others than `shared` ones do for `facilities` only."""
        return self.may_see_site(site) and self.may_read(matter_of(space))


def matter_of(space: Space) -> Matter:
    """Tell what the live state of a space belongs to."""
    return Matter.LIVE if space.purpose is Purpose.SHARED else Matter.LIVE_OF_ALL_PURPOSES


_AT_THIS_MACHINE = Reader(Role.FACILITIES)


def reader_of(authorization: str | None) -> Reader:
    """Decide who asks; no header can change it until keys exist."""
    del authorization
    return _AT_THIS_MACHINE


def require_loopback(host: str) -> None:
    """Refuse to listen where others than this machine's users could read; raises InputError."""
    if not is_own_name(host):
        raise InputError(
            (
                Complaint(
                    "[api] host",
                    f"{host!r} can be reached from other machines, and this release has no keys to tell readers apart",
                    'set host = "127.0.0.1"; keys, and with them other addresses, come with a later release',
                ),
            )
        )


def is_own_name(host: str) -> bool:
    """Tell whether a host name or address (without a port) can only mean this machine."""
    if host.rstrip(".").lower() == "localhost" or host.lower().endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
