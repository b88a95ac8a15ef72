"""How far a projection has followed the journal."""

from typing import NamedTuple


class Cursor(NamedTuple):
    """All entries of a journal up to a position are projected."""

    journal: str
    position: int

    def is_void(self, journal: str, end: int) -> bool:
        """Tell whether it belongs to another journal, or to one that lost its end: then nothing projected counts."""
        return self.journal != journal or self.position > end
