"""`perch erase`: what was said of a space over a period, gone from wherever a server keeps it."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from perch.adapters.errands import Erase
from perch.adapters.journal.reader import JournalReader
from perch.commands.errands import have_done, show_progress
from perch.commands.examples import ExampleCommand, ExampleGroup
from perch.commands.output import print_json, print_table, warn
from perch.commands.server_config import ServerConfig, config_option
from perch.delivery.erasing import Erasure
from perch.errors import Complaint, InputError, StorageError
from perch.model import Site
from perch.settings import ServerSettings, load_server

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")


@click.group(cls=ExampleGroup)
def erase() -> None:
    """Example: perch erase space --site hq --space d01 --from 2026-05-01 --to 2026-05-08 --yes

    Erase what was said of a space over a period, list what was erased, and erase it from backups too.
    """


@erase.command(cls=ExampleCommand)
@click.option("--site", "site_id", required=True, metavar="ID", help="The site.")
@click.option("--space", required=True, metavar="ID", help="The space, also one that no layout names any more.")
@click.option("--from", "from_", required=True, metavar="TIME", help="A day or a time; without offset the site's own.")
@click.option("--to", metavar="TIME", help="Until before then; left out: now.")
@click.option("--yes", is_flag=True, help="Do it. Without this it is only said what would be erased.")
@config_option
@_json
def space(site_id: str, space: str, from_: str, to: str | None, yes: bool, config: ServerConfig, as_json: bool) -> None:
    """Example: perch erase space --site hq --space d01 --from 2026-05-01 --to 2026-05-08 --yes

    Erase what was said of a space over a period, for good: from journal, history and InfluxDB, from the quarantine and
    from what people saw. What agents send of it later is stored without its content. That something was erased stays
    known, what it was does not. The collector may run or not. Backups are left: see perch erase backups.
    """
    settings = load_server(config.found())
    erasure = _asked(settings, site_id, space, from_, to)
    if not yes:
        _say_what_would_be(settings, erasure, as_json=as_json)
        return
    answer = have_done(
        settings, Erase(erasure.site, erasure.space, erasure.from_ms, erasure.to_ms), show_progress("events")
    )
    looks = _looks_gone(settings.data, [erasure])
    if as_json:
        print_json({**_told(erasure), "events": answer.erased, "looks": looks, "rows": answer.rows})
        return
    click.echo(f"{_named(erasure)}: {answer.erased:,} events lost their content, {looks} looks are gone.")
    warn("backups may still have it", "perch erase backups FOLDER, or let them grow old (perch backup --keep)")


@erase.command("list", cls=ExampleCommand)
@config_option
@_json
def list_(config: ServerConfig, as_json: bool) -> None:
    """Example: perch erase list --json > erased.json

    List what was erased, and when; that list holds nothing of what was there.
    """
    with _journal(load_server(config.found())) as journal:
        rows = [(erasure, journal.is_erased(position)) for position, erasure in journal.erasures()]
    if as_json:
        print_json({"erased": [{**_told(erasure), "done": done} for erasure, done in rows]})
        return
    header = ("erased (UTC)", "site", "space", "from (UTC)", "to (UTC)", "done")
    print_table(
        header,
        [
            (_time(of.erased_ms), of.site, of.space, _time(of.from_ms), _time(of.to_ms), "yes" if done else "not yet")
            for of, done in rows
        ],
    )


@erase.command(cls=ExampleCommand)
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path, exists=True, file_okay=False))
@config_option
@_json
def backups(folder: Path, config: ServerConfig, as_json: bool) -> None:
    """Example: perch erase backups /var/backups/perch

    Erase from all backups in a folder what was ever erased here: each is written anew, read back, and takes the place
    of the old one. Backups that are one file (.tar) are named and left: unpack them, or let them go.
    """
    from perch.adapters.backup.manifest import NAME
    from perch.commands.erasing_backups import erase_in

    with _journal(load_server(config.found())) as journal:
        erasures = [erasure for _, erasure in journal.erasures()]
    found = sorted(path.parent for path in folder.glob(f"*/{NAME}"))
    done = {str(path): erase_in(path, erasures) for path in found}
    left = sorted(map(str, folder.glob("*.tar")))
    if as_json:
        print_json({"backups": [{"backup": path, "events": events} for path, events in done.items()], "left": left})
        return
    for path, events in done.items():
        click.echo(f"{path}: {events:,} events lost their content.")
    for path in left:
        warn(f"{path} was left as it is", "unpack it, name its folder here, and delete the file; or let it go")


def _asked(settings: ServerSettings, site_id: str, space: str, from_: str, to: str | None) -> Erasure:
    """Read what is to be erased; raises InputError."""
    site = next((one for one in settings.sites if one.id == site_id), None)
    if site is None:
        known = ", ".join(one.id for one in settings.sites)
        raise InputError((Complaint("--site", f"there is no site {site_id}", f"name one of {known}"),))
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    from_ms, to_ms = _moment("--from", from_, site), now_ms if to is None else _moment("--to", to, site)
    if to_ms > now_ms:
        what = "is not over yet, and what is not there cannot be erased"
        raise InputError((Complaint("--to", what, "name a time that has passed; to stop sensing, see off switches"),))
    if from_ms >= to_ms:
        raise InputError((Complaint("--from", "is not before --to", "name the earlier time first"),))
    with _journal(settings) as journal:
        if all(row.id != space for row in site.spaces) and not journal.knows(space):
            what = f"neither the layout of {site.id} nor the journal knows a space {space}"
            raise InputError((Complaint("--space", what, "see site.toml for the spaces that there are"),))
    return Erasure(site.id, space, from_ms, to_ms, now_ms)


def _moment(option: str, text: str, site: Site) -> int:
    from api.moments import parse_moment

    try:
        return max(0, parse_moment(text, ZoneInfo(site.time_zone)))
    except ValueError as error:
        raise InputError((Complaint(option, str(error)),)) from error


def _journal(settings: ServerSettings) -> JournalReader:
    path = settings.data / "journal.db"
    if not path.exists():
        raise StorageError(f"no collector has ever written in {settings.data}", "check data in perch.toml")
    return JournalReader(path)


def _say_what_would_be(settings: ServerSettings, erasure: Erasure, *, as_json: bool) -> None:
    from perch.adapters.journal.erasing import count

    with _journal(settings) as journal:
        events = count(journal, erasure)
    if as_json:
        print_json({**_told(erasure), "would_erase": events})
        return
    click.echo(f"{_named(erasure)}: {events:,} events would lose their content, by the clocks of those who sent them.")
    click.echo("Nothing was erased. Run it again with --yes to do it; nothing brings it back then.")


def _looks_gone(data: Path, erasures: Iterable[Erasure]) -> int:
    from perch.adapters.audit_file import AuditFile

    audit = AuditFile(data)
    return sum(audit.erase(of.site, of.space, of.from_ms, of.to_ms) for of in erasures)


def _told(of: Erasure) -> dict[str, Any]:
    times = {"from": of.from_ms, "to": of.to_ms, "erased": of.erased_ms}
    return {"site": of.site, "space": of.space, **{name: _time(ms) + "Z" for name, ms in times.items()}}


def _named(of: Erasure) -> str:
    return f"{of.space} of {of.site} from {_time(of.from_ms)} to {_time(of.to_ms)} (UTC)"


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
