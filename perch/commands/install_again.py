"""Installing on a machine that is installed already: what it refuses to be told, and what it lost that can be made."""

import ipaddress
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from perch.adapters.laid_files import Laid
from perch.commands.install_files import PRIVATE
from perch.commands.install_units import CONFIGURATION
from perch.errors import Complaint, InputError
from perch.settings.files import toml_values

SECRET_BYTES = 32
_ANOTHER = "add its site.toml, and its path to sites in perch.toml: docs/operators.md, a second site"


def require_same(config: Path, given: Mapping[str, str | None]) -> None:
    """Refuse what was said of a site and is not so in an installed perch.toml; raises InputError."""
    if not any(given.values()):
        return
    values = toml_values(config)
    sites = [toml_values(config.parent / path).get("site", {}) for path in values.get("sites", ())]
    own = next((site for site in sites if given["--site"] in (None, site.get("id"))), None)
    if own is None:
        ids = ", ".join(str(site.get("id")) for site in sites)
        raise InputError((Complaint("--site", f"{given['--site']!r} is not among the sites here: {ids}", _ANOTHER),))
    there = {
        "--name": own.get("name"),
        "--time-zone": own.get("time_zone"),
        "--host": values.get("enrolment", {}).get("host"),
    }
    complaints = tuple(
        Complaint(option, f"Perch is installed here, and with another: {known!r}", f"change it in {config.parent}")
        for option, known in there.items()
        if known is not None and given[option] not in (None, known)
    )
    if complaints:
        raise InputError(complaints)


def lost_password(config: Path) -> Sequence[Laid]:
    """Give a new password for the server's own login at its broker, where that file is gone.

    It goes over loopback alone, and `perch agents prepare` tells the broker of it. A backup has none.
    """
    values = toml_values(config)
    broker = values.get("broker", {})
    name = broker.get("password_file")
    if not isinstance(name, str) or "enrolment" not in values or not _is_here(broker):
        return ()
    path = PurePosixPath(CONFIGURATION, name)
    if path.parent != PurePosixPath(CONFIGURATION) or (config.parent / name).exists():
        return ()
    return (Laid(str(path), secrets.token_urlsafe(SECRET_BYTES), PRIVATE, once=True, secret=True),)


def _is_here(broker: Mapping[str, Any]) -> bool:
    host = broker.get("host", "127.0.0.1")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
