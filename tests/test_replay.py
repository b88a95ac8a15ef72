"""What could not be taken in is tried again: stored once where it can be by now, and kept where it cannot."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.intake import Intake
from collector.live import Live
from collector.replay import STEP, Replaying
from perch.adapters.errands import Answer
from perch.adapters.journal.store import Journal, JournalReader, Stream
from perch.adapters.quarantine.store import Quarantine, QuarantineReader, Suspect
from perch.contract import Event
from perch.delivery.liveness import Instant
from perch.delivery.watermark import Watermark
from tests.test_intake import EPOCH, alive, lost, raw, state, told, twisted, up

PLACES = {("hq", "pi-1"): {"d01", "d02"}}


class Desk:
    """An intake over real files, and a quarantine to take messages from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = Journal.open(folder / "journal.db")
        self.quarantine = Quarantine.open(folder / "quarantine.db")
        live = Live((), lambda _: None, Instant(0, 0))
        self.intake = Intake(self.journal, self.quarantine, PLACES, live, lambda _: True)

    def close(self) -> None:
        self.journal.close()
        self.quarantine.close()

    def keep(self, payload: bytes, topic: str = "perch/v1/hq/pi-1/up", code: str = "undecodable") -> int:
        """Put a message into quarantine, as an older version would have that could not read it; gives its id."""
        self.quarantine.add([Suspect(4_000, code, "it could not be read", topic, payload)])
        return self.ids()[-1]

    def settle(self, *numbers: tuple[int, int]) -> None:
        """Acknowledge numbers without storing anything, as it is done with what cannot be read."""
        mark = self.journal.watermark(self.stream())
        for first, last in numbers:
            mark = mark.add(first, last)
        self.journal.append([], {self.stream(): mark})

    @staticmethod
    def stream() -> Stream:
        return Stream("hq", "pi-1", EPOCH)

    def replay(self, *ids: int) -> Answer:
        work = Replaying(self.intake, self.quarantine, ids)
        while not (answer := work.step(0)).done:
            pass
        return answer

    def events(self) -> list[Event]:
        with JournalReader(self.folder / "journal.db") as reader:
            return [entry.event for entry in reader.read(0, 100_000)]

    def ids(self) -> list[int]:
        with QuarantineReader(self.folder / "quarantine.db") as reader:
            return reader.ids()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.close()


def test_an_event_that_was_acknowledged_unread_is_stored_once_it_can_be_read(desk: Desk) -> None:
    """An upgrade reads what its predecessor could not; the time of its receipt is that of then."""
    desk.settle((1, 3))
    number = desk.keep(up(state(2)).payload)
    answer = desk.replay(number)
    assert (answer.stored, answer.known, answer.refused) == (1, 0, ())
    with JournalReader(desk.folder / "journal.db") as reader:
        [entry] = reader.read(0, 10)
    assert (entry.event, entry.received_ms, entry.sent_mono_ms) == (state(2), 4_000, 77)
    assert desk.journal.watermark(desk.stream()) == Watermark(3)
    assert desk.ids() == []


def test_what_is_still_refused_stays_and_its_good_neighbours_are_stored(desk: Desk) -> None:
    desk.settle((1, 3))
    still_bad = desk.keep(twisted(told(state(1)), {**told(state(2)), "state": "asleep"}, told(state(3))).payload)
    hopeless, good = desk.keep(b"no JSON"), desk.keep(up(alive(9)).payload)
    answer = desk.replay(still_bad, hopeless, good)
    assert sorted(event.seq for event in desk.events()) == [1, 3, 9]
    assert [(one.id, one.code) for one in answer.refused] == [(still_bad, "undecodable"), (hopeless, "undecodable")]
    assert desk.ids() == [still_bad, hopeless]
    assert desk.replay(still_bad).refused == answer.refused[:1]
    assert len(desk.events()) == 3


def test_a_replay_stores_nothing_twice(desk: Desk) -> None:
    """A message may have come again since, or a replay may have died between journal and quarantine."""
    first, again = desk.keep(up(state(1), state(2)).payload), desk.keep(up(state(2), state(1)).payload)
    twin = desk.keep(up(state(1), state(2)).payload)
    answer = desk.replay(first, twin)
    assert (answer.stored, answer.known) == (2, 2)
    assert desk.events() == [state(1), state(2)]
    assert desk.ids() == [again]
    answer = desk.replay(first, twin)
    assert [one.code for one in answer.refused] == ["gone", "gone"]
    assert desk.events() == [state(1), state(2)]


@pytest.mark.parametrize(
    ("payload", "topic", "code"),
    [
        (up(state(1, probability=0.9)).payload, "perch/v1/hq/pi-1/up", "conflict"),
        (up(state(2)).payload, "perch/v1/hq/pi-1/upward", "bad-topic"),
        (up(state(2)).payload, "perch/v1/hq/pi-1/up", "retained"),
        (b" " * 100_000, "perch/v1/hq/pi-1/up", "too-large"),
        (b"{}", "perch/v1/hq/pi-1/status", "undecodable"),
    ],
)
def test_what_an_upgrade_does_not_mend_stays(desk: Desk, payload: bytes, topic: str, code: str) -> None:
    desk.intake.take([up(state(1))])
    number = desk.keep(payload, topic, code)
    answer = desk.replay(number)
    assert [(one.id, one.code) for one in answer.refused] == [(number, code)]
    assert desk.events() == [state(1)]
    assert desk.ids() == [number]


def test_a_live_state_that_can_be_read_by_now_is_only_cleared_away(desk: Desk) -> None:
    status = json.dumps({"v": 1, "online": False, "epoch": EPOCH, "run": 1}).encode()
    number = desk.keep(status, "perch/v1/hq/pi-1/status")
    assert desk.replay(number) == Answer(done=True, taken=1, total=1)
    assert desk.ids() == []


def test_many_messages_are_taken_a_few_at_a_time(desk: Desk) -> None:
    """So that no agent waits long for its acknowledgement while a replay is under way."""
    ids = [desk.keep(up(alive(seq)).payload) for seq in range(1, 2 * STEP + 2)]
    work = Replaying(desk.intake, desk.quarantine, ids)
    answers = [work.step(0) for _ in range(3)]
    assert [(answer.taken, answer.done) for answer in answers] == [
        (STEP, False),
        (2 * STEP, False),
        (2 * STEP + 1, True),
    ]
    assert answers[-1].stored == 2 * STEP + 1
    assert len(desk.events()) == 2 * STEP + 1


def test_an_agent_that_invents_spaces_comes_to_a_bound_and_its_own_spaces_are_never_refused(desk: Desk) -> None:
    """Every name is kept for ever, so the journal takes only so many an hour; the rest waits in quarantine."""
    invented = [
        up(*(state(100 * turn + place, f"x{100 * turn + place}") for place in range(1, 101))) for turn in range(20)
    ]
    desk.intake.take(invented)
    known = {event.space for event in desk.events()}
    assert 900 <= len(known) <= 1_000
    assert desk.journal.watermark(desk.stream()) == Watermark(2_000)
    desk.intake.take([up(state(2_001, "y1"), state(2_002, "d01"), state(2_003, "d02"), state(2_004, "x1"))])
    assert [event.space for event in desk.events()[-3:]] == ["d01", "d02", "x1"]
    desk.intake.take([up(state(2_001, "y1"))])
    stay = desk.ids()
    assert len(stay) == len({message.payload for message in desk.quarantine.find(stay)})
    assert {message.code for message in desk.quarantine.find(stay)} == {"too-many-names"}
    later = {("hq", "pi-1"): {f"x{number}" for number in range(3_000)} | {"y1"}}
    desk.intake = Intake(desk.journal, desk.quarantine, later, Live((), lambda _: None, Instant(0, 0)), lambda _: True)
    answer = desk.replay(*stay)
    assert answer.refused == ()
    assert sorted(event.seq for event in desk.events()) == list(range(1, 2_005))


def test_invented_epochs_and_boots_are_neither_stored_nor_acknowledged_beyond_a_bound(desk: Desk) -> None:
    """An agent that restarts that often waits: it keeps what is not acknowledged."""
    taken = [up(state(1), epoch=f"{number:032x}") for number in range(1_500)]
    desk.intake.take(taken)
    assert 900 <= len(desk.events()) <= 1_000
    assert desk.intake.counts.deferred == {"hq/pi-1": 1_500 - len(desk.events())}
    before = len(desk.events())
    hour_later = [arrival._replace(mono_ms=3_600_000 + 100) for arrival in taken]
    desk.intake.take(hour_later)
    assert len(desk.events()) - before == 60
    desk.intake.take([up(state(2), epoch=f"{1:032x}"), up(state(1), agent="pi-2")])
    assert len(desk.events()) == before + 62


def test_gaps_without_end_are_not_kept(desk: Desk) -> None:
    desk.intake.take([up(alive(seq)) for seq in range(2, 6_000, 2)])
    assert len(desk.journal.watermark(desk.stream()).have) == 1_000
    assert desk.intake.counts.deferred == {"hq/pi-1": 1_999}
    desk.intake.take([up(alive(3)), raw(b"no JSON")])
    assert alive(3) in desk.events()


def test_an_agent_may_tell_of_lost_events_of_only_so_many_other_epochs(desk: Desk) -> None:
    desk.intake.take([up(lost(seq, 1, 2, f"{seq:032x}")) for seq in range(1, 1_500)])
    named = sum(desk.journal.has(desk.stream()._replace(epoch=f"{seq:032x}")) for seq in range(1, 1_500))
    assert 900 <= named <= 1_000
    assert len(desk.events()) == named  # the others are not acknowledged, so that nothing is said that was not done


def test_what_is_refused_again_raises_no_alarm_anew(desk: Desk) -> None:
    """A conflict was counted when it came; its message may be tried again at any time."""
    desk.intake.take([up(state(1))])
    desk.replay(desk.keep(up(state(1, "d02")).payload, code="conflict"))
    assert desk.intake.counts.conflicts == {}
    assert desk.ids() == [1]
