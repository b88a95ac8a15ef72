"""Devices, sensors and alerts in the words of the manager's page."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from api.live.shapes import AgentItem, SensorItem
from api.pages.attention import Alert, Weight
from api.pages.languages import Words, count, filled, say
from api.pages.rows import Moment, moment_of


class Line(NamedTuple):
    """An alert in words, and where more of it stands; nowhere, if that is empty."""

    text: str
    href: str


def agent_row(agent: AgentItem, names: Mapping[str, str], now_ms: int, zone: ZoneInfo, words: Words) -> dict[str, Any]:
    """Put a device into words."""
    own = words["manage"]
    return {
        "id": agent.id,
        "place": _device(agent.id),
        "online": agent.online,
        "state": own["online" if agent.online else "offline"],
        "heard": _moment(agent.last_heard, now_ms, zone, words),
        "never": own["never_heard"],
        "version": agent.version or "",
        "run": "" if agent.run is None else agent.run,
        "outbox": "" if agent.outbox is None else agent.outbox,
        "spaces": [(space, names.get(space, space)) for space in agent.spaces],
        "trouble": agent.trouble or "",
    }


def sensor_row(
    sensor: SensorItem, names: Mapping[str, str], now_ms: int, zone: ZoneInfo, words: Words
) -> dict[str, Any]:
    """Put an ill sensor into words."""
    return {
        "name": f"{sensor.agent}/{sensor.id}",
        "place": _sensor(sensor.agent, sensor.id),
        "space": sensor.space,
        "space_name": names.get(sensor.space or "", sensor.space or ""),
        "health": words["manage"]["health"][sensor.health],
        "since": _moment(sensor.since, now_ms, zone, words),
        "heard": _moment(sensor.last, now_ms, zone, words),
        "never": words["manage"]["never_heard"],
    }


def alert_line(alert: Alert, site: str, now_ms: int, zone: ZoneInfo, words: Words) -> Line:
    """Say an alert, and lead to what it is about."""
    return Line(_alert_text(alert, now_ms, zone, words), _alert_href(alert, site))


def _alert_href(alert: Alert, site: str) -> str:
    match alert.weight:
        case Weight.DEVICE | Weight.TROUBLE:
            return f"#{_device(alert.subject)}"
        case Weight.SENSOR:
            agent, _, sensor = alert.subject.partition("/")
            return f"#{_sensor(agent, sensor)}"
        case Weight.UNSERVED:
            return "/find?" + urlencode({"site": site, "state": "unknown"})
        case Weight.FULL:
            return "/?" + urlencode({"site": site, "kind": alert.subject})
        case Weight.PART:
            return ""


def _device(agent: str) -> str:
    """Give the id of a device's row on the page."""
    return f"device-{agent}"


def _sensor(agent: str, sensor: str) -> str:
    return f"sensor-{agent}.{sensor}"


def _alert_text(alert: Alert, now_ms: int, zone: ZoneInfo, words: Words) -> str:
    own = words["manage"]
    spaces = count(own, "spaces", alert.spaces)
    match alert.weight:
        case Weight.PART:
            return say(own, "alert_part", part=alert.subject, trouble=alert.said)
        case Weight.DEVICE:
            since = _moment(alert.said or None, now_ms, zone, words)
            if since is None:
                return say(own, "alert_agent_never", agent=alert.subject, spaces=spaces)
            return say(own, "alert_agent", agent=alert.subject, since=since.text, spaces=spaces)
        case Weight.TROUBLE:
            return say(own, "alert_trouble", agent=alert.subject, trouble=alert.said)
        case Weight.SENSOR:
            agent, _, sensor = alert.subject.partition("/")
            return say(own, "alert_sensor", sensor=sensor, agent=agent, health=own["health"][alert.said])
        case Weight.UNSERVED:
            return filled(own["alert_unserved"], spaces=count(own, "spaces_named", alert.spaces))
        case Weight.FULL:
            return say(own, "alert_full", kind=words["kinds"][alert.subject])


def _moment(text: str | None, now_ms: int, zone: ZoneInfo, words: Words) -> Moment | None:
    if text is None:
        return None
    return moment_of(round(datetime.fromisoformat(text).timestamp() * 1000), now_ms, zone, words)
