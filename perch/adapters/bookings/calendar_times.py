"""A calendar (iCalendar) read for its times alone, in a process of its own that cannot grow or run on.

Whatever else a calendar says, titles and people above all, is dropped there: only moments come out of it. Feeds
are written by strangers; a rule that repeats each second for ever, or is true on no day at all, costs no more than a
few seconds of that process.
"""

import resource
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from perch.errors import PerchError
from perch.history.asked import Booking

MOST_BYTES = 10 * 1024 * 1024
MOST_ENTRIES = 20_000
MOST_TIMES = 100_000
CPU_S, PATIENCE_S = 20, 60
MEMORY_BYTES = 1024**3

_TOO_MANY, _NO_CALENDAR, _NO_PACKAGE = 3, 4, 5
_CHILD = "from perch.adapters.bookings.calendar_times import main; main()"
_WHY = {
    _TOO_MANY: f"more than {MOST_TIMES:,} bookings in this window",
    _NO_CALENDAR: "it is no iCalendar, or a broken one",
    _NO_PACKAGE: "the package recurring-ical-events is not installed",
}


def times_in(body: bytes, from_ms: int, to_ms: int, time_zone: str, cpu_s: int = CPU_S) -> list[Booking]:
    """Give when the bookings are that begin within [from_ms, to_ms), in order; raises PerchError.

    Times without a zone are of `time_zone`. Entries for whole days, cancelled ones, and those that leave the room free
    are none.
    """
    if len(body) > MOST_BYTES or body.upper().count(b"BEGIN:VEVENT") > MOST_ENTRIES:
        raise PerchError(f"it is larger than {MOST_BYTES >> 20} MiB or {MOST_ENTRIES:,} entries", _REMEDY)
    command = [sys.executable, "-c", _CHILD, str(from_ms), str(to_ms), time_zone, str(cpu_s)]
    try:
        ended = subprocess.run(command, input=body, capture_output=True, timeout=PATIENCE_S, check=False)  # noqa: S603  # our own words
    except subprocess.TimeoutExpired:
        raise PerchError("it takes too long to read", _REMEDY) from None
    if ended.returncode:
        why = _WHY.get(ended.returncode, "it takes too much time or memory to read")
        raise PerchError(why, _REMEDY)
    times = map(int, ended.stdout.split())
    return sorted(map(Booking, times, times))


_REMEDY = "open it in a calendar program and export the room's own calendar"


def main() -> None:
    """Read a calendar from stdin and print the moments asked for; the exit code says what is wrong with it."""
    limits = ((resource.RLIMIT_CPU, int(sys.argv[4])), (resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CORE, 0))
    for limit, most in limits:
        resource.setrlimit(limit, (most, most))
    from_ms, to_ms = int(sys.argv[1]), int(sys.argv[2])
    try:
        for number, of in enumerate(bookings_in(sys.stdin.buffer.read(), from_ms, to_ms, ZoneInfo(sys.argv[3]))):
            if number == MOST_TIMES:
                sys.exit(_TOO_MANY)
            sys.stdout.write(f"{of.from_ms} {of.to_ms}\n")
    except ModuleNotFoundError:
        sys.exit(_NO_PACKAGE)
    except Exception:
        sys.exit(_NO_CALENDAR)  # without a word: what went wrong may name a title


def bookings_in(body: bytes, from_ms: int, to_ms: int, zone: ZoneInfo) -> Iterator[Booking]:
    """Give when bookings are, in any order, without any bound; raises whatever a calendar makes its readers raise."""
    import icalendar
    import recurring_ical_events

    if from_ms >= to_ms:
        return
    calendar = icalendar.Calendar.from_ical(body)
    day = timedelta(days=1)
    first, last = (datetime.fromtimestamp(ms // 1000, UTC) for ms in (from_ms, to_ms))
    for entry in recurring_ical_events.of(calendar).between(first - day, last + day):
        start, end = entry["DTSTART"].dt, entry["DTEND"].dt
        if isinstance(start, datetime) and isinstance(end, datetime) and _takes_the_room(entry):
            of = Booking(_ms(start, zone), _ms(end, zone))
            if from_ms <= of.from_ms < to_ms:
                yield of


def _ms(moment: datetime, zone: ZoneInfo) -> int:
    return round((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp() * 1000)


def _takes_the_room(entry: Any) -> bool:
    status, shown_as = (str(entry.get(name, "")).upper() for name in ("STATUS", "TRANSP"))
    return status != "CANCELLED" and shown_as != "TRANSPARENT"
