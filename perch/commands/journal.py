"""`perch journal`: what a collector's journal holds, and handing a site over to another collector."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec

from perch.adapters.journal.merge import merge
from perch.adapters.journal.store import Journal, JournalReader
from perch.commands.examples import ExampleCommand, ExampleGroup
from perch.commands.output import warn
from perch.commands.progress import Progress
from perch.errors import Complaint, DamagedError, InputError
from perch.settings import load_server


@click.group(cls=ExampleGroup)
def journal() -> None:
    """Example: perch journal take-over /mnt/old/journal.db --site hq --config perch.toml

    Hand sites over from one collector to another.
    """


@journal.command("take-over", cls=ExampleCommand)
@click.argument("source", metavar="JOURNAL.db", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--site", required=True, metavar="ID", help="The site that moves.")
@click.option("--config", required=True, type=click.Path(path_type=Path), help="Of the collector that takes over.")
def take_over(source: Path, site: str, config: Path) -> None:
    """Example: perch journal take-over /mnt/old/journal.db --site hq --config perch.toml

    Put all that another collector stored of a site into this one's journal, each event once. Neither collector may run
    meanwhile; agents keep what they have to say. Cut short, run it again.
    """
    settings = load_server(config)
    if site not in {known.id for known in settings.sites}:
        known = ", ".join(one.id for one in settings.sites)
        raise InputError((Complaint("--site", f"there is no site {site}", f"name one of {known}"),))
    path = settings.data / "journal.db"
    if path.exists() and path.samefile(source):
        raise InputError((Complaint("JOURNAL.db", "is this collector's own", "name the other collector's"),))
    settings.data.mkdir(parents=True, exist_ok=True)
    with _believed(source), JournalReader(source) as reader, Journal.open(path) as target, Progress() as progress:
        total, floor = reader.end(), reader.floor()
        done = merge(
            reader, target, site, lambda at: progress.say(f"{100 * at // max(total, 1)} % of {total:,} events")
        )
    click.echo(f"{done.stored:,} events of {site} are in {path} now; {done.known:,} were there before.")
    if floor:
        what = f"{source} had let go of events up to its number {floor:,}: what history sums up of them does not move"
        warn(what, "keep the other collector's history.db, or export those days first (perch export)")
    click.echo("Start its collector with this site, and the other one without.")


@contextmanager
def _believed(source: Path) -> Iterator[None]:
    """Read another one's file: it may hold anything, as one does that was damaged or made by hand."""
    try:
        yield
    except (TypeError, LookupError, ValueError, OverflowError, msgspec.MsgspecError) as error:
        what = f"{source} holds what no collector stores ({type(error).__name__}: {error})"
        raise DamagedError(
            what[:300], "take the journal of a backup instead: perch restore looks at each of its bytes"
        ) from error
