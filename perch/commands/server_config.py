"""Where a server's configuration is, for commands that an operator types: here, or where `perch install` puts it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from perch.errors import Complaint, InputError

SYSTEM = Path("/etc/perch")
NAME = "perch.toml"


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """A `perch.toml` that was named, or None."""

    named: Path | None

    def found(self) -> Path:
        """Give its path: as named, else in this folder, else in /etc/perch; raises InputError where there is none."""
        if self.named is not None:
            return self.named
        for folder in (Path(), SYSTEM):
            if (folder / NAME).is_file():
                return folder / NAME
        what = f"there is no {NAME} in {Path.cwd()} nor in {SYSTEM}"
        raise InputError((Complaint("command line", what, "name it with --config"),))


def _read(_context: click.Context, _parameter: click.Parameter, value: Path | None) -> ServerConfig:
    return ServerConfig(value)


def config_option(function: Any) -> Any:
    """Add `--config` to a command, which gets a ServerConfig as `config`."""
    return click.option(
        "--config",
        type=click.Path(path_type=Path),
        callback=_read,
        help=f"The server's {NAME}; left out: the one in this folder, or in {SYSTEM}.",
    )(function)
