"""What to write into Home Assistant so that it shows the spaces of a site: the same words as by discovery."""

from collections.abc import Iterator, Mapping

from perch.contract import VALID_FOR_MS, topic
from perch.contract.home_assistant import ONLINE, STATE
from perch.model import Purpose, Site

DISCOVERY = "[homeassistant]\ndiscovery = true\n"


def snippet(site: Site, homes: Mapping[tuple[str, str], str]) -> str:
    """Write `configuration.yaml` for the shared spaces of a site that an agent serves, each once."""
    lines = ["mqtt:", "  binary_sensor:"]
    names = {space.id: space.name for space in site.spaces if space.purpose is Purpose.SHARED}
    for (of_site, space), agent in sorted(homes.items()):
        if of_site == site.id and agent and space in names:
            lines += _binary_sensor(site.id, agent, space, names[space])
    return "\n".join(lines) + "\n"


def _binary_sensor(site: str, agent: str, space: str, name: str) -> Iterator[str]:
    yield f"    - name: {_quoted(name)}"
    yield f"      unique_id: perch_{site}_{agent}_{space}_by_hand"
    yield "      device_class: occupancy"
    yield f"      state_topic: {topic(site, agent, 'state', space)}"
    yield f"      value_template: {_quoted(STATE)}"
    yield f"      expire_after: {-(-VALID_FOR_MS // 1000)}"
    yield f"      availability_topic: {topic(site, agent, 'status')}"
    yield f"      availability_template: {_quoted(ONLINE)}"


def _quoted(text: str) -> str:
    """Write a text for YAML, on one line, whatever stands in it."""
    shown = "".join(sign if sign.isprintable() else " " for sign in text)
    return '"' + shown.replace("\\", "\\\\").replace('"', '\\"') + '"'
