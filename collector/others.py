"""Whether another collector answers the same agents, as one does that was left running, or is being tried out.

Agents cannot tell what is stored where two collectors with journals of their own answer them. Each collector calls now
and then that it is there, so that they hear each other also while no agent has anything to say; older ones are known by
their acknowledgements. One word that is not ours proves nothing: it may be late, from before this journal was restored,
or somebody's trial. A collector that is at work is heard again and again.
"""

from collections.abc import Callable, Collection, Container
from typing import NamedTuple

from perch import contract
from perch.contract import Address, Publication
from perch.errors import ContractError

AGAIN_MS = 10_000
"""A further word counts from this time on."""

CALL_MS = 15_000
FORGET_CALLER_MS = 4 * CALL_MS
FORGET_MS = 300_000
"""Whoever only acknowledges may be silent for long."""

REMEMBERED = 100


class Calls:
    """Tells other collectors of these sites that this one is there; the collector's loop calls `settle`."""

    def __init__(self, journal: str, sites: Collection[str], publish: Callable[[Publication], bool]) -> None:
        self._calls = [contract.build_call(site, journal) for site in sites]
        self._publish = publish
        self._due_ms = 0

    def __repr__(self) -> str:
        return f"<Calls to {len(self._calls)} sites>"

    def settle(self, mono_ms: int) -> None:
        """Call if it is time to; while the broker is away it stays time to."""
        if mono_ms >= self._due_ms and all(map(self._publish, self._calls)):
            self._due_ms = mono_ms + CALL_MS


class _Heard(NamedTuple):
    first_ms: int
    last_ms: int
    calls: bool

    @property
    def until_ms(self) -> int:
        return self.last_ms + (FORGET_CALLER_MS if self.calls else FORGET_MS)


class Others:
    """Journals of others by what is heard of them; `agents` are those that a layout names, by (site, agent).

    Whoever is heard again `again_ms` or more after its first word is at work.
    """

    def __init__(self, own: str, agents: Collection[tuple[str, str]], again_ms: int = AGAIN_MS) -> None:
        self._own = own
        self._again_ms = again_ms
        self._agents: Container[tuple[str, str]] = agents
        self._sites = frozenset(site for site, _ in agents)
        self._heard: dict[str, _Heard] = {}

    def __repr__(self) -> str:
        return f"<Others beside {self._own}, {len(self._heard)} heard>"

    def hear(self, address: Address, payload: bytes, now_ms: int) -> None:
        """Take in an acknowledgement that somebody gave one of the agents, or a call; what is neither is let pass."""
        try:
            journal = contract.parse_ack(payload).journal
        except ContractError:
            return
        calls = address.site in self._sites and address.agent == contract.caller_name(journal)
        if journal == self._own or not (calls or (address.site, address.agent) in self._agents):
            return
        self._forget(now_ms)
        known = self._heard.get(journal)
        if known is not None:
            self._heard[journal] = _Heard(known.first_ms, now_ms, known.calls or calls)
        elif len(self._heard) < REMEMBERED:
            self._heard[journal] = _Heard(now_ms, now_ms, calls)

    def at_work(self, now_ms: int) -> tuple[str, ...]:
        """Name the journals of collectors that are at work now."""
        self._forget(now_ms)
        heard = self._heard.items()
        return tuple(sorted(journal for journal, it in heard if it.last_ms - it.first_ms >= self._again_ms))

    def _forget(self, now_ms: int) -> None:
        for journal in [journal for journal, heard in self._heard.items() if now_ms > heard.until_ms]:
            del self._heard[journal]
