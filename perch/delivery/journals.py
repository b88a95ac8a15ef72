"""Whose acknowledgements an agent goes by: a journal is known by its id, and one agent needs one journal.

    present   the journal that counts: what it has need not be sent again
    new       an id that was never heard before: a journal was made anew or restored, and counts from now on
    foreign   an id that was present once, and now comes back: a second collector answers, from a data folder of its own

A foreign one settles nothing, or two collectors would take turns at making the agent send all that it keeps. Where the
present one is gone for good, though, and the old one was put back, the agent has to follow: it does when for ALONE_MS
nobody but old ones has answered.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

ALONE_MS = 300_000
TOLD_MS = 1_200_000
"""For so long a foreign answer is told of: each collector answers at least once in a quarter of an hour."""

REMEMBERED = 8
"""Former ids that are remembered, the newest."""


class Voice(StrEnum):
    """Who answers."""

    PRESENT = "present"
    NEW = "new"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Rival:
    """A foreign journal that answered last at `last_ms`.

    Since `alone_ms` the present one has not answered, None where it has.
    """

    journal: str
    alone_ms: int | None
    last_ms: int


@dataclass(frozen=True, slots=True)
class Journals:
    """The present journal's id, None before the first was heard; former ones, oldest first; and who comes back."""

    present: str | None = None
    former: tuple[str, ...] = ()
    rival: Rival | None = None


def remembered(ids: tuple[str, ...]) -> Journals:
    """Give the journals of which an agent has kept the ids, the present one last."""
    return Journals(ids[-1], ids[:-1]) if ids else Journals()


def heard(journals: Journals, journal: str, now_ms: int) -> tuple[Journals, Voice]:
    """Say who it is that answers; `now_ms` is monotonic."""
    if journals.present in (None, journal):
        rival = None if journals.rival is None else replace(journals.rival, alone_ms=None)
        return replace(journals, present=journal, rival=rival), Voice.PRESENT
    if journal not in journals.former:
        return _adopted(journals, journal), Voice.NEW
    known = journals.rival
    alone_ms = now_ms if known is None or known.alone_ms is None else known.alone_ms
    if now_ms - alone_ms >= ALONE_MS:
        return _adopted(journals, journal), Voice.NEW
    return replace(journals, rival=Rival(journal, alone_ms, now_ms)), Voice.FOREIGN


def trouble(journals: Journals, now_ms: int) -> str | None:
    """Say in a sentence that two collectors answer, None where none, or only one, did lately."""
    rival = journals.rival
    if rival is None or now_ms - rival.last_ms >= TOLD_MS:
        return None
    return (
        f"two collectors answer, with the journals {journals.present} and {rival.journal}:"
        " stop one of them, or give it a broker of its own"
    )


def ids(journals: Journals) -> tuple[str, ...]:
    """Give the ids to keep, the present one last."""
    return journals.former if journals.present is None else (*journals.former, journals.present)


def _adopted(journals: Journals, journal: str) -> Journals:
    others = tuple(one for one in ids(journals) if one != journal)
    return Journals(journal, others[-REMEMBERED:])
