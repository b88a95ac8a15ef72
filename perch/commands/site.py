"""`perch site`: is a site's configuration right, and what does another one change?"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from itertools import groupby
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from perch.commands.examples import ExampleCommand, ExampleGroup
from perch.commands.output import print_json
from perch.commands.site_bridge import bridge
from perch.commands.site_plan import plan
from perch.errors import Complaint, InputError
from perch.history.differences import Becomes, Changed, Difference, SpaceChange, difference
from perch.model import Purpose, Site, SpaceKind
from perch.settings import load_sensing, load_site


@click.group(cls=ExampleGroup)
def site() -> None:
    """Example: perch site check hq/site.toml

    Check a site's configuration or its floor plans, or compare it with another one.
    """


site.add_command(plan)
site.add_command(bridge)


@site.command(cls=ExampleCommand)
@click.argument("path", metavar="SITE.toml", type=click.Path(path_type=Path))
@click.option(
    "--agent", "agents", multiple=True, type=click.Path(path_type=Path), help="An agent.toml of this site; any number."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")
def check(path: Path, agents: Sequence[Path], as_json: bool) -> None:
    """Example: perch site check hq/site.toml --agent hq/pi-3.toml

    Check a site.toml with the spaces.csv and floor plans beside it: every complaint at once, each with what to do.
    With the configuration of its agents, also that none has a sensor in a private space. When all is well, say what
    the site holds today.
    """
    found = load_site(path)
    refuse_private(found, agents)
    spaces = _spaces_by_kind(found)
    parts = {"floors": len(found.floors), "zones": len(found.zones), "agents": len(found.agents)}
    if as_json:
        head = {"ok": True, "site": found.id, "name": found.name, "time_zone": found.time_zone}
        print_json({**head, **parts, "spaces": spaces})
        return
    click.echo(f"{path} is in order: {found.id}, {found.name} ({found.time_zone}). It holds today:")
    for name, number in (*parts.items(), *((f"{kind} spaces", number) for kind, number in spaces.items())):
        click.echo(f"{number:6}  {name}")


@site.command(cls=ExampleCommand)
@click.argument("old", metavar="OLD.toml", type=click.Path(path_type=Path))
@click.argument("new", metavar="NEW.toml", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")
def diff(old: Path, new: Path, as_json: bool) -> None:
    """Example: perch site diff hq/site.toml planned/site.toml

    Say what another configuration of a site changes, and from when: spaces that appear, vanish, move or become
    something else, and hours and closed days. Answers about the past change for just these days.
    """
    found = difference(load_site(old), load_site(new))
    if as_json:
        print_json(_as_json(found))
        return
    for line in _lines(found):
        click.echo(line)


def refuse_private(site: Site, agents: Sequence[Path]) -> None:
    """Refuse agents with sensors in what is, or was, or will be private; raises InputError with every one."""
    private = {space.id for space in site.spaces if space.purpose is Purpose.PRIVATE}
    complaints = [
        Complaint(
            str(path),
            f"sensor {sensor.id} is in {sensor.space}, and {sensor.space} is private: nobody is sensed there",
            "take the sensor away",
        )
        for path in agents
        for sensor in load_sensing(path).sensors
        if sensor.space in private
    ]
    if complaints:
        raise InputError(tuple(complaints))


def _as_json(found: Difference) -> dict[str, object]:
    spaces = [
        {
            "space": change.space,
            "from": None if change.from_day is None else str(change.from_day),
            "until": None if change.until_day is None else str(change.until_day),
            "becomes": change.becomes,
            "changed": [_pair(changed) for changed in change.changed],
        }
        for change in found.spaces
    ]
    return {"same": not found.site and not spaces, "site": [_pair(changed) for changed in found.site], "spaces": spaces}


def _pair(changed: Changed) -> dict[str, object]:
    return {"what": changed.what, "old": changed.old, "new": changed.new}


def _lines(found: Difference) -> Iterator[str]:
    if not found.site and not found.spaces:
        yield "Nothing changes."
    if found.site:
        yield "At once, and for the past as well:"
        yield from (f"  {_words(changed)}" for changed in found.site)
    for (from_day, until_day), changes in groupby(found.spaces, lambda change: (change.from_day, change.until_day)):
        yield _when(from_day, until_day)
        yield from (f"  {_sentence(change)}" for change in changes)


def _when(from_day: date | None, until_day: date | None) -> str:
    if from_day is None and until_day is None:
        return "At any time:"
    ends = ("" if from_day is None else f"from {from_day}", "" if until_day is None else f"until {until_day}")
    when = " ".join(filter(None, ends))
    return f"{when[0].upper()}{when[1:]}:"


def _sentence(change: SpaceChange) -> str:
    if change.becomes is Becomes.CHANGES:
        return f"{change.space} changes: {', '.join(map(_words, change.changed))}"
    values = {changed.what: changed.new if changed.old is None else changed.old for changed in change.changed}
    return f"{change.space} {change.becomes}: {values['kind']} in {values['zone']}"


def _words(changed: Changed) -> str:
    if changed.old is None:
        return f"{changed.what} becomes {changed.new}" if changed.what != "closed" else f"closed on {changed.new}"
    if changed.new is None:
        return f"{changed.what} {changed.old} is gone" if changed.what != "closed" else f"open again on {changed.old}"
    return f"{changed.what} {changed.old} → {changed.new}"


def _spaces_by_kind(found: Site) -> dict[str, int]:
    """Count the spaces that stand there on this day of the site, by kind."""
    today = datetime.now(ZoneInfo(found.time_zone)).date()
    counts = Counter(space.kind for space in found.spaces_on(today))
    return {kind.value: counts[kind] for kind in SpaceKind if counts[kind]}
