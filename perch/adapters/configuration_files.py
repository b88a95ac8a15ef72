"""Which files a server's configuration is made of, and which of them hold secrets."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perch.settings import ServerSettings
from perch.settings.files import toml_values

_SECRETS = ("password_file", "token_file", "key", "url_file")
_SPACES = "spaces.csv"


@dataclass(frozen=True, slots=True)
class ConfigurationFiles:
    """Files by their paths below the configuration's folder; `elsewhere` those that lie outside of it.

    `secrets` are files that a copy of the configuration must not have.
    """

    inside: tuple[Path, ...]
    elsewhere: tuple[Path, ...]
    secrets: tuple[Path, ...]


def configuration_files(config: Path, settings: ServerSettings) -> ConfigurationFiles:
    """Find what a `perch.toml` is made of: itself, each site's file, its spaces and plans; raises InputError."""
    folder = config.parent
    wanted, secrets = [config], _secrets_in(toml_values(config), folder)
    for path in settings.site_paths:
        values = toml_values(path)
        plans = [path.parent / floor["plan"] for floor in values.get("floor", ()) if "plan" in floor]
        wanted += [path, *(one for one in (path.parent / _SPACES, *plans) if one.is_file())]
        secrets += _secrets_in(values, path.parent)
    kept = [path for path in dict.fromkeys(wanted) if path not in secrets]
    inside = [path for path in kept if _below(folder, path)]
    return ConfigurationFiles(
        tuple(path.resolve().relative_to(folder.resolve()) for path in inside),
        tuple(path for path in kept if path not in inside),
        tuple(dict.fromkeys(secrets)),
    )


def _below(folder: Path, path: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _secrets_in(values: dict[str, Any], folder: Path) -> list[Path]:
    """Give the files that a table, or a table in it, names as secrets."""
    found = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += _secrets_in(value, folder)
        elif isinstance(value, list):
            found += [path for one in value if isinstance(one, dict) for path in _secrets_in(one, folder)]
        elif name in _SECRETS and isinstance(value, str):
            found.append(folder / value)
    return found
