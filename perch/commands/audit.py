"""`perch audit`: how right Perch is, by what people saw."""

import secrets
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from perch.adapters.audit_file import AuditFile
from perch.adapters.history.kept import KeptReader
from perch.adapters.instants import wall_ms
from perch.adapters.tables.csv_files import TRUTH
from perch.adapters.tables.csv_times import format_time
from perch.commands.audit_import import import_truth
from perch.commands.audit_words import print_report
from perch.commands.examples import ExampleCommand, ExampleGroup
from perch.commands.output import print_json, warn
from perch.contract import parse_status, parse_topic, topic
from perch.doctor.broker import log_in
from perch.errors import Complaint, ContractError, InputError, StorageError, UnavailableError
from perch.history.accuracy import ENOUGH
from perch.history.audit import Asked, AuditSensor, Key, Report, Wanted, ask, report
from perch.model import Site, SpaceKind
from perch.settings import Broker, ServerSettings, load_server

RETAINED_S = 0.7

_config = click.option("--config", required=True, type=click.Path(path_type=Path), help="The server's perch.toml.")
_site = click.option("--site", metavar="ID", help="Only this site; needed where there are several.")
_space = click.option("--space", metavar="ID", help="Only this space.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")


@click.group(cls=ExampleGroup)
def audit() -> None:
    """Example: perch audit report --config perch.toml

    Say how right Perch is, by what people saw: tapped at /audit on a phone, or imported.
    """


@audit.command("import", cls=ExampleCommand)
@click.argument("truth", metavar="TRUTH.csv", type=click.Path(path_type=Path))
@_config
@_site
@_json
def import_(truth: Path, config: Path, site: str | None, as_json: bool) -> None:
    """Example: perch audit import truth.csv --config perch.toml --site hq

    Store looks from a file (time,space,count; may be gzipped): each row is what somebody saw at that moment. All rows
    are stored or none; the same file adds nothing the second time. The API may run or not.
    """
    settings = load_server(config)
    where, kept_days = _one_site(settings, site), settings.retention.audit_days
    done = import_truth(truth, where, AuditFile(settings.data, kept_days), wall_ms(), kept_days)
    if as_json:
        print_json({"site": where.id, **asdict(done)})
        return
    click.echo(f"{done.added} looks at {done.spaces} spaces of {where.id} were added; {done.known} were there already.")


@audit.command("export", cls=ExampleCommand)
@_config
@_site
@_space
def export(config: Path, site: str | None, space: str | None) -> None:
    """Example: perch audit export --config perch.toml --site hq > truth.csv

    Write what people saw as a TRUTH file, for `perch fit`.
    """
    settings = load_server(config)
    looks = AuditFile(settings.data).looks(_one_site(settings, site).id, space)
    sys.stdout.write(",".join(TRUTH) + "\n")
    for look in sorted(looks, key=lambda look: (look.time_ms, look.space)):
        sys.stdout.write(f"{format_time(look.time_ms)},{look.space},{look.people}\n")


@audit.command("report", cls=ExampleCommand)
@_config
@click.option("--site", metavar="ID", help="Only this site.")
@click.option("--floor", metavar="ID", help="Only spaces of this floor.")
@click.option("--kind", type=click.Choice([kind.value for kind in SpaceKind]), help="Only spaces of this kind.")
@_space
@_json
def report_(
    config: Path, site: str | None, floor: str | None, kind: str | None, space: str | None, as_json: bool
) -> None:
    """Example: perch audit report --config perch.toml --kind desk

    Compare what people saw with what agents observed: precision and recall, false-vacant minutes and the Brier score,
    each with its interval of 95 %, or that there is not enough yet; and say where a fit would help.
    """
    settings = load_server(config)
    chosen = settings.sites if site is None else (_one_site(settings, site),)
    asked = _asked(settings, chosen, space)
    made = report(asked, Wanted(floor, kind, space), sensors_told(settings.broker), shlex.quote(str(config)))
    if as_json:
        print_json(_as_dict(made))
    else:
        print_report(made)


def _one_site(settings: ServerSettings, named: str | None) -> Site:
    found = [site for site in settings.sites if named in (None, site.id)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(site.id for site in settings.sites)
    what = "several sites are served" if named is None else f"there is no site {named}"
    raise InputError((Complaint("--site", what, f"name one of {known}"),))


def _asked(settings: ServerSettings, sites: Sequence[Site], space: str | None) -> list[Asked]:
    file, now_ms = AuditFile(settings.data), wall_ms()
    seen = {site.id: looks for site in sites if (looks := file.looks(site.id, space))}
    if not seen:
        return []
    path = settings.data / "history.db"
    if not path.exists():
        raise StorageError(f"there is no {path}", "start the collector, which makes it")
    with KeptReader(path) as history:
        return [ask(site, seen[site.id], history, now_ms) for site in sites if site.id in seen]


def sensors_told(broker: Broker, say: Callable[[str, str], None] = warn) -> Mapping[Key, Sequence[AuditSensor]]:
    """Ask the broker which sensors agents told of, by the space that each serves; without a broker there are none."""
    by_space: dict[Key, list[AuditSensor]] = {}
    try:
        visit = log_in(broker, f"perch-audit-{secrets.token_hex(2)}")
    except UnavailableError as error:
        say(f"the report does without sensors: {error.what}", error.remedy)
        return by_space
    with visit:
        visit.subscribe([topic("+", "+", "status")])
        visit.stay(RETAINED_S)
    for message in visit.received:
        try:
            address, status = parse_topic(message.topic), parse_status(message.payload)
        except ContractError:
            continue
        for name, sensor in sorted(status.sensors.items()):
            if sensor.space is not None:
                by_space.setdefault((address.site, sensor.space), []).append(
                    AuditSensor(address.agent, name, sensor.kind)
                )
    return by_space


def _as_dict(made: Report) -> dict[str, Any]:
    """Give a report in the shape that the API answers."""
    told = asdict(made)
    first, last = ((None if ms is None else format_time(ms)) for ms in (told.pop("first_ms"), told.pop("last_ms")))
    items = told.pop("spaces")
    return {"as_of": format_time(wall_ms()), "first": first, "last": last, "needed": ENOUGH, "items": items, **told}
