"""History from InfluxDB alone, for whoever has nothing else: the collector's words as they count, out of its rows.

The collector has decided already what counts, by the layout that it knows: lost spans are statements here. What is in
force as a day begins is a row of its own, so a window is read with a day before it. InfluxDB knows no moment of all
its rows: while the collector writes a span anew, an answer may miss it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from time import monotonic, time_ns

import numpy as np

from perch.adapters.influx.line_protocol import NS_PER_MS
from perch.adapters.influx.probe import kept_hours
from perch.adapters.influx.query import Bucket, InfluxQuery
from perch.adapters.influx.statements import (
    CARRIED,
    CLOCK,
    COUNT,
    EPOCH,
    NO_TABLE,
    REASON,
    SEQ,
    SINCE,
    STATE,
    THOUSANDTHS,
    TIME,
    Epochs,
    Key,
    Question,
)
from perch.history.source import (
    EVERYTHING,
    Columns,
    Horizon,
    Integers,
    Stretch,
    Tiers,
    Together,
    Vouch,
    side_by_side,
)
from perch.history.timeline import AGENT_OFFLINE
from perch.model import DAY_MS, SENSIBLE_MS
from perch.settings.values import Influx

ASKED_ANEW_S = 600.0
_HOUR_MS = 3_600_000

Tables = dict[Key, Integers]


class InfluxHistory:
    """A `HistorySource` over the rows of an InfluxDB; raises UnavailableError. Any thread may call, several at once."""

    def __init__(self, settings: Influx, timeout_s: float = 60.0, mono_s: Callable[[], float] = monotonic) -> None:
        self._settings = settings
        self._timeout_s = timeout_s
        self._query = InfluxQuery(settings, timeout_s)
        self._mono_s = mono_s
        self._kept: tuple[float, int | None] | None = None

    def __repr__(self) -> str:
        return f"<InfluxHistory at {self._settings.url}>"

    def read(self, site: str, stretches: Sequence[Stretch]) -> list[Columns]:
        """Give what counts of what was stated in each stretch."""
        windows: dict[tuple[int, int], list[int]] = {}
        for place, stretch in enumerate(stretches):
            windows.setdefault((stretch.from_ms, stretch.to_ms), []).append(place)
        found: dict[int, Columns] = {}
        for (from_ms, to_ms), places in windows.items():
            keys = [(stretches[place].agent, stretches[place].space) for place in places]
            window = _Window(Question(self._query, site, Epochs()), dict.fromkeys(keys), from_ms, to_ms)
            found.update(zip(places, window.read(keys), strict=True))
        return [found[place] for place in range(len(stretches))]

    def read_together(self, site: str, stretches: Sequence[Stretch]) -> Together:
        """Give the same in one piece."""
        return side_by_side(self.read(site, stretches))

    def sheets(self, site: str) -> None:
        """Keep none."""

    def kept_from_ms(self) -> int | None:
        """Give the moment from which on the bucket has all rows; None where it keeps them for ever, or does not say.

        That is the first full day (UTC) that it keeps: what is in force then is said as a day begins.
        """
        now_s = self._mono_s()
        if self._kept is None or now_s - self._kept[0] > ASKED_ANEW_S:
            self._kept = now_s, kept_hours(self._settings, Bucket.SPACES, self._timeout_s)
        hours = self._kept[1]
        return -(-(time_ns() // NS_PER_MS - hours * _HOUR_MS) // DAY_MS) * DAY_MS if hours else None

    def tiers(self, _site: str) -> Tiers:
        """Know of no tiers: what the bucket keeps is for it to say (`kept_from_ms`)."""
        return EVERYTHING

    def horizon(self, site: str) -> Horizon | None:
        """Give the first and the last evidence of a site that has a row; None where there is none."""
        question, end_ms = Question(self._query, site, Epochs()), time_ns() // NS_PER_MS + 1
        found = [question.edges(*of, SENSIBLE_MS, end_ms) for of in (("statement", "seq"), ("alive", "mark"))]
        firsts, lasts = {edges[0] for edges in found if edges}, {edges[1] for edges in found if edges}
        return Horizon(min(firsts), max(lasts)) if firsts else None


class _Window:
    """What counts of some spaces over [from_ms, to_ms), and the statement before it, and the one after if it matters.

    `_until_ms` has for each epoch by number until when it is known to have lived; beyond the window, at least that.
    """

    def __init__(self, question: Question, keys: Mapping[Key, None], from_ms: int, to_ms: int) -> None:
        self._question = question
        self._keys = keys
        self._from_ms = from_ms
        self._to_ms = to_ms
        self._until_ms: dict[int, int] = {}

    def read(self, keys: Sequence[Key]) -> list[Columns]:
        """Give what counts, in the order asked."""
        tables = self._with_what_was_before()
        self._hear(tables)
        agents = {agent for agent, _ in tables}
        for number, ms in self._question.marks(agents, self._from_ms - DAY_MS, self._to_ms + DAY_MS):
            self._until_ms[number] = max(ms, self._until_ms.get(number, ms))
        tables = self._with_what_is_after(tables)
        self._hear(tables)
        doubtful = {self._question.epochs.names[number][0] for table in tables.values() for number in self._cut(table)}
        for number in self._question.alive_after(doubtful, self._to_ms + DAY_MS):
            self._until_ms[number] = max(self._to_ms + DAY_MS, self._until_ms.get(number, self._to_ms))
        return [self._columns(tables.get(key, NO_TABLE)) for key in keys]

    def _with_what_was_before(self) -> Tables:
        from_ms = self._from_ms
        stated = self._question.stated(self._keys, from_ms - DAY_MS, self._to_ms)
        tables = {key: _from_the_last_before(table, from_ms) for key, table in stated.items()}
        lacking = [key for key in self._keys if not _has_before(tables.get(key, NO_TABLE), from_ms)]
        for key, before in self._question.last_before(lacking, from_ms - DAY_MS).items():
            tables[key] = np.concatenate((before, tables.get(key, NO_TABLE)))
        return {key: table for key, table in tables.items() if len(table)}

    def _with_what_is_after(self, tables: Tables) -> Tables:
        """Add the statement after the window where it may vouch for time within."""
        open_ended = [key for key, table in tables.items() if self._until_ms[int(table[-1, EPOCH])] < self._to_ms]
        after = self._question.first_after(open_ended, self._to_ms)
        return {key: np.concatenate((table, after[key])) if key in after else table for key, table in tables.items()}

    def _hear(self, tables: Tables) -> None:
        """Whatever was stated vouches for its epoch."""
        for table in tables.values():
            for number in np.unique(table[:, EPOCH]).tolist():
                ms = int(table[table[:, EPOCH] == number, TIME].max())
                self._until_ms[number] = max(ms, self._until_ms.get(number, ms))

    def _cut(self, table: Integers) -> Iterator[int]:
        """Give the epochs of statements that, by all that is known so far, hold neither to the next nor to the end."""
        next_ms = np.append(table[1:, TIME], self._to_ms)
        offline = np.isin(next_ms, table[table[:, REASON] == AGENT_OFFLINE, TIME])
        for number in np.unique(table[~offline, EPOCH]).tolist():
            of_epoch = (table[:, EPOCH] == number) & ~offline
            if self._until_ms[number] < min(int(next_ms[of_epoch].max()), self._to_ms):
                yield number

    def _columns(self, table: Integers) -> Columns:
        numbers, epoch = np.unique(table[:, EPOCH], return_inverse=True)
        vouches = (Vouch(self._question.epochs.names[number][1], self._until_ms[number]) for number in numbers.tolist())
        return Columns(
            table[:, TIME],
            table[:, SEQ],
            epoch.astype(np.int64),
            table[:, STATE],
            table[:, REASON],
            table[:, CLOCK],
            table[:, THOUSANDTHS],
            table[:, COUNT],
            tuple(vouches),
        )


def _from_the_last_before(table: Integers, from_ms: int) -> Integers:
    """Give the statements from the last one before a moment on; where there is none, with the one carried last."""
    said = table[table[:, CARRIED] == 0]
    place = int(np.searchsorted(said[:, TIME], from_ms))
    if place:
        last: Integers = said[int(np.searchsorted(said[:, TIME], said[place - 1, TIME])) :]
        return last
    holds = (table[:, CARRIED] == 1) & (table[:, TIME] <= from_ms) & (table[:, SINCE] < from_ms)
    carried: Integers = table[holds][-1:].copy()
    carried[:, TIME] = carried[:, SINCE]
    return np.concatenate((carried, said))


def _has_before(table: Integers, from_ms: int) -> bool:
    return bool(len(table)) and int(table[0, TIME]) < from_ms
