"""The files of a campaign's venue: a site, some agents with a few desks each, a configuration for each process."""

import getpass
from dataclasses import dataclass
from pathlib import Path

SITE = "hq"
SPACES_EACH = 4
FIRST_PIN = 4

MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous true
user {user}
set_tcp_nodelay true
max_queued_messages 1000
persistence {persistence}
persistence_location {folder}/
autosave_interval 5
"""

INFLUXDB = """\
reporting-disabled = true
bind-address = "127.0.0.1:{backup_port}"
[meta]
  dir = "{folder}/meta"
  logging-enabled = false
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  query-log-enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  log-enabled = false
[monitor]
  store-enabled = false
[continuous_queries]
  enabled = false
[logging]
  level = "error"
  suppress-logo = true
"""


@dataclass(frozen=True, slots=True)
class BrokerAt:
    """Where a process finds its broker, and which MQTT it speaks there."""

    port: int
    protocol: str


def agents(count: int) -> tuple[str, ...]:
    """Name the agents."""
    return tuple(f"a{number}" for number in range(1, count + 1))


def spaces_of(agent: str) -> tuple[str, ...]:
    """Name the spaces of an agent."""
    return tuple(f"{agent}-d{number}" for number in range(1, SPACES_EACH + 1))


def write_site(folder: Path, names: tuple[str, ...]) -> Path:
    """Write the site's layout."""
    days = "".join(f'{day} = "08:00-20:00"\n' for day in ("mon", "tue", "wed", "thu", "fri"))
    head = (
        f'[site]\nid = "{SITE}"\nname = "Chaos House"\ntime_zone = "Europe/Lisbon"\n[hours]\n{days}'
        '[[floor]]\nid = "f1"\nname = "First floor"\n'
    )
    zones = "".join(f'[[zone]]\nid = "z-{name}"\nfloor = "f1"\n' for name in names)
    homes = "".join(f'[[agent]]\nid = "{name}"\n' for name in names)
    spaces = "".join(
        f'[[space]]\nid = "{space}"\nname = "{space}"\nfloor = "f1"\nzone = "z-{name}"\nkind = "desk"\ncapacity = 1\n'
        f'agent = "{name}"\n'
        for name in names
        for space in spaces_of(name)
    )
    path = folder / "site.toml"
    path.write_text(head + zones + homes + spaces, "utf-8")
    return path


def write_server(path: Path, data: Path, at: BrokerAt, api_port: int, influx_port: int | None) -> Path:
    """Write a `perch.toml` beside the site; its databases are named by the folder, as a lent server may hold others.

    Nothing is let go of, be its clock decades away: what is to be counted has to be there.
    """
    influx = (
        "" if influx_port is None else f'[influx]\nurl = "http://127.0.0.1:{influx_port}"\n{_databases(path.parent)}'
    )
    text = f'data = "{data}"\nsites = ["site.toml"]\n{_broker(at, "perch")}{influx}'
    text += f"[api]\nport = {api_port}\n[retention]\ntransitions_days = 0\njournal_days = 0\n"
    path.write_text(text, "utf-8")
    return path


def _databases(folder: Path) -> str:
    name = folder.name.replace("-", "_")
    return f'database = "{name}"\nzones_database = "{name}_zones"\n'


def write_agent(path: Path, agent: str, data: Path, at: BrokerAt, outbox_events: int) -> Path:
    """Write an `agent.toml`: a presence sensor over each desk."""
    sensed = "".join(
        f'[[space]]\nid = "{space}"\nkind = "desk"\ncapacity = 1\nhold_seconds = 1\n'
        f'[[sensor]]\nid = "p-{space}"\nkind = "presence"\nspace = "{space}"\npin = {pin}\n'
        for pin, space in enumerate(spaces_of(agent), FIRST_PIN)
    )
    head = f'site = "{SITE}"\nagent = "{agent}"\ndata = "{data}"\noutbox_events = {outbox_events}\n'
    path.write_text(f"{head}{_broker(at, f'{SITE}_{agent}')}{sensed}", "utf-8")
    return path


def _broker(at: BrokerAt, user: str) -> str:
    return f'[broker]\nhost = "127.0.0.1"\nport = {at.port}\nusername = "{user}"\nprotocol = "{at.protocol}"\n'


def write_mosquitto(folder: Path, port: int, *, persistent: bool) -> Path:
    """Write the broker's configuration; one that is not persistent forgets everything when it dies."""
    kept = str(persistent).lower()
    path = folder / "mosquitto.conf"
    path.write_text(MOSQUITTO.format(port=port, user=getpass.getuser(), persistence=kept, folder=folder), "utf-8")
    return path


def write_influxdb(folder: Path, port: int, backup_port: int) -> Path:
    """Write InfluxDB's configuration."""
    path = folder / "influxdb.conf"
    path.write_text(INFLUXDB.format(port=port, backup_port=backup_port, folder=folder), "utf-8")
    return path
