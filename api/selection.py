"""Which spaces a reader asks for, and which page of them."""

import base64
import binascii
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from perch.model import Occupancy, Space, SpaceKind, State, is_id

MOST_ITEMS = 1000
Key = tuple[str, ...]
"""Where an item stands in its list: site and space, site and agent, or site, agent and sensor."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Selection:
    """Conditions that all must hold; None asks nothing."""

    site: str | None = None
    floor: str | None = None
    zone: str | None = None
    kind: SpaceKind | None = None
    state: State | None = None
    feature: str | None = None
    min_capacity: int | None = None

    def takes(self, site: str, space: Space, occupancy: Occupancy) -> bool:
        """Tell whether a space in its present state is asked for; an unstated capacity is not enough for any wish."""
        return (
            self.site in (None, site)
            and self.floor in (None, space.floor)
            and self.zone in (None, space.zone)
            and self.kind in (None, space.kind)
            and self.state in (None, occupancy.state)
            and (self.feature is None or self.feature in space.features)
            and (self.min_capacity is None or (space.capacity is not None and space.capacity >= self.min_capacity))
        )


def page_of(keyed: Iterable[tuple[Key, Item]], after: Key | None, limit: int) -> tuple[list[Item], str | None]:
    """Cut one page out of items in order of key; gives it with the cursor of the next, None at the end.

    A cursor names the last key of its page, so that spaces which come and go meanwhile neither repeat nor hide others.
    """
    items: list[Item] = []
    last: Key | None = None
    for key, item in _beyond(keyed, after):
        if len(items) == limit and last is not None:
            return items, cursor_at(last)
        items.append(item)
        last = key
    return items, None


def _beyond(keyed: Iterable[tuple[Key, Item]], after: Key | None) -> Iterator[tuple[Key, Item]]:
    return (pair for pair in keyed if after is None or pair[0] > after)


def cursor_at(key: Key) -> str:
    """Write a cursor that continues after a key."""
    return base64.urlsafe_b64encode("/".join(key).encode()).decode().rstrip("=")


def parse_cursor(text: str) -> Key:
    """Read a cursor; raises ValueError."""
    try:
        parts = (
            base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii").split("/")
        )
    except (binascii.Error, UnicodeDecodeError, ValueError):
        parts = []
    if not parts or not all(map(is_id, parts)):
        raise ValueError("this is no cursor; take `next` of the page before as it is")
    return tuple(parts)
