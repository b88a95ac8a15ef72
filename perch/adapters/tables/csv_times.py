"""Times as they stand in CSV files: RFC 3339 with an offset, or epoch seconds; integer milliseconds UTC inside."""

import re
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from perch.settings.reading import RefusedError, shown

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
FIRST_MS = (datetime.min.replace(tzinfo=UTC) - EPOCH) // MILLISECOND
LAST_MS = (datetime.max.replace(tzinfo=UTC) - EPOCH) // MILLISECOND

_RFC_3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d):(\d\d):(\d\d)(\.\d+)?(?:([Zz])|([+-])(\d\d):(\d\d))", re.ASCII)
_NO_OFFSET = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?", re.ASCII)
_SECONDS = re.compile(r"([+-]?\d{1,20})(\.\d{1,40})?", re.ASCII)
_REMEDY = "write it as 2026-05-04T09:00:00Z, with an offset as in +02:00, or as seconds since 1970"


def parse_time(text: str) -> int:
    """Read a time to the nearest millisecond (halves to even), exactly; raises RefusedError."""
    found = _RFC_3339.fullmatch(text)
    time_ms = _calendar_ms(text, found) if found else _epoch_ms(text)
    if not FIRST_MS <= time_ms <= LAST_MS:
        raise RefusedError(f"{shown(text)} lies outside the years 1 to 9999", "are these milliseconds? Write seconds")
    return time_ms


def format_time(time_ms: int) -> str:
    """Write a time as RFC 3339 in UTC, with milliseconds only where there are some."""
    return _at(time_ms).isoformat(timespec="milliseconds" if time_ms % 1000 else "seconds").replace("+00:00", "Z")


def _at(time_ms: int) -> datetime:
    return EPOCH + time_ms * MILLISECOND


def _calendar_ms(text: str, found: re.Match[str]) -> int:
    day, hour, minute, second, fraction, utc, sign, offset_hour, offset_minute = found.groups()
    try:
        date_ms = (datetime.fromisoformat(day).replace(tzinfo=UTC) - EPOCH) // MILLISECOND
    except ValueError:
        raise RefusedError(f"{shown(text)} is no day of the calendar", _REMEDY) from None
    if int(hour) > 23 or int(minute) > 59 or int(second) > 60:  # 60: the second that is put in now and then
        raise RefusedError(f"{shown(text)} is no time of day", _REMEDY)
    time_ms = date_ms + (int(hour) * 60 + int(minute)) * 60_000 + int(second) * 1000
    if fraction:
        time_ms += _fraction_ms(fraction)
    if not utc:
        offset_ms = (int(offset_hour) * 60 + int(offset_minute)) * 60_000
        time_ms -= offset_ms if sign == "+" else -offset_ms
    return time_ms


def _epoch_ms(text: str) -> int:
    found = _SECONDS.fullmatch(text)
    if found is None:
        remedy = "add Z, or an offset as in +02:00" if _NO_OFFSET.fullmatch(text) else _REMEDY
        raise RefusedError(f"{shown(text)} is no time" + (" of any zone" if remedy != _REMEDY else ""), remedy)
    return _rounded(Decimal(text) * 1000) if found[2] else int(found[1]) * 1000


def _fraction_ms(fraction: str) -> int:
    return int(fraction[1:]) if len(fraction) == 4 else _rounded(Decimal(fraction) * 1000)


def _rounded(number: Decimal) -> int:
    return int(number.to_integral_value(rounding=ROUND_HALF_EVEN))
