"""Asked for a forecast: what is learned of a pool each day, what is read of today, and the answer or why there is none.

Nothing is said of closed times, nor where history is too short; nor where forecasts so far ahead could not be tried
often enough on the site's own past, for then nobody knows what they are worth.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from perch.errors import QuestionError
from perch.history.calendar import DAY_MS, Calendar
from perch.history.forecast.levels import QUARTERS, Levels, is_open, levels, pool_of, quarter_of, taken
from perch.history.forecast.model import Chances, Model, Moments
from perch.history.forecast.record import LEAST_DAYS, LEAST_WEEKS, Record, judge, record_of
from perch.history.forecast.silence import Silence, Why
from perch.history.forecast.ties import Lead
from perch.history.measure import Floats
from perch.history.source import BEGINNING_MS, HistorySource
from perch.model import QUARTER_MS, Site, SpaceKind

KEPT_DAYS = 364
MOST_DAYS_AHEAD = 14
LEAST_JUDGED = 48
"""Hours of the past on which forecasts were tried, without which nothing is said."""

_NEXT_OPENING_DAYS = 28


@dataclass(frozen=True, slots=True)
class Lesson:
    """What the days before a local day teach of a pool, and how right its forecasts would have been on the way."""

    model: Model
    records: Mapping[Lead, Record | None]


@dataclass(frozen=True, slots=True)
class Present:
    """A pool at one moment: how many are occupied, surely free, and stand there (out of service ones do not)."""

    occupied: int
    free: int
    stands: int

    def crowd(self) -> float | None:
        """Give how many are taken, None where too little is known."""
        known = (np.array([number]) for number in (self.occupied, self.free, self.stands))
        crowd = float(taken(*known)[0])
        return None if np.isnan(crowd) else crowd


@dataclass(frozen=True, slots=True)
class Forecast:
    """The chance that at least one is free, and how many are expected and usual; None, with `why`, for not known."""

    probability_free: float | None
    expected_free: float | None
    usually_free: float | None
    total: int
    lead: Lead | None
    record: Record | None
    why: Silence | None


def learn(site: Site, kind: SpaceKind, day: date, source: HistorySource, calendar: Calendar) -> Lesson:
    """Learn from the year before a local day; raises what the source raises."""
    first, lived = day - timedelta(days=KEPT_DAYS), source.horizon(site.id)
    begun = day if lived is None else max(first, min(calendar.day_of(lived.first_ms), day))
    kept_ms = source.tiers(site.id).words_ms
    if kept_ms > BEGINNING_MS:
        begun = max(begun, min(calendar.day_of(kept_ms - 1) + timedelta(days=1), day))
    of = levels(site, kind, begun, calendar.day_start_ms(day), source, calendar)
    return lesson(_whole(of, begun, day))


def lesson(of: Levels) -> Lesson:
    """Learn from days."""
    model, said = judge(of)
    return Lesson(model, {lead: record_of(forecasts) for lead, forecasts in said.items()})


def crowd_so_far(site: Site, kind: SpaceKind, now_ms: int, source: HistorySource, calendar: Calendar) -> Floats:
    """Read how many were taken today by quarter hour, up to now; raises what the source raises."""
    day = calendar.day_of(now_ms)
    of = levels(site, kind, day, now_ms, source, calendar)
    return of.crowd[0] if of.days else np.full(QUARTERS, np.nan)


def check_at(at_ms: int, now_ms: int, calendar: Calendar) -> None:
    """Refuse moments of which no forecast can be made, with a QuestionError."""
    if at_ms <= now_ms - QUARTER_MS:
        raise QuestionError("at", "this is past", "ask for a moment to come, or /history for what was")
    if (calendar.day_of(at_ms) - calendar.day_of(now_ms)).days > MOST_DAYS_AHEAD:
        raise QuestionError(
            "at", f"this is more than {MOST_DAYS_AHEAD} days ahead", "ask for a nearer day, or for the same weekday"
        )


def total_at(site: Site, kind: SpaceKind, at_ms: int) -> int:
    """Count the shared spaces of a kind that stand at a site at a moment, by its layout."""
    return sum(row.from_ms <= at_ms < row.to_ms for row in pool_of(site, kind))


def silence(site: Site, kind: SpaceKind, at_ms: int, calendar: Calendar) -> Silence | None:
    """Say why there is nothing to forecast at a moment, whatever history holds; None where there is."""
    if not total_at(site, kind, at_ms):
        return Silence(Why.NO_SPACE, f"no shared {kind} stands there at that time")
    if is_open(calendar, np.array([at_ms]))[0]:
        return None
    opening_ms = calendar.opening_ms(at_ms, at_ms + _NEXT_OPENING_DAYS * DAY_MS)
    if not len(opening_ms):
        return Silence(Why.CLOSED, "the site is closed at that time")
    opens_ms = int(opening_ms[0])
    sentence = f"the site is closed at that time; it opens next at {calendar.local(opens_ms):%Y-%m-%d %H:%M}"
    return Silence(Why.CLOSED_UNTIL, sentence, opens_ms=opens_ms)


def forecast(
    site: Site,
    kind: SpaceKind,
    at_ms: int,
    now_ms: int,
    learned: Lesson,
    today: Floats,
    present: Present | None,
    calendar: Calendar,
) -> Forecast:
    """Answer for a moment when the site is open and such spaces stand there; `today` is what `crowd_so_far` gave."""
    total, model = total_at(site, kind, at_ms), learned.model
    weekday, quarter = calendar.day_of(at_ms).weekday(), quarter_of(calendar, at_ms)
    lead = lead_of(at_ms, now_ms, calendar)
    record = learned.records.get(judged_by(lead))
    why = _too_little(model, weekday, quarter, record)
    if why is not None:
        return Forecast(None, None, None, total, None, None, why)
    at = Moments(np.array([weekday]), np.array([quarter]), np.array([total]))
    now_open = bool(is_open(calendar, np.array([now_ms]))[0])
    crowd = present.crowd() if present is not None and now_open else None
    felt = model.felt_now(
        calendar.day_of(now_ms).weekday(),
        quarter_of(calendar, now_ms),
        today,
        crowd,
        total if present is None else present.stands,
    )
    said, usual = model.chances(at, lead, felt), model.usual(at)
    return Forecast(*_numbers(said), _numbers(usual)[1], total, judged_by(lead), record, None)


def lead_of(at_ms: int, now_ms: int, calendar: Calendar) -> Lead:
    """Say how far ahead a moment lies."""
    days = (calendar.day_of(at_ms) - calendar.day_of(now_ms)).days
    return Lead(days, 0) if days > 0 else Lead(0, max(-(-(at_ms - now_ms) // QUARTER_MS), 1))


def judged_by(lead: Lead) -> Lead:
    """Say by which lead's record a forecast is judged: the next longer one."""
    if lead.days == 0:
        return Lead(0, 4) if lead.quarters <= 4 else Lead(0, 12) if lead.quarters <= 12 else Lead(1, 0)
    return Lead(1, 0) if lead.days == 1 else Lead(7, 0) if lead.days <= 7 else Lead(14, 0)


def _too_little(model: Model, weekday: int, quarter: int, record: Record | None) -> Silence | None:
    if model.days < LEAST_DAYS:
        sentence = f"too little history: {model.days} open days were observed, {LEAST_DAYS} are needed"
        return Silence(Why.FEW_DAYS, sentence, model.days, LEAST_DAYS)
    weeks = int(model.seen[weekday, quarter])
    if weeks < LEAST_WEEKS:
        sentence = f"too little history: this time of the week was observed in {weeks} weeks, {LEAST_WEEKS} are needed"
        return Silence(Why.FEW_WEEKS, sentence, weeks, LEAST_WEEKS)
    hours = 0 if record is None else record.n
    if hours < LEAST_JUDGED:
        sentence = (
            f"too little history: forecasts so far ahead could be tried on {hours} hours of the past, "
            f"{LEAST_JUDGED} are needed to say how good they are"
        )
        return Silence(Why.UNTRIED, sentence, hours, LEAST_JUDGED)
    return None


def _numbers(of: Chances) -> tuple[float, float]:
    return float(of.free[0]), float(of.expected[0])


def _whole(of: Levels, first: date, day: date) -> Levels:
    """Fill up to a day: the last days may not have been read at all."""
    missing = (day - first).days - of.days
    if missing <= 0:
        return of
    crowd = np.concatenate((of.crowd, np.full((missing, QUARTERS), np.nan)))
    return Levels(first, crowd, np.concatenate((of.pool, np.zeros((missing, QUARTERS), dtype=np.int64))))
