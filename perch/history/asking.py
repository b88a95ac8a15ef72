"""Which questions can be answered: each refusal names its parameter and says what to ask instead."""

from collections.abc import Iterable, Mapping

from perch.errors import QuestionError
from perch.history.calendar import DAY_MS, HOUR_MS, floor_quarter
from perch.history.definitions import DEFINITIONS
from perch.history.question import Question, Resolution
from perch.model import QUARTER_MS, Site, SpaceKind

MAX_ROWS = 200_000
MAX_HOURS = 2_000_000
MAX_WINDOW_MS = 50 * 366 * DAY_MS

_LEAST_MS: Mapping[Resolution, int] = {
    Resolution.QUARTER_HOUR: QUARTER_MS,
    Resolution.HOUR: HOUR_MS,
    Resolution.DAY: 22 * HOUR_MS,
    Resolution.WEEK: 6 * DAY_MS,
    Resolution.MONTH: 27 * DAY_MS,
}


def check(question: Question, site: Site, now_ms: int) -> int:
    """Refuse what cannot be answered, with a QuestionError; give where the window ends, at the latest now."""
    if question.metric not in DEFINITIONS:
        raise QuestionError("metric", f"there is no metric {question.metric!r}", f"ask for {_listed(DEFINITIONS)}")
    if question.kind is not None and question.kind not in list(SpaceKind):
        raise QuestionError("kind", f"there is no kind {question.kind!r}", f"ask for {_listed(SpaceKind)}")
    zones = [zone.id for zone in site.zones]
    if question.zone is not None and question.zone not in zones:
        raise QuestionError("zone", f"{site.id} has no zone {question.zone!r}", f"ask for {_listed(zones)}")
    return _check_window(question, now_ms)


def check_size(question: Question, groups: int, to_ms: int) -> None:
    """Refuse an answer of more than MAX_ROWS rows before it is worked out."""
    if question.resolution is Resolution.HOUR_OF_WEEK:
        if groups * ((to_ms - question.from_ms) // HOUR_MS) > MAX_HOURS:
            raise QuestionError(
                "scope",
                f"hours of the week for {groups} × {question.scope} are more than {MAX_HOURS} hours to look at",
                "ask for a wider scope or a shorter window",
            )
        return
    least_ms = _LEAST_MS.get(question.resolution, MAX_WINDOW_MS)
    if groups * ((to_ms - question.from_ms) // least_ms) > MAX_ROWS:
        raise QuestionError(
            "resolution",
            f"{question.resolution} for {groups} × {question.scope} over this window is more than {MAX_ROWS} rows",
            "ask for a coarser resolution, a wider scope or a shorter window",
        )


def _check_window(question: Question, now_ms: int) -> int:
    if question.to_ms <= question.from_ms:
        raise QuestionError("to", "the window ends before it begins, or is empty", "let `to` be later than `from`")
    if question.from_ms < 0:
        raise QuestionError("from", "the window begins before 1970", "ask for a later window")
    if question.to_ms - question.from_ms > MAX_WINDOW_MS:
        raise QuestionError("from", "the window is longer than 50 years", "ask for a shorter window")
    to_ms = min(question.to_ms, floor_quarter(now_ms))
    if question.from_ms > now_ms:
        raise QuestionError(
            "from", "the window lies in the future, of which nothing is known", "ask for an earlier one"
        )
    if to_ms <= question.from_ms:
        raise QuestionError(
            "from",
            "the window has only just begun: its first quarter hour is not over yet",
            "ask for a window that begins earlier, or ask again in a quarter of an hour",
        )
    return to_ms


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
