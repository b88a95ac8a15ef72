"""What `perch sense` and `perch fit` say, once, of what is wrong with a recording."""

from collections.abc import Iterable, Iterator, Sequence

from perch.adapters.tables.csv_times import format_time
from perch.commands.output import warn
from perch.model import DAY_MS, SensedSpace, Sensor
from perch.sensing.doubts import Doubts, Heard
from perch.sensing.drift import DRIFTS_A_DAY, Drift, in_words
from perch.sensing.judge import deaf

MOST_NAMED = 5


def warn_of_strangers(recorded: Iterable[str], known: set[str]) -> None:
    """Say once which sensors of a recording are ignored because the configuration does not list them."""
    strangers = sorted(set(recorded) - known)
    if strangers:
        warn(f"rows of sensors that the configuration does not list are ignored: {named(strangers)}")


def warn_of_deaf(spaces: Sequence[SensedSpace], sensors: Sequence[Sensor]) -> None:
    """Say which spaces stay unknown, whatever is recorded."""
    if found := deaf(spaces, sensors):
        warn(f"nothing can say that {named(found)} is empty, so it stays unknown", "give it a sensor that sees people")


def warn_of(*doubts: Doubts, where: str = "") -> None:
    """Say of recordings that passed what in them cannot be believed; the same thing is said once."""
    said = (line for one in doubts for line in complaints(one))
    for what, remedy in dict.fromkeys(said):
        warn(f"{where}: {what}" if where else what, remedy)


def complaints(doubts: Doubts) -> Iterator[tuple[str, str]]:
    """Give everything that is wrong with a recording that passed, each with what to do."""
    heard = doubts.heard.values()
    if not any(one.readings for one in heard):
        yield "there is no reading of any sensor of the configuration", "see that the two belong together"
        return
    if unheard := [one.sensor.id for one in heard if not one.readings]:
        what = f"there is no row of sensors that the configuration lists: {named(unheard)}"
        yield what, "see that they have the same names; where no row means no change, they count as quiet"
    for one in heard:
        if one.implausible:
            yield _implausible(one)
        if one.contradicted:
            what = f"{one.sensor.id} has several values at one moment, {one.contradicted} times"
            yield what, "each counted, in the order of the file; keep the one that is true"
    for drift in doubts.drifts():
        if abs(drift.a_day) >= DRIFTS_A_DAY:
            yield _drifting(drift)
    if doubts.longest is not None:
        begin, end = format_time(doubts.longest.from_ms), format_time(doubts.longest.until_ms)
        days = f"{doubts.longest.lasts_ms / DAY_MS:.1f} days, {begin} to {end}"
        what = f"no sensor says anything for {days}" + (f"; holes: {doubts.holes}" if doubts.holes > 1 else "")
        yield what, "where a clock had jumped, take its rows out"


def _implausible(one: Heard) -> tuple[str, str]:
    span = f"{one.lowest:g}" if one.lowest == one.highest else f"{one.lowest:g} to {one.highest:g}"
    what = f"{one.implausible} of {one.readings} readings of {one.sensor.id} cannot be true and are left out: {span}"
    return what, f"a {one.sensor.kind} sensor measures {one.low:g} to {one.high:g}; look at its wiring and its unit"


def _drifting(drift: Drift) -> tuple[str, str]:
    what = f"door of {drift.space} ({named(drift.beams)}): counted {in_words(drift.a_day)}"
    return what, "other sensors in the space set the count right; see how the beams stand, and that none is missed"


def named(names: Iterable[str]) -> str:
    """Give the first names, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - MOST_NAMED} more" if len(every) > MOST_NAMED else ""
    return ", ".join(every[:MOST_NAMED]) + more
