"""One number of a metric over a window, as a page shows it."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from api.history.way import History
from api.moments import zone_of
from api.planners import wording
from api.planners.asking import Wish
from perch.history.planning.pool import observed_pool
from perch.history.question import Answer, Hours, Question, Row, Scope
from perch.model import Site, SpaceKind


@dataclass(frozen=True, slots=True)
class Told:
    """A number in words with its bounds; for peaks also when it was first reached, and how long it lasted.

    `bounds` are empty where nothing was unknown, or there is no number.
    """

    metric: str
    name: str
    value: str
    bounds: str
    at: str
    lasted: str
    answer: Answer

    @property
    def bounded(self) -> str:
        """The number with its bounds behind it."""
        return f"{self.value} ({self.bounds})" if self.bounds else self.value


def hours_asked(site: Site) -> Hours:
    """Give opening hours where a site has any, else all."""
    return Hours.OPEN if any(site.hours) else Hours.ALL


def observed(wish: Wish, history: History, kinds: Collection[SpaceKind]) -> tuple[Wish, tuple[str, ...]]:
    """Leave out spaces of some kinds of which nothing was observed, and say which."""
    window = (wish.from_ms, wish.to_ms)
    pool = observed_pool(wish.site, [window], history.source(), history.calendar(wish.site.id), kinds)
    return replace(wish, site=pool.site), pool.warnings


def tell(metric: str, wish: Wish, history: History, *, kind: SpaceKind | None = None) -> Told:
    """Ask for one number of the kind that is wished for, or of another."""
    of = kind or wish.kind
    question = Question(metric, wish.from_ms, wish.to_ms, hours=hours_asked(wish.site), kind=of.value)
    return put(history.answer(question, wish.site, wish.now_ms), wish.site)


def tell_all(metric: str, wish: Wish, history: History) -> Told:
    """Ask for one number of all spaces of the site."""
    question = Question(metric, wish.from_ms, wish.to_ms, scope=Scope.SITE, hours=hours_asked(wish.site))
    return put(history.answer(question, wish.site, wish.now_ms), wish.site)


def put(answer: Answer, site: Site) -> Told:
    """Put the one row of an answer into words."""
    metric = answer.question.metric
    row = next((row for row in answer.rows if isinstance(row, Row)), None)
    name = wording.metric_name(metric)
    if row is None:
        return Told(metric, name, wording.NO_NUMBER, "", "", "", answer)
    at = lasted = ""
    if row.peak is not None and row.value:
        at, lasted = wording.moment(row.peak.at_ms, zone_of(site.time_zone)), wording.seconds(row.peak.lasted_ms / 1000)
    value, between = wording.measured(metric, row.value), wording.bounds(metric, row.low, row.high)
    return Told(metric, name, value, between, at, lasted, answer)
