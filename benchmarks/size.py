"""What an event costs on disk: in the journal, in history made from it, and in an agent's outbox."""

import secrets
from contextlib import ExitStack
from pathlib import Path

from benchmarks import servers, venue
from benchmarks.figures import Figure
from perch.adapters.outbox.store import Outbox
from perch.contract import StateEvent
from perch.model import Clock, Reason, State

SPACES, EVENTS, SPAN_MS = 1_000, 50_000, 10 * 86_400_000


def figures() -> list[Figure]:
    """Give bytes per event of a thousand desks over ten days, marks included."""
    sizes: list[Figure] = []
    with servers.folder() as where:
        for each in (1, 5, 50):
            folder = where / str(each)
            folder.mkdir()
            journal = folder / "journal.db"
            events = venue.journal_of(journal, venue.messages(SPACES, EVENTS, SPAN_MS, each=each, marks=each == 1))
            sizes.append(_figure(f"journal, {each} a message", _size(journal), events, "≤ 80"))
            if each == 1:
                with ExitStack() as files:
                    venue.follow_history(files, folder)
                sizes.append(_figure("history of the same", _size(folder / "history.db"), events))
        sizes.append(_figure("outbox", _outbox(where / "outbox.db"), EVENTS))
    return sizes


def _figure(what: str, size: int, events: int, aim: str = "") -> Figure:
    return Figure(what, [size / events], "bytes an event", aim)


def _size(path: Path) -> int:
    return sum(each.stat().st_size for each in path.parent.glob(f"{path.name}*"))


def _outbox(path: Path) -> int:
    """Give by how much an outbox grows that nobody acknowledges."""
    epoch = secrets.token_hex(16)
    with Outbox.open(path) as outbox:
        outbox.begin(epoch, "0" * 16)
    before = _size(path)
    with Outbox.open(path) as outbox:
        for first in range(1, EVENTS + 1, 100):
            outbox.append(epoch, [_event(seq) for seq in range(first, first + 100)])
    return _size(path) - before


def _event(seq: int) -> StateEvent:
    taken = seq % 2
    state, reason = (State.OCCUPIED, Reason.MOTION) if taken else (State.FREE, Reason.QUIET)
    at = venue.START_MS + seq * 60_000, seq * 60_000, Clock.OK
    return StateEvent(seq, f"d{seq % 16}", state, 0.031 if taken else 0.97, None, reason, *at)
