"""Which agents have a credential at the broker: what passwords, access list and revocations are made of."""

from collections.abc import Iterator, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from perch.contract.topics import user_name
from perch.errors import ContractError, IllegalEventError

VERSION = 1

Serial = Annotated[str, Meta(pattern=r"^[0-9A-F]{2,40}$")]


class Withdrawn(Struct, frozen=True):
    """A certificate that is not to be believed any more."""

    serial: Serial
    since_s: int


class Member(Struct, frozen=True, kw_only=True):
    """An agent that was enrolled: `kept` of its password, or the `serial` of its certificate; neither once revoked."""

    site: str
    agent: str
    since_s: int
    kept: str | None = None
    serial: Serial | None = None
    revoked_s: int | None = None

    @property
    def user(self) -> str:
        """Its login."""
        return user_name(self.site, self.agent)

    @property
    def holds(self) -> bool:
        """Whether its credential opens anything."""
        return self.revoked_s is None


class Roster(Struct, frozen=True, kw_only=True):
    """Members by login, and all certificates that were ever withdrawn."""

    v: int = VERSION
    members: Mapping[str, Member] = msgspec.field(default_factory=dict)
    withdrawn: tuple[Withdrawn, ...] = ()

    @property
    def passwords(self) -> dict[str, str]:
        """What is kept of the passwords that hold, by login."""
        return {user: one.kept for user, one in self.members.items() if one.holds and one.kept is not None}

    @property
    def revoked(self) -> frozenset[str]:
        """The logins that were revoked."""
        return frozenset(user for user, one in self.members.items() if not one.holds)


def with_member(roster: Roster, member: Member) -> Roster:
    """Enrol an agent, in place of what it had: a certificate that it had is withdrawn."""
    members = {**roster.members, member.user: member}
    return _changed(roster, members, _withdrawn(roster, member.user, member.since_s))


def without_member(roster: Roster, user: str, now_s: int) -> Roster:
    """Revoke an agent's credential; raises IllegalEventError where it has none that holds."""
    member = roster.members.get(user)
    if member is None or not member.holds:
        raise IllegalEventError(f"{user} has no credential that holds", "perch agents list names all that do")
    gone = msgspec.structs.replace(member, kept=None, serial=None, revoked_s=now_s)
    return _changed(roster, {**roster.members, user: gone}, _withdrawn(roster, user, now_s))


def _changed(roster: Roster, members: Mapping[str, Member], more: Iterator[Withdrawn]) -> Roster:
    return msgspec.structs.replace(roster, members=members, withdrawn=(*roster.withdrawn, *more))


def _withdrawn(roster: Roster, user: str, now_s: int) -> Iterator[Withdrawn]:
    before = roster.members.get(user)
    if before is not None and before.serial is not None:
        yield Withdrawn(before.serial, now_s)


_decoder = msgspec.json.Decoder(Roster)


def encode(roster: Roster) -> bytes:
    """Write a roster as JSON."""
    return msgspec.json.format(msgspec.json.encode(roster), indent=1)


def decode(body: bytes) -> Roster:
    """Read a roster; raises ContractError."""
    try:
        roster = _decoder.decode(body)
    except (ValueError, RecursionError) as error:
        raise ContractError("bad-roster", f"this is no roster of agents: {error}") from None
    if roster.v != VERSION:
        raise ContractError("unsupported-version", f"this roster has version {roster.v}, known is {VERSION}")
    return roster
