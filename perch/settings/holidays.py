"""Which days of a site are closed: its own closures, and the public holidays of its country."""

import re
from collections.abc import Container
from datetime import date
from functools import lru_cache
from types import ModuleType
from typing import Any

from perch.errors import PerchError
from perch.model import Site

_CODE = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")


def closed_days(site: Site) -> Container[date]:
    """Give the closed days of a site, as something that a day is in or not; holidays are worked out when asked for."""
    return ClosedDays(site.closed, site.country)


class ClosedDays:
    """Closures (first and last day, both closed) and the public holidays of a country, year by year."""

    def __init__(self, closures: tuple[tuple[date, date], ...], country: str | None) -> None:
        self._closures = closures
        self._country = country
        self._holidays: dict[int, frozenset[date]] = {}

    def __contains__(self, day: object) -> bool:
        if not isinstance(day, date):
            return False
        return any(first <= day <= last for first, last in self._closures) or day in self._holidays_of(day.year)

    def __repr__(self) -> str:
        return f"ClosedDays(country={self._country}, closures={len(self._closures)})"

    def _holidays_of(self, year: int) -> frozenset[date]:
        if self._country is None:
            return frozenset()
        if year not in self._holidays:
            self._holidays[year] = frozenset(_public_holidays(self._country, year))
        return self._holidays[year]


@lru_cache(maxsize=64)
def knows_country(code: str) -> bool:
    """Tell whether the public holidays of a country (`PT`) or a part of one (`DE-BY`) are known."""
    if not _CODE.fullmatch(code):
        return False
    try:
        _public_holidays(code, 2026)
    except NotImplementedError:  # the library's word for a country or a part of one that it does not know
        return False
    return True


def _public_holidays(code: str, year: int) -> Any:
    country, _, part = code.partition("-")
    return _library().country_holidays(country, subdiv=part or None, years=year)


def _library() -> ModuleType:
    try:
        import holidays  # takes a third of a second, and an agent never needs it
    except ModuleNotFoundError:
        remedy = "install it with: pip install 'perch-occupancy[server]'"
        raise PerchError("public holidays need the package holidays, which is not installed", remedy) from None
    return holidays
