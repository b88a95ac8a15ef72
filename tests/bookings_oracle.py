"""What became of bookings, one by one and moment by moment, from the definitions' sentences alone."""

from collections.abc import Iterator, Mapping, Sequence

from perch.history.asked import Booking
from perch.history.question import Hours, Question
from perch.model import State
from tests.history_cases import HOUR_MS, Case
from tests.history_oracle import Moment
from tests.metrics_oracle import GROUPS, Numbers, between, divided, is_known, is_used

MINUTE_MS = 60_000
Bookings = Mapping[str, Sequence[Booking]]
Booked = Sequence[tuple[str, Booking]]


def numbers(case: Case, question: Question, bookings: Bookings) -> dict[tuple[str, object], Numbers]:
    """Give the numbers of each group and step in which a booking begins."""
    found: dict[tuple[str, object], list[tuple[str, Booking]]] = {}
    for name, of in ((name, of) for name, booked in bookings.items() for of in booked):
        row = case.oracle.standing(name, of.from_ms)
        if (
            row is not None
            and question.from_ms <= of.from_ms < question.to_ms
            and question.zone in (None, row.zone)
            and question.kind in (None, row.kind)
            and (question.hours is Hours.ALL or case.oracle.is_open(of.from_ms))
        ):
            key = GROUPS[question.scope](case.site, row), case.oracle.step(question.resolution, of.from_ms)
            found.setdefault(key, []).append((name, of))
    if question.metric == "no_show_rate":
        return {key: no_shows(case, booked) for key, booked in found.items()}
    return {key: overruns(case, booked, bookings) for key, booked in found.items()}


def _moments(case: Case, name: str, from_ms: int, to_ms: int) -> list[Moment]:
    """The moments of a span at which a space stood there."""
    return [of for of in case.oracle.states(name, case.oracle.cells(from_ms, to_ms)) if not of.out]


def _is_observed(moments: Sequence[Moment]) -> bool:
    every = sum(of.end - of.start for of in moments)
    return 10 * sum(of.end - of.start for of in moments if is_known(of)) >= 9 * every


def no_shows(case: Case, booked: Booked) -> Numbers:
    arrivals = [_moments(case, name, of.from_ms - 5 * MINUTE_MS, of.from_ms + 15 * MINUTE_MS) for name, of in booked]
    arrivals = [moments for moments in arrivals if moments]
    nobody = [moments for moments in arrivals if not any(map(is_used, moments))]
    return between(
        divided(sum(map(_is_observed, nobody)), sum(map(_is_observed, arrivals))),
        divided(sum(all(map(is_known, moments)) for moments in nobody), len(arrivals)),
        divided(len(nobody), len(arrivals)),
    )


def overruns(case: Case, booked: Booked, bookings: Bookings) -> Numbers:
    cases = list(_ends(case, booked, bookings))
    used = [after for meeting, after in cases if any(map(is_used, meeting))]
    judged = [after for after in used if _is_observed(after)]
    possible = [after for meeting, after in cases if not all(of.state is State.FREE for of in meeting)]
    return between(
        divided(sum(map(_never_free, judged)), len(judged)),
        divided(sum(all(map(is_used, after)) for after in used), len(used)),
        divided(sum(map(_never_free, possible)), len(possible)),
    )


def _never_free(moments: Sequence[Moment]) -> bool:
    return all(of.state is not State.FREE for of in moments)


def _ends(case: Case, booked: Booked, bookings: Bookings) -> Iterator[tuple[list[Moment], list[Moment]]]:
    """The moments of each booking that can be judged, and those after it."""
    for name, of in booked:
        taken_over = any(
            other.from_ms <= of.to_ms < other.to_ms or 0 <= other.from_ms - of.to_ms < 20 * MINUTE_MS
            for other in bookings[name]
        )
        if 0 < of.to_ms - of.from_ms <= 24 * HOUR_MS and not taken_over:
            meeting = _moments(case, name, of.from_ms - 5 * MINUTE_MS, of.to_ms)
            after = _moments(case, name, of.to_ms, of.to_ms + 15 * MINUTE_MS)
            if meeting and after:
                yield meeting, after
