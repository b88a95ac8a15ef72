"""When a site is known to have lived: its *eras*, for which there are rows, and the silence between, for which not.

An agent's clock may have been decades away for a moment. What it said then is evidence like any other, but the years
in between, through which nobody lived, are no time of which a site would want to know how little it knows.
"""

from collections.abc import Sequence

from perch.history.calendar import DAY_MS, floor_quarter
from perch.history.source import WordSource
from perch.history.spans import Span, joined
from perch.model import QUARTER_MS

SILENCE_MS = 28 * DAY_MS
"""A site of whose agents none is known to have lived for longer than this was not there meanwhile."""


def eras(site: str, source: WordSource) -> list[Span]:
    """Give from when to when a site is known to have lived, from its first evidence to its last (exclusive)."""
    horizon = source.horizon(site)
    if horizon is None:
        return []
    first_ms, last_ms = horizon
    lived = {(max(of.first_ms, first_ms), min(of.until_ms, last_ms)) for of in source.epochs(site)}
    found: list[Span] = []
    for from_ms, until_ms in sorted(span for span in {*lived, (first_ms,) * 2, (last_ms,) * 2} if span[0] <= span[1]):
        if found and from_ms - found[-1].to_ms <= SILENCE_MS:
            found[-1] = Span(found[-1].from_ms, max(found[-1].to_ms, until_ms + 1))
        else:
            found.append(Span(from_ms, until_ms + 1))
    return found


def quarters_of(lived: Sequence[Span]) -> list[Span]:
    """Give the quarter hours of eras, from the first that is touched to the last that is over."""
    if not lived:
        return []
    end_ms = floor_quarter(lived[-1].to_ms - 1)
    return joined(
        Span(floor_quarter(span.from_ms), min(floor_quarter(span.to_ms - 1) + QUARTER_MS, end_ms)) for span in lived
    )
