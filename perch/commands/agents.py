"""`perch agents`: which agents may come in at the broker; invite them, list them, put them out."""

import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import click

from perch.adapters.age import mark
from perch.adapters.broker.credential_ends import agents_ending, end_of, files_ending
from perch.adapters.broker.enrolment_clerk import Clerk
from perch.adapters.broker.files import CONFIGURATION, READERS_SEATS, SEATS, BrokerFiles, now_utc
from perch.adapters.broker.members import Members
from perch.adapters.health.collector import read_health
from perch.adapters.instants import wall_ms
from perch.commands.agents_desk import expect
from perch.commands.examples import ExampleCommand, ExampleGroup
from perch.commands.output import print_json, print_table, shortened, warn
from perch.contract.desk import LASTS_S
from perch.contract.enrolment import SECRET_BYTES, Invitation, fingerprint
from perch.contract.roster import Member, Roster
from perch.contract.topics import user_name
from perch.errors import Complaint, InputError, PerchError
from perch.settings import Enrolment, ServerSettings, load_server

_config = click.option("--config", required=True, type=click.Path(path_type=Path), help="The server's perch.toml.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")
_agents = click.argument("agents", nargs=-1, required=True, metavar="SITE/AGENT...")
_minutes = click.option("--minutes", type=click.IntRange(1, LASTS_S // 60), default=LASTS_S // 60, show_default=True)
_when_used = click.option("--end-when-used", is_flag=True, help="Do not wait on for somebody else who shows one again.")


class Place(NamedTuple):
    """A server that enrols agents."""

    settings: ServerSettings
    enrolment: Enrolment
    files: BrokerFiles
    members: Members


@click.group(cls=ExampleGroup)
def agents() -> None:
    """Example: perch agents token hq/pi-3 --config perch.toml

    Say which agents may come in at the broker: invite them, list them, put them out.
    """


@agents.command("prepare", cls=ExampleCommand)
@_config
def prepare(config: Path) -> None:
    """Example: perch agents prepare --config perch.toml

    Make what is missing, or soon over, of authority, certificate and files of the broker, and write anew what is made
    of the sites. Run it once before the broker starts, whenever site.toml has changed, and once a year.
    """
    place = _place(config)
    is_other = place.members.prepare(_named(place), now_utc())
    written = place.files.folder / CONFIGURATION
    click.echo(f"Written: {shortened(str(written.absolute()))}, and what it names.")
    many = sum(len(site.agents) for site in place.settings.sites)
    if many + READERS_SEATS > SEATS:
        warn(
            f"{many} agents are more than a broker has files for", "give it LimitNOFILE=65536: systemctl edit mosquitto"
        )
    _warn_of_left_behind(place)
    _warn_of_older_layout(place.settings)
    if is_other:
        click.echo("The broker has another configuration now: start it, or start it anew.")
        return
    place.members.read_by_broker()
    click.echo("The broker has read it.")


@agents.command("token", cls=ExampleCommand)
@_agents
@_minutes
@_when_used
@_config
def token(agents: Sequence[str], minutes: int, end_when_used: bool, config: Path) -> None:
    """Example: perch agents token hq/pi-3 hq/pi-4 --config perch.toml

    Invite agents that have no credential: prints an invitation for each, and waits until their time is over. Use it
    there with perch enroll; it works once. If one is shown again it was stolen, and both sides are told. Ctrl-C takes
    back those that were not used.
    """
    _invite(_place(config), agents, minutes, _used_up if end_when_used else _over, new=True)


@agents.command("replace", cls=ExampleCommand)
@_agents
@_minutes
@_when_used
@_config
def replace(agents: Sequence[str], minutes: int, end_when_used: bool, config: Path) -> None:
    """Example: perch agents replace hq/pi-3 --config perch.toml

    Give agents another credential: as token does, for those that have one. The old one holds until the new one does,
    and no event is lost meanwhile.
    """
    _invite(_place(config), agents, minutes, _used_up if end_when_used else _over, new=False)


@agents.command("revoke", cls=ExampleCommand)
@_agents
@_config
def revoke(agents: Sequence[str], config: Path) -> None:
    """Example: perch agents revoke hq/pi-3 --config perch.toml

    Put agents out at once, and keep them out; what they told before stays. Inviting one again lets it in again.
    """
    place = _place(config)
    meant = [_parsed(text) for text in agents]
    members = place.files.roster().members
    complaints = tuple(
        Complaint(f"{site}/{agent}", "has no credential that holds", "perch agents list names all that do")
        for site, agent in meant
        if not (user_name(site, agent) in members and members[user_name(site, agent)].holds)
    )
    if complaints:
        raise InputError(complaints)
    for site, agent in meant:
        try:
            place.members.revoke(site, agent, wall_ms() // 1000)
        except PerchError as error:
            what = f"{site}/{agent} is taken off the list, but it is not known to be out: {error.what}"
            raise PerchError(what, f"{error.remedy}; then run perch agents prepare, or restart the broker") from error
        click.echo(f"{site}/{agent} is out: the broker has read it, and its connection was ended.")


@agents.command("list", cls=ExampleCommand)
@_config
@_json
def list_(config: Path, as_json: bool) -> None:
    """Example: perch agents list --config perch.toml

    List all agents: whether they may come in, since when, and when something of them was stored last.
    """
    from perch.adapters.journal.last import last_received

    place = _place(config)
    layout = [(site.id, agent) for site in place.settings.sites for agent in site.agents]
    roster = place.files.roster()
    more = [(one.site, one.agent) for one in roster.members.values() if (one.site, one.agent) not in layout]
    seen = last_received(place.settings.data, [*layout, *more])
    rows = [(site, agent, roster.members.get(user_name(site, agent))) for site, agent in [*layout, *more]]
    told = [_told(site, agent, one, seen.get((site, agent)), (site, agent) in layout) for site, agent, one in rows]
    now = now_utc()
    for one in (*files_ending(place.files.folder, now), *agents_ending(roster, now)):
        warn(f"{one.whose} ends on {one.end:%Y-%m-%d}", one.remedy)
    if as_json:
        print_json({"items": told})
        return
    columns = ("site", "agent", "credential", "enrolled", "last_event")
    print_table(
        ("site", "agent", "credential", "enrolled (UTC)", "last event (UTC)"),
        ([row[key] for key in columns] for row in told),
    )


def _warn_of_left_behind(place: Place) -> None:
    """Say which agents may come in here although their site has a broker of its own by now."""
    edges = {edge.site for edge in place.enrolment.edges}
    left = [f"{one.site}/{one.agent}" for one in place.files.roster().members.values() if one.holds]
    left = [name for name in left if name.partition("/")[0] in edges]
    if left:
        what = f"{', '.join(left)} may still come in here, although the site has a broker of its own"
        warn(what, f"perch agents revoke {' '.join(left)}, and invite them at the site")


def _warn_of_older_layout(settings: ServerSettings) -> None:
    """Say that the collector does not know yet what the broker is told now: it reads its files when it starts."""
    health = read_health(settings.data)
    if health is not None and not health.is_stale(mark()) and (changed := health.otherwise(settings.sites)):
        what = f"the collector still goes by an older layout of {', '.join(changed)}"
        warn(what, "restart it, and the API with it: systemctl restart perch-collector perch-api")


def _used_up(clerk: Clerk) -> bool:
    return clerk.is_used_up


def _over(clerk: Clerk) -> bool:
    return clerk.is_over


def _invite(place: Place, agents: Sequence[str], minutes: int, is_done: Callable[[Clerk], bool], *, new: bool) -> None:
    meant = [_parsed(text) for text in dict.fromkeys(agents)]
    _check(place, place.files.roster(), meant, new=new)
    authority = (place.files.folder / "ca.pem").read_bytes()
    one = place.enrolment
    invited = [
        Invitation(
            site, agent, secrets.token_urlsafe(SECRET_BYTES), one.host, one.desk_port, fingerprint(authority.decode())
        )
        for site, agent in meant
    ]
    place.members.read_by_broker()  # what keeps the broker from it is better known before somebody walks to the agents
    late = expect(invited, place.files, place.members, one, authority, minutes * 60, is_done)
    if late:
        raise PerchError(f"{', '.join(late)} did not come in time", "invite them again")


def _check(place: Place, roster: Roster, meant: Sequence[tuple[str, str]], *, new: bool) -> None:
    """See that agents can be invited; raises InputError with all that cannot."""
    known = {(site.id, agent) for site in place.settings.sites for agent in site.agents}
    complaints = []
    for site, agent in meant:
        member = roster.members.get(user_name(site, agent))
        holds = member is not None and member.holds
        if (site, agent) not in known:
            complaints.append(Complaint(f"{site}/{agent}", "no layout names it", "add an [[agent]] to its site.toml"))
        elif new and holds:
            complaints.append(Complaint(f"{site}/{agent}", "has a credential", "perch agents replace gives it another"))
        elif not new and not holds:
            complaints.append(Complaint(f"{site}/{agent}", "has no credential", "perch agents token invites it"))
    if complaints:
        raise InputError(tuple(complaints))
    if not (place.files.folder / CONFIGURATION).exists() or not place.files.authority.exists:
        raise PerchError(f"{place.files.folder} is not prepared", "run perch agents prepare, and start the broker")


def _place(config: Path) -> Place:
    settings = load_server(config)
    if settings.enrolment is None:
        what, remedy = "[enrolment] is missing", "say there where the broker's files are, see docs/operators.md"
        raise InputError((Complaint(str(config), what, remedy),))
    files = BrokerFiles(settings.enrolment, settings.broker, settings.sites)
    return Place(settings, settings.enrolment, files, Members(files, settings.enrolment, settings.broker))


def _named(place: Place) -> str:
    sites = " ".join(site.id for site in place.settings.sites)
    return f"Perch {sites}"[:64].strip()


def _parsed(text: str) -> tuple[str, str]:
    site, slash, agent = text.partition("/")
    if not slash:
        raise InputError((Complaint(text, "names no agent", "write it as site and agent: hq/pi-3"),))
    return site, agent


def _told(site: str, agent: str, one: Member | None, seen_ms: int | None, is_known: bool) -> dict[str, object]:
    return {
        "site": site,
        "agent": agent,
        "credential": _credential(one, is_known),
        "enrolled": None if one is None else _moment(one.since_s),
        "revoked": None if one is None or one.revoked_s is None else _moment(one.revoked_s),
        "until": None if one is None or (end := end_of(one)) is None else f"{end:%Y-%m-%dT%H:%M:%SZ}",
        "last_event": None if seen_ms is None else _moment(seen_ms // 1000),
    }


def _credential(one: Member | None, is_known: bool) -> str:
    if one is None:
        return "none"
    if not one.holds:
        return "revoked"
    end = end_of(one)
    kind = "password" if end is None else f"certificate until {end:%Y-%m-%d}"
    return kind if is_known else f"{kind}, in no layout"


def _moment(at_s: int) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%SZ}"
