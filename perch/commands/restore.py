"""`perch restore`: a server goes on from a backup."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from perch.adapters import backup_archive as archives
from perch.adapters.backup_manifest import CONFIGURATION, Manifest, read_manifest
from perch.commands.examples import ExampleCommand
from perch.commands.output import print_json, warn
from perch.commands.progress import Progress
from perch.commands.server_config import NAME, SYSTEM
from perch.errors import Complaint, InputError
from perch.settings import load_server
from perch.settings.files import toml_values


@click.command(cls=ExampleCommand)
@click.argument("backup", metavar="BACKUP", type=click.Path(path_type=Path))
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=SYSTEM / NAME,
    show_default=True,
    help="The server's perch.toml; where there is none, the backup's configuration is put there.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")
def restore(backup: Path, config: Path, as_json: bool) -> None:
    """Example: perch restore /var/backups/perch/perch-2026-11-23T02-00-00Z

    Put a backup, a folder or a .tar, into the data folder of a server, which has to be empty, before it is started. The
    journal gets a new id, so that agents send again all that they still keep; InfluxDB is written anew.
    """
    with ExitStack() as unpacked:
        if backup.is_file():
            backup = archives.unpack(backup, unpacked.enter_context(archives.beside(backup)))
        _restore(backup, config, as_json=as_json)


def _restore(backup: Path, config: Path, *, as_json: bool) -> None:
    from perch.adapters import restore as putting

    manifest = read_manifest(backup)
    putting.require_known(backup, manifest)
    is_new = not config.exists()
    if is_new:
        data, broker = _folders_of(backup, manifest, config)
    else:
        settings = load_server(config)
        putting.require_own(backup, manifest, [site.id for site in settings.sites])
        data, broker = settings.data, None if settings.enrolment is None else settings.enrolment.folder
    with Progress() as progress:
        journal = putting.restore_data(backup, manifest, data, progress.show_bytes)
    files = putting.restore_configuration(backup, manifest, config.parent) if is_new else []
    at_broker = [] if broker is None else putting.restore_broker(backup, manifest, broker)
    if as_json:
        put = [*map(str, (*files, *at_broker))]
        print_json({"data": str(data), "journal": journal, "events": manifest.events, "files": put})
        return
    _say(manifest, data, files)
    if at_broker:
        click.echo(f"Who may come in at the broker was put into {at_broker[0].parent}: run perch agents prepare.")
        warn(
            f"agents that were revoked after {manifest.made} may come in again",
            "see perch agents list, and revoke them once more",
        )


def _say(manifest: Manifest, data: Path, files: Sequence[Path]) -> None:
    click.echo(f"{data} holds the {manifest.events:,} events of {manifest.made}.")
    if files:
        click.echo(f"The configuration was put into {files[0].parent} ({len(files)} files).")
        for path in (*manifest.secrets, *manifest.elsewhere):
            warn(f"{path} was not in the backup", "put it in its place before you start anything")
    click.echo("Start the collector now: agents send again what they keep, which is 48 hours.")


def _folders_of(backup: Path, manifest: Manifest, config: Path) -> tuple[Path, Path | None]:
    """Give the folders of data and broker that a backup's own configuration names, seen from where it will lie."""
    values = toml_values(backup / CONFIGURATION / manifest.config)
    data, enrolment = values.get("data"), values.get("enrolment", {})
    if not isinstance(data, str) or config.name != manifest.config:
        what = f"there is none, and the backup's is called {manifest.config}"
        remedy = f"name it so, or make a {config.name} by hand first"
        raise InputError((Complaint(str(config), what, remedy),))
    return config.parent / data, config.parent / enrolment["folder"] if "folder" in enrolment else None
