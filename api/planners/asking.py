"""What the planners' pages are asked in their address, and every complaint about it at once."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from typing import TypeVar

from fastapi import Request

from api.entrance.access import Reader
from api.history.of_groups import site_to
from api.history.way import History
from api.live.live import Live
from api.live.shapes import ProblemCause
from api.moments import day_at, parse_moment, zone_of
from api.pages.languages import PARAMETER, language_of
from api.pages.site import visible_sites
from api.planners.wording import say, speak
from api.problems import ParametersError, not_found
from perch.errors import PerchError
from perch.history.kept import SPARE_DAYS
from perch.history.layout import layout_at, standings
from perch.model import DAY_MS, Site, SpaceKind

USUAL_DAYS = 56
"""Eight whole weeks, where no window is asked for."""

_WEEK = timedelta(days=7)

_LONGEST_ECHO = 64
_A_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Wish:
    """A site, a kind of its spaces, and a half-open window, ms UTC."""

    site: Site
    kind: SpaceKind
    from_ms: int
    to_ms: int
    now_ms: int

    def standing(self, at_ms: int) -> int:
        """Count the spaces of the kind that stand there at a moment."""
        return sum(space.kind is self.kind for space in layout_at([self.site], at_ms).spaces.values())

    @property
    def most(self) -> int:
        """The most spaces of the kind that stood there at one moment of the window, as far as it is over."""
        end_ms = min(self.to_ms, self.now_ms)
        begins = {row.from_ms for row in standings(self.site) if row.space.kind is self.kind}
        return max(map(self.standing, {end_ms - 1, self.from_ms, *(ms for ms in begins if self.from_ms < ms < end_ms)}))


class Asked:
    """The parameters of one request, taken one by one; complaints wait until `finish`."""

    def __init__(
        self,
        request: Request,
        live: Live,
        reader: Reader,
        history: History,
        known: Collection[str],
        several: Collection[str] = (),
        usual_days: int | None = None,
    ) -> None:
        given = request.query_params
        speak(language_of(request))
        self._history = history
        self._usual_days = usual_days
        self.path = request.url.path
        self.texts: dict[str, str] = {name: text.strip() for name, text in given.items()}
        self.lists: dict[str, list[str]] = {name: given.getlist(name) for name in several}
        self.now_ms = live.now().wall_ms
        self.sites = [site_to(reader, site) for site in visible_sites(live, reader)]
        if not self.sites:
            raise not_found("there is no site that you may see")
        self._causes: list[ProblemCause] = []
        for name in self.texts:
            if name not in (*known, *several, PARAMETER):
                self.complain(name, f"there is no such parameter here; there are: {', '.join([*known, *several])}")
            elif name not in several and len(given.getlist(name)) > 1:
                self.complain(name, "this is given more than once; give it once")

    def complain(self, where: str, what: str) -> None:
        """Note that a parameter is wrong."""
        self._causes.append(ProblemCause(where[:_LONGEST_ECHO], what))

    def take(self, name: str, read: Callable[[str], Read], usual: Read) -> Read:
        """Read a parameter; what `read` says in its ValueError is complained of."""
        text = self.texts.get(name)
        if not text:
            return usual
        try:
            return read(text)
        except ValueError as error:
            self.complain(name, str(error))
            return usual

    def finish(self) -> None:
        """Raise ParametersError if anything was wrong."""
        if self._causes:
            raise ParametersError(self._causes)

    @property
    def site(self) -> Site:
        """The site that is asked for; the first one where there is no such site."""
        asked = self.texts.get("site")
        return next((site for site in self.sites if site.id == asked), self.sites[0])

    def read_site(self) -> Site:
        """Read the site; complains of one that does not exist for the reader."""
        names = [site.id for site in self.sites]
        self.take("site", lambda text: _one_of(text, {name: name for name in names}, "site"), "")
        return self.site

    def read_wish(self) -> Wish:
        """Read site, kind and window."""
        site = self.read_site()
        kinds = kinds_of(site)
        kind = self.take("kind", lambda text: _one_of(text, {each.value: each for each in SpaceKind}, "kind"), kinds[0])
        from_ms, to_ms = self.read_window(site)
        return Wish(site, kind, from_ms, to_ms, self.now_ms)

    def read_window(self, site: Site) -> tuple[int, int]:
        """Read a window; the usual one by default."""
        return self.read_between("from", "to", site, self.window(site))

    def read_between(self, first: str, last: str, site: Site, texts: Mapping[str, str]) -> tuple[int, int]:
        """Read the two ends of a window from texts by their names."""
        zone = zone_of(site.time_zone)
        from_ms, to_ms = self._moment(first, texts[first], zone), self._moment(last, texts[last], zone)
        if from_ms is None or to_ms is None:
            return 0, 1
        if from_ms >= to_ms:
            self.complain(last, "this is not after the beginning; choose a later day")
        return from_ms, to_ms

    def window(self, site: Site) -> dict[str, str]:
        """Give `from` and `to` as they were asked for, or as they are meant where they were not."""
        zone = zone_of(site.time_zone)
        begin, end = self.texts.get("from"), self.texts.get("to")
        if begin and end:
            return {"from": begin, "to": end}
        first, last = self.usual_days(site)
        if end:
            return {"from": _days_before(end, (last - first).days, zone), "to": end}
        if begin and begin >= last.isoformat():
            last = day_at(self.now_ms, zone) + timedelta(days=1)
        return {"from": begin or first.isoformat(), "to": last.isoformat()}

    def usual_days(self, site: Site) -> tuple[date, date]:
        """Give the first day and the one after the last: up to eight whole weeks, the last of which is over.

        Where there is no whole week of history yet, or so many days are usual here, they end with today.
        """
        zone = zone_of(site.time_zone)
        today = day_at(self.now_ms, zone)
        if self._usual_days is not None:
            return today + timedelta(days=1 - self._usual_days), today + timedelta(days=1)
        monday = today - timedelta(days=today.weekday())
        begun = self._begun(site, zone)
        first_monday = begun + timedelta(days=-begun.weekday() % 7)
        if first_monday < monday:
            return max(first_monday, monday - timedelta(days=USUAL_DAYS)), monday
        return today + timedelta(days=1 - USUAL_DAYS), today + timedelta(days=1)

    def _begun(self, site: Site, zone: tzinfo) -> date:
        """Give the day on which what is kept of a site begins; long ago where that cannot be told."""
        try:
            source = self._history.source()
            horizon, kept_ms = source.horizon(site.id), source.tiers(site.id).words_ms
        except PerchError:
            horizon = None
        if horizon is None:
            return date.min + _WEEK
        return day_at(max(horizon.first_ms, kept_ms + SPARE_DAYS * DAY_MS), zone)

    def _moment(self, name: str, text: str, zone: tzinfo) -> int | None:
        if not text:
            return None  # it hangs on the other one, which is no time
        try:
            return parse_moment(text, zone)
        except ValueError as error:
            self.complain(name, str(error))
            return None


def _days_before(until: str, days: int, zone: tzinfo) -> str:
    try:
        last = day_at(parse_moment(until, zone) - 1, zone)
    except ValueError:
        return ""
    return (last - timedelta(days=days - 1)).isoformat()


def kinds_of(site: Site) -> list[SpaceKind]:
    """Give the kinds of spaces that a site has or had, desks first; desks where it has none."""
    return [kind for kind in SpaceKind if any(space.kind is kind for space in site.spaces)] or [SpaceKind.DESK]


def is_day(text: str) -> bool:
    """Tell whether a time is a plain day, which a browser can offer a calendar for."""
    return _A_DAY.fullmatch(text) is not None


def whole(lowest: int, highest: int, what: str) -> Callable[[str], int]:
    """Give a reader of whole numbers; `what` names what they count."""

    def read(text: str) -> int:
        if re.fullmatch(r"\d{1,9}", text) is None or not lowest <= int(text) <= highest:
            raise ValueError(say("refused_whole", text=text[:_LONGEST_ECHO], what=what, lowest=lowest, highest=highest))
        return int(text)

    return read


def a_share(text: str) -> float:
    """Read a share of days; raises ValueError."""
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0.5 <= share <= 0.99:
        raise ValueError(f"{text[:_LONGEST_ECHO]!r} is no share to plan for; write 0.5 up to 0.99, such as 0.95")
    return share


def _one_of(text: str, known: Mapping[str, Read], what: str) -> Read:
    if text not in known:
        raise ValueError(f"there is no {what} {text[:_LONGEST_ECHO]!r}; there are: {', '.join(known)}")
    return known[text]
