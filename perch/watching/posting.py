"""How the word of something gets through to a web address: tries, waits between them, and giving up.

The waits are those that the Standard Webhooks specification suggests, some three days in all, each up to a fifth
longer by chance, so that many do not come back at the same moment. A message is the same at each try, and has an id by
which its receiver knows it: it may come twice.
"""

from enum import StrEnum
from typing import NamedTuple

WAITS_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
LONGEST_WAIT_S = 86_400
GONE = 410
_SPREAD = 0.2


class Standing(StrEnum):
    """What became of a message."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


class Posting(NamedTuple):
    """A message on its way: how often it was tried, and when it is tried next (ms UTC)."""

    standing: Standing
    attempts: int
    due_ms: int


class Answered(NamedTuple):
    """What came of a try: the receiver's status, None where there was no answer, and `what` went wrong."""

    status: int | None
    what: str | None = None
    retry_after_s: int | None = None

    @property
    def is_well(self) -> bool:
        """Whether the receiver has taken it."""
        return self.status is not None and 200 <= self.status < 300


def begun(now_ms: int) -> Posting:
    """Give a message that is to be tried at once."""
    return Posting(Standing.WAITING, 0, now_ms)


def tried(posting: Posting, answered: Answered, now_ms: int, chance: float) -> Posting:
    """Take in what came of a try; `chance` is from 0 up to 1."""
    attempts = posting.attempts + 1
    if answered.is_well:
        return Posting(Standing.DELIVERED, attempts, now_ms)
    if answered.status == GONE or attempts > len(WAITS_S):
        return Posting(Standing.FAILED, attempts, now_ms)
    wait_s = WAITS_S[attempts - 1] * (1 + _SPREAD * chance)
    asked_s = min(answered.retry_after_s or 0, LONGEST_WAIT_S)
    return Posting(Standing.WAITING, attempts, now_ms + round(max(wait_s, asked_s) * 1000))


def is_hopeless(posting: Posting, answered: Answered, last_well_ms: int | None, made_ms: int) -> bool:
    """Tell whether nothing more is to be sent there: it said so, or nothing got through since this one was made."""
    if posting.standing is not Standing.FAILED:
        return False
    return answered.status == GONE or last_well_ms is None or last_well_ms < made_ms
