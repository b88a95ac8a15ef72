"""What each agent may still ask of the collector, counted under its name.

Agents that a layout names stand for themselves. Others have, beside an allowance of their own, one that they all share;
the first few hundred are told apart and the rest are one, so that inventing names gains nothing.
"""

from collections.abc import Collection

from perch.delivery import allowance as tokens
from perch.delivery.allowance import Allowance

STRANGERS_APART = 500
NOBODY = "topics of nobody"
FURTHER = "further strangers"


class Meter:
    """An allowance at work; one that several agents have is shared by them."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._bucket = tokens.Bucket(allowance.burst, 0)

    def __repr__(self) -> str:
        return f"<Meter of {self._allowance}, {self._bucket}>"

    def left(self, now_ms: int) -> float:
        """Tell how much may be asked for."""
        return tokens.left(self._allowance, self._bucket, now_ms)

    def charge(self, cost: float, now_ms: int) -> None:
        """Take out what was asked for and granted."""
        self._bucket = tokens.spend(self._allowance, self._bucket, cost, now_ms) or self._bucket

    def wait_ms(self, cost: float, now_ms: int) -> int:
        """Tell how long to wait until so much may be asked for."""
        return tokens.wait_ms(self._allowance, self._bucket, cost, now_ms)


class Accounts:
    """Gives the name under which an agent is counted, and the meters of that name; `agents` are those of layouts."""

    def __init__(self, agents: Collection[tuple[str, str]], own: Allowance, of_strangers: Allowance) -> None:
        self._agents = agents
        self._own = own
        self._shared = Meter(of_strangers)
        self._meters: dict[str, tuple[Meter, ...]] = {}
        self._strangers = 0

    def __repr__(self) -> str:
        return f"<Accounts of {len(self._meters)} agents>"

    def name_of(self, site: str, agent: str) -> str:
        """Give the name of an agent, or the one that stands for too many strangers."""
        name = f"{site}/{agent}"
        if name not in self._meters:
            if (site, agent) in self._agents:
                self._meters[name] = (Meter(self._own),)
            elif self._strangers < STRANGERS_APART:
                self._strangers += 1
                self._meters[name] = (Meter(self._own), self._shared)
            else:
                return FURTHER
        return name

    def of(self, name: str) -> tuple[Meter, ...]:
        """Give the meters of a name that `name_of` gave, or of another one that stands for strangers."""
        if name not in self._meters:
            self._meters[name] = (Meter(self._own), self._shared)
        return self._meters[name]

    def pay(self, name: str, cost: float, now_ms: int) -> bool:
        """Charge a name; False, and nothing is charged, where it has not enough left."""
        meters = self.of(name)
        if any(meter.wait_ms(cost, now_ms) for meter in meters):
            return False
        for meter in meters:
            meter.charge(cost, now_ms)
        return True
