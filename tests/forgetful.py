"""A collector's files without a collector: a journal and a history that let go of what is too old, and forget."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from collector.forgetting import LOOK_MS, Forgetting
from collector.history.projection import HistoryProjection
from collector.projection import advance, resume
from perch.adapters.history.store import HistoryReader, HistoryStore
from perch.adapters.journal.store import Journal, JournalReader, Run, Stream
from perch.contract import AliveEvent, Event, StateEvent
from perch.delivery.erasing import Erasure
from perch.delivery.watermark import Watermark
from perch.history.folding import for_ever
from perch.history.source import BEGINNING_MS, END_MS, Stretch
from perch.history.statements import counted
from perch.history.timeline import hold, timeline
from perch.model import DAY_MS, QUARTER_MS, Clock, Reason, State
from perch.settings import Retention
from tests.history_cases import EPOCHS

FIRST_MS = 20_700 * DAY_MS
BOOT = "b" * 16
RETENTION = Retention(transitions_days=2, quarter_hours_days=0, journal_days=5)


class Reader:
    """Whoever reads the journal, as far as it has come."""

    def __init__(self) -> None:
        self.position = 0


class Files:
    """Journal and history of a collector, followed and made anew when asked to."""

    def __init__(self, folder: Path, opened: ExitStack, retention: Retention = RETENTION) -> None:
        self.folder = folder
        self._retention = retention
        self._opened = opened
        self.journal = opened.enter_context(Journal.open(folder / "journal.db"))
        self.log = opened.enter_context(JournalReader(folder / "journal.db"))
        self.store = opened.enter_context(HistoryStore.open(folder / "history.db"))
        self.history = opened.enter_context(HistoryReader(folder / "history.db"))
        self.reader = Reader()
        self.forgetting = Forgetting(self.journal, self.history, (self.reader,), retention)
        self._mono_ms = 0

    def tell(self, stream: Stream, events: Sequence[Event], received_ms: int, sent_mono_ms: int | None = None) -> None:
        """Store of events of one message what is new, as a collector does."""
        for event in events:
            mark = self.journal.watermark(stream)
            if event.seq not in mark:
                run = Run(stream, BOOT, sent_mono_ms, received_ms, (event,))
                self.journal.append([run], {stream: mark.add(event.seq, event.seq)})

    def erase(self, space: str, from_ms: int, to_ms: int, now_ms: int | None = None) -> None:
        erased_ms = to_ms + DAY_MS if now_ms is None else now_ms
        self.journal.erase(Erasure("hq", space, from_ms, to_ms, erased_ms))

    def follow(self, limit: int = 5_000) -> None:
        """Come to the journal's end."""
        projection = HistoryProjection(self.store, self.log, retention=self._retention)
        position, before = resume(self.log, projection), -1
        while position != before:
            position, before = advance(self.log, projection, position, limit), position
        while self.store.fold():
            pass
        self.reader.position = position

    def forget(self) -> None:
        """Do all that there is to be done in the journal."""
        for _ in range(20):
            self._mono_ms += LOOK_MS
            self.forgetting.settle(self._mono_ms)
        assert self.journal.scrub()

    def rebuild(self) -> None:
        HistoryProjection(self.store, self.log, retention=self._retention).reset(self.log.id)
        self.follow(limit=97)

    def left(self) -> list[tuple[int, str, int]]:
        """Give the position, epoch and number of each event that is there."""
        return [(entry.position, entry.epoch, entry.event.seq) for entry in self.log.read(0, 10**6)]

    def answers(self, unsummed: str = "", agents: Iterable[str] = ("pi-1",)) -> list[object]:
        """Ask for all that is kept: sums of days, but of one space, and words from the first day of which they are."""
        spaces = ("s1", "s2", "s3")
        reader = self.history
        words_ms = reader.tiers("hq").words_ms
        asked: list[object] = [reader.tiers("hq"), reader.horizon("hq"), reader.late()]
        for agent in agents:
            stretches = [Stretch(space, agent, max(words_ms, FIRST_MS - DAY_MS), END_MS) for space in spaces]
            for of, columns in zip(stretches, reader.read("hq", stretches), strict=True):
                rows = (columns.row(place) for place in range(len(columns)))
                asked.append([row for row in rows if row.time_ms >= words_ms])
                tenure = for_ever(agent, of.space)
                held = timeline([hold(counted(columns, tenure), tenure)]).intervals()
                asked.append(
                    [replace(one, from_ms=max(one.from_ms, of.from_ms)) for one in held if one.to_ms > of.from_ms]
                )
            asked.append(reader.marks("hq", agent, words_ms if words_ms > BEGINNING_MS else 0, END_MS))
        sheets = reader.sheets("hq")
        spoken = sheets.spoken()
        for of in sheets.summed(sheets.days(FIRST_MS // DAY_MS - 1, FIRST_MS // DAY_MS + 30)):
            tables = () if of is None else (of.known_ms, of.occupied_ms, of.counted_ms, of.out_ms, of.stated)
            numbers = [] if of is None else of.series.tolist()
            of_day = {spoken[n]: [table[at].tolist() for table in tables] for at, n in enumerate(numbers)}
            asked.append({key: told for key, told in of_day.items() if key[1] != unsummed})
        return asked

    def bytes(self) -> bytes:
        """Give all that lies in the folder."""
        return b"".join(path.read_bytes() for path in sorted(self.folder.iterdir()) if path.is_file())


@contextmanager
def files(folder: Path, retention: Retention = RETENTION) -> Iterator[Files]:
    with ExitStack() as opened:
        yield Files(folder, opened, retention)


def state(seq: int, space: str, said: State, ms: int, mono_ms: int | None = None) -> StateEvent:
    reason = Reason.MOTION if said is State.OCCUPIED else Reason.QUIET
    return StateEvent(seq, space, said, 0.75, None, reason, ms, ms - FIRST_MS if mono_ms is None else mono_ms, Clock.OK)


def days(journal: Journal, first: int, last: int, spaces: Sequence[str] = ("s1", "s2")) -> None:
    """Let an agent live from one day until another: its spaces are taken at nine and left at five, and it marks."""
    stream = Stream("hq", "pi-1", EPOCHS[0])
    for day in range(first, last):
        begun_ms = FIRST_MS + day * DAY_MS
        told: list[tuple[int, str, State | None]] = [(quarter * QUARTER_MS, "", None) for quarter in range(0, 96, 4)]
        for number, space in enumerate(spaces):
            told.append((9 * 4 * QUARTER_MS + number * 60_000 + 777, space, State.OCCUPIED))
            told.append((17 * 4 * QUARTER_MS + number * 60_000 + 777, space, State.FREE))
        seq, runs = journal.watermark(stream).highest, []
        for after_ms, space, said in sorted(told, key=lambda one: one[0]):
            seq, ms = seq + 1, begun_ms + after_ms
            mono_ms = ms - FIRST_MS
            event = AliveEvent(seq, ms, mono_ms, Clock.OK) if said is None else state(seq, space, said, ms)
            runs.append(Run(stream, BOOT, mono_ms + 50, ms + 50, (event,)))
        journal.append(runs, {stream: Watermark(seq)})
