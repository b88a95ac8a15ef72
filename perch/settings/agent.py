"""`agent.toml`: one agent, its broker, and what it senses."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from perch.settings.broker import read_broker
from perch.settings.exposed import read_metrics
from perch.settings.files import open_toml, path_beside
from perch.settings.reading import flag, identifier, whole
from perch.settings.sensing import read_sensing
from perch.settings.table import Complaints, Table
from perch.settings.values import AgentSettings


def load_agent(path: Path, environment: Mapping[str, str] = os.environ) -> AgentSettings:
    """Read an `agent.toml`, overridden by `PERCH_…` variables; raises InputError with every complaint."""
    complaints = Complaints()
    settings = _agent(open_toml(path, complaints, environment), path.parent)
    complaints.settle()
    return settings


def _agent(table: Table, folder: Path) -> AgentSettings:
    site, agent = table.need("site", identifier, ""), table.need("agent", identifier, "")
    broker = read_broker(table.table("broker"), folder)
    if broker.password_file is not None and broker.username is None:
        broker = replace(broker, username=f"{site}_{agent}")
    settings = AgentSettings(
        site=site,
        agent=agent,
        data=table.need("data", path_beside(folder), folder),
        broker=broker,
        sensing=read_sensing(table),
        outbox_events=table.take("outbox_events", whole(100, 100_000_000), 100_000),
        keep_readings_mib=table.take("keep_readings_mib", whole(0, 100_000), 0),
        home_assistant=_home_assistant(table.table("homeassistant")),
        metrics=read_metrics(table.table("metrics")),
    )
    table.finish()
    return settings


def _home_assistant(table: Table) -> bool:
    discovery = table.take("discovery", flag, False)
    table.finish()
    return discovery
