"""Configuration: TOML files, overridden by the environment, read into frozen values with every complaint at once."""

from perch.settings.values import AgentSettings, Api, Broker, Influx, Retention, SensingSettings, ServerSettings

__all__ = ["AgentSettings", "Api", "Broker", "Influx", "Retention", "SensingSettings", "ServerSettings"]
