"""The plans of all floors, read once; one that cannot be shown leaves a complaint, and the list stays."""

import logging
from collections.abc import Iterable

from api.directory import Key
from api.plans.plans import Plan, read_plan
from perch.errors import InputError
from perch.model import Site

_log = logging.getLogger("perch.api")


class Drawings:
    """Plans by (site, floor)."""

    def __init__(self, sites: Iterable[Site]) -> None:
        self._plans: dict[Key, Plan] = {}
        self._complaints: dict[Key, str] = {}
        for site in sites:
            for place, floor in enumerate(site.floors):
                if floor.plan is not None:
                    self._read((site.id, floor.id), floor.plan, place)

    def __repr__(self) -> str:
        return f"<Drawings of {len(self._plans)} floors, {len(self._complaints)} refused>"

    def _read(self, key: Key, text: str, place: int) -> None:
        where = f"plan of floor {key[1]} of site {key[0]}"
        try:
            self._plans[key] = read_plan(text, where, place)
        except InputError as error:
            _log.warning("%s", error)
            self._complaints[key] = str(error)

    def of(self, site: str, floor: str) -> tuple[Plan | None, str]:
        """Give a floor's plan, or why there is none (empty where none was drawn)."""
        key = (site, floor)
        return self._plans.get(key), self._complaints.get(key, "")
