"""What numbers cannot say of themselves, in words: that little was observed, or something could not be counted."""

from collections.abc import Iterator

from perch.history.asked import Asked
from perch.history.bookings import NoShows
from perch.history.measure import Times
from perch.history.metrics import Measured, Metric
from perch.history.overruns import Overruns
from perch.history.question import Scope
from perch.history.unobserved import COVERAGE_WANTED, some, unobserved
from perch.history.uses import Uses
from perch.history.visits import Visits

_OF_SEATS = ("capacity_used_ratio", "fill_when_used")
_OF_ROOMS = ("solo_share", "size_mismatch")


def caveats(metric: Metric, measured: Measured, about: Asked) -> Iterator[str]:
    """Say what is to be known of an answer beside its numbers."""
    known_ms, inventory_ms = measured.known_ms, measured.inventory_ms
    known, inventory = int(known_ms.sum()), int(inventory_ms.sum())
    if isinstance(measured, NoShows | Overruns) and not measured.every.any():
        yield (
            "No bookings are known of these spaces in this window: name their calendars as [[bookings]] in site.toml, "
            "and mind that many calendars forget what is long past."
        )
        return
    if not inventory:
        yield "In this window no space stood there during the hours asked for, so there is nothing to divide by."
        return
    if known < COVERAGE_WANTED * inventory:
        share = f"{known / inventory:.1%}"
        yield f"Only {share} of the time was observed; low and high say how far off a value may be."
    yield from unobserved(about, known_ms, inventory_ms)
    yield from _of_metric(metric.definition.id, measured, about)


def _of_metric(name: str, measured: Measured, about: Asked) -> Iterator[str]:
    if isinstance(measured, Times) and name in _OF_SEATS and measured.uncounted_ms.any():
        yield (
            "Some spaces have no capacity, or were occupied without anybody being counted, and there is no number for "
            "them; ask for a kind or a zone in which all are counted."
        )
    if isinstance(measured, Times) and name in _OF_ROOMS:
        if measured.room_uncounted_ms.any():
            yield _uncounted(measured, about)
        elif not measured.room_used_ms.any():
            yield "This is a number of rooms alone, and none of them was in use here."
    if isinstance(measured, Visits) and name == "dwell_median_seconds":
        cut = int(measured.seen.number.sum() - measured.whole.number.sum())
        if cut:
            yield f"{cut} of {measured.seen.number.sum()} sessions border on unknown time and are not in the median."
    if isinstance(measured, Overruns) and measured.followed.any():
        followed, every = int(measured.followed.sum()), int(measured.every.sum())
        yield (
            f"{followed} of {every} bookings are left out, because another one follows at once: who stayed cannot be "
            "told from who came."
        )
    if isinstance(measured, Uses) and measured.undecided.any():
        yield (
            "Of some spaces no sensor has spoken since before all that is kept ([retention] transitions_days), so it "
            "cannot be told whether they were quiet or unobserved: there is no number where one of them counts."
        )
    if isinstance(measured, Uses) and measured.of_quiet.any():
        yield (
            "Some spaces count as observed although their sensors had been quiet beyond the quiet limit: a sensor that "
            "died cannot be told from a space that nobody comes to."
        )


def _uncounted(measured: Times, about: Asked) -> str:
    """Say where rooms were occupied without a count, as narrowly as was asked."""
    if about.question.scope is Scope.SITE:
        return (
            "Some rooms were occupied without anybody being counted, and there is no number for them; ask "
            "with scope=space to see which."
        )
    names = [name for name, place in about.groups.items() if measured.room_uncounted_ms[place].any()]
    return f"Rooms were occupied without anybody being counted, and there is no number for them: {some(names)}."
