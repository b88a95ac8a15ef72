"""`perch export`: the past as a file for spreadsheets, pandas, polars and DuckDB."""

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from api.history.configured import configured_history
from api.history.way import History
from api.moments import parse_moment
from perch.adapters.instants import wall_ms
from perch.adapters.tables.files import check_target, write_table
from perch.commands.examples import ExampleCommand
from perch.commands.output import print_json, warn
from perch.commands.progress import Progress
from perch.errors import Complaint, InputError, QuestionError
from perch.history.definitions import DEFINITIONS
from perch.history.question import Hours, Question, Resolution, Scope
from perch.history.tables import Table, answer_table, layout_table, session_table, transition_table
from perch.model import Site, SpaceKind
from perch.settings import ServerSettings, load_server

TRANSITIONS, SESSIONS, LAYOUT = "transitions", "sessions", "layout"


def _one_of(names: type[Resolution] | type[Scope] | type[Hours] | type[SpaceKind]) -> click.Choice[str]:
    return click.Choice([name.value for name in names])


@click.command(cls=ExampleCommand)
@click.option("--site", required=True, metavar="ID", help="Which site.")
@click.option("--from", "from_", required=True, metavar="TIME", help="A day or a time; without offset the site's own.")
@click.option("--to", required=True, metavar="TIME", help="The same; the end is not part of the window.")
@click.option(
    "--what",
    default=TRANSITIONS,
    show_default=True,
    metavar="transitions|sessions|layout|METRIC",
    help="What to write.",
)
@click.option("--resolution", type=_one_of(Resolution), help="How a metric is cut in time.  [default: total]")
@click.option("--scope", type=_one_of(Scope), help="Which spaces of a metric one row sums up.  [default: site]")
@click.option("--hours", type=_one_of(Hours), help="When metrics and sessions count.  [default: open]")
@click.option("--kind", type=_one_of(SpaceKind), help="Only spaces of this kind.")
@click.option("--zone", metavar="ID", help="Only spaces of this zone.")
@click.option(
    "--config", default="perch.toml", show_default=True, type=click.Path(path_type=Path), help="The server's."
)
@click.option("-o", "--output", required=True, metavar="FILE", type=click.Path(path_type=Path), help="The file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")
def export(
    site: str,
    from_: str,
    to: str,
    what: str,
    resolution: str | None,
    scope: str | None,
    hours: str | None,
    kind: str | None,
    zone: str | None,
    config: Path,
    output: Path,
    as_json: bool,
) -> None:
    """Example: perch export --site hq --from 2026-03-02 --to 2026-04-27 -o transitions.parquet

    Write the past to a file: .csv, .csv.gz or .parquet. Transitions of years are written as they are read. It is read
    where the API reads it: from the collector's history.db, while the collector runs or not, or with [api] history =
    "influx" from InfluxDB. A file of that name is replaced once the new one is whole.
    """
    _check_options(what, {"--resolution": resolution, "--scope": scope}, hours)
    check_target(output)
    settings = load_server(config)
    of = _site(settings, site)
    question = Question(
        "sessions" if what in (TRANSITIONS, LAYOUT) else what,
        _moment("--from", from_, of),
        _moment("--to", to, of),
        Resolution(resolution or Resolution.TOTAL),
        Scope(scope or Scope.SITE),
        Hours(hours or Hours.OPEN),
        kind,
        zone,
    )
    history = configured_history(settings)
    with closing(history.store):
        table, warnings = _table(what, _Asked(question, of), history)
        with Progress() as progress:
            rows = write_table(table, output, lambda all_: progress.counted(all_, table.number, "pieces", 1))
    for warning in warnings:
        warn(warning)
    if as_json:
        print_json({"file": str(output), "what": what, "rows": rows, "warnings": list(warnings)})
        return
    click.echo(f"{output} holds {rows:,} rows: {what} of {of.id}.")


@dataclass(frozen=True, slots=True)
class _Asked:
    question: Question
    site: Site


def _check_options(what: str, of_metrics: dict[str, str | None], hours: str | None) -> None:
    """Refuse what would be ignored."""
    known = (TRANSITIONS, SESSIONS, LAYOUT, *sorted(DEFINITIONS))
    if what not in known:
        raise click.UsageError(f"--what {what!r} is none of: {', '.join(known)}")
    unused = [name for name, value in of_metrics.items() if value is not None]
    if what in (TRANSITIONS, SESSIONS, LAYOUT) and unused:
        raise click.UsageError(f"{unused[0]} belongs to a metric, and --what {what} is none")
    if what in (TRANSITIONS, LAYOUT) and hours is not None:
        raise click.UsageError(f"--hours belongs to sessions and metrics, and --what {what} is none of them")


def _site(settings: ServerSettings, site: str) -> Site:
    for known in settings.sites:
        if known.id == site:
            return known
    names = ", ".join(known.id for known in settings.sites)
    raise InputError((Complaint("--site", f"there is no site {site!r}", f"there are: {names}"),))


def _moment(option: str, text: str, site: Site) -> int:
    try:
        return parse_moment(text, ZoneInfo(site.time_zone))
    except ValueError as error:
        raise InputError((Complaint(option, str(error), "see --help"),)) from None


def _require_history(history: History, question: Question, site: Site) -> None:
    """Refuse a window that lies before everything that was ever told."""
    if history.source().horizon(site.id) is None:
        raise QuestionError("site", f"{site.id} has no history yet", "see that its agents reach the collector")
    if question.from_ms < question.to_ms:
        history.require_begun(site, question.to_ms)


def _table(what: str, asked: _Asked, history: History) -> tuple[Table, tuple[str, ...]]:
    """Give what is asked for, and what is to be known of it."""
    question, site, now_ms = asked.question, asked.site, wall_ms()
    if what == LAYOUT:
        return layout_table(question, site), ()
    if what not in (TRANSITIONS, SESSIONS):
        answer = history.answer(question, site, now_ms)
        return answer_table(answer, site), answer.warnings
    _require_history(history, question, site)
    source, warnings = history.source(), history.caveats(question.from_ms)
    if what == TRANSITIONS:
        table = transition_table(question, site, source, now_ms)
    else:
        table = session_table(question, site, source, history.calendar(site.id), now_ms)
    return replace(table, about={**table.about, "warnings": " ".join(warnings)}), warnings
