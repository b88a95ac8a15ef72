"""How many new names one agent may bring into the journal, where every name is kept for ever.

A name is an epoch, a boot, or a space that no layout gives to the agent. An agent that restarts all day makes a few of
them; one that invents them comes to its bound. Its layout's own spaces need no allowance, whatever else it invented.
"""

from collections.abc import Collection, Mapping
from typing import Protocol

from collector.accounts import Accounts
from perch.adapters.journal.store import Stream
from perch.delivery.allowance import Allowance

NAMES_OF_AN_AGENT = Allowance(burst=1_000, per_s=60 / 3600)
NAMES_OF_STRANGERS = Allowance(burst=5_000, per_s=300 / 3600)

Places = Mapping[tuple[str, str], Collection[str]]
"""The spaces that the layout has ever given to an agent, by (site, agent)."""

_NONE: frozenset[str] = frozenset()


class Known(Protocol):
    """What a journal has names for."""

    def knows(self, word: str) -> bool:
        """Tell whether a space or boot was ever stored."""
        ...

    def has(self, stream: Stream) -> bool:
        """Tell whether anything of a stream was ever settled."""
        ...


class Novelty:
    """Admits new names while their agent has an allowance for them. One thread."""

    def __init__(self, known: Known, places: Places) -> None:
        self._known = known
        self._places = places
        self._accounts = Accounts(places.keys(), NAMES_OF_AN_AGENT, NAMES_OF_STRANGERS)
        self._admitted: set[object] = set()

    def __repr__(self) -> str:
        return f"<Novelty, {self._accounts!r}>"

    def begin(self) -> None:
        """Begin a transaction: what the one before admitted is in the journal by now."""
        self._admitted.clear()

    def spaces_of(self, site: str, agent: str) -> Collection[str]:
        """Give the spaces that a layout gives to an agent."""
        return self._places.get((site, agent), _NONE)

    def admits_stream(self, stream: Stream, boot: str, now_ms: int) -> bool:
        """Tell whether a message of an epoch and a boot may be stored."""
        names = [name for name in (stream, boot) if not self._is_known(name)]
        return not names or self._admit(stream, names, now_ms)

    def admits_epoch(self, stream: Stream, now_ms: int) -> bool:
        """Tell whether numbers of another epoch may be settled."""
        return self._is_known(stream) or self._admit(stream, [stream], now_ms)

    def admits_space(self, stream: Stream, space: str, now_ms: int) -> bool:
        """Tell whether an event of a space may be stored."""
        return (
            space in self.spaces_of(stream.site, stream.agent)
            or self._is_known(space)
            or self._admit(stream, [space], now_ms)
        )

    def _is_known(self, name: Stream | str) -> bool:
        if name in self._admitted:
            return True
        return self._known.has(name) if isinstance(name, Stream) else self._known.knows(name)

    def _admit(self, stream: Stream, names: Collection[object], now_ms: int) -> bool:
        if not self._accounts.pay(self._accounts.name_of(stream.site, stream.agent), len(names), now_ms):
            return False
        self._admitted.update(names)
        return True
