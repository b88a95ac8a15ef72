"""`perch site bridge`: the way from a site's own broker to the network's."""

import grp
import os
import re
from pathlib import Path

import click

from perch.adapters.whole_file import write_whole
from perch.commands.examples import ExampleCommand
from perch.contract.bridge import Centre, bridge_lines, edge_name
from perch.contract.enrolment import fingerprint
from perch.errors import Complaint, ContractError, InputError, StorageError
from perch.model import is_id

TLS_PORT, CLEAR_PORT = 8883, 1883
SECRET_MODE, SHARED_MODE, OPEN_MODE = 0o600, 0o640, 0o644
_PLACE = re.compile(r"([A-Za-z0-9.-]+|\[[0-9a-f:]+\])(?::([0-9]{1,5}))?")
_path = click.Path(path_type=Path)


@click.command(cls=ExampleCommand)
@click.argument("site", metavar="SITE")
@click.option("--to", required=True, metavar="HOST[:PORT]", help="The network's broker.")
@click.option("--ca", type=_path, help="Whose certificates to believe, copied beside; left out: in the clear.")
@click.option("--password-file", type=_path, help="What the site's broker logs in with, as edge.SITE.")
@click.option("--certificate", type=_path, help="Or its certificate, for --key.")
@click.option("--key", type=_path)
@click.option("-o", "out", required=True, type=_path, help="Where to write, for mosquitto's eyes only.")
def bridge(
    site: str,
    to: str,
    ca: Path | None,
    password_file: Path | None,
    certificate: Path | None,
    key: Path | None,
    out: Path,
) -> None:
    """Example: perch site bridge hq --to broker.example:8883 --ca ca.pem --password-file secret -o bridge.conf

    Write the lines that make a site's own mosquitto a part of the network: what agents say goes out, acknowledgements
    come in. The site works on while the way is cut, and nothing is lost.
    """
    if not is_id(site):
        raise InputError((Complaint("SITE", f"{site!r} is no id of a site", "name it as in its site.toml"),))
    if (certificate is None) != (key is None):
        raise InputError((Complaint("--certificate, --key", "only one is given", "give both of them, or neither"),))
    host, port = placed(to, CLEAR_PORT if ca is None else TLS_PORT)
    password = None if password_file is None else _secret(password_file)
    copied = None if ca is None else _copied(ca, out)
    files = (None if path is None else str(path.absolute()) for path in (copied, certificate, key))
    lines = bridge_lines(site, Centre(host, port, password, *files))
    group = _group_of_mosquitto()
    mode, owner = (SECRET_MODE, None) if group is None else (SHARED_MODE, (0, group))
    write_whole(out, lines.encode(), mode=mode, owner=owner)
    click.echo(f"Written: {out}{'' if copied is None else f' and {copied.name} beside it'}.")
    click.echo(f"Have {site}'s mosquitto read it (what is in its conf.d it reads), and start that anew.")
    if password is not None:
        click.echo(f"It logs in as {edge_name(site)}.")


def placed(text: str, port: int) -> tuple[str, int]:
    """Read where a broker is; `port` where none is named. Raises InputError."""
    found = _PLACE.fullmatch(text)
    if found is None or int(found[2] or port) > 65_535:
        raise InputError((Complaint("--to", f"{text!r} is no place of a broker", "write it as broker.example:8883"),))
    return found[1], int(found[2] or port)


def _copied(ca: Path, out: Path) -> Path:
    """Put whose certificates to believe beside the lines: mosquitto reads that as its own user, which sees little."""
    text = _text(ca)
    try:
        fingerprint(text)
    except ContractError as error:
        what, remedy = f"{ca}: {error.what}", "take ca.pem from the folder of the network's broker"
        raise InputError((Complaint("--ca", what, remedy),)) from None
    copy = out.with_name(f"{out.stem}-ca.pem")
    write_whole(copy, text.encode(), mode=OPEN_MODE)
    return copy


def _group_of_mosquitto() -> int | None:
    """Give the group that may read what root wrote for mosquitto, None where there is none, or nobody is root."""
    try:
        return None if os.geteuid() else grp.getgrnam("mosquitto").gr_gid
    except KeyError:
        return None


def _secret(path: Path) -> str:
    text = _text(path).strip()
    if not text or text != text.split()[0]:
        raise InputError((Complaint(str(path), "holds no password", "write one word into it"),))
    return text


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"{path} cannot be read: {error}", "correct the path, or the file's rights") from error
