"""The projection that answers the API's questions: the journal's words, placed in time, in `history.db`.

After each batch history holds every entry up to the cursor as it is placed by all that is known up to there. So where
an entry tells of its agent's clock, what that agent told before is forgotten and told anew, in the same transaction.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from collector.ageing import FOR_EVER, boundaries
from collector.telling import AgentKey, heard, hull, lost_between, tell
from perch.adapters.cursor import Cursor
from perch.adapters.journal.codec import ErasureEvent
from perch.adapters.journal.store import Entry
from perch.contract import LostEvent
from perch.delivery.boots import Boots, Clue, Key
from perch.delivery.erasing import Erasure
from perch.delivery.placing import is_plain, reached, retold, spans_of, take, with_tellers
from perch.history.told import Forgotten, Told
from perch.settings import Retention

AGENTS_REMEMBERED = 10_000

log = logging.getLogger(__name__)


class EpochLog(Protocol):
    """A journal that can be asked for what single epochs told."""

    def epochs(self, site: str, agent: str, epochs: Collection[str], upto: int) -> Iterable[Entry]:
        """Give the entries of some epochs of an agent up to a position."""
        ...

    def floor(self) -> int:
        """Give the position up to which entries may have been let go of, 0 where all are there."""
        ...


class Store(Protocol):
    """What keeps history: words, what is known of the agents' boots, and the cursor, committed together."""

    def cursor(self) -> Cursor | None:
        """Tell how far the journal is projected; None before the first time."""
        ...

    def reset(self, journal: str) -> None:
        """Forget everything and begin at the start of a journal."""
        ...

    def begin_again(self, journal: str) -> bool:
        """Begin at what a journal still has, keeping what rests on that which it let go of; False if nothing is."""
        ...

    def erase(self, erasure: Erasure, position: int) -> None:
        """Erase what was said of a space over a period, now and whenever more of it is told."""
        ...

    def boots(self, site: str, agent: str) -> Boots:
        """Give what is known of an agent's boots."""
        ...

    def kept_from(self) -> int | None:
        """Give the day (UTC, since 1970) from which on words are kept; None where none was ever let go of."""
        ...

    def let_go(self, words_day: int, sums_day: int) -> None:
        """Let go of words before a day, of which sums by quarter hour are left, and of sums before another."""
        ...

    def add(
        self,
        told: Iterable[Told],
        cursor: Cursor,
        learned: Mapping[AgentKey, tuple[Boots, Boots]] = ...,
        forgotten: Sequence[Forgotten] = ...,
        followed: int = ...,
        floor: int = ...,
    ) -> None:
        """Forget what is void, take in words and what became known of agents' boots, and move the cursor."""
        ...


class HistoryProjection:
    """Keeps `history.db` in step with the journal; a `Projection`. `log` is the journal that is followed.

    `followed` tells how far those have come that learn from history what moved; where nobody does, nothing is kept.
    What is older than `retention` says is let go of.
    """

    def __init__(
        self,
        store: Store,
        log: EpochLog,
        followed: Callable[[], int] = lambda: 0,
        retention: Retention = FOR_EVER,
    ) -> None:
        self._followed = followed
        self._retention = retention
        self._store = store
        self._log = log
        self._boots: dict[AgentKey, Boots] = {}

    def __repr__(self) -> str:
        return f"<HistoryProjection into {self._store!r}>"

    def cursor(self) -> Cursor | None:
        """Tell how far it has come; None before the first time."""
        self._boots.clear()
        return self._store.cursor()

    def reset(self, journal: str) -> None:
        """Forget everything that the journal can tell anew, and begin at its start."""
        self._boots.clear()
        if not self._log.floor():
            self._store.reset(journal)
        elif not self._store.begin_again(journal):
            log.warning(
                "the journal has let go of its events up to number %d, and there is no history of them: days before are"
                " unobserved; restore history.db from a backup if there is one",
                self._log.floor(),
            )

    def apply(self, entries: Sequence[Entry], journal: str) -> None:
        """Take in entries in order of position; those before the cursor are known."""
        cursor = self._store.cursor() or Cursor(journal, 0)
        for some in self._portions([entry for entry in entries if entry.position > cursor.position]):
            self._take(some, journal, cursor.position)
            cursor = Cursor(journal, some[-1].position)

    def _portions(self, new: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
        """Cut entries where one shows that something is too old, which is let go of before that one is taken in.

        So what is kept is a function of the journal's order alone, however it is cut into batches. An erasure is
        carried out where it stands.
        """
        begin = 0
        for place, words_day, sums_day in boundaries(new, self._retention, self._store.kept_from):
            yield from self._erasing(new[begin:place])
            begin = place
            self._store.let_go(words_day, sums_day)
        yield from self._erasing(new[begin:])

    def _erasing(self, new: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
        """Cut entries before erasures, and carry those out."""
        begin = 0
        for place, entry in enumerate(new):
            if isinstance(entry.event, ErasureEvent):
                if place > begin:
                    yield new[begin:place]
                begin = place
                of = entry.event
                self._store.erase(Erasure(entry.site, of.space, of.from_ms, of.to_ms, of.erased_ms), entry.position)
        if begin < len(new):
            yield new[begin:]

    def _take(self, new: Sequence[Entry], journal: str, upto: int) -> None:
        learning = _Learning(self._known)
        for agent, position, clue in heard(new):
            learning.add(agent, position, clue)
        learning.settle()
        forgotten = [
            stirred.forgotten(learning.now[agent], [*self._losses(stirred, learning.now[agent], upto), *new])
            for agent, stirred in learning.stirred.items()
        ]
        told = self._told(new, learning.now, forgotten, upto)
        cursor, followed = Cursor(journal, new[-1].position), self._followed()
        self._store.add(told, cursor, learning.learned, forgotten, followed, self._log.floor())
        self._remember(learning.now)

    def _losses(self, stirred: "_Stirred", now: Boots, upto: int) -> Iterable[Entry]:
        """Give what the epochs that are void had told of lost events."""
        epochs = stirred.losers(now)
        told = self._log.epochs(*stirred.agent, epochs, upto) if epochs else ()
        return (entry for entry in told if isinstance(entry.event, LostEvent))

    def _known(self, agent: AgentKey) -> Boots:
        remembered = self._boots.get(agent)
        return self._store.boots(*agent) if remembered is None else remembered

    def _remember(self, now: Mapping[AgentKey, Boots]) -> None:
        if len(self._boots) > AGENTS_REMEMBERED:
            self._boots.clear()
        self._boots.update(now)

    def _told(
        self, new: Iterable[Entry], now: Mapping[AgentKey, Boots], forgotten: Iterable[Forgotten], upto: int
    ) -> Iterator[Told]:
        """Tell what is void anew, as far as it had been told, and then what is new."""
        for one in forgotten:
            yield from tell(self._log.epochs(one.site, one.agent, one.epochs, upto), now)
        yield from tell(new, now)


class _Stirred:
    """What of an agent is void, since its events belong elsewhere from some position of the journal on."""

    def __init__(self, agent: AgentKey) -> None:
        self.agent = agent
        self._epochs: set[str] = set()
        self._position = 0
        self._between: list[tuple[int, int]] = []
        self._known: list[Boots] = []

    def add(self, position: int, epochs: frozenset[str], before: Boots, after: Boots) -> None:
        """Note that epochs are placed otherwise from a position on."""
        self._epochs |= epochs
        self._position = position
        self._between += (*spans_of(before, epochs), *spans_of(after, epochs))
        self._known += (before, after)

    def losers(self, now: Boots) -> frozenset[str]:
        """Name the epochs that are void of which one told what another lost."""
        return frozenset(with_tellers(self._epochs, now)).intersection(teller for teller, _ in now.tellings)

    def forgotten(self, now: Boots, told: Iterable[Entry]) -> Forgotten:
        """Put it together; what is new may have been on its way elsewhere too, and so may what is lost."""
        own = [entry for entry in told if (entry.site, entry.agent) == self.agent]
        widest = hull(own)
        lost = [entry for entry in own if isinstance(entry.event, LostEvent)]
        ways = (*self._between, *(span for known in self._known for span in lost_between(lost, {self.agent: known})))
        between = dict.fromkeys(ways if widest is None else (*ways, widest))
        return Forgotten(*self.agent, with_tellers(self._epochs, now), self._position, tuple(between))


class _Learning:
    """What entries make known of agents' boots: `learned` from what to what, `now` in the end, once it is settled."""

    def __init__(self, known: Callable[[AgentKey], Boots]) -> None:
        self._known = known
        self._before: dict[AgentKey, Boots] = {}
        self._tops: dict[AgentKey, dict[Key, int]] = {}
        self.now: dict[AgentKey, Boots] = {}
        self.stirred: dict[AgentKey, _Stirred] = {}

    def add(self, agent: AgentKey, position: int, clue: Clue) -> None:
        """Take in what a piece of a message tells of time, up to a position of the journal."""
        if agent not in self.now:
            self.now[agent] = self._before[agent] = self._known(agent)
            self._tops[agent] = {}
        before, key = self.now[agent], (clue.boot, clue.epoch)
        if is_plain(before, clue):
            tops = self._tops[agent]
            tops[key] = max(tops.get(key, -1), clue.top_mono_ms)
            return
        self._settle(agent)
        before = self.now[agent]
        after = self.now[agent] = take(before, clue)
        if epochs := retold(before, after):
            self.stirred.setdefault(agent, _Stirred(agent)).add(position, epochs, before, after)

    def settle(self) -> None:
        """Take in what was put off, for nothing hangs on it."""
        for agent in self.now:
            self._settle(agent)

    def _settle(self, agent: AgentKey) -> None:
        self.now[agent] = reached(self.now[agent], self._tops[agent])
        self._tops[agent] = {}

    @property
    def learned(self) -> dict[AgentKey, tuple[Boots, Boots]]:
        """What was known before, and what is known now."""
        return {agent: (self._before[agent], boots) for agent, boots in self.now.items()}
