"""Whether another collector answers the same agents, as one does that was left running, or is being tried out.

Agents cannot tell what is stored where two collectors with journals of their own answer them. One acknowledgement that
is not ours proves nothing: it may be late, from before this journal was restored, or somebody's trial. A collector that
is at work is heard again and again.
"""

from collections.abc import Container
from typing import NamedTuple

from perch import contract
from perch.contract import Address
from perch.errors import ContractError

AGAIN_MS = 10_000
"""A further word counts from this time on; every agent is answered at least once a minute."""

FORGET_MS = 300_000
REMEMBERED = 100


class _Heard(NamedTuple):
    first_ms: int
    last_ms: int

    @property
    def is_at_work(self) -> bool:
        return self.last_ms - self.first_ms >= AGAIN_MS


class Others:
    """Journals of others by what is heard of them; `agents` are those that a layout names, by (site, agent)."""

    def __init__(self, own: str, agents: Container[tuple[str, str]]) -> None:
        self._own = own
        self._agents = agents
        self._heard: dict[str, _Heard] = {}

    def __repr__(self) -> str:
        return f"<Others beside {self._own}, {len(self._heard)} heard>"

    def hear(self, address: Address, payload: bytes, now_ms: int) -> None:
        """Take in an acknowledgement that somebody gave one of the agents; what is none is let pass."""
        try:
            journal = contract.parse_ack(payload).journal
        except ContractError:
            return
        if journal == self._own or (address.site, address.agent) not in self._agents:
            return
        self._forget(now_ms)
        if journal in self._heard or len(self._heard) < REMEMBERED:
            first_ms = self._heard[journal].first_ms if journal in self._heard else now_ms
            self._heard[journal] = _Heard(first_ms, now_ms)

    def at_work(self, now_ms: int) -> tuple[str, ...]:
        """Name the journals of collectors that are at work now."""
        self._forget(now_ms)
        return tuple(sorted(journal for journal, heard in self._heard.items() if heard.is_at_work))

    def _forget(self, now_ms: int) -> None:
        for journal in [journal for journal, heard in self._heard.items() if now_ms - heard.last_ms > FORGET_MS]:
            del self._heard[journal]
