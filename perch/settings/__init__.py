"""Configuration: TOML files, overridden by the environment, read into frozen values with every complaint at once."""

from perch.settings.agent import load_agent
from perch.settings.sensing import load_sensing
from perch.settings.server import load_server
from perch.settings.site import load_site
from perch.settings.values import (
    AgentSettings,
    Api,
    Broker,
    HistoryFrom,
    Influx,
    Retention,
    SensingSettings,
    ServerSettings,
)

__all__ = [
    "AgentSettings",
    "Api",
    "Broker",
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
