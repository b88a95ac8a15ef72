"""`perch install`: systemd units, a user, folders and a first configuration, on this machine or below another root."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from zoneinfo import available_timezones

import click

from perch.adapters.laid_files import Laid, Outcome, lay, outcomes
from perch.commands.examples import ExampleCommand, ExampleGroup
from perch.commands.install_again import lost_password, require_same
from perch.commands.install_edge import edge_files, edge_steps, edge_wanted, require_same_edge
from perch.commands.install_files import SiteWanted, agent_files, folder_of, server_files
from perch.commands.install_units import CONFIGURATION
from perch.commands.output import print_json, warn
from perch.errors import Complaint, InputError, PerchError
from perch.model import is_id
from perch.settings.files import toml_values

HIDDEN = ("/home/", "/root/", "/tmp/", "/var/tmp/", "/run/user/")  # noqa: S108 - where services see nothing
TAKES_S = 120
_AFTERWARDS = (("systemd-sysusers",), ("systemd-tmpfiles", "--create"), ("systemctl", "daemon-reload"))


@click.group(cls=ExampleGroup)
def install() -> None:
    """Example: perch install server --site hq --name "Harbour House" --time-zone Europe/Lisbon --host broker.hq.example

    Write systemd units, a user, folders and a first configuration. What is there and was changed by somebody stays.
    """


def _options(function: Any) -> Any:
    root = click.option("--root", type=click.Path(path_type=Path), default=Path("/"), help="Install below this folder.")
    program = click.option("--program", metavar="PATH", help="The perch command as units call it; left out: this one.")
    dry = click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
    as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")
    return root(program(dry(as_json(function))))


@install.command("server", cls=ExampleCommand)
@click.option("--site", metavar="ID", help="The id of the first site.")
@click.option("--name", help="How people call it.")
@click.option("--time-zone", metavar="ZONE", help="As Europe/Lisbon.")
@click.option("--host", help="The name by which agents call the broker.")
@_options
def server(
    site: str | None,
    name: str | None,
    time_zone: str | None,
    host: str | None,
    root: Path,
    program: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Example: perch install server --site hq --name "Harbour House" --time-zone Europe/Lisbon --host broker.hq.example

    Install collector and API of one site, and a backup each night. Run it again after an upgrade or a restore, then
    without naming the site: only what Perch wrote and nobody changed is written anew, and the rights of its files are
    set right.
    """
    config = root / CONFIGURATION.removeprefix("/") / "perch.toml"
    given = {"--site": site, "--name": name, "--time-zone": time_zone, "--host": host}
    if config.exists():
        require_same(config, given)
        wanted, folders, lost = None, _folders_of(config), lost_password(config)
    else:
        wanted, lost = _wanted(site, name, time_zone, host), ()
        folders = [folder_of(wanted.id)]
    _install(root, [*server_files(_program(program), folders, wanted), *lost], dry_run=dry_run, as_json=as_json)
    if not (dry_run or as_json or wanted is None):
        click.echo("Next: perch agents prepare --config /etc/perch/perch.toml, then start the broker anew, then")
        click.echo("systemctl enable --now perch-collector perch-api perch-backup.timer")


@install.command("edge", cls=ExampleCommand)
@click.option("--site", metavar="ID", required=True, help="The id of the site, as in its site.toml.")
@click.option("--host", required=True, help="The name by which agents call the site's broker.")
@click.option("--to", metavar="HOST[:PORT]", required=True, help="The network's broker.")
@_options
def edge(site: str, host: str, to: str, root: Path, program: str | None, dry_run: bool, as_json: bool) -> None:
    """Example: perch install edge --site hq --host edge.hq.example --to broker.example

    Install a broker for one site of a network: agents are invited here and talk to it, and it is bridged to the
    network's. Nothing is collected here, so there are no services to start but the broker. See docs/scale.md.
    """
    config = root / CONFIGURATION.removeprefix("/") / "perch.toml"
    wanted = edge_wanted(site, host, to)
    if config.exists():
        require_same_edge(config, wanted)
    _program(program)
    _install(root, edge_files(wanted), dry_run=dry_run, as_json=as_json)
    if not (dry_run or as_json):
        click.echo("\n".join(edge_steps(wanted)))


@install.command("agent", cls=ExampleCommand)
@_options
def agent(root: Path, program: str | None, dry_run: bool, as_json: bool) -> None:
    """Example: perch install agent

    Install an agent on a Raspberry Pi. Its configuration comes with its credential, by perch enroll.
    """
    _install(root, agent_files(_program(program)), dry_run=dry_run, as_json=as_json)
    if not (dry_run or as_json):
        click.echo("Next: perch enroll, then say in /etc/perch/agent.toml what hangs on which pin, then")
        click.echo("systemctl enable --now perch-agent")


def _wanted(site: str | None, name: str | None, time_zone: str | None, host: str | None) -> SiteWanted:
    """Read what a first configuration is for; raises InputError with every complaint."""
    given = {"--site": site, "--name": name, "--time-zone": time_zone, "--host": host}
    complaints = [
        Complaint(option, "is missing: there is no /etc/perch/perch.toml yet", "see perch install server --help")
        for option, value in given.items()
        if not value
    ]
    if site and not is_id(site):
        complaints.append(Complaint("--site", f"{site!r} is no id", "use small letters, digits and -, as in hq"))
    if time_zone and time_zone not in available_timezones():
        complaints.append(Complaint("--time-zone", f"there is no {time_zone!r}", "write it as Europe/Lisbon"))
    if complaints or not (site and name and time_zone and host):
        raise InputError(tuple(complaints))
    return SiteWanted(site, name, time_zone, host)


def _folders_of(config: Path) -> list[str]:
    """Give the folders of the sites' files, as far as they lie below the configuration's own."""
    sites = [PurePosixPath(CONFIGURATION, str(site)).parent for site in toml_values(config).get("sites", ())]
    return sorted({str(folder) for folder in sites if folder.parent == PurePosixPath(CONFIGURATION)})


def _program(given: str | None) -> PurePosixPath:
    """Give the command that units start; raises InputError where a service would not see it."""
    path = PurePosixPath(given or Path(sys.executable).with_name("perch"))
    if not path.is_absolute() or " " in str(path) or "%" in str(path) or str(path).startswith(HIDDEN):
        what = f"{path} is no place from which a confined service can be started"
        raise InputError((Complaint("--program", what, "install Perch into /opt/perch, and run its perch install"),))
    return path


def _install(root: Path, files: Sequence[Laid], *, dry_run: bool, as_json: bool) -> None:
    is_here = root.resolve() == Path("/")
    if is_here and not dry_run and os.geteuid():
        raise PerchError("this needs root", "run it with sudo, or look first with --dry-run")
    found = outcomes(root, files) if dry_run else lay(root, files)
    if as_json:
        print_json({"files": [{"path": path, "outcome": outcome.name.lower()} for path, outcome in found.items()]})
    else:
        _say(files, found, in_full=dry_run)
    if is_here and not dry_run:
        _carry_out(_AFTERWARDS)


def _say(files: Sequence[Laid], found: Mapping[str, Outcome], *, in_full: bool) -> None:
    for file in files:
        click.echo(f"{file.path} ({file.mode:o}): {found[file.path]}")
        if in_full and found[file.path] not in (Outcome.SAME, Outcome.KEPT):
            text = "(a secret, drawn by lot)" if file.secret else file.text
            click.echo("".join(f"    {line}\n" for line in text.splitlines()))


def _carry_out(commands: Sequence[Sequence[str]]) -> None:
    """Have users and folders made, and the units read; says what did not work, which may be mended and run again."""
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TAKES_S, check=False)  # noqa: S603
            why = done.stderr.strip() if done.returncode else ""
        except (OSError, subprocess.TimeoutExpired) as error:
            why = str(error)
        if why:
            warn(f"{' '.join(command)} says: {why}", "see to that, and run it by hand")
