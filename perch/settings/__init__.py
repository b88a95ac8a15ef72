"""Configuration: TOML files, overridden by the environment, read into frozen values with every complaint at once.

What reads a server's files is imported when it is asked for: an agent has none, and little memory.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from perch.settings.agent import load_agent
from perch.settings.sensing import load_sensing
from perch.settings.values import (
    AgentSettings,
    Api,
    Broker,
    BrokerReader,
    Enrolment,
    Face,
    HistoryFrom,
    Influx,
    Retention,
    SensingSettings,
    ServerSettings,
)

if TYPE_CHECKING:
    from perch.settings.server import load_server
    from perch.settings.site import load_site

__all__ = [
    "AgentSettings",
    "Api",
    "Broker",
    "BrokerReader",
    "Enrolment",
    "Face",
    "HistoryFrom",
    "Influx",
    "Retention",
    "SensingSettings",
    "ServerSettings",
    "load_agent",
    "load_sensing",
    "load_server",
    "load_site",
]

_LATER = {"load_server": "perch.settings.server", "load_site": "perch.settings.site"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)
