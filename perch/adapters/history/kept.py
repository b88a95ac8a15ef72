"""Reading `history.db` for answers: what is not kept any more is refused, so that no number is made of the rest."""

from collections.abc import Sequence

from perch.adapters.history.reader import HistoryReader
from perch.history.kept import require_words
from perch.history.source import Columns, Stretch, Together


class KeptReader(HistoryReader):
    """A `HistorySource` for answers; raises QuestionError where words are asked for that were let go of."""

    def read(self, site: str, stretches: Sequence[Stretch]) -> list[Columns]:
        """Give what was stated in each stretch."""
        with self.moment():
            self._require(site, stretches)
            return super().read(site, stretches)

    def read_together(self, site: str, stretches: Sequence[Stretch]) -> Together:
        """Give the same in one piece."""
        with self.moment():
            self._require(site, stretches)
            return super().read_together(site, stretches)

    def _require(self, site: str, stretches: Sequence[Stretch]) -> None:
        if stretches:
            require_words(self.tiers(site), site, min(stretch.from_ms for stretch in stretches))
