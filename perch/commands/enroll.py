"""`perch enroll`: an agent gets a credential of its own."""

import os
import pwd
import sys
from pathlib import Path

import click

from perch.adapters.broker.credential_files import Owner, place, see_room
from perch.adapters.broker.enrolling import Credential, enrol
from perch.adapters.mqtt.visit import Visit
from perch.commands.examples import ExampleCommand
from perch.commands.output import shortened
from perch.contract.enrolment import Invitation, parse_invitation
from perch.errors import Complaint, ContractError, InputError, PerchError
from perch.settings import Broker
from perch.settings.files import toml_values

CONFIG, DATA = "/etc/perch/agent.toml", "/var/lib/perch"


@click.command(cls=ExampleCommand)
@click.argument("invitation", required=False)
@click.option("--config", default=CONFIG, show_default=True, type=click.Path(path_type=Path), help="Its agent.toml.")
@click.option("--data", default=DATA, show_default=True, help="Where a new agent.toml says that its outbox is.")
@click.option("--owner", metavar="USER", help="Who runs the agent; left out: the owner of its data folder.")
def enroll(invitation: str | None, config: Path, data: str, owner: str | None) -> None:
    """Example: perch enroll perch://hq_pi-3:…@broker.hq.example:8884/…

    Get this agent a credential of its own, with the invitation that perch agents token made on the server. Without an
    invitation in the line it is asked for, so that it stands in no list of processes.
    """
    invited = _invitation(invitation)
    folder = _checked(config, invited, data)
    whose = _owner(owner, folder)
    credential = enrol(invited)
    written = place(config, invited.site, invited.agent, data, credential, whose)
    _try(credential, written[0], written[1])
    click.echo(f"Agent {invited.site}/{invited.agent} is enrolled: {credential.host}:{credential.port} lets it in.")
    for path in written:
        click.echo(f"written: {shortened(str(path.absolute()))}")
    if config in written:
        click.echo("Start the agent anew, so that it reads its configuration.")


def _invitation(text: str | None) -> Invitation:
    if text is None or text == "-":
        text = click.prompt("Invitation", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline()
    try:
        return parse_invitation(text)
    except ContractError as error:
        what, remedy = error.what, "copy all of the line that perch agents token printed"
        raise InputError((Complaint("invitation", what, remedy),)) from None


def _checked(config: Path, invited: Invitation, data: str) -> Path:
    """See that the configuration is this agent's before anything is asked of the server; gives its data folder."""
    if not config.exists():
        return Path(data)
    values = toml_values(config)
    own = values.get("site"), values.get("agent")
    if own != (invited.site, invited.agent):
        what = f"this is agent {own[0]}/{own[1]}, and the invitation is for {invited.site}/{invited.agent}"
        raise InputError((Complaint(str(config), what, "use it there, or ask for one for this agent"),))
    see_room(config)
    return config.parent / str(values.get("data", data))


def _owner(name: str | None, folder: Path) -> Owner | None:
    if name is not None:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            raise InputError((Complaint("--owner", f"there is no user {name}", "name who runs the agent"),)) from None
        return user.pw_uid, user.pw_gid
    if os.geteuid() or not folder.exists():
        return None
    found = folder.stat()
    return found.st_uid, found.st_gid


def _try(one: Credential, ca: Path, secret: Path) -> None:
    """Log in with what was written; raises PerchError."""
    if one.secret.startswith("-----BEGIN"):
        broker = Broker(one.host, one.port, ca, certificate=secret, key=secret)
    else:
        broker = Broker(one.host, one.port, ca, one.user, secret)
    try:
        with Visit(broker, one.user, protocol=broker.protocol).connect():
            return
    except PerchError as error:
        what = f"the credential is in its place, but {error.what}"
        raise PerchError(what, "see with perch doctor what keeps it from the broker") from error
