"""From functions to files: what `perch dashboards build` writes, and how it tells that a file is out of date."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from dashboards import alerts, provisioning
from dashboards.fleet import fleet
from dashboards.lint import complaints
from dashboards.live import live
from dashboards.network import network
from dashboards.panels import Json
from dashboards.spaces import UID as SPACES
from dashboards.spaces import spaces
from dashboards.week import week
from perch.errors import PerchError, StorageError

DEFAULT_FOLDER = Path("deploy/grafana")
DASHBOARDS = (live, week, network, fleet, spaces)


def files() -> Mapping[Path, str]:
    """Give every file by its place below the output folder; raises PerchError for a dashboard that breaks our rules."""
    texts = {
        Path("provisioning/dashboards/perch.yaml"): provisioning.PROVIDER,
        Path("provisioning/alerting/perch.yaml"): alerts.as_yaml(),
        Path("datasources/influxdb-1.8.yaml"): provisioning.influxdb_1("zones"),
        Path("datasources/influxdb-2.yaml"): provisioning.influxdb_2("zones"),
        Path("spaces/dashboards.yaml"): provisioning.PROVIDER_OF_SPACES,
        Path("spaces/influxdb-1.8.yaml"): provisioning.influxdb_1("spaces"),
        Path("spaces/influxdb-2.yaml"): provisioning.influxdb_2("spaces"),
    }
    for dashboard in all_dashboards():
        folder = Path("spaces" if dashboard["uid"] == SPACES else "dashboards")
        texts[folder / f"{dashboard['uid']}.json"] = as_json(dashboard)
    return texts


def all_dashboards() -> Sequence[Json]:
    """Build every dashboard; raises PerchError for one that breaks our rules."""
    built = [build() for build in DASHBOARDS]
    if found := [what for dashboard in built for what in complaints(dashboard)]:
        raise PerchError("\n".join(found), "correct the functions in dashboards/")
    return built


def as_json(dashboard: Json) -> str:
    """Write a dashboard as it is committed."""
    return json.dumps(dashboard, indent=2, ensure_ascii=False) + "\n"


def write(folder: Path) -> list[Path]:
    """Write every file below a folder; raises StorageError."""
    written = []
    for place, text in files().items():
        path = folder / place
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror}", "choose another folder with --out") from error
        written.append(path)
    return written


def out_of_date(folder: Path) -> list[Path]:
    """Name the files below a folder that are missing, differ from what the code builds, or are built by nothing."""
    built = {folder / place: text for place, text in files().items()}
    differing = [path for path, text in built.items() if not path.is_file() or path.read_text("utf-8") != text]
    strange = {*folder.glob("dashboards/*.json"), *folder.glob("spaces/*")} - set(built)
    return differing + sorted(strange)
