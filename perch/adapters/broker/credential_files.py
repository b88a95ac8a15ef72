"""Where an agent's credential lies: beside its `agent.toml`, for its owner alone, and named there.

A new password takes the place of the old one as a whole, which a running agent notices at its next connection; so does
a certificate with its key, which are one file. `agent.toml` comes last, so that it never names what is not there; the
files of another authority get names of their own, and what it named before holds until then.
"""

import os
from pathlib import Path

from perch.adapters.broker.enrolling import Credential
from perch.adapters.whole_file import write_whole
from perch.contract.enrolment import fingerprint
from perch.errors import Complaint, InputError, StorageError
from perch.model import Identity
from perch.settings.broker_written import new_agent, with_broker
from perch.settings.files import read_text
from perch.settings.reading import RefusedError

AUTHORITY, SECRET = "ca", "agent"
_ENDINGS = {Identity.PASSWORD: "password", Identity.CERTIFICATE: "pem"}

Owner = tuple[int, int]


def place(config: Path, site: str, agent: str, data: str, one: Credential, owner: Owner | None) -> list[Path]:
    """Put a credential in its place; gives the files that were written. Raises StorageError, InputError."""
    mark = _mark(config.parent, one)
    ca = config.parent / f"{AUTHORITY}{mark}.pem"
    secret = config.parent / f"{SECRET}{mark}.{_ENDINGS[one.identity]}"
    broker: dict[str, object] = {"host": one.host, "port": one.port, "ca": ca.name}
    if one.identity is Identity.CERTIFICATE:
        broker |= {"certificate": secret.name, "key": secret.name}
    else:
        broker |= {"password_file": secret.name}
    before = _read(config)
    text = new_agent(site, agent, data, broker) if before is None else with_broker(before, broker, str(config))
    _make(config.parent)
    write_whole(ca, one.authority.encode(), mode=0o644)
    write_whole(secret, one.secret.encode(), mode=0o600, owner=owner)
    if text == before:
        return [ca, secret]
    write_whole(config, text.encode(), mode=_mode(config), owner=_owner(config))
    return [ca, secret, config]


def see_room(config: Path) -> None:
    """See that an `agent.toml`, where there is one, can take another broker; raises InputError."""
    before = _read(config)
    if before is not None:
        with_broker(before, {"host": "localhost"}, str(config))


def _mark(folder: Path, one: Credential) -> str:
    """Give what tells files of this authority from those of another one that are there."""
    path = folder / f"{AUTHORITY}.pem"
    is_taken = path.exists() and path.read_bytes() != one.authority.encode()
    return f"-{fingerprint(one.authority)[:8]}" if is_taken else ""


def _read(config: Path) -> str | None:
    try:
        return read_text(config) if config.exists() else None
    except RefusedError as refused:
        raise InputError((Complaint(str(config), refused.what, refused.remedy),)) from None


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{folder} cannot be made: {error.strerror}", "run this as root") from error


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777 if path.exists() else 0o644


def _owner(path: Path) -> Owner | None:
    if not path.exists() or os.geteuid():
        return None
    found = path.stat()
    return found.st_uid, found.st_gid
