"""`perch restore`: a server goes on from a backup."""

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import click
import msgspec

from perch.adapters.backup import archive as archives
from perch.adapters.backup.manifest import CONFIGURATION, Manifest, read_manifest
from perch.commands.erasing_backups import erase_in_data, known_beside
from perch.commands.examples import ExampleCommand
from perch.commands.install_again import lost_password
from perch.commands.output import print_json, warn
from perch.commands.progress import Progress
from perch.commands.server_config import NAME, SYSTEM
from perch.delivery.erasing import Erasure
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
@click.option(
    "--erased",
    "listed",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="What perch erase list --json said later, to be erased once more.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")
def restore(backup: Path, config: Path, listed: Path | None, as_json: bool) -> None:
    """Example: perch restore /var/backups/perch/perch-2026-11-23T02-00-00Z

    Put a backup, a folder or a .tar, into the data folder of a server, which has to be empty, before it is started. The
    journal gets a new id, so that agents send again all that they still keep; InfluxDB is written anew. What was erased
    later is erased once more, as far as it is known: from backups in the same folder, and from --erased.
    """
    erased = [] if listed is None else _listed(listed)
    with ExitStack() as unpacked:
        folder = backup
        if backup.is_file():
            folder = archives.unpack(backup, unpacked.enter_context(archives.beside(backup)))
        manifest = read_manifest(folder)
        erased += known_beside(backup, manifest.sites)
        _restore(folder, manifest, config, erased, as_json=as_json)


def _restore(backup: Path, manifest: Manifest, config: Path, erased: Sequence[Erasure], *, as_json: bool) -> None:
    from perch.adapters.backup import restore as putting

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
    again = {of.period: of for of in erased if of.site in manifest.sites}
    if again:
        erase_in_data(data, list(again.values()))
    files = putting.restore_configuration(backup, manifest, config.parent) if is_new else []
    at_broker = [] if broker is None else putting.restore_broker(backup, manifest, broker)
    if as_json:
        put = [*map(str, (*files, *at_broker))]
        told = {"data": str(data), "journal": journal, "events": manifest.events, "files": put}
        print_json({**told, "erased_again": len(again)})
        return
    _say(manifest, data, files, {laid.path for laid in lost_password(config)})
    if again:
        click.echo(f"{len(again)} erasure{'s' if len(again) > 1 else ''} known from later were carried out in it.")
    what = f"what was erased after {manifest.made} is in it again, unless that is known from a backup beside it"
    warn(what, "erase it once more (perch erase), or restore with --erased and what perch erase list --json said")
    if at_broker:
        click.echo(f"Who may come in at the broker was put into {at_broker[0].parent}: run perch agents prepare.")
        warn(
            f"agents that were revoked after {manifest.made} may come in again",
            "see perch agents list, and revoke them once more",
        )


def _say(manifest: Manifest, data: Path, files: Sequence[Path], made_anew: Collection[str]) -> None:
    click.echo(f"{data} holds the {manifest.events:,} events of {manifest.made}.")
    if files:
        click.echo(f"The configuration was put into {files[0].parent} ({len(files)} files).")
        for path in (*manifest.secrets, *manifest.elsewhere):
            is_made = path in made_anew
            remedy = (
                "perch install server makes a new one" if is_made else "put it in its place before you start anything"
            )
            warn(f"{path} was not in the backup", remedy)
    click.echo("Start the collector now: agents send again what they keep, which is 48 hours.")


def _listed(path: Path) -> list[Erasure]:
    """Read what `perch erase list --json` said; raises InputError."""
    try:
        rows = msgspec.json.decode(path.read_bytes(), type=_Listed).erased
        return [Erasure(row.site, row.space, *map(_ms, (row.from_, row.to, row.erased))) for row in rows]
    except (OSError, ValueError) as error:
        raise InputError((Complaint(str(path), f"is no list of erasures: {error}", "see perch erase list"),)) from error


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


class _Row(msgspec.Struct):
    site: str
    space: str
    to: datetime
    erased: datetime
    from_: datetime = msgspec.field(name="from")


class _Listed(msgspec.Struct):
    erased: list[_Row]


def _folders_of(backup: Path, manifest: Manifest, config: Path) -> tuple[Path, Path | None]:
    """Give the folders of data and broker that a backup's own configuration names, seen from where it will lie."""
    values = toml_values(backup / CONFIGURATION / manifest.config)
    data, enrolment = values.get("data"), values.get("enrolment", {})
    if not isinstance(data, str) or config.name != manifest.config:
        what = f"there is none, and the backup's is called {manifest.config}"
        remedy = f"name it so, or make a {config.name} by hand first"
        raise InputError((Complaint(str(config), what, remedy),))
    return config.parent / data, config.parent / enrolment["folder"] if "folder" in enrolment else None
