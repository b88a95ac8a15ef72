"""What is known of the agents: their last status, and whether they are heard."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from api.directory import Key
from perch.contract import VALID_FOR_MS, Status
from perch.delivery.liveness import Instant

HEARTBEATS_MISSED = 3


@dataclass(frozen=True, slots=True)
class Agent:
    """The last status with words (a will has none but its run), and whether the newest of its epoch said online."""

    status: Status
    says_online: bool

    @property
    def has_words(self) -> bool:
        """Whether more than a will was ever heard."""
        return self.status.online

    @property
    def silence_limit_ms(self) -> int:
        """How long it may be silent and still be called online."""
        return max(VALID_FOR_MS, HEARTBEATS_MISSED * 1000 * self.status.heartbeat_s)


class Fleet:
    """The agents of a network, each by (site, agent); owns no clock."""

    def __init__(self) -> None:
        self._agents: dict[Key, Agent] = {}
        self._heard: dict[Key, Instant] = {}
        self._told_online: dict[Key, bool] = {}

    def __repr__(self) -> str:
        return f"<Fleet of {len(self._agents)} agents, {sum(self._told_online.values())} online>"

    def get(self, key: Key) -> Agent | None:
        """Give what is known of an agent, None before its first status."""
        return self._agents.get(key)

    def heard_ms(self, key: Key) -> int | None:
        """Give when anything of an agent was last heard (wall ms)."""
        heard = self._heard.get(key)
        return None if heard is None else heard.wall_ms

    def hear_sign(self, key: Key, now: Instant, age_ms: int = 0) -> None:
        """Note a sign of life, so many ms old."""
        sign = Instant(now.wall_ms - age_ms, now.mono_ms - age_ms)
        before = self._heard.get(key)
        if before is None or sign.mono_ms > before.mono_ms:
            self._heard[key] = sign

    def hear_status(self, key: Key, status: Status, now: Instant, *, retained: bool) -> None:
        """Take in a status or a will; a retained one is no sign of life, as it may be of any age."""
        known = self._agents.get(key)
        if status.online and not retained:
            self.hear_sign(key, now)
        if status.online or known is None:
            self._agents[key] = Agent(status, status.online)
        elif known.status.epoch == status.epoch:
            self._agents[key] = replace(known, says_online=False)

    def online(self, key: Key, now: Instant) -> bool:
        """Tell whether an agent may be called online: it said so and was heard of late."""
        known, heard = self._agents.get(key), self._heard.get(key)
        if known is None or heard is None:
            return False
        return known.says_online and now.mono_ms - heard.mono_ms <= known.silence_limit_ms

    def turned(self, now: Instant) -> Iterator[Key]:
        """Give the agents that went online or offline since this was asked last."""
        for key in self._agents:
            online = self.online(key, now)
            if self._told_online.get(key) != online:
                self._told_online[key] = online
                yield key
