"""Where it travels: topics, whose they are, and messages ready to be published."""

from dataclasses import dataclass

from perch.errors import ContractError
from perch.model import is_id

ROOT = "perch/v1"
QOS = 1


@dataclass(frozen=True, slots=True)
class Publication:
    """A message ready to be published at QoS 1; `expiry_s` applies to MQTT 5 only."""

    topic: str
    payload: bytes
    retain: bool = False
    expiry_s: int | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """What a topic says: whose channel it is, and for `state` which space's."""

    site: str
    agent: str
    channel: str
    space: str | None = None


_CHANNELS = frozenset({"up", "ack", "status"})


def topic(site: str, agent: str, channel: str, space: str | None = None) -> str:
    """Build the topic of a channel (`up`, `ack`, `status`, or `state` with a space); `+` may stand for any part."""
    return f"{ROOT}/{site}/{agent}/{channel}" + ("" if space is None else f"/{space}")


def parse_topic(text: str) -> Address:
    """Take a topic apart; raises ContractError `bad-topic`."""
    parts = text.split("/")
    if len(parts) >= 5 and "/".join(parts[:2]) == ROOT and is_id(parts[2]) and is_id(parts[3]):
        if len(parts) == 5 and parts[4] in _CHANNELS:
            return Address(parts[2], parts[3], parts[4])
        if len(parts) == 6 and parts[4] == "state" and is_id(parts[5]):
            return Address(parts[2], parts[3], "state", parts[5])
    raise ContractError("bad-topic", f"{text[:200]!r} is no topic of {ROOT}")


def caller_name(journal: str) -> str:
    """Give the name, in place of an agent's, under which the collector of a journal says on `ack` that it is there."""
    return f"collector-{journal}"


def user_name(site: str, agent: str) -> str:
    """Give the broker user name that an agent's topics are bound to."""
    return f"{site}_{agent}"
