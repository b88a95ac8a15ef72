"""`perch projection`: what is made from the journal, made anew."""

from datetime import UTC, datetime
from pathlib import Path

import click

from perch.adapters.errands import Rebuild
from perch.adapters.history.reader import HistoryReader
from perch.adapters.journal.reader import JournalReader
from perch.commands.errands import have_done, show_progress
from perch.commands.examples import ExampleCommand, ExampleGroup
from perch.commands.output import print_json, warn
from perch.errors import Complaint, InputError
from perch.model import DAY_MS
from perch.settings import ServerSettings, load_server

HISTORY, INFLUX = "history", "influx"


@click.group(cls=ExampleGroup)
def projection() -> None:
    """Example: perch projection rebuild history --config perch.toml

    Look after what is made from the journal: history for the API, and the rows of InfluxDB.
    """


@projection.command(cls=ExampleCommand)
@click.argument("which", required=False, type=click.Choice([HISTORY, INFLUX]), metavar="[history|influx]")
@click.option("--config", required=True, type=click.Path(path_type=Path), help="The server's perch.toml.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")
def rebuild(which: str | None, config: Path, as_json: bool) -> None:
    """Example: perch projection rebuild influx --config perch.toml

    Delete a projection and make it anew from the journal, both where none is named: the outcome is the same, value for
    value. The collector may run or not; it goes on storing events meanwhile. Until history is complete again the API's
    answers about the past are not. Ends with exit code 1 where InfluxDB is away for a minute. Whoever ends it by Ctrl-C
    ends the looking on alone: a running collector goes on.
    """
    settings = load_server(config)
    done = []
    for name in _chosen(settings, which):
        if not as_json:
            warn(f"{name} is made anew from the journal")
        answer = have_done(settings, Rebuild(name), show_progress("events"))
        done.append({"projection": name, "events": answer.taken, "rows": answer.rows})
        if not as_json:
            rows = f", {answer.rows:,} rows written" if answer.rows else ""
            click.echo(f"{name} holds all {answer.taken:,} events of the journal{rows}.")
            if kept := _kept_as_it_was(settings, name):
                click.echo(kept)
    if as_json:
        print_json({"rebuilt": done})


def _kept_as_it_was(settings: ServerSettings, name: str) -> str:
    """Say what could not be made anew, and so is as it was; nothing where all could."""
    with JournalReader(settings.data / "journal.db") as journal, HistoryReader(settings.data / "history.db") as history:
        floor, words_day = journal.floor(), history.kept_from()
    if words_day is None:
        return ""
    day = datetime.fromtimestamp(words_day * DAY_MS / 1000, UTC).strftime("%Y-%m-%d")
    if name == INFLUX:
        return f"Rows from before {day} (UTC) are as they were: history keeps no single changes of those days."
    if floor:
        return f"What is from before {day} (UTC) was kept: the journal has let go of its first {floor:,} events."
    return ""


def _chosen(settings: ServerSettings, which: str | None) -> list[str]:
    """Give the projections meant, history first: InfluxDB is made from it."""
    if which == INFLUX and settings.influx is None:
        raise InputError((Complaint("[influx]", "is not in perch.toml: there is no InfluxDB", "add it"),))
    if which is not None:
        return [which]
    return [HISTORY] if settings.influx is None else [HISTORY, INFLUX]
