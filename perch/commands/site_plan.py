"""`perch site plan`: can every space be seen on its floor's plan, and a plan to begin with."""

from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from perch.commands.examples import ExampleCommand, ExampleGroup
from perch.commands.output import print_json
from perch.errors import InputError, PerchError
from perch.model import Site, Space
from perch.settings import load_site


@click.group(cls=ExampleGroup)
def plan() -> None:
    """Example: perch site plan check hq/site.toml

    Check the floor plans of a site, or have some begun.
    """


@plan.command(cls=ExampleCommand)
@click.argument("path", metavar="SITE.toml", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")
def check(path: Path, as_json: bool) -> None:
    """Example: perch site plan check hq/site.toml

    Say which spaces are missing on the plan of their floor, drawn twice, or drawn and not in the layout, and which
    plans cannot be shown at all: everything at once, each with what to do.
    """
    from api.plans.check import check_plans, remarks

    site = load_site(path)
    if complaints := check_plans(site, _today(site)):
        raise InputError(tuple(complaints))
    notes = remarks(site)
    drawn = [floor.id for floor in site.floors if floor.plan is not None]
    if as_json:
        print_json({"ok": True, "site": site.id, "plans": drawn, "notes": notes})
        return
    click.echo(f"{path} is in order: every space of {site.id} is once on the plan of its floor.")
    for note in notes:
        click.echo(note)


@plan.command(cls=ExampleCommand)
@click.argument("path", metavar="SITE.toml", type=click.Path(path_type=Path))
@click.option("--floor", "only", metavar="FLOOR", help="Only this floor.")
@click.option(
    "--out",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Instead of beside the site.",
)
def draft(path: Path, only: str | None, folder: Path | None) -> None:
    """Example: perch site plan draft hq/site.toml

    Begin a plan for each floor that has none: a box for each zone, and in it one for each space, with the ids that the
    page looks for. The files are named after the floors; one that is there already is never written over.
    """
    from perch.settings.site import load_undrawn_site

    site = load_undrawn_site(path)
    floors = [floor.id for floor in site.floors if only in (None, floor.id)]
    if not floors:
        named = ", ".join(floor.id for floor in site.floors) or "none"
        raise PerchError(f"there is no floor {only} at {site.id}", f"there are: {named}")
    for floor in floors:
        _draft(site, floor, (folder or path.parent) / f"{floor}.svg")


def _draft(site: Site, floor: str, path: Path) -> None:
    from api.plans.check import spaces_of
    from perch.settings.draft import draft_plan

    latest: dict[str, Space] = {row.id: row for row in site.spaces if row.floor == floor}
    spaces = [latest[name] for name in spaces_of(site, floor, _today(site))]
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(draft_plan(site, floor, spaces))
    except FileExistsError:
        click.echo(f"{path} is there already, and stays as it is.")
    except OSError as error:
        raise PerchError(f"cannot write {path}: {error}", "name a folder that can be written with --out") from error
    else:
        click.echo(f'{path}: {len(spaces)} spaces. In the [[floor]] of {floor}: plan = "{path.name}"')


def _today(site: Site) -> date:
    return datetime.now(ZoneInfo(site.time_zone)).date()
