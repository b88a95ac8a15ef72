"""What of a site needs somebody's attention: derived from what holds now, worst first."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

from api.live.shapes import AgentItem, SensorItem, SpaceItem
from perch.model import State


class Weight(IntEnum):
    """How much an alert weighs: a part of the server, a device, what a device says of itself, a sensor, a crowd."""

    PART = 0
    DEVICE = 1
    TROUBLE = 2
    SENSOR = 3
    UNSERVED = 4
    FULL = 5


class Alert(NamedTuple):
    """Something to look after: what it is about, what is said of it, and how many spaces it leaves unknown."""

    weight: Weight
    subject: str
    said: str
    spaces: int = 0


def attention(
    parts: Mapping[str, str],
    agents: Sequence[AgentItem],
    sensors: Iterable[SensorItem],
    spaces: Sequence[SpaceItem],
    needed: Collection[str],
) -> list[Alert]:
    """Give every alert; `parts` are those of the server that are not well, `needed` are agents that serve any space."""
    of_parts = (Alert(Weight.PART, part, trouble) for part, trouble in parts.items())
    ill = (_of_sensor(sensor) for sensor in sensors if sensor.health is not None and sensor.health.is_ill)
    return sorted([*of_parts, *_of_agents(agents, needed), *ill, *_unserved(agents, spaces), *_full(spaces)])


def _of_agents(agents: Sequence[AgentItem], needed: Collection[str]) -> Iterator[Alert]:
    for agent in agents:
        if not agent.online and agent.id in needed:
            yield Alert(Weight.DEVICE, agent.id, agent.last_heard or "", len(agent.spaces))
        if agent.trouble:
            yield Alert(Weight.TROUBLE, agent.id, agent.trouble)


def _of_sensor(sensor: SensorItem) -> Alert:
    return Alert(Weight.SENSOR, f"{sensor.agent}/{sensor.id}", str(sensor.health))


def _unserved(agents: Sequence[AgentItem], spaces: Sequence[SpaceItem]) -> Iterator[Alert]:
    served = {space for agent in agents for space in agent.spaces}
    alone = sum(space.id not in served for space in spaces)
    if alone:
        yield Alert(Weight.UNSERVED, "", "", alone)


def _full(spaces: Sequence[SpaceItem]) -> Iterator[Alert]:
    for kind in dict.fromkeys(space.kind for space in spaces):
        of_kind = [space for space in spaces if space.kind is kind]
        if len(of_kind) > 1 and all(space.state is State.OCCUPIED for space in of_kind):
            yield Alert(Weight.FULL, kind, "")
