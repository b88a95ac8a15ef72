"""`perch site`: is a site's configuration right?"""

from collections import Counter
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from perch.commands.examples import ExampleCommand, ExampleGroup
from perch.commands.output import print_json
from perch.model import Site, SpaceKind
from perch.settings import load_site


@click.group(cls=ExampleGroup)
def site() -> None:
    """Example: perch site check hq/site.toml

    Check a site's configuration.
    """


@site.command(cls=ExampleCommand)
@click.argument("path", metavar="SITE.toml", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")
def check(path: Path, as_json: bool) -> None:
    """Example: perch site check hq/site.toml

    Check a site.toml with the spaces.csv and floor plans beside it: every complaint at once, each with what to do.
    When all is well, say what the site holds today.
    """
    found = load_site(path)
    spaces = _spaces_by_kind(found)
    parts = {"floors": len(found.floors), "zones": len(found.zones), "agents": len(found.agents)}
    if as_json:
        head = {"ok": True, "site": found.id, "name": found.name, "time_zone": found.time_zone}
        print_json({**head, **parts, "spaces": spaces})
        return
    click.echo(f"{path} is in order: {found.id}, {found.name} ({found.time_zone}). It holds today:")
    for name, number in (*parts.items(), *((f"{kind} spaces", number) for kind, number in spaces.items())):
        click.echo(f"{number:6}  {name}")


def _spaces_by_kind(found: Site) -> dict[str, int]:
    """Count the spaces that stand there on this day of the site, by kind."""
    today = datetime.now(ZoneInfo(found.time_zone)).date()
    counts = Counter(space.kind for space in found.spaces_on(today))
    return {kind.value: counts[kind] for kind in SpaceKind if counts[kind]}
