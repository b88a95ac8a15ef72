"""What is kept to answer forecasts quickly: for each site and kind of space, what its past teaches and its day so far.

A year is read once a local day, when a forecast is first asked for; today's quarter hours are read anew when another
one is over. Nothing else is kept, so that memory grows with sites and kinds alone.
"""

from dataclasses import dataclass, field
from datetime import date
from threading import Lock

from api.history.way import History
from perch.history.calendar import Calendar, floor_quarter
from perch.history.forecast.asking import (
    Forecast,
    Lesson,
    Present,
    check_at,
    crowd_so_far,
    forecast,
    learn,
    silence,
    total_at,
)
from perch.history.measure import Floats
from perch.model import Site, SpaceKind


@dataclass(slots=True)
class _Pool:
    """A kind of space at a site; whoever holds `turn` may read and write the rest."""

    turn: Lock = field(default_factory=Lock)
    lesson: tuple[date, Lesson] | None = None
    today: tuple[int, Floats] | None = None


class Forecasts:
    """Forecasts of a network out of its history; any thread may ask. Raises QuestionError and what history raises."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._pools: dict[tuple[str, SpaceKind], _Pool] = {}
        self._turn = Lock()

    def __repr__(self) -> str:
        return f"<Forecasts of {len(self._pools)} pools>"

    def ask(self, site: Site, kind: SpaceKind, at_ms: int, now_ms: int, present: Present | None) -> Forecast:
        """Answer for a moment; `present` is what is known of the pool now."""
        calendar = self._history.calendar(site.id)
        check_at(at_ms, now_ms, calendar)
        why = silence(site, kind, at_ms, calendar)
        if why is not None:
            return Forecast(None, None, None, total_at(site, kind, at_ms), None, None, why)
        lesson, today = self._known(site, kind, now_ms, calendar)
        return forecast(site, kind, at_ms, now_ms, lesson, today, present, calendar)

    def _known(self, site: Site, kind: SpaceKind, now_ms: int, calendar: Calendar) -> tuple[Lesson, Floats]:
        day, quarter_ms = calendar.day_of(now_ms), floor_quarter(now_ms)
        with self._turn:
            pool = self._pools.setdefault((site.id, kind), _Pool())
        with pool.turn:
            if pool.lesson is None or pool.lesson[0] != day:
                pool.lesson = day, learn(site, kind, day, self._history.source(), calendar)
                pool.today = None
            if pool.today is None or pool.today[0] != quarter_ms:
                pool.today = quarter_ms, crowd_so_far(site, kind, quarter_ms, self._history.source(), calendar)
            return pool.lesson[1], pool.today[1]
