"""Times as readers see them: RFC 3339 in a site's own offset, and back."""

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

_EARLIEST_YEAR = 1000
_FORM = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)([Zz]|[+\- ]\d{2}:\d{2})?)?")


@lru_cache(maxsize=256)
def zone_of(name: str) -> ZoneInfo:
    """Give a time zone by its IANA name."""
    return ZoneInfo(name)


def rfc3339(wall_ms: int, zone: tzinfo = UTC) -> str:
    """Write a moment to the millisecond."""
    moment = datetime.fromtimestamp(wall_ms // 1000, zone).replace(microsecond=wall_ms % 1000 * 1000)
    return moment.isoformat(timespec="milliseconds")


def parse_moment(text: str, zone: tzinfo) -> int:
    """Read RFC 3339, or a local date or time without offset; gives ms UTC, raises ValueError with what is wrong.

    A space stands for `+` in an offset, which is what `+` means where a query was not percent-encoded. What is read can
    be shown in the zone.
    """
    form = _FORM.fullmatch(text.strip())
    if form is None:
        raise ValueError(f"{text[:64]!r} is no time; write 2026-03-29, 2026-03-29T08:00 or 2026-03-29T08:00:00+01:00")
    day, clock, offset = form.groups()
    try:
        local = datetime.combine(date.fromisoformat(day), time.fromisoformat(clock or "00:00"))
        moment = local.replace(tzinfo=zone if offset is None else _offset(offset))
        if any(moment.astimezone(shown).year < _EARLIEST_YEAR for shown in (UTC, zone)):
            raise ValueError(f"years are written from {_EARLIEST_YEAR} to 9999")
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text[:64]!r} is no time: {error}") from None


def _offset(text: str) -> tzinfo:
    if text in "Zz":
        return UTC
    return datetime.fromisoformat(f"2000-01-01T00:00{text.replace(' ', '+')}").tzinfo or UTC


def day_at(wall_ms: int, zone: tzinfo) -> date:
    """Give the local day of a moment."""
    return datetime.fromtimestamp(wall_ms // 1000, zone).date()


def next_midnight_ms(wall_ms: int, zone: tzinfo) -> int:
    """Give when the next local day begins."""
    tomorrow = day_at(wall_ms, zone) + timedelta(days=1)
    return int(datetime.combine(tomorrow, time(), zone).timestamp() * 1000)
