"""Which agents may be called online: one rule for all who show them; owns no clock and no timer.

    online when  the newest status of its epoch said so, and
                 a sign of life came within three heartbeats, but never sooner than a state goes stale.

A status or a state is a sign of life. A state whose sender's clock is ok is one of when it was sent, however long it
was under way. Of what the broker had kept nothing else is one: it may be of any age. Silence is measured on the
monotonic clock, which goes on while the machine sleeps.

A state that is delivered as it is said tells also how an agent's clock goes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

from perch.delivery.board import Key
from perch.delivery.liveness import Instant, Report
from perch.model import Clock

HEARTBEATS_MISSED = 3
_MINUTE_MS = 60_000


class AgentStatus(Protocol):
    """What the rule needs of a status, whatever else it says."""

    @property
    def online(self) -> bool:
        """False in a will, which has no words but its epoch."""
        ...

    @property
    def epoch(self) -> str:
        """The epoch that it speaks of."""
        ...

    @property
    def heartbeat_s(self) -> int:
        """How often the agent means to be heard."""
        ...


Said = TypeVar("Said", bound=AgentStatus)


@dataclass(frozen=True, slots=True)
class Agent(Generic[Said]):
    """The last status with words, a will where none was heard, and whether the newest of its epoch said online."""

    status: Said
    says_online: bool

    @property
    def has_words(self) -> bool:
        """Whether more than a will was ever heard."""
        return self.status.online


class Fleet(Generic[Said]):
    """The agents of a network, each by (site, agent); a state is believed for `valid_for_ms`. One owner calls it."""

    def __init__(self, valid_for_ms: int) -> None:
        self._valid_for_ms = valid_for_ms
        self._agents: dict[Key, Agent[Said]] = {}
        self._heard: dict[Key, Instant] = {}
        self._told_online: dict[Key, bool] = {}
        self._ahead_minutes: dict[Key, int] = {}

    def __repr__(self) -> str:
        return f"<Fleet of {len(self._agents)} agents, {sum(self._told_online.values())} online>"

    def get(self, key: Key) -> Agent[Said] | None:
        """Give what is known of an agent, None before its first status."""
        return self._agents.get(key)

    def heard_ms(self, key: Key) -> int | None:
        """Give when an agent last gave a sign of life (wall ms)."""
        heard = self._heard.get(key)
        return None if heard is None else heard.wall_ms

    def ahead_minutes(self, key: Key) -> int:
        """Give by how many full minutes an agent's clock was ahead of ours (negative: behind) as it spoke last."""
        return self._ahead_minutes.get(key, 0)

    def hear_state(self, key: Key, report: Report, now: Instant, *, retained: bool) -> None:
        """Take a state as the sign of life that it is."""
        if not retained and report.clock is Clock.OK:
            self._ahead_minutes[key] = int((report.sent_ms - now.wall_ms) / _MINUTE_MS)
        if report.clock is Clock.OK and report.sent_ms <= now.wall_ms:
            self._hear_sign(key, now, now.wall_ms - report.sent_ms)
        elif not retained:
            self._hear_sign(key, now)

    def hear_status(self, key: Key, status: Said, now: Instant, *, retained: bool) -> None:
        """Take in a status or a will; a will speaks of its own epoch only."""
        known = self._agents.get(key)
        if status.online and not retained:
            self._hear_sign(key, now)
        if status.online or known is None:
            self._agents[key] = Agent(status, status.online)
        elif known.status.epoch == status.epoch:
            self._agents[key] = replace(known, says_online=False)

    def online(self, key: Key, now: Instant) -> bool:
        """Tell whether an agent may be called online."""
        known, heard = self._agents.get(key), self._heard.get(key)
        if known is None or heard is None:
            return False
        limit_ms = max(self._valid_for_ms, HEARTBEATS_MISSED * 1000 * known.status.heartbeat_s)
        return known.says_online and now.mono_ms - heard.mono_ms <= limit_ms

    def turned(self, now: Instant) -> Iterator[Key]:
        """Give the agents that went online or offline since this was asked last."""
        for key in self._agents:
            online = self.online(key, now)
            if self._told_online.get(key) != online:
                self._told_online[key] = online
                yield key

    def _hear_sign(self, key: Key, now: Instant, age_ms: int = 0) -> None:
        sign = Instant(now.wall_ms - age_ms, now.mono_ms - age_ms)
        before = self._heard.get(key)
        if before is None or sign.mono_ms > before.mono_ms:
            self._heard[key] = sign
