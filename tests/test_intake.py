"""An event is acknowledged only when it is stored, is stored once, and is never harmed by its neighbours."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.intake import Intake
from collector.live import Live
from collector.sorting import MAX_RANGES, Arrival, consecutive
from perch import contract
from perch.adapters.journal.store import Journal, JournalReader, Stream
from perch.adapters.quarantine.store import Quarantine, Quarantined, QuarantineReader
from perch.contract import Ack, AliveEvent, Batch, Event, LostEvent, Publication, StateEvent
from perch.delivery.liveness import Instant
from perch.delivery.watermark import Watermark
from perch.errors import StorageError
from perch.model import Clock, Reason, State
from tests.examples import usually

EPOCH, OTHER = "a" * 32, "b" * 32
BOOT = "c" * 16
UP = "perch/v1/hq/pi-1/up"


def state(seq: int, space: str = "d01", probability: float = 0.5) -> StateEvent:
    return StateEvent(seq, space, State.FREE, probability, None, Reason.QUIET, 1000 + seq, seq, Clock.OK)


def alive(seq: int) -> AliveEvent:
    return AliveEvent(seq, 1000 + seq, seq, Clock.OK)


def lost(seq: int, first: int, last: int, epoch: str = EPOCH) -> LostEvent:
    return LostEvent(seq, epoch, (first, last), 0, 1, 0, 1, Clock.OK, "outbox-full")


def up(*events: Event, epoch: str = EPOCH, agent: str = "pi-1", retained: bool = False) -> Arrival:
    """A message as an agent sends it."""
    batch = Batch(v=1, epoch=epoch, boot=BOOT, sent_mono_ms=77, events=events)
    publication = contract.build_up("hq", agent, batch)
    return Arrival(publication.topic, publication.payload, retained, 5_000, 50)


def raw(payload: bytes, topic: str = UP) -> Arrival:
    return Arrival(topic, payload, False, 5_000, 50)


def twisted(*events: Any, **changed: Any) -> Arrival:
    """A message whose JSON is changed by hand."""
    whole = {"v": 1, "epoch": EPOCH, "boot": BOOT, "sent_mono_ms": 77, "events": list(events), **changed}
    return raw(json.dumps(whole).encode())


def told(event: Event) -> Any:
    return json.loads(contract.encode_event(event))


class Desk:
    """An intake over real files, whose acknowledgements are collected."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sent: list[Publication] = []
        self.journal = Journal.open(folder / "journal.db")
        self.quarantine = Quarantine.open(folder / "quarantine.db")
        live = Live((), lambda _: None, Instant(0, 0))
        places = {("hq", "pi-1"): {"d01", "d02"}}
        self.intake = Intake(self.journal, self.quarantine, places, live, self._publish)

    def _publish(self, publication: Publication) -> bool:
        self.sent.append(publication)
        return True

    def close(self) -> None:
        self.journal.close()
        self.quarantine.close()

    def take(self, *arrivals: Arrival) -> dict[str, Watermark]:
        """Take messages in as one group; gives what was acknowledged of each epoch."""
        self.sent.clear()
        self.intake.take(arrivals)
        acks: dict[str, Watermark] = {}
        for publication in self.sent:
            ack: Ack = contract.parse_ack(publication.payload)
            assert ack.journal == self.journal.id
            mark = acks.get(ack.epoch, Watermark(ack.upto))
            for first, last in ack.have:
                mark = mark.add(first, last)
            acks[ack.epoch] = mark
        return acks

    def events(self) -> list[Event]:
        with JournalReader(self.folder / "journal.db") as reader:
            return [entry.event for entry in reader.read(0, 100_000)]

    def quarantined(self) -> list[Quarantined]:
        reader = QuarantineReader(self.folder / "quarantine.db")
        messages = reader.read(limit=10_000)
        reader.close()
        return messages

    def codes(self) -> list[str]:
        return [message.code for message in self.quarantined()]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.close()


def test_a_group_of_messages_is_stored_in_order_with_the_facts_of_its_arrival(desk: Desk) -> None:
    assert desk.take(up(state(1), state(2)), up(alive(3)), up(state(1), epoch=OTHER)) == {
        EPOCH: Watermark(3),
        OTHER: Watermark(1),
    }
    with JournalReader(desk.folder / "journal.db") as reader:
        entries = reader.read(0, 10)
    assert [(entry.position, entry.epoch, entry.event.seq) for entry in entries] == [
        (1, EPOCH, 1),
        (2, EPOCH, 2),
        (3, EPOCH, 3),
        (4, OTHER, 1),
    ]
    assert {(entry.site, entry.agent, entry.received_ms, entry.boot, entry.sent_mono_ms) for entry in entries} == {
        ("hq", "pi-1", 5_000, BOOT, 77)
    }
    assert [publication.topic for publication in desk.sent] == ["perch/v1/hq/pi-1/ack"] * 2


def test_nothing_is_acknowledged_before_it_can_be_read_from_disk(desk: Desk) -> None:
    seen: list[int] = []
    reader = JournalReader(desk.folder / "journal.db")

    def publish(_: Publication) -> bool:
        seen.append(reader.end())
        return True

    intake = Intake(desk.journal, desk.quarantine, {}, Live((), lambda _: None, Instant(0, 0)), publish)
    intake.take([up(state(1))])
    intake.take([up(state(2)), up(state(3))])
    reader.close()
    assert seen == [1, 3]


def test_what_could_not_be_stored_is_not_acknowledged(desk: Desk) -> None:
    desk.journal._db.execute("PRAGMA query_only = 1")
    with pytest.raises(StorageError):
        desk.take(up(state(1)))
    assert desk.sent == []
    desk.journal._db.execute("PRAGMA query_only = 0")
    assert desk.take(up(state(1))) == {EPOCH: Watermark(1)}


def test_a_repeat_is_acknowledged_again_and_stored_once(desk: Desk) -> None:
    desk.take(up(state(1), state(2)))
    assert desk.take(up(state(1), state(2)), up(state(2), state(3)), up(state(3))) == {EPOCH: Watermark(3)}
    assert desk.take(up(state(2))) == {EPOCH: Watermark(3)}
    assert desk.events() == [state(1), state(2), state(3)]
    assert desk.intake.counts.repeats == 5


def test_a_repeat_is_acknowledged_after_a_restart(desk: Desk, tmp_path: Path) -> None:
    desk.take(up(state(1)), up(state(4)))
    desk.close()
    again = Desk(tmp_path)
    assert again.take(up(state(1))) == {EPOCH: Watermark(1).add(4, 4)}
    assert again.events() == [state(1), state(4)]
    again.close()


def test_ranges_may_come_in_any_order(desk: Desk) -> None:
    assert desk.take(up(state(5), state(6)))[EPOCH] == Watermark(0, ((5, 6),))
    assert desk.take(up(state(2)), up(state(9)))[EPOCH] == Watermark(0, ((2, 2), (5, 6), (9, 9)))
    assert desk.take(up(state(1), state(2), state(3), state(4), state(5)))[EPOCH] == Watermark(6, ((9, 9),))
    assert sorted(event.seq for event in desk.events()) == [1, 2, 3, 4, 5, 6, 9]
    assert desk.codes() == []


@usually(40)
@given(order=st.permutations(range(1, 13)), cuts=st.lists(st.integers(1, 4), min_size=12, max_size=12))
def test_any_order_and_any_repetition_store_each_event_once(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], cuts: list[int]
) -> None:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    settled: set[int] = set()
    for first, size in zip(order, cuts, strict=True):
        numbers = range(first, min(first + size, 13))
        settled |= set(numbers)
        mark = desk.take(up(*map(state, numbers)), up(state(first)))[EPOCH]
        assert {number for number in range(1, 13) if number in mark} == settled
    assert sorted(event.seq for event in desk.events()) == list(range(1, 13))
    assert desk.codes() == []
    desk.close()


def test_many_ranges_are_acknowledged_in_several_messages(desk: Desk) -> None:
    gaps = range(2, 1202, 2)
    mark = desk.take(*(up(alive(seq)) for seq in gaps))[EPOCH]
    assert all(seq in mark for seq in gaps)
    assert len(desk.sent) == 3
    assert max(len(publication.payload) for publication in desk.sent) <= contract.MAX_PAYLOAD_BYTES


@pytest.mark.parametrize("at_once", [True, False], ids=["in one group", "later"])
def test_other_content_under_a_stored_identity_is_quarantined_and_overwrites_nothing(desk: Desk, at_once: bool) -> None:
    forged = up(state(1, probability=0.9), state(2), state(3))
    for group in [[up(state(1), state(2)), forged]] if at_once else [[up(state(1), state(2))], [forged]]:
        acks = desk.take(*group)
    assert acks == {EPOCH: Watermark(3)}
    assert desk.events() == [state(1), state(2), state(3)]
    (message,) = desk.quarantined()
    assert (message.code, message.payload) == ("conflict", forged.payload)
    assert "event 1" in message.why


def test_lost_events_count_as_received_in_the_epoch_they_name(desk: Desk) -> None:
    assert desk.take(up(lost(4, 1, 3)), up(lost(5, 7, 9, OTHER))) == {
        EPOCH: Watermark(5),
        OTHER: Watermark(0, ((7, 9),)),
    }
    assert [type(event) for event in desk.events()] == [LostEvent, LostEvent]
    assert desk.codes() == []


def test_a_tombstone_is_acknowledged_only_where_its_numbers_count_as_received(desk: Desk) -> None:
    """Whoever invents epochs comes to a bound, and what is beyond it is neither stored nor acknowledged."""
    named = [f"{number:032x}" for number in range(1, 1_201)]
    for seq, epoch in enumerate(named, 1):
        desk.intake.take([up(lost(seq, 5, 9, epoch))])
    stored = [event.epoch for event in desk.events() if isinstance(event, LostEvent)]
    assert 900 < len(stored) < 1_100
    assert stored == named[: len(stored)]
    assert desk.take(up(alive(len(stored) + 1))) == {EPOCH: Watermark(len(stored) + 1)}
    assert all(7 in desk.journal.watermark(Stream("hq", "pi-1", epoch)) for epoch in stored)


def test_a_tombstone_that_would_leave_too_many_gaps_is_put_off(desk: Desk) -> None:
    scattered = [lost(seq, 4 * seq, 4 * seq, OTHER) for seq in range(1, 1_003)]
    for event in scattered:
        desk.intake.take([up(event)])
    assert len(desk.events()) == MAX_RANGES
    assert len(desk.journal.watermark(Stream("hq", "pi-1", OTHER)).have) == MAX_RANGES
    assert desk.take(up(lost(MAX_RANGES + 1, 1, 20, OTHER)))[EPOCH].upto == MAX_RANGES + 1


def test_an_event_that_was_given_up_for_lost_and_comes_after_all_is_stored_once(desk: Desk) -> None:
    """The broker may have held it back: whether it or its tombstone comes first makes no difference."""
    desk.take(up(lost(4, 1, 3)))
    for _ in range(2):
        assert desk.take(up(state(2))) == {EPOCH: Watermark(4)}
    assert desk.events() == [lost(4, 1, 3), state(2)]
    assert desk.intake.counts.repeats == 1


def test_an_unreadable_event_is_quarantined_acknowledged_and_harms_no_neighbour(desk: Desk) -> None:
    bad = {**told(state(2)), "state": "asleep"}
    message = twisted(told(state(1)), bad, told(state(3)))
    assert desk.take(message) == {EPOCH: Watermark(3)}
    assert desk.events() == [state(1), state(3)]
    (kept,) = desk.quarantined()
    assert (kept.code, kept.payload) == ("undecodable", message.payload)
    assert "event 2" in kept.why
    assert desk.take(message) == {EPOCH: Watermark(3)}
    assert desk.codes() == ["undecodable"], "a repeat of it is known"


def test_an_unreadable_event_under_a_stored_identity_is_a_conflict(desk: Desk) -> None:
    desk.take(up(state(1)))
    assert desk.take(twisted({**told(state(1)), "wall_ms": "soon"})) == {EPOCH: Watermark(1)}
    assert desk.codes() == ["conflict"]
    assert desk.events() == [state(1)]


def test_an_event_without_an_identity_is_quarantined_and_not_acknowledged(desk: Desk) -> None:
    assert desk.take(twisted({"type": "state"})) == {EPOCH: Watermark()}
    assert desk.codes() == ["undecodable"]


def test_what_the_broker_kept_on_up_is_not_trusted(desk: Desk) -> None:
    assert desk.take(up(state(1), retained=True)) == {}
    assert desk.codes() == ["retained"]
    assert desk.events() == []


CORPUS: Sequence[tuple[str, Arrival]] = [
    ("undecodable", raw(b"")),
    ("undecodable", raw(b"{")),
    ("undecodable", raw(b"\xff\xfe\x00")),
    ("undecodable", raw(b"[" * 16_000)),
    ("undecodable", raw(b'{"v":1,"v":' * 1000)),
    ("undecodable", raw(b"null")),
    ("undecodable", raw(b"[]")),
    ("undecodable", raw(b'"' + b"\\u0000" * 2000 + b'"')),
    ("undecodable", raw(b"1e999999")),
    ("undecodable", twisted()),
    ("undecodable", twisted(told(state(1)), epoch="A" * 32)),
    ("undecodable", twisted(told(state(1)), epoch=None)),
    ("undecodable", twisted(told(state(1)), boot=7)),
    ("undecodable", twisted(*[told(alive(seq)) for seq in range(1, 150)])),
    ("undecodable", twisted("text", 5, None, [])),
    ("undecodable", twisted({**told(state(1)), "seq": 0})),
    ("undecodable", twisted({**told(state(1)), "seq": 2**60})),
    ("undecodable", twisted({**told(state(1)), "seq": True})),
    ("unsupported-version", twisted(told(state(1)), v=2)),
    ("unsupported-version", twisted(told(state(1)), v=2**70)),
    ("too-large", raw(b" " * 17_000)),
    ("bad-topic", raw(b"{}", "perch/v1/HQ/pi-1/up")),
    ("bad-topic", raw(b"{}", "perch/v1/hq/pi-1/up/more")),
    ("bad-topic", raw(b"{}", "perch/v1/hq")),
    ("bad-topic", raw(b"{}", "perch/v1/hq/pi-1/state")),
    ("bad-topic", raw(b"{}", "perch/v1/hq/pi-1/state/D01")),
    ("bad-topic", raw(b"{}", "perch/v1/hq/pi-1/shout")),
    ("bad-topic", raw(b"{}", "perch/v1//pi-1/up")),
    ("bad-topic", raw(b"{}", "perch/v1/hq/pi-1\x00/up")),
    ("undecodable", raw(b"{}", "perch/v1/hq/pi-1/state/d01")),
    ("undecodable", raw(b'{"v":1}', "perch/v1/hq/pi-1/status")),
]


@pytest.mark.parametrize(("code", "arrival"), CORPUS, ids=range(len(CORPUS)))
def test_a_bad_message_is_quarantined_and_the_next_good_one_is_unharmed(
    desk: Desk, code: str, arrival: Arrival
) -> None:
    good = "f" * 32
    assert desk.take(arrival, up(state(1), epoch=good))[good] == Watermark(1)
    assert desk.take(up(state(2), epoch=good))[good] == Watermark(2)
    assert desk.codes()[:1] == [code]
    assert desk.quarantined()[0].topic == arrival.topic
    assert [event for event in desk.events() if event.seq < 2**50] == [state(1), state(2)]


@usually(60)
@given(payload=st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["v", "epoch", "boot", "sent_mono_ms", "events", "seq", "type", "space"]), inner, max_size=8),
    max_leaves=20,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_no_payload_whatever_stops_the_intake(tmp_path_factory: pytest.TempPathFactory, payload: bytes) -> None:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    channels = ("up", "status", "state/d01", "ack")
    assert desk.take(*(raw(payload, f"perch/v1/hq/pi-1/{channel}") for channel in channels), up(state(1)))
    assert state(1) in desk.events()
    desk.close()


def test_events_of_strangers_are_stored_and_counted(desk: Desk) -> None:
    """A layout may name them later; until then they are shown to whoever looks after the network."""
    strange = [up(state(1, "d99"), alive(2)), up(state(1), agent="pi-9", epoch=OTHER)]
    assert desk.take(up(state(1, "d02"), epoch="d" * 32), *strange).keys() == {EPOCH, OTHER, "d" * 32}
    assert len(desk.events()) == 4
    assert desk.intake.counts.strangers == 2
    assert desk.intake.counts.stranger_spaces == {"hq/pi-1/d99": 1, "hq/pi-9/d01": 1}
    desk.take(*(up(state(1, f"x{number}"), epoch=f"{number:032x}") for number in range(300)))
    assert desk.intake.counts.strangers == 302
    assert len(desk.intake.counts.stranger_spaces) == 100


def test_its_own_acknowledgements_are_passed_over(desk: Desk) -> None:
    desk.take(up(state(1)))
    assert desk.take(*(raw(publication.payload, publication.topic) for publication in desk.sent)) == {}
    assert desk.codes() == []


def test_a_sequence_is_cut_where_numbers_are_left_out() -> None:
    events = [alive(seq) for seq in (1, 2, 4, 6, 7, 8)]
    assert [[event.seq for event in run] for run in consecutive(events)] == [[1, 2], [4], [6, 7, 8]]
    assert list(consecutive([])) == []
