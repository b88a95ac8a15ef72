"""`perch key`: who may read, as what, and where."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from perch.adapters.instants import wall_ms
from perch.adapters.keys import DAY_S, LONGEST_NAME, PATTERN, Key, KeysFile, Role
from perch.adapters.readings_log import ReadingsLog
from perch.commands.examples import ExampleCommand, ExampleGroup
from perch.commands.output import print_json, print_table, warn
from perch.errors import Complaint, InputError
from perch.settings import ServerSettings, load_server

_config = click.option("--config", required=True, type=click.Path(path_type=Path), help="The server's perch.toml.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")


@click.group(cls=ExampleGroup)
def key() -> None:
    """Example: perch key create --role member --site hq --name "Lobby screen" --config perch.toml

    Make keys, list them and take them back. From the first key on, every reader needs one.
    """


@key.command("create", cls=ExampleCommand)
@_config
@click.option("--role", required=True, type=click.Choice([role.value for role in Role]), help="What it may read.")
@click.option("--site", "sites", metavar="ID", multiple=True, help="Only this site; may be given more than once.")
@click.option("--all-sites", is_flag=True, help="All sites, those to come too.")
@click.option("--name", required=True, help="What it is for; think of a place or a team, not of a person.")
@click.option("--expires", metavar="DATE", help="The last day on which it opens anything (UTC).")
@_json
def create(
    config: Path, role: str, sites: Sequence[str], all_sites: bool, name: str, expires: str | None, as_json: bool
) -> None:
    """Example: perch key create --role manager --all-sites --name "Operations" --expires 2027-06-30 --config perch.toml

    Make a key and print it, this once: only a hash of it is kept. The API takes it within two seconds.
    """
    settings, now_s = load_server(config), wall_ms() // 1000
    limits = _sites(settings, sites, all_sites=all_sites)
    file = KeysFile(settings.data)
    is_first = not file.read().keys
    text, made = file.create(_name(name), Role(role), limits, now_s, _expiry(expires, now_s))
    if as_json:
        print_json({"key": text, **_told(made, now_s)})
        return
    click.echo(text)
    warn(f"this is key {made.id}, {_meant(made)}; it is shown this once", "hand it over as you would a password")
    if is_first:
        warn("from now on every reader of this server needs a key", "make one for each page that shall stay open")


@key.command("list", cls=ExampleCommand)
@_config
@_json
def list_(config: Path, as_json: bool) -> None:
    """Example: perch key list --config perch.toml

    List all keys: what each is for, what it may read, and on which day it was last used.
    """
    settings, now_s = load_server(config), wall_ms() // 1000
    keys = list(KeysFile(settings.data).read().keys.values())
    if as_json:
        print_json({"items": [_told(one, now_s) for one in keys]})
        return
    if not keys:
        click.echo("There is no key.")
        return
    print_table(("id", "name", "role", "sites", "made (UTC)", "last used", "state"), (_row(one, now_s) for one in keys))


@key.command("revoke", cls=ExampleCommand)
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@_config
def revoke(ids: Sequence[str], config: Path) -> None:
    """Example: perch key revoke 0a1b2c3d4e5f --config perch.toml

    End keys for good, and every login that was made with them. Requests are refused within seconds, open streams of
    events end within half a minute.
    """
    settings = load_server(config)
    file, now_s = KeysFile(settings.data), wall_ms() // 1000
    known, meant = file.read().keys, [_id(text) for text in ids]
    if strangers := [id_ for id_ in meant if id_ not in known]:
        remedy = "perch key list names all keys"
        raise InputError(tuple(Complaint(f"key {id_}", "there is none of this id", remedy) for id_ in strangers))
    for id_ in meant:
        if file.revoke(id_, now_s):
            click.echo(f"Key {id_} ({known[id_].name}) opens nothing any more.")
        else:
            click.echo(f"Key {id_} ({known[id_].name}) was revoked already.")


@key.command("log", cls=ExampleCommand)
@_config
@click.option("--key", "id_", metavar="ID", help="Only what was read with this key.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="So many, the newest first.")
@_json
def log(config: Path, id_: str | None, limit: int, as_json: bool) -> None:
    """Example: perch key log --key 0a1b2c3d4e5f --config perch.toml

    Say who read what of single spaces and of the audit: history of a space, its transitions, its page.
    """
    settings = load_server(config)
    readings = ReadingsLog(settings.data).newest(limit, _id(id_) if id_ else None)
    names = {one.id: one.name for one in KeysFile(settings.data).read().keys.values()}
    if as_json:
        items = [
            {"time": _moment(one.at_s), "key": one.key, "name": names.get(one.key), "what": one.what}
            for one in readings
        ]
        print_json({"items": items})
        return
    if not readings:
        click.echo("Nothing was read of single spaces.")
        return
    print_table(
        ("time (UTC)", "key", "name", "what"), ((_moment(r.at_s), r.key, names.get(r.key), r.what) for r in readings)
    )


def _sites(settings: ServerSettings, sites: Sequence[str], *, all_sites: bool) -> frozenset[str] | None:
    """Give the sites that a key is limited to; raises InputError."""
    known = [site.id for site in settings.sites]
    if bool(sites) == all_sites:
        what = "both are given" if all_sites else "neither is given"
        raise InputError((Complaint("--site, --all-sites", what, f"name sites ({', '.join(known)}), or take all"),))
    complaints = tuple(
        Complaint("--site", f"there is no site {site}", f"name one of {', '.join(known)}")
        for site in dict.fromkeys(sites)
        if site not in known
    )
    if complaints:
        raise InputError(complaints)
    return None if all_sites else frozenset(sites)


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not name or not name.isprintable() or len(name) > LONGEST_NAME:
        what = f"must be 1 to {LONGEST_NAME} printable characters"
        raise InputError((Complaint("--name", what, 'say what the key is for, as in --name "Lobby screen"'),))
    return name


def _expiry(text: str | None, now_s: int) -> int | None:
    """Read the last day of a key; gives the second after it. Raises InputError."""
    if text is None:
        return None
    try:
        last = date.fromisoformat(text)
        ends_s = int(datetime.combine(last + timedelta(days=1), datetime.min.time(), UTC).timestamp())
    except (ValueError, OverflowError):
        raise InputError((Complaint("--expires", f"{text!r} is no date", "write it as 2027-06-30"),)) from None
    if ends_s <= now_s:
        raise InputError((Complaint("--expires", f"{text} is over", "name a day to come"),))
    return ends_s


def _id(text: str) -> str:
    """Take the id out of a whole key as well: whoever finds one may have nothing else."""
    match = PATTERN.fullmatch(text.strip())
    return match[1] if match else text.strip()[:LONGEST_NAME]


def _meant(one: Key) -> str:
    where = "all sites" if one.sites is None else ", ".join(sorted(one.sites))
    until = "" if one.expires_s is None else f", up to {_day(one.expires_s - 1)}"
    return f"“{one.name}”: {one.role} of {where}{until}"


def _state(one: Key, now_s: int) -> str:
    if one.revoked_s is not None:
        return f"revoked {_day(one.revoked_s)}"
    if one.expires_s is None:
        return "holds"
    return f"{'holds up to' if one.holds(now_s) else 'over since'} {_day(one.expires_s - 1)}"


def _row(one: Key, now_s: int) -> tuple[object, ...]:
    sites = "all" if one.sites is None else ", ".join(sorted(one.sites))
    return one.id, one.name, one.role, sites, _day(one.created_s), _used(one), _state(one, now_s)


def _used(one: Key) -> str | None:
    return None if one.used_day is None else _day(one.used_day * DAY_S)


def _told(one: Key, now_s: int) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "role": one.role,
        "sites": None if one.sites is None else sorted(one.sites),
        "created": _moment(one.created_s),
        "expires": None if one.expires_s is None else _moment(one.expires_s),
        "revoked": None if one.revoked_s is None else _moment(one.revoked_s),
        "last_used": _used(one),
        "holds": one.holds(now_s),
    }


def _day(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).date().isoformat()


def _moment(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat().replace("+00:00", "Z")
