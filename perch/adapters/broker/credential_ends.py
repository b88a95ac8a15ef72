"""What of the broker's credentials ends soon, and what to do about each: passwords do not."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from perch.adapters.broker.authority import AGENT_DAYS, ends
from perch.contract.roster import Member, Roster

SOON = timedelta(days=30)
BROKERS = "the broker's certificate"


class Ending(NamedTuple):
    """Whose it is, until when it holds, and what to do before."""

    whose: str
    end: datetime
    remedy: str


def end_of(member: Member) -> datetime | None:
    """Tell until when an agent's certificate holds; None where it has none."""
    if member.serial is None:
        return None
    return datetime.fromtimestamp(member.since_s, UTC) + timedelta(days=AGENT_DAYS)


def agents_ending(roster: Roster, now: datetime) -> Iterator[Ending]:
    """Name the agents whose certificates end soon, or have ended."""
    for one in roster.members.values():
        end, name = end_of(one), f"{one.site}/{one.agent}"
        if end is not None and end - now < SOON:
            yield Ending(f"the certificate of {name}", end, f"run perch agents replace {name}")


def files_ending(folder: Path, now: datetime) -> Iterator[Ending]:
    """Name what ends soon of the broker's own certificate and of the authority that signs; raises StorageError."""
    anew = "move the folder of the broker's files away, run perch agents prepare, and invite all agents anew"
    for whose, name, remedy in (
        (BROKERS, "broker.pem", "run perch agents prepare"),
        ("the authority's certificate", "ca.pem", anew),
    ):
        path = folder / name
        if path.exists() and (end := ends(path).end) - now < SOON:
            yield Ending(whose, end, remedy)
