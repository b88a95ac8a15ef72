"""What is not kept any more: which questions it leaves open, and how that is said. Never a number made of the rest."""

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np

from perch.errors import QuestionError
from perch.history.source import BEGINNING_MS, Integers, Tiers
from perch.model import DAY_MS, QUARTER_MS

_EPOCH = date(1970, 1, 1)
SPARE_DAYS = 2
"""Sessions are followed back so far from where a window begins, at most, and local days begin before those of UTC."""


def require_words(tiers: Tiers, site: str, from_ms: int) -> None:
    """Refuse to read words from a moment on that are kept from a later one only; raises QuestionError."""
    if from_ms < tiers.words_ms:
        raise QuestionError(
            "from",
            f"the single changes of {site} are kept from {_day(tiers.words_ms)} (UTC) on only ([retention] "
            "transitions_days), and this needs older ones",
            f"let `from` be {_day(tiers.words_ms + SPARE_DAYS * DAY_MS)} or later; what rests on time alone, such as "
            "time_used_ratio, is answered further back, from quarter hours",
        )


def steps_not_kept(steps_ms: Integers, back_ms: int | None, tiers: Tiers) -> int:
    """Count the steps that begin before what is needed of them: words from so long before (None: sums will do)."""
    if back_ms is None or tiers.words_ms == BEGINNING_MS:
        return 0
    return int(np.searchsorted(steps_ms[:-1], tiers.words_ms + back_ms))


def said_of_steps(missing: int, back_ms: int | None, tiers: Tiers) -> Iterator[str]:
    """Say that there is no number for some steps."""
    if missing and back_ms is not None:
        since = f"there is none for what begins before {_moment(tiers.words_ms + back_ms)} (UTC)"
        yield (
            f"Single changes are kept from {_day(tiers.words_ms)} (UTC) on only ([retention] transitions_days). This "
            f"number needs them{', and some from before its time' if back_ms else ''}: {since}."
        )


def said_of_sums(bounds_ms: Integers, tiers: Tiers) -> Iterator[str]:
    """Say what quarter hours cannot tell of cells of time with these bounds; words tell it where they are older."""
    kept_ms = min(tiers.sums_ms, tiers.words_ms)
    if bounds_ms[0] < kept_ms:
        yield (
            f"Quarter hours are kept from {_day(kept_ms)} (UTC) on only ([retention] quarter_hours_days): what "
            "was before counts as unobserved."
        )
    old = bounds_ms[bounds_ms < tiers.words_ms]
    if kept_ms < tiers.words_ms and (old % QUARTER_MS).any():
        yield (
            f"Before {_day(tiers.words_ms)} (UTC) only whole quarter hours are kept ([retention] transitions_days): "
            "those that the window or the opening hours cut count as unobserved."
        )


def _moment(ms: int) -> str:
    minutes = ms % DAY_MS // 60_000
    return f"{_day(ms)}" + (f" {minutes // 60:02}:{minutes % 60:02}" if minutes else "")


def _day(ms: int) -> date:
    return _EPOCH + timedelta(days=ms // DAY_MS)
