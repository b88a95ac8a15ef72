"""`perch backup`: a copy of a server, made while it works, and looked at before it is called one."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from perch.adapters.backup.manifest import Manifest, told
from perch.commands.examples import ExampleCommand
from perch.commands.output import print_json, warn
from perch.commands.progress import Progress
from perch.commands.server_config import ServerConfig, config_option
from perch.errors import PerchError, StorageError
from perch.settings import load_server


@click.command(cls=ExampleCommand)
@click.argument("to", metavar="TO", type=click.Path(path_type=Path))
@config_option
@click.option("--keep", type=click.IntRange(min=1), metavar="N", help="Keep the newest N in the folder TO, no more.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")
def backup(to: Path, config: ServerConfig, keep: int | None, as_json: bool) -> None:
    """Example: perch backup /var/backups/perch --keep 14

    Back up a server while it runs: journal, history, keys and watches, audit, quarantine, who may come in at the
    broker, and the configuration without its passwords. Where TO is a folder, the backup gets a name in it, by the
    time; otherwise TO is its name, and where that ends in .tar it is one file. It is read back before it gets a name.
    InfluxDB is not in it: it is written anew from the journal. Whoever has a backup can pass for this server: keep it
    as closely.
    """
    from perch.adapters.backup import archive as archives
    from perch.adapters.backup import making
    from perch.adapters.configuration_files import configuration_files

    path = config.found()
    settings, now = load_server(path), datetime.now(UTC)
    is_folder = to.is_dir()
    if keep is not None and not is_folder:
        raise click.UsageError("--keep goes with a folder of backups, which has to be there.")
    target = making.dated(to, now) if is_folder else to
    broker = None if settings.enrolment is None else settings.enrolment.folder
    sites = [site.id for site in settings.sites]
    subject = making.Subject(settings.data, path, configuration_files(path, settings), sites, broker)
    with Progress() as progress:
        if target.suffix == archives.ENDING:
            making.require_new(target)
            with archives.beside(target) as folder:
                manifest = making.back_up(subject, folder / "backup", now, progress.show_bytes)
                archives.pack(folder / "backup", target)
        else:
            manifest = making.back_up(subject, target, now, progress.show_bytes)
    gone, kept = _let_go(to, keep)
    if as_json:
        print_json({"backup": str(target), **told(manifest), "removed": [str(one) for one in gone]})
    else:
        _say(target, manifest, path, gone)
    if kept is not None:
        raise PerchError(f"{target} is made and whole; {kept.what}", kept.remedy)


def _let_go(folder: Path, keep: int | None) -> tuple[list[Path], StorageError | None]:
    """Remove older backups; that this does not work is no word against the one that was made."""
    from perch.adapters.backup import making

    try:
        return making.let_go(folder, keep) if keep is not None else [], None
    except StorageError as error:
        return [], error


def _say(target: Path, manifest: Manifest, path: Path, gone: Sequence[Path]) -> None:
    click.echo(f"{target} holds {manifest.events:,} events and was read back ({manifest.bytes / 2**20:,.1f} MiB).")
    for one in manifest.secrets:
        warn(f"{one} is not in it, for it is a secret", "keep it where you keep passwords")
    for one in manifest.elsewhere:
        warn(f"{one} is not in it, for it lies outside of {path.parent}", "see that it is backed up as well")
    for old in gone:
        click.echo(f"{old} was removed.")
