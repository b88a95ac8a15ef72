"""A site's own broker as an installation: files, and what is to be done beside them. Nothing runs but the broker."""

import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from perch.adapters.laid_files import Laid
from perch.commands.install_files import BROKER, PRIVATE, broker_folder, configured_folders, folder_of
from perch.commands.install_units import CONFIGURATION, DATA
from perch.commands.site_bridge import TLS_PORT, placed
from perch.contract.bridge import edge_name
from perch.errors import Complaint, InputError
from perch.model import is_id
from perch.settings.files import toml_values
from perch.settings.written import toml

SECRET, AUTHORITY = f"{CONFIGURATION}/edge.password", f"{CONFIGURATION}/network-ca.pem"
LINES = "/etc/mosquitto/conf.d/perch-bridge.conf"


class EdgeWanted(NamedTuple):
    """A site, the name by which agents call its broker, and the network's broker as host:port."""

    site: str
    host: str
    to: str


def edge_wanted(site: str, host: str, to: str) -> EdgeWanted:
    """Read what is wanted; raises InputError."""
    if not is_id(site):
        raise InputError((Complaint("--site", f"{site!r} is no id", "use small letters, digits and -, as in hq"),))
    there, port = placed(to, TLS_PORT)
    return EdgeWanted(site, host, f"{there}:{port}")


def require_same_edge(config: Path, wanted: EdgeWanted) -> None:
    """See that what is here is this site's broker; raises InputError, for a server is not made into one by the way."""
    values = toml_values(config)
    here = values.get("enrolment", {}).get("bridged_to")
    if here is None:
        what, remedy = "this is a server's: it collects", "install the site's broker on another machine"
        raise InputError((Complaint(str(config), what, remedy),))
    if here != wanted.to:
        what = f"this broker is bridged to {here}"
        raise InputError((Complaint("--to", what, f"correct bridged_to in {CONFIGURATION}/perch.toml first"),))


def edge_files(wanted: EdgeWanted) -> Sequence[Laid]:
    """Give the files of a site's broker; the site's own file comes from the network's server."""
    return (
        *configured_folders([folder_of(wanted.site)]),
        broker_folder(),
        *(Laid(path, secrets.token_urlsafe(32), PRIVATE, once=True, secret=True) for path in (_OWN, SECRET)),
        Laid(f"{CONFIGURATION}/perch.toml", _edge(wanted), PRIVATE, once=True),
    )


_OWN = f"{CONFIGURATION}/server.password"


def edge_steps(wanted: EdgeWanted) -> Iterator[str]:
    """Say what is to be done next, in order."""
    site, config = wanted.site, f"{CONFIGURATION}/perch.toml"
    yield f"Next: take from the network's server {folder_of(site)}/site.toml to the same place here, and"
    yield f"{BROKER}/ca.pem to {AUTHORITY} here; take {SECRET} there, and name it in its [[edge]] of {site}. Then"
    yield f"perch agents prepare --config {config}"
    yield f"perch site bridge {site} --to {wanted.to} --ca {AUTHORITY} --password-file {SECRET} -o {LINES}"
    yield f"and start the broker anew: {edge_name(site)} logs in there. perch doctor says whether it did."


def _edge(wanted: EdgeWanted) -> str:
    return toml(
        {
            "data": DATA,
            "sites": [f"{wanted.site}/site.toml"],
            "broker": {"host": "127.0.0.1", "port": 1883, "username": "server", "password_file": "server.password"},
            "enrolment": {"folder": BROKER, "host": wanted.host, "bridged_to": wanted.to},
        }
    )
