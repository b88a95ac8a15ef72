"""From functions to files: what `perch dashboards build` writes, and how it tells that a file is out of date."""

import json
from collections.abc import Mapping
from pathlib import Path

from dashboards import provisioning
from dashboards.lint import complaints
from dashboards.live import live
from dashboards.panels import Json
from perch.errors import PerchError, StorageError

DEFAULT_FOLDER = Path("deploy/grafana")
DASHBOARDS = (live,)


def files() -> Mapping[Path, str]:
    """Give every file by its place below the output folder; raises PerchError for a dashboard that breaks our rules."""
    texts = {
        Path("provisioning/dashboards/perch.yaml"): provisioning.PROVIDER,
        Path("datasources/influxdb-1.8.yaml"): provisioning.INFLUXDB_1,
        Path("datasources/influxdb-2.yaml"): provisioning.INFLUXDB_2,
    }
    for build in DASHBOARDS:
        dashboard = build()
        if found := complaints(dashboard):
            raise PerchError("\n".join(found), "correct the functions in dashboards/")
        texts[Path("dashboards") / f"{dashboard['uid']}.json"] = as_json(dashboard)
    return texts


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
    return differing + sorted(set(folder.glob("dashboards/*.json")) - set(built))
