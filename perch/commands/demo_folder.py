"""The demo's folder: the network's files, and a configuration for every process, written anew at each start."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from perch.errors import PerchError
from perch.model import SensedSpace, Sensor, SensorKind, Site, SpaceKind
from perch.settings import SensingSettings, load_sensing, load_site
from perch.venue import network, recordings
from perch.venue.rig import sensing
from perch.venue.written import sensing_toml

MARK = "# Written by perch demo, anew at each start.\n"
HOLD_S = {SpaceKind.DESK: 60, SpaceKind.ROOM: 120, SpaceKind.BOOTH: 45, SpaceKind.LOUNGE: 60}
"""Demo people stay for minutes, so hold times are short: a quarter of an hour would show little."""

MOTION_HOLD_S = 180


@dataclass(frozen=True, slots=True)
class Place:
    """Where the demo's broker and page are, and how clients log in to the broker."""

    api_port: int
    broker_port: int
    protocol: str
    user_name: str


@contextmanager
def demo_folder(wanted: Path | None) -> Iterator[Path]:
    """Give the folder that the user wants to keep, or a temporary one that is gone in the end."""
    if wanted is not None:
        folder = wanted.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()) and not is_demo(folder):
            raise PerchError(f"{wanted} is not empty, and no demo's folder", "name another folder with --data")
        yield folder
        return
    folder = Path(tempfile.mkdtemp(prefix="perch-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_demo(folder: Path) -> bool:
    """Tell whether a demo has lived in a folder."""
    config = folder / "perch.toml"
    return config.is_file() and config.read_text("utf-8").startswith(MARK)


def write_configuration(folder: Path, place: Place) -> dict[tuple[str, str], Path]:
    """Write all files; give the configuration of each agent by (site, agent)."""
    (folder / "perch.toml").write_text(_server_toml(place), "utf-8")
    for name in ("agents", "logs", "server"):
        (folder / name).mkdir(exist_ok=True)
    agents = {}
    for name in network.SITES:
        shutil.copytree(network.FOLDER / name, folder / name, dirs_exist_ok=True)
        site = load_site(folder / name / "site.toml")
        for agent in site.agents:
            path = agents[site.id, agent] = folder / "agents" / f"{site.id}_{agent}.toml"
            path.write_text(_agent_toml(site, agent, place), "utf-8")
    return agents


def _server_toml(place: Place) -> str:
    sites = json.dumps([f"{name}/site.toml" for name in network.SITES])
    head = f'data = "server"\nsites = {sites}\n'
    return f"{MARK}{head}{_broker(place, place.user_name)}\n[api]\nport = {place.api_port}\n"


def _agent_toml(site: Site, agent: str, place: Place) -> str:
    user_name = f"{site.id}_{agent}"
    head = f'site = "{site.id}"\nagent = "{agent}"\ndata = "{user_name}"\noutbox_events = 20000\n'
    sensed = quickened(site, agent)
    return f"{MARK}{head}{_broker(place, user_name)}\n{sensing_toml(sensed.spaces, sensed.sensors)}"


def _broker(place: Place, user_name: str) -> str:
    where = f'host = "127.0.0.1"\nport = {place.broker_port}'
    return f'\n[broker]\n{where}\nusername = "{user_name}"\nprotocol = "{place.protocol}"\n'


def quickened(site: Site, agent: str) -> SensingSettings:
    """Give what an agent of the demo senses, with hold times that fit people in demo hours."""
    if (site.id, agent) == network.RECORDED:
        return recorded_sensing(next(space.id for space in site.spaces if space.agent == agent))
    spaces, sensors = sensing(site, agent)
    return SensingSettings(tuple(_quick(space, sensors) for space in spaces), sensors)


def recorded_sensing(space: str) -> SensingSettings:
    """Give the recorded room's sensors, in a space of the demo."""
    recorded = load_sensing(recordings.SENSING)
    spaces = tuple(replace(one, id=space, hold_ms=HOLD_S[one.kind] * 1000) for one in recorded.spaces)
    sensors = tuple(replace(one, space=space, pin=pin) for pin, one in enumerate(recorded.sensors, start=4))
    return SensingSettings(spaces, sensors)


def _quick(space: SensedSpace, sensors: tuple[Sensor, ...]) -> SensedSpace:
    kinds = {sensor.kind for sensor in sensors if sensor.space == space.id}
    hold_s = MOTION_HOLD_S if kinds == {SensorKind.MOTION} else HOLD_S[space.kind]
    return replace(space, hold_ms=hold_s * 1000)
