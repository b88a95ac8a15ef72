"""Home Assistant as far as Perch meets it: which fields a discovery message may have, and what it makes of messages.

Written down from release 2026.11.0 of home-assistant/core, `homeassistant/components/mqtt/` (device discovery is there
since 2024.11): the fields from `schemas.py` (DEVICE_DISCOVERY_SCHEMA, MQTT_DEVICE_INFO_SCHEMA, MQTT_ORIGIN_INFO_SCHEMA,
_MQTT_AVAILABILITY_LIST_SCHEMA, MQTT_ENTITY_COMMON_SCHEMA, check_unique_id), `config.py` (MQTT_RO_SCHEMA) and
`binary_sensor.py`; the topic, and that a component with nothing but its platform is removed, from `discovery.py`; what
is available and what is on from `entity.py` (MqttAvailabilityMixin) and `binary_sensor.py` (MqttBinarySensor).
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import jinja2
import jinja2.sandbox

TOPIC = re.compile(r"homeassistant/device/(?P<object_id>[a-zA-Z0-9_-]+)/config")

Field = Callable[[Any], bool]


def text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(text, value))


def subscribe_topic(value: Any) -> bool:
    return text(value) and len(value.encode()) < 65536 and "#" not in value.rstrip("#")


def template(value: Any) -> bool:
    return text(value) and _compiled(value) is not None


def positive(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def qos(value: Any) -> bool:
    return value in (0, 1, 2)


def device_class(value: Any) -> bool:
    return value == "occupancy"  # of the many; see homeassistant/components/binary_sensor/__init__.py


DEVICE: dict[str, Field] = {
    "identifiers": texts,
    "manufacturer": text,
    "model": text,
    "model_id": text,
    "name": text,
    "hw_version": text,
    "serial_number": text,
    "sw_version": text,
    "via_device": text,
    "suggested_area": text,
    "configuration_url": text,
}
ORIGIN: dict[str, Field] = {"name": text, "sw_version": text, "support_url": text}
AVAILABILITY: dict[str, Field] = {
    "topic": subscribe_topic,
    "payload_available": text,
    "payload_not_available": text,
    "value_template": template,
}
BINARY_SENSOR: dict[str, Field] = {
    "platform": lambda value: value == "binary_sensor",
    "state_topic": subscribe_topic,
    "qos": qos,
    "value_template": template,
    "encoding": text,
    "device_class": device_class,
    "expire_after": positive,
    "force_update": lambda value: isinstance(value, bool),
    "name": text,
    "off_delay": positive,
    "payload_off": text,
    "payload_on": text,
    "unique_id": text,
    "default_entity_id": text,
    "icon": text,
    "entity_category": text,
    "enabled_by_default": lambda value: isinstance(value, bool),
    "json_attributes_topic": subscribe_topic,
    "json_attributes_template": template,
}
ROOT = {
    *("device", "origin", "components", "child_devices", "availability", "availability_mode", "state_topic"),
    *("command_topic", "qos", "encoding", "message_expiry_interval"),
}
NEEDED = {"device", "origin", "components"}


def complaints(config: Any) -> list[str]:
    """Give what Home Assistant would refuse, or would drop unread, in a discovery message."""
    found = [f"{key}: unknown" for key in config.keys() - ROOT] + [f"{key}: missing" for key in NEEDED - config.keys()]
    found += _wrong("device", config["device"], DEVICE) + _wrong("origin", config["origin"], ORIGIN)
    if not config["device"].get("identifiers"):
        found.append("device: needs an identifier")
    for place in config.get("availability", []):
        found += _wrong("availability", place, AVAILABILITY)
    for name, component in config["components"].items():
        found += _wrong(name, component, BINARY_SENSOR)
        if component.keys() != {"platform"} and not {"platform", "unique_id", "state_topic"} <= component.keys():
            found.append(f"{name}: platform, unique_id or state_topic is missing")
    return found


def _wrong(where: str, values: dict[str, Any], fields: dict[str, Field]) -> list[str]:
    never = lambda _: False  # noqa: E731  a field that is not there
    return [f"{where}.{key}: {value!r}" for key, value in values.items() if not fields.get(key, never)(value)]


@dataclass
class Entity:
    """A binary sensor: its configuration, and what was heard on its topics."""

    config: dict[str, Any]
    availability: list[dict[str, Any]]
    available: bool = False
    is_on: bool | None = None
    expires_s: float | None = None
    attributes: dict[str, Any] = field(default_factory=dict)


class HomeAssistant:
    """Hears retained and live messages and gives the state of each entity, by unique id; `now_s` is its own clock."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._kept: dict[str, bytes] = {}
        self.entities: dict[str, Entity] = {}
        self._ids: dict[tuple[str, str], str] = {}

    def hear(self, topic: str, payload: bytes) -> None:
        """Take in a message, in the order in which the broker delivers them."""
        found = TOPIC.fullmatch(topic)
        if found:
            self._discover(found["object_id"], payload)
            return
        self._kept[topic] = payload
        for entity in self.entities.values():
            self._update(entity, topic, payload)

    def state(self, unique_id: str) -> str:
        """Give the state of an entity as its users see it."""
        entity = self.entities[unique_id]
        expired = "expire_after" in entity.config and (entity.expires_s is None or self._now_s() >= entity.expires_s)
        if not entity.available or expired:
            return "unavailable"
        return "unknown" if entity.is_on is None else "on" if entity.is_on else "off"

    def _discover(self, device: str, payload: bytes) -> None:
        if not payload:
            for one in [known for known in self._ids if known[0] == device]:
                del self.entities[self._ids.pop(one)]
            return
        config = json.loads(payload)
        assert complaints(config) == []
        for name, component in config["components"].items():
            if component.keys() == {"platform"}:
                self.entities.pop(self._ids.pop((device, name), ""), None)
                continue
            entity = self.entities.get(component["unique_id"])
            if entity is None:
                entity = Entity(component, config["availability"])
            entity.config, entity.availability = component, config["availability"]
            self.entities[component["unique_id"]] = entity
            self._ids[device, name] = component["unique_id"]
            for topic, kept in self._kept.items():  # subscribing brings what the broker has kept
                self._update(entity, topic, kept)

    def _update(self, entity: Entity, topic: str, payload: bytes) -> None:
        for place in entity.availability:
            if place["topic"] == topic:
                said = self._rendered(place["value_template"], payload)
                entity.available = {"online": True, "offline": False}.get(said, entity.available)
        if topic == entity.config["state_topic"]:
            if "expire_after" in entity.config:
                entity.expires_s = self._now_s() + entity.config["expire_after"]
            said = self._rendered(entity.config["value_template"], payload)
            entity.is_on = {"ON": True, "OFF": False, "None": None}.get(said, entity.is_on)
            entity.attributes = json.loads(self._rendered(entity.config["json_attributes_template"], payload))

    def _rendered(self, source: str, payload: bytes) -> str:
        """Render a template with the message as `value_json`, as Home Assistant does; `now` is its clock."""

        def now() -> datetime:
            return datetime.fromtimestamp(self._now_s(), UTC)

        compiled = _compiled(source)
        return compiled.render(value=payload.decode(), value_json=json.loads(payload), now=now).strip()


def _compiled(source: str) -> jinja2.Template:
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined)
    environment.filters["to_json"] = json.dumps
    return environment.from_string(source)
