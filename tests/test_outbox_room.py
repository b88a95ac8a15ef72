"""An outbox is bounded, takes its room beforehand, can be written on a full disk, and gives up the oldest first."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.adapters.lost_spans import confessed
from perch.adapters.outbox.room import BYTES_PER_EVENT
from perch.adapters.outbox.store import Outbox
from perch.chaos import small_disks
from perch.contract import AliveEvent, ClockEvent, Event, LostEvent
from perch.delivery.hearing import Settled
from perch.delivery.lost import LossReason, Moment, Span, joined
from perch.errors import PerchError, StorageError
from perch.model import Clock
from tests.examples import usually

EPOCH, LATER, BOOT, OTHER_BOOT = "a" * 32, "c" * 32, "b" * 16, "d" * 16
DISK_KIB = 24 * 1024
LOG_BYTES = 4 * 2**20


def alive(seq: int) -> AliveEvent:
    return AliveEvent(seq, 1_000 * seq, seq, Clock.OK)


def fill(outbox: Outbox, first: int, last: int, epoch: str = EPOCH) -> None:
    for seq in range(first, last + 1):
        outbox.append(epoch, [alive(seq)])


def numbers(outbox: Outbox, epoch: str = EPOCH) -> list[int]:
    return [event.seq for event in outbox.read(epoch, 1, 10**6)]


def reserve(outbox: Outbox, events: int) -> None:
    outbox.hold(events)
    while outbox.reserve():
        pass


def sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir() if path.suffix != ".lock"}


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox.open(tmp_path / "outbox.db") as one:
        one.begin(EPOCH, BOOT)
        one.hold(100)
        yield one


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a few MiB that can be filled."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    try:
        small_disks.mount(folder, DISK_KIB)
    except PerchError:
        pytest.skip("a small disk cannot be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_an_outbox_that_is_full_lets_go_of_what_was_acknowledged_first(outbox: Outbox) -> None:
    fill(outbox, 1, 100)
    outbox.acknowledge(Settled(EPOCH, ("j1",), ((40, 60),)), 0, 0)
    fill(outbox, 101, 110)
    first = numbers(outbox)[39]
    assert 50 <= first <= 52
    assert numbers(outbox) == [*range(1, 40), *range(first, 111)]
    assert outbox.lost == ()
    dropped = {seq for _, low, high in outbox.take_dropped() for seq in range(low, high + 1)}
    assert dropped == set(range(40, first))


def test_then_the_oldest_events_become_one_span(outbox: Outbox) -> None:
    fill(outbox, 1, 150)
    assert len(numbers(outbox)) <= 100
    (span,) = outbox.lost
    assert (span.epoch, span.boot, span.first, span.last) == (EPOCH, BOOT, 1, numbers(outbox)[0] - 1)
    assert (span.begin, span.end) == (Moment(1_000, 1, Clock.OK), Moment(1_000 * span.last, span.last, Clock.OK))
    assert span.reason is LossReason.OUTBOX_FULL


def test_it_is_as_full_after_a_restart_and_remembers_what_it_gave_up(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with Outbox.open(path) as one:
        one.begin(EPOCH, BOOT)
        one.hold(100)
        fill(one, 1, 150)
        lost, kept = one.lost, numbers(one)
    with Outbox.open(path) as one:
        assert (one.lost, numbers(one)) == (lost, kept)
        one.hold(100)
        one.begin(LATER, OTHER_BOOT)
        fill(one, 1, 20, LATER)
        assert len(numbers(one)) + len(numbers(one, LATER)) <= 100
        lanes = {lane.epoch: lane for lane in one.lanes()}
        assert lanes[EPOCH].gone.upto == numbers(one)[0] - 1 == one.lost[0].last


def test_a_span_is_forgotten_once_an_event_tells_of_it(outbox: Outbox) -> None:
    fill(outbox, 1, 150)
    (span,) = outbox.lost
    outbox.append(EPOCH, [confessed(151, span, BOOT)])
    assert all(one.first > span.last for one in outbox.lost)
    (lost,) = outbox.read(EPOCH, 151, 151)
    assert isinstance(lost, LostEvent)
    assert (lost.epoch, lost.lost, lost.reason) == (EPOCH, (1, span.last), "outbox-full")
    assert (lost.from_ms, lost.from_mono_ms) == (1_000, 1)


def test_times_of_an_earlier_boot_are_told_by_the_wall_and_lie_before_this_boot() -> None:
    span = Span(EPOCH, OTHER_BOOT, 1, 9, Moment(5, 6, Clock.OK), Moment(7, 8, Clock.UNSYNCED), LossReason.OUTBOX_FULL)
    lost = confessed(3, span, BOOT)
    assert (lost.from_ms, lost.to_ms, lost.from_mono_ms, lost.to_mono_ms) == (5, 7, -1, -1)
    assert lost.clock is Clock.UNSYNCED


def test_what_a_lost_event_told_of_is_not_forgotten_when_it_is_given_up_itself(outbox: Outbox) -> None:
    before = Span("9" * 32, OTHER_BOOT, 3, 7, Moment(1, 2, Clock.OK), Moment(3, 4, Clock.OK), LossReason.WRITE_FAILED)
    outbox.append(EPOCH, [confessed(1, before, BOOT)])
    fill(outbox, 2, 120)
    spans = {span.epoch: span for span in outbox.lost}
    assert (spans["9" * 32].first, spans["9" * 32].last, spans["9" * 32].reason) == (3, 7, LossReason.WRITE_FAILED)
    assert spans[EPOCH].first == 1


def test_clock_events_are_given_up_last_and_the_newest_of_a_boot_never(outbox: Outbox) -> None:
    for seq in range(1, 131):
        outbox.append(EPOCH, [ClockEvent(seq, BOOT, seq) if seq <= 10 else alive(seq)])
    assert numbers(outbox)[:10] == list(range(1, 11))
    outbox.begin(LATER, OTHER_BOOT)
    for seq in range(1, 131):
        outbox.append(LATER, [ClockEvent(seq, OTHER_BOOT, seq)])
    assert numbers(outbox) == [10]
    assert len(numbers(outbox, LATER)) == 99
    assert numbers(outbox, LATER)[-1] == 130


@usually(30)
@given(
    acts=st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.integers(1, 30)),
            st.tuples(st.just("settle"), st.integers(1, 60)),
            st.tuples(st.just("restart"), st.just(0)),
        ),
        max_size=25,
    )
)
def test_every_number_is_kept_settled_or_given_up_and_there_are_never_too_many(
    acts: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("outbox") / "outbox.db"
    outbox, settled, last = Outbox.open(path), set[int](), 0
    outbox.begin(EPOCH, BOOT)
    for act, count in acts:
        outbox.hold(60)
        if act == "append":
            outbox.append(EPOCH, [alive(last + step) for step in range(1, count + 1)])
            last += count
        elif act == "settle":
            some = [seq for seq in numbers(outbox) if seq % 2 == 0 and seq not in settled][:count]
            outbox.acknowledge(Settled(EPOCH, ("j1",), tuple([(seq, seq) for seq in some])), 0, 0)
            settled.update(some)
        else:
            outbox.close()
            outbox = Outbox.open(path)
        kept = set(numbers(outbox))
        given_up = {seq for span in outbox.lost for seq in range(span.first, span.last + 1)}
        assert len(kept) <= 60
        assert not kept & given_up
        assert set(range(1, last + 1)) == kept | given_up | settled
        assert not given_up & settled
    outbox.close()


spans = st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 30), st.integers(0, 6)), max_size=12)


@given(given_spans=spans)
def test_spans_that_touch_are_one_and_cover_the_same_numbers(given_spans: Sequence[tuple[str, int, int]]) -> None:
    several = [
        Span(epoch, BOOT, first, first + more, *(moment(seq) for seq in (first, first + more)), LossReason.OUTBOX_FULL)
        for epoch, first, more in given_spans
    ]
    one = joined(several)

    def covered(some: Sequence[Span]) -> set[tuple[str, int]]:
        return {(span.epoch, seq) for span in some for seq in range(span.first, span.last + 1)}

    assert covered(one) == covered(several)
    assert all(late.first > early.last + 1 for early, late in pairwise(one) if early.epoch == late.epoch)
    assert all((span.begin, span.end) == (moment(span.first), moment(span.last)) for span in one)


def moment(seq: int) -> Moment:
    return Moment(1_000 * seq, seq, Clock.OK)


def test_room_is_taken_beforehand_and_events_do_not_lengthen_the_file(tmp_path: Path) -> None:
    with Outbox.open(tmp_path / "outbox.db") as outbox:
        outbox.begin(EPOCH, BOOT)
        reserve(outbox, 10_000)
        before = sizes(tmp_path)
        assert before["outbox.db"] >= 10_000 * BYTES_PER_EVENT
        outbox.append(EPOCH, [alive(seq) for seq in range(1, 10_001)])
        assert sizes(tmp_path)["outbox.db"] == before["outbox.db"]


def test_taking_room_can_be_interrupted_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    for _ in range(3):
        with Outbox.open(tmp_path / "outbox.db") as outbox:
            outbox.hold(20_000)
            assert [outbox.reserve() for _ in range(2)] == [True, True]
    with Outbox.open(tmp_path / "outbox.db") as outbox:
        reserve(outbox, 20_000)
        assert outbox._all("SELECT count(*) FROM filler") == [(0,)]
    assert sizes(tmp_path)["outbox.db"] >= 20_000 * BYTES_PER_EVENT


def test_a_full_disk_neither_stops_an_outbox_that_has_its_room_nor_its_restart(disk: Path) -> None:
    path = disk / "outbox.db"
    last = 0
    for life in range(3):
        with Outbox.open(path) as outbox:
            epoch = f"{life:032x}"
            outbox.begin(epoch, BOOT)
            reserve(outbox, 50_000)
            small_disks.fill(disk)
            for first in range(1, 10_001, 20):
                outbox.append(epoch, [alive(first + step) for step in range(20)])
            for upto in range(50, 10_001, 50):
                outbox.acknowledge(Settled(epoch, ("j1",), ((upto - 49, upto),)), upto, life)
            last += 10_000
            assert outbox._count == last
            assert sizes(disk).get("outbox.db-wal", 0) < LOG_BYTES
        small_disks.fill(disk)


def test_a_full_disk_that_has_no_room_for_all_events_leaves_those_for_which_there_is(disk: Path) -> None:
    with Outbox.open(disk / "outbox.db") as outbox:
        outbox.begin(EPOCH, BOOT)
        with pytest.raises(StorageError, match="nearly full"):
            reserve(outbox, 10**6)
        reserve(outbox, 10**6)
        small_disks.fill(disk)
        fill(outbox, 1, 2_000)
        assert len(numbers(outbox)) == 2_000


def test_a_write_that_fails_for_a_full_disk_leaves_nothing_and_works_once_there_is_room(disk: Path) -> None:
    with Outbox.open(disk / "outbox.db") as outbox:
        outbox.begin(EPOCH, BOOT)
        small_disks.fill(disk)
        with pytest.raises(StorageError, match="disk is full"):
            fill(outbox, 1, 100_000)
        written = outbox._count
        assert numbers(outbox) == list(range(1, written + 1))
        small_disks.release(disk)
        outbox.append(EPOCH, [alive(written + 5)])
        assert numbers(outbox)[-1] == written + 5


@usually(20)
@given(events=st.lists(st.sampled_from(["alive", "clock"]), min_size=1, max_size=6))
def test_an_outbox_never_waits_for_room_it_cannot_make(
    events: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Where nothing is left to give up, it holds more than it should rather than lose what it must not."""
    made: list[Event] = [alive(n) if kind == "alive" else ClockEvent(n, BOOT, n) for n, kind in enumerate(events, 1)]
    with Outbox.open(tmp_path_factory.mktemp("outbox") / "outbox.db") as outbox:
        outbox.begin(EPOCH, BOOT)
        outbox.hold(1)
        for event in made:
            outbox.append(EPOCH, [event])
        assert numbers(outbox)[-1] == len(made)
        assert len(numbers(outbox)) <= 2
