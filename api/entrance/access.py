"""Who may read what: the table, and what it means for sites and spaces."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from perch.adapters.keys import Role
from perch.model import Purpose, Space


class Matter(StrEnum):
    """What can be read, or told."""

    SUMMARY = "how many spaces are free"
    NETWORK = "sites and definitions"
    LIVE = "live states"
    EXACT_TIMES = "exact times of live states"
    LIVE_OF_ALL_PURPOSES = "live states of assigned and private spaces"
    HISTORY = "history and planning by zone and wider"
    HISTORY_OF_GROUPS = "history and planning by zone and wider in exact numbers"
    HISTORY_OF_SPACES = "history of single spaces"
    FLEET = "agents and sensors"
    AUDIT = "the audit of accuracy"
    AUDIT_TAPS = "taps of the audit"


_READERS = frozenset({Role.MEMBER, Role.MANAGER, Role.FACILITIES})
_MANAGERS = frozenset({Role.MANAGER, Role.FACILITIES})

MAY_READ: Mapping[Matter, frozenset[Role | None]] = MappingProxyType(
    {
        Matter.SUMMARY: _READERS | {None},
        Matter.NETWORK: frozenset(Role),
        Matter.LIVE: _READERS,
        Matter.EXACT_TIMES: _MANAGERS,
        Matter.LIVE_OF_ALL_PURPOSES: frozenset({Role.FACILITIES}),
        Matter.HISTORY: _READERS,
        Matter.HISTORY_OF_GROUPS: _MANAGERS,
        Matter.HISTORY_OF_SPACES: frozenset({Role.FACILITIES}),
        Matter.FLEET: _MANAGERS | {Role.ADMIN},
        Matter.AUDIT: frozenset({Role.FACILITIES}),
        Matter.AUDIT_TAPS: _MANAGERS,
    }
)
"""Which roles may read what, None being nobody known; taps are the one thing that can be told."""

NOT_INCLUDED = "your role does not include"
"""How whoever is known, and still may not read something, is told so."""

NOTED = frozenset({Matter.HISTORY_OF_SPACES, Matter.AUDIT})
"""Who reads these with a key is written down."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who asks: a role (None: nobody known), and the sites it is limited to (None: all).

    Readers of one role and the same sites are equal: they get the same answers, whatever key or login they came with.
    """

    role: Role | None
    sites: frozenset[str] | None = None
    key: str | None = field(default=None, compare=False)
    session: bytes | None = field(default=None, compare=False, repr=False)

    def may_read(self, matter: Matter) -> bool:
        """Tell whether the role covers a matter."""
        return self.role in MAY_READ[matter]

    def may_see_site(self, site: str) -> bool:
        """Tell whether a site exists for this reader."""
        return self.sites is None or site in self.sites

    def may_see(self, site: str, space: Space) -> bool:
        """Tell whether a space exists for this reader: others than `shared` ones do for `facilities` only."""
        return self.may_see_site(site) and self.may_read(matter_of(space))


AT_THIS_MACHINE = Reader(Role.FACILITIES)
"""Whoever reaches an API that listens on loopback alone, before there is any key."""

ANYBODY = Reader(None)


def matter_of(space: Space) -> Matter:
    """Tell what the live state of a space belongs to."""
    return Matter.LIVE if space.purpose is Purpose.SHARED else Matter.LIVE_OF_ALL_PURPOSES


def is_own_name(host: str) -> bool:
    """Tell whether a host name or address (without a port) can only mean this machine."""
    if host.rstrip(".").lower() == "localhost" or host.lower().endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
