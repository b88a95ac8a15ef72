"""The eras of sites from batch to batch, so that a batch does not read of every agent that ever lived."""

from collections.abc import Iterable, Sequence

from collector.followed_history import FollowedHistory
from perch.history.eras import SILENCE_MS, eras
from perch.history.source import Horizon
from perch.history.spans import Span


class KnownEras:
    """Remembers the eras of sites as history had them at a position of the journal.

    Where nothing was forgotten since, there is more evidence and no less. So a site's one era has at most grown, as far
    as its horizon has, if that is no further than a silence is long; else its eras are worked out anew.
    """

    def __init__(self, history: FollowedHistory) -> None:
        self._history = history
        self._known: dict[str, Sequence[Span]] = {}
        self._come = 0

    def __repr__(self) -> str:
        return f"<KnownEras of {len(self._known)} sites at {self._come}>"

    def forget(self) -> None:
        """Work everything out anew the next time."""
        self._known.clear()

    def at(self, come: int, sites: Iterable[str]) -> dict[str, Sequence[Span]]:
        """Give the eras of sites, of those that have any, now that history has come to a position."""
        if come < self._come or self._has_forgotten(come):
            self._known.clear()
        self._come = come
        found = {site: self._grown(site) or eras(site, self._history) for site in sites}
        self._known = {site: of for site, of in found.items() if of}
        return dict(self._known)

    def _has_forgotten(self, come: int) -> bool:
        return self._history.moves_forgotten() > self._come or bool(self._history.moves(self._come, come))

    def _grown(self, site: str) -> Sequence[Span] | None:
        known, horizon = self._known.get(site, ()), self._history.horizon(site)
        if len(known) != 1 or horizon is None or not _goes_on(known[0], horizon):
            return None
        return [Span(horizon.first_ms, horizon.last_ms + 1)]


def _goes_on(era: Span, horizon: Horizon) -> bool:
    """Tell whether an era has grown to a horizon without a silence between."""
    return 0 <= era.from_ms - horizon.first_ms <= SILENCE_MS and 0 <= horizon.last_ms + 1 - era.to_ms <= SILENCE_MS
