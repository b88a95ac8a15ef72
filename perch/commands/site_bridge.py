"""`perch site bridge`: the way from a site's own broker to the network's."""

import re
from pathlib import Path

import click

from perch.adapters.whole_file import write_whole
from perch.commands.examples import ExampleCommand
from perch.contract.bridge import Centre, bridge_lines, edge_name
from perch.errors import Complaint, InputError, StorageError
from perch.model import is_id

TLS_PORT, CLEAR_PORT = 8883, 1883
SECRET_MODE = 0o600
_PLACE = re.compile(r"([A-Za-z0-9.-]+|\[[0-9a-f:]+\])(?::([0-9]{1,5}))?")
_path = click.Path(path_type=Path)


@click.command(cls=ExampleCommand)
@click.argument("site", metavar="SITE")
@click.option("--to", required=True, metavar="HOST[:PORT]", help="The network's broker.")
@click.option("--ca", type=_path, help="Whose certificates to believe; left out: in the clear.")
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
    host, port = _place(to, CLEAR_PORT if ca is None else TLS_PORT)
    password = None if password_file is None else _secret(password_file)
    files = (None if path is None else str(path.absolute()) for path in (ca, certificate, key))
    lines = bridge_lines(site, Centre(host, port, password, *files))
    write_whole(out, lines.encode(), mode=SECRET_MODE)
    click.echo(f"Written: {out}. Add it to the configuration of {site}'s mosquitto, and start that anew.")
    if password is not None:
        click.echo(f"It logs in as {edge_name(site)}.")


def _place(text: str, port: int) -> tuple[str, int]:
    found = _PLACE.fullmatch(text)
    if found is None or int(found[2] or port) > 65_535:
        raise InputError((Complaint("--to", f"{text!r} is no place of a broker", "write it as broker.example:8883"),))
    return found[1], int(found[2] or port)


def _secret(path: Path) -> str:
    try:
        text = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"{path} cannot be read: {error}", "correct the path, or the file's rights") from error
    if not text or text != text.split()[0]:
        raise InputError((Complaint(str(path), "holds no password", "write one word into it"),))
    return text
