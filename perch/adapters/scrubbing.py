"""Taking secrets out of what is shown to others: those that are known, and all that looks like one of Perch's own."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

SHORTEST = 6
"""What is shorter stands in too many words to be taken out of them."""

GONE = "(taken out)"
_OWN = re.compile(
    rb"perch_[0-9a-f]{12}_[0-9a-f]{8,64}"  # keys
    rb"|perch://\S+"  # invitations
    rb"|whsec_[A-Za-z0-9+/=]+"  # what watches sign with
    rb"|(?i:bearer|token) [A-Za-z0-9._~+/=-]{16,}"
    rb"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----"
    rb"|(?<=://)[^\s/@:]+:[^\s/@]+(?=@)",  # a login in an address
    re.DOTALL,
)
_SECRET_FILES = ("password_file", "token_file", "key", "url_file")
_ADDRESS = "url"


class Scrubber:
    """Takes out some secrets, and whatever looks like a key, an invitation or a login."""

    def __init__(self, secrets: Collection[bytes]) -> None:
        known = sorted({one for one in secrets if len(one) >= SHORTEST}, key=len, reverse=True)
        self._known = re.compile(b"|".join(map(re.escape, known))) if known else None

    def __repr__(self) -> str:
        return "<Scrubber>"

    def clean(self, body: bytes) -> bytes:
        """Give the same without them."""
        if self._known is not None:
            body = self._known.sub(GONE.encode(), body)
        return _OWN.sub(GONE.encode(), body)


def secrets_of(values: Mapping[str, object], folder: Path) -> set[bytes]:
    """Read the files that a configuration names as secrets; one that cannot be read is none."""
    found: set[bytes] = set()
    for name, value in values.items():
        for table in value if isinstance(value, list) else [value]:
            if isinstance(table, Mapping):
                found |= secrets_of(table, folder)
        if name in _SECRET_FILES and isinstance(value, str):
            found |= _lines_of(folder / value)
    return found


def without_secrets(values: Mapping[str, object]) -> dict[str, object]:
    """Give a configuration without what its addresses may tell: logins, and the way to a calendar."""
    return {name: _without(name, value) for name, value in values.items()}


def _without(name: str, value: object) -> object:
    if isinstance(value, Mapping):
        return without_secrets(value)
    if isinstance(value, list):
        return [_without(name, one) for one in value]
    return _host_of(value) if name == _ADDRESS and isinstance(value, str) else value


def _host_of(address: str) -> str:
    try:
        parts = urlsplit(address)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], GONE if len(parts.path) > 1 else "", "", ""))
    except ValueError:
        return GONE


def _lines_of(path: Path) -> set[bytes]:
    try:
        body = path.read_bytes()
    except OSError:
        return set()
    return {line.strip() for line in (body, *body.splitlines()) if line.strip()}
