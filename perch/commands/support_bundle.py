"""`perch support-bundle`: what somebody who helps from afar needs to see, and nothing else."""

import io
import json
import os
import platform
import sqlite3
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict
from functools import partial
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import click

from perch import __version__
from perch.adapters.health.agent import FILE_NAME as AGENT_HEALTH
from perch.adapters.health.collector import FILE_NAME as COLLECTOR_HEALTH
from perch.adapters.journal.last import NAME as JOURNAL
from perch.adapters.journal.reader import JournalReader
from perch.adapters.scrubbing import Scrubber, secrets_of, without_secrets
from perch.adapters.sqlite import open_reader
from perch.adapters.whole_file import write_whole
from perch.commands.doctor import SYSTEM, checks_of, found_here, is_server
from perch.commands.examples import ExampleCommand
from perch.doctor.examining import examine
from perch.errors import PerchError, StorageError
from perch.settings.files import toml_values
from perch.settings.written import toml

UNITS = ("perch-agent", "perch-api", "perch-backup", "perch-collector", "mosquitto")
LOGS = "logs"
"""Where perch demo keeps them, beside its configuration."""

LINES, LOG_BYTES, TAKES_S = 2_000, 2**20, 20
_SPACES, _NAME = "space", "name"
_OWNER_ONLY = 0o600

Part = tuple[str, Callable[[], bytes]]


@click.command(cls=ExampleCommand)
@click.option("--config", type=click.Path(path_type=Path), help="An agent.toml or a perch.toml.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="The file; left out: perch-support-….tar.gz here."
)
def support_bundle(config: Path | None, output: Path | None) -> None:
    """Example: perch support-bundle --config perch.toml

    Pack what somebody who helps from afar needs: versions, what perch doctor says, the configuration without secrets
    and names, how collector and agent do, sizes, and the ends of logs. There is no state of any space in it, no event,
    no password and no key. Look into it before you send it: it is an ordinary archive.
    """
    configs = [config] if config is not None else found_here(Path(), SYSTEM)
    target = output or Path(f"perch-support-{time.strftime('%Y-%m-%dT%H-%M-%SZ', time.gmtime())}.tar.gz")
    values = {path: toml_values(path) for path in configs}
    known = {secret for path, told in values.items() for secret in secrets_of(told, path.parent)}
    write_whole(target, _packed(_parts(values), Scrubber(known)), mode=_OWNER_ONLY)
    click.echo(f"{target} is ready ({target.stat().st_size / 1024:,.0f} KiB). Look into it before you send it.")


def _packed(parts: Iterator[Part], scrubber: Scrubber) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, give in parts:
            try:
                body = scrubber.clean(give())
            except (PerchError, OSError, ValueError, sqlite3.Error, subprocess.SubprocessError) as error:
                name, body = f"{name}.missing", scrubber.clean(f"{type(error).__name__}: {error}\n".encode())
            entry = tarfile.TarInfo(f"perch-support/{name}")
            entry.size, entry.mtime, entry.mode = len(body), int(time.time()), _OWNER_ONLY
            archive.addfile(entry, io.BytesIO(body))
    return packed.getvalue()


def _parts(configs: dict[Path, dict[str, Any]]) -> Iterator[Part]:
    yield "versions.json", lambda: _json(_versions())
    for path, values in configs.items():
        kind, data = path.stem, path.parent / str(values.get("data", ""))
        yield f"{kind}/doctor.json", partial(_examined, path)
        yield f"{kind}/{path.name}", partial(_configuration, values)
        if is_server(path):
            for number, site in enumerate(values.get("sites", ()), start=1):
                yield f"{kind}/site-{number}.toml", partial(_site, path.parent / str(site))
        yield f"{kind}/sizes.json", partial(_sizes, data)
        if (data / JOURNAL).exists():
            yield f"{kind}/erased.json", partial(_erased, data / JOURNAL)
        for health in (COLLECTOR_HEALTH, AGENT_HEALTH):
            if (data / health).exists():
                yield f"{kind}/{health}", (data / health).read_bytes
        for log in sorted((path.parent / LOGS).glob("*.log")):
            yield f"logs/{log.name}", partial(_end_of, log)
    for unit in UNITS:
        yield f"logs/{unit}.log", partial(_log_of, unit)


def _examined(config: Path) -> bytes:
    return _json([asdict(one) for one in examine(checks_of(config))])


def _site(path: Path) -> bytes:
    return _configuration(toml_values(path))


def _end_of(log: Path) -> bytes:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LOG_BYTES))
        return file.read(LOG_BYTES)


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False, default=str).encode() + b"\n"


def _versions() -> dict[str, object]:
    return {
        "perch": __version__,
        "python": sys.version,
        "sqlite": sqlite3.sqlite_version,
        "machine": platform.platform(),
        "system": _read(Path("/etc/os-release")),
        "packages": {found.name: found.version for found in sorted(distributions(), key=lambda found: found.name)},
        "up_s": _read(Path("/proc/uptime")).split(" ")[0],
        "user": os.geteuid(),
    }


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return str(error.strerror)


def _configuration(values: dict[str, Any]) -> bytes:
    """Write a configuration without comments, secrets, and what people call their spaces."""
    shown = without_secrets(values)
    spaces = shown.get(_SPACES)
    if isinstance(spaces, list):
        shown[_SPACES] = [{key: value for key, value in one.items() if key != _NAME} for one in spaces]
    return toml(shown).encode()


def _sizes(data: Path) -> bytes:
    """Give how large files are and of which schema databases; raises OSError."""
    disk = os.statvfs(data)
    files = {
        str(path.relative_to(data)): {"bytes": path.stat().st_size, "changed_s": int(path.stat().st_mtime)}
        for path in sorted(data.rglob("*"))
        if path.is_file()
    }
    schemas = {path.name: _schema(path) for path in sorted(data.glob("*.db")) if not path.name.startswith("outbox")}
    return _json({"free_bytes": disk.f_bavail * disk.f_frsize, "files": files, "schemas": schemas})


def _erased(journal: Path) -> bytes:
    """Give what was erased: of which space, over which period, and when; nothing of what was there."""
    with JournalReader(journal) as reader:
        return _json([erasure._asdict() for _, erasure in reader.erasures()])


def _schema(path: Path) -> object:
    """Give a database's version; an outbox is for its agent alone, which would be disturbed."""
    try:
        with closing(open_reader(path)) as db:
            return db.execute("PRAGMA user_version").fetchone()[0]
    except (StorageError, sqlite3.Error) as error:
        return str(error)


def _log_of(unit: str) -> bytes:
    """Give the end of a service's log, where systemd keeps one; raises OSError."""
    command = ["journalctl", "--unit", unit, "--lines", str(LINES), "--no-pager", "--output", "short-iso-precise"]
    done = subprocess.run(command, capture_output=True, timeout=TAKES_S, check=True)  # noqa: S603 - our own words
    return done.stdout[-LOG_BYTES:]
