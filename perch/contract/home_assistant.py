"""What Home Assistant is told of an agent: one device, and in it a binary sensor of class `occupancy` for each space.

It is MQTT device discovery, on `homeassistant/device/perch_<site>_<agent>/config`. Nothing is said twice for it: it
reads the same retained `state/<space>` and `status` as every other reader. A space is `on`, `off`, `unknown` where
the agent does not know, and *unavailable*, never `off`, when its agent is gone: by `status`, and by `expire_after`
where even the will got lost. The fields are those of Home Assistant 2024.11 and later.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from perch.contract.messages import VALID_FOR_MS
from perch.contract.topics import QOS, Publication, topic

PLATFORM = "binary_sensor"
ONLINE = "{{ 'online' if value_json.online else 'offline' }}"
STATE = (
    "{{ 'None' if value_json.clock == 'ok' and now().timestamp() * 1000 - value_json.sent_ms > value_json.valid_for_ms"
    " else {'free': 'OFF', 'occupied': 'ON'}.get(value_json.state, 'None') }}"
)
"""`None` is Home Assistant's word for unknown. What a broker kept beyond its time says nothing, new as it seems."""

DETAILS = "{{ {'reason': value_json.reason, 'people': value_json.count} | to_json }}"
"""What else it may keep of a space: not the probability, which would be another row in its database each 30 s."""

_encoder = msgspec.json.Encoder()


def discovery_topic(site: str, agent: str) -> str:
    """Give the topic of an agent's discovery message."""
    return f"homeassistant/device/{_device(site, agent)}/config"


def build_discovery(
    site: str,
    agent: str,
    spaces: Iterable[str],
    removed: Iterable[str],
    version: str,
    valid_for_ms: int = VALID_FOR_MS,
) -> Publication:
    """Build the retained discovery message; spaces that were told of once and are gone are named as removed."""
    components: dict[str, Mapping[str, Any]] = {space: {"platform": PLATFORM} for space in removed}
    components |= {space: _binary_sensor(site, agent, space, valid_for_ms) for space in spaces}
    device = {
        "identifiers": [_device(site, agent)],
        "name": f"Perch {site}/{agent}",
        "manufacturer": "Perch",
        "model": "occupancy agent",
        "sw_version": version,
    }
    config = {
        "device": device,
        "origin": {"name": "Perch", "sw_version": version},
        "availability": [{"topic": topic(site, agent, "status"), "value_template": ONLINE}],
        "components": components,
    }
    return Publication(discovery_topic(site, agent), _encoder.encode(config), retain=True)


def build_no_discovery(site: str, agent: str) -> Publication:
    """Build what takes an agent's device, and all that is in it, out of Home Assistant."""
    return Publication(discovery_topic(site, agent), b"", retain=True)


def _binary_sensor(site: str, agent: str, space: str, valid_for_ms: int) -> Mapping[str, Any]:
    state = topic(site, agent, "state", space)
    return {
        "platform": PLATFORM,
        "unique_id": f"{_device(site, agent)}_{space}",
        "name": space,
        "device_class": "occupancy",
        "state_topic": state,
        "value_template": STATE,
        "expire_after": -(-valid_for_ms // 1000),
        "json_attributes_topic": state,
        "json_attributes_template": DETAILS,
        "qos": QOS,
    }


def _device(site: str, agent: str) -> str:
    return f"perch_{site}_{agent}"
