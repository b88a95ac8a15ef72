"""The courier and an outbox that cannot do everything: what failed is told until the same works again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from perch.adapters.outbox.store import Outbox
from perch.contract import VERSION, Ack, AliveEvent, Event, Publication
from perch.delivery.hearing import Settled
from perch.errors import StorageError
from perch.model import Clock
from sensor_agent.clock import RecordedClock
from sensor_agent.courier import Courier

EPOCH = "e" * 32


class Worn(Outbox):
    """An outbox whose disk cannot read some events, or write, at present."""

    unreadable = range(0)
    writable = True

    def read(self, epoch: str, first: int, last: int) -> tuple[Event, ...]:
        if first in self.unreadable:
            raise StorageError(f"{first} cannot be read")
        return super().read(epoch, first, last)

    def acknowledge(self, settled: Settled, upto: int, now_ms: int) -> None:
        if not self.writable:
            raise StorageError("the disk cannot be written")
        super().acknowledge(settled, upto, now_ms)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Worn]:
    with Worn.open(tmp_path / "outbox.db") as outbox:
        outbox.begin(EPOCH, "b" * 16)
        outbox.append(EPOCH, [AliveEvent(seq, seq, seq, Clock.OK) for seq in range(1, 101)])
        yield outbox


def courier(outbox: Outbox) -> Courier:
    def publish(_: Publication) -> bool:
        return True

    return Courier("hq", "pi-1", outbox, RecordedClock(0), publish, lambda: 0.5, 0)


def ack(upto: int) -> Ack:
    return Ack(v=VERSION, journal="a" * 16, epoch=EPOCH, upto=upto)


def test_what_cannot_be_read_is_told_until_it_can_whatever_else_works(outbox: Worn) -> None:
    outbox.unreadable = range(51, 101)
    at = courier(outbox)
    at.linked(connected=True, now_ms=0)
    assert at.trouble_at(1) == "51 cannot be read"
    at.purge(2)
    at.heard(ack(50), 3)
    assert at.trouble_at(4) == "51 cannot be read"
    outbox.unreadable = range(0)
    at.send(60_000)
    assert at.trouble_at(60_001) is None


def test_what_was_unreadable_is_forgotten_once_it_need_not_be_read(outbox: Worn) -> None:
    outbox.unreadable = range(51, 101)
    at = courier(outbox)
    at.linked(connected=True, now_ms=0)
    at.heard(ack(100), 3)
    assert at.trouble_at(4) is None


def test_an_answer_that_cannot_be_noted_counts_as_not_heard_and_is_told(outbox: Worn) -> None:
    at = courier(outbox)
    at.linked(connected=True, now_ms=0)
    outbox.writable = False
    at.heard(ack(100), 1)
    assert (at.unsettled, at.trouble_at(2)) == (100, "the disk cannot be written")
    at.purge(3)
    at.send(60_000)
    assert at.trouble_at(60_001) == "the disk cannot be written"
    outbox.writable = True
    at.heard(ack(100), 60_002)
    assert (at.unsettled, at.trouble_at(60_003)) == (0, None)
