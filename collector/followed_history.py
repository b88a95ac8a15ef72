"""What a projection that is made from history asks of it."""

from collections.abc import Sequence
from typing import Protocol

from perch.adapters.cursor import Cursor
from perch.delivery.boots import Boots
from perch.history.source import WordSource


class FollowedHistory(WordSource, Protocol):
    """A history that says how far it has followed the journal, and where it places what agents told."""

    def cursor(self) -> Cursor | None:
        """Tell how far the journal is projected."""
        ...

    def moves_forgotten(self) -> int:
        """Give the position up to which it is not known any more what moved."""
        ...

    def erased(self, site: str) -> Sequence[tuple[str, int, int]]:
        """Give what was erased at a site: spaces, each from one moment until before another."""
        ...

    def boots(self, site: str, agent: str) -> Boots:
        """Give what is known of an agent's boots."""
        ...
