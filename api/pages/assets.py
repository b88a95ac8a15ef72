"""The files of the page: read once, named by what is in them, sent zipped."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent."""

    body: bytes
    zipped: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Assets:
    """All files under one address that changes with their content."""

    digest: str
    by_name: dict[str, Asset]

    @property
    def path(self) -> str:
        """Where they are served."""
        return f"/assets/{self.digest}"


@cache
def assets() -> Assets:
    """Read the files that the page loads."""
    named = {entry.name: entry.read_bytes() for entry in files("api").joinpath("web").iterdir() if _type(entry.name)}
    digest = hashlib.blake2b(digest_size=8)
    for name in sorted(named):
        digest.update(name.encode() + b"\0" + named[name])
    made = {name: Asset(body, gzip.compress(body, 9, mtime=0), _type(name)) for name, body in named.items()}
    return Assets(digest.hexdigest(), made)


def text_of(name: str) -> str:
    """Read one of the page's files that is not sent as it is."""
    return files("api").joinpath("web", name).read_text(encoding="utf-8")


def _type(name: str) -> str:
    return _TYPES.get(name[name.rfind(".") :], "")
