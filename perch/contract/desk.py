"""The desk at which agents show their invitations, as a value.

    open ── granted ──► used          the same request again is answered again: an answer may get lost
      └── its time is over ──► over

An invitation is for one login and works once. Whoever shows wrong ones is, after `MOST_WRONG` in a minute, not looked
at for a while, right or wrong; others are. Secrets are known by their hash alone, so that how long finding one takes
tells nothing.
"""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import NamedTuple

LASTS_S = 900
MOST_WRONG = 10
WINDOW_S = 60.0
MOST_WATCHED = 1_000
"""So many addresses are remembered for showing wrong invitations; who guesses from another one is told the same."""


class Verdict(Enum):
    """What becomes of a request."""

    GRANT = "grant"
    AGAIN = "again"
    UNKNOWN = "unknown"
    OTHER = "other"
    USED = "used"
    OVER = "over"
    TOO_MANY = "too many"


class Ticket(NamedTuple):
    """An invitation as the desk keeps it; `used` is the hash of the request that it was used for."""

    user: str
    until_s: float
    used: bytes | None = None


class Desk(NamedTuple):
    """Tickets by the hash of their secret, and when which address showed something wrong."""

    tickets: Mapping[bytes, Ticket]
    wrong: Mapping[str, tuple[float, ...]]

    @property
    def waits_for(self) -> tuple[str, ...]:
        """The logins that were invited and have not come."""
        return tuple(ticket.user for ticket in self.tickets.values() if ticket.used is None)


def opened(invited: Iterable[tuple[bytes, str]], now_s: float, lasts_s: float = LASTS_S) -> Desk:
    """Open a desk for invitations, each by the hash of its secret and its login."""
    return Desk({hash_: Ticket(user, now_s + lasts_s) for hash_, user in invited}, {})


def judged(desk: Desk, secret: bytes, user: str, request: bytes, address: str, now_s: float) -> tuple[Desk, Verdict]:
    """Judge a request by the hashes of its secret and of itself; a grant changes nothing before it is `settled`."""
    wrong = {who: kept for who, when in desk.wrong.items() if (kept := _recent(when, now_s))}
    desk = desk._replace(wrong=wrong)
    if len(wrong.get(address, ())) >= MOST_WRONG:
        return desk, Verdict.TOO_MANY
    verdict = _of_ticket(desk.tickets.get(secret), user, request, now_s)
    if verdict in (Verdict.GRANT, Verdict.AGAIN):
        return desk, verdict
    if address not in wrong and len(wrong) >= MOST_WATCHED:
        return desk, Verdict.TOO_MANY
    return desk._replace(wrong={**wrong, address: (*wrong.get(address, ()), now_s)}), verdict


def settled(desk: Desk, secret: bytes, request: bytes) -> Desk:
    """Take note that an invitation was used, for a request."""
    ticket = desk.tickets[secret]._replace(used=request)
    return desk._replace(tickets={**desk.tickets, secret: ticket})


def is_used_up(desk: Desk, now_s: float) -> bool:
    """Tell whether nobody can come any more: all have come, or their time is over."""
    return all(ticket.used is not None or now_s >= ticket.until_s for ticket in desk.tickets.values())


def is_over(desk: Desk, now_s: float) -> bool:
    """Tell whether nobody would come any more, not even to find that his invitation was used by somebody else."""
    return all(now_s >= ticket.until_s for ticket in desk.tickets.values())


def _of_ticket(ticket: Ticket | None, user: str, request: bytes, now_s: float) -> Verdict:
    if ticket is None:
        return Verdict.UNKNOWN
    if ticket.user != user:
        return Verdict.OTHER
    if ticket.used is not None:
        return Verdict.AGAIN if ticket.used == request else Verdict.USED
    return Verdict.GRANT if now_s < ticket.until_s else Verdict.OVER


def _recent(when: tuple[float, ...], now_s: float) -> tuple[float, ...]:
    return tuple(at_s for at_s in when if now_s - at_s < WINDOW_S)
