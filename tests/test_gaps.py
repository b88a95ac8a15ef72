"""Events that are missing between others: whoever asks is told, until they come, and so is whoever looks after it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.history.files import HistoryFiles
from collector.history.projection import HistoryProjection
from collector.projection import advance, resume
from perch.adapters.history.store import HistoryStore
from perch.adapters.journal.store import Journal, JournalReader, Run, Stream
from perch.codes import STATES
from perch.contract import AliveEvent, Event, StateEvent
from perch.delivery.watermark import Watermark
from perch.doctor.findings import Verdict
from perch.doctor.stores import look_at_journal
from perch.history.gaps import Gap, GappedSource
from perch.history.layout import Tenure
from perch.history.question import Hours, Resolution
from perch.history.source import BEGINNING_MS, END_MS, Stretch
from perch.history.statements import counted
from perch.history.timeline import hold
from perch.history.together import hold_together
from perch.history.told import Lost, LostSpan, Marked, Stated
from perch.model import Clock, Reason, State
from tests.examples import usually
from tests.history_cases import Case, cases
from tests.serving import EPOCH, a_site
from tests.test_answer_sources import assert_equal_answers, on_disk

T = 1_790_000_100_000
STREAM = Stream("hq", "pi-1", EPOCH)


def desk_is(seq: int, state: State) -> Event:
    return StateEvent(seq, "d01", state, 0.5, None, Reason.MOTION, T + seq * 60_000, seq * 60_000, Clock.OK)


def alive(seq: int) -> Event:
    return AliveEvent(seq, T + seq * 60_000, seq * 60_000, Clock.OK)


class Place:
    """A collector's files, and the store of an API that reads them anew each time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = Journal.open(folder / "journal.db")
        self.mark = Watermark()

    def receive(self, *events: Event) -> None:
        run = Run(STREAM, "f" * 16, None, T, events)
        for event in events:
            self.mark = self.mark.add(event.seq, event.seq)
        self.journal.append([run], {STREAM: self.mark})
        with HistoryStore.open(self.folder / "history.db") as store, JournalReader(self.journal_path) as log:
            projection = HistoryProjection(store, log)
            advance(log, projection, resume(log, projection), 1_000)

    @property
    def journal_path(self) -> Path:
        return self.folder / "journal.db"

    def caveats(self, from_ms: int = T) -> Sequence[str]:
        files = HistoryFiles({"hq": a_site()}, self.folder)
        try:
            return files.caveats(from_ms)
        finally:
            files.close()

    def held(self, from_ms: int = T, to_ms: int = T + 3_600_000) -> list[tuple[int, int, str]]:
        """Say from which minute to which the desk was known to be how."""
        files = HistoryFiles({"hq": a_site()}, self.folder)
        of = Tenure("d01", "pi-1", BEGINNING_MS, END_MS)
        try:
            together = hold_together("hq", [(of, from_ms, to_ms)], files.source())
            [rows] = files.source().read("hq", [Stretch("d01", "pi-1", from_ms, to_ms)])
        finally:
            files.close()
        alone = hold(counted(rows, of), of)
        found = [
            [
                (int(begun_ms - T) // 60_000, int(over_ms - T) // 60_000, str(STATES[state]))
                for begun_ms, over_ms, state in zip(held.time_ms, until_ms, held.state, strict=True)
            ]
            for held, until_ms in ((together.rows, together.until_ms), (alone.columns, alone.until_ms))
        ]
        assert found[0] == found[1]
        return [one for one in found[0] if one[0] < one[1]]

    def warned(self) -> list[str]:
        return [found.what for found in look_at_journal(self.folder) if found.verdict is Verdict.WARN]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.journal.close()


def test_whoever_asks_is_told_that_events_are_missing_between_others_until_they_come(place: Place) -> None:
    place.receive(desk_is(1, State.FREE), alive(2))
    assert place.caveats() == ()
    place.receive(alive(5), alive(6))
    [said] = place.caveats()
    assert said.startswith("At hq 2 events are missing between others that came")
    assert place.warned() == ["2 events of hq/pi-1 are missing between others that came"]
    assert place.caveats(T + 7 * 60_000) == (), "a later answer does not rest on that start of the agent"
    place.receive(desk_is(3, State.OCCUPIED), desk_is(4, State.FREE))
    assert place.caveats() == ()
    assert place.warned() == []


def test_nothing_vouches_for_a_desk_over_a_gap_until_it_is_filled(place: Place) -> None:
    place.receive(desk_is(1, State.FREE), alive(2))
    place.receive(alive(6), desk_is(7, State.FREE), alive(8))
    assert place.held() == [(1, 2, "free"), (2, 7, "unknown"), (7, 8, "free")]
    place.receive(desk_is(4, State.OCCUPIED))
    assert place.held() == [(1, 2, "free"), (2, 4, "unknown"), (4, 7, "unknown"), (7, 8, "free")]
    place.receive(alive(3))
    place.receive(alive(5))
    assert place.held() == [(1, 4, "free"), (4, 7, "occupied"), (7, 8, "free")]


def test_a_journal_that_cannot_be_read_keeps_nobody_from_the_answer(place: Place) -> None:
    place.receive(desk_is(1, State.FREE), alive(3))
    place.journal.close()
    place.journal_path.write_bytes(b"no database" * 1_000)
    assert place.caveats() == ()


@st.composite
def gapped(draw: st.DrawFn) -> tuple[Case, list[Gap]]:
    """Draw a case of which some words of an epoch are taken out, and the gap that they leave, if any."""
    case = draw(cases())
    spoken = [one for one in case.told if isinstance(one, Stated | Marked)]
    epochs = Counter(one[:3] for one in spoken)
    talkative = sorted(epoch for epoch, words in epochs.items() if words > 2)
    if not talkative:
        return case, []
    site, agent, epoch = draw(st.sampled_from(talkative))
    own = sorted((one for one in spoken if one[:3] == (site, agent, epoch)), key=lambda one: one.seq)
    first = draw(st.integers(0, len(own) - 3))
    before, after = own[first], own[draw(st.integers(first + 2, len(own) - 1))]
    if after.seq - before.seq < 2:
        return case, []
    gone = {one for one in own if before.seq < one.seq < after.seq}
    times = sorted((before.time_ms, after.time_ms))
    until_ms = max(one.time_ms for one in spoken if one[:2] == (site, agent) and one not in gone)
    span = LostSpan(epoch, before.seq + 1, after.seq - 1, times[0], times[1])
    return replace(case, told=tuple(one for one in case.told if one not in gone)), [Gap(agent, span, until_ms)]


@usually(6)
@given(gapped(), st.sampled_from(["coverage", "time_used_ratio", "sessions"]), st.sampled_from(Resolution))
def test_answers_over_a_gap_are_those_over_a_lost_span(
    found: tuple[Case, list[Gap]], metric: str, by: Resolution
) -> None:
    case, gaps = found
    lost = [Lost(case.site.id, gap.agent, gap.until_ms, gap.span) for gap in gaps]
    with on_disk(case) as source:
        as_lost = replace(case, told=(*case.told, *lost))
        assert_equal_answers(as_lost, GappedSource(source, lambda _: gaps), metric, by, Hours.ALL)
