"""How an agent comes by its credential: an invitation on paper, so to speak, and three messages over HTTPS.

An invitation names one agent, the desk that expects it, the authority that signs there (by SHA-256), and a secret that
works once. The agent asks the desk for the authority's certificate, compares its hash, and only then speaks further,
over a connection that this authority vouches for. It makes its password (or key) itself, and the desk is told what a
broker has to keep of it, never the password.
"""

import base64
import hashlib
import re
import textwrap
from typing import Annotated, NamedTuple, TypeVar

import msgspec
from msgspec import Meta, Struct

from perch.contract.topics import user_name
from perch.errors import ContractError
from perch.model import Identity, is_id

VERSION = 1
SCHEME = "perch"
SECRET_BYTES = 32
MAX_BYTES = 16_384
AUTHORITY_PATH, TERMS_PATH, CREDENTIAL_PATH = "/authority", "/terms", "/credential"

STOLEN = "unless the server says that this agent is enrolled: then somebody else used it, so revoke the agent there"
"""What whoever comes too late to find out by himself has to know."""

_TEXT = re.compile(
    rf"{SCHEME}://(?P<site>[^_:/@\s]+)_(?P<agent>[^_:/@\s]+):(?P<secret>[A-Za-z0-9_-]{{43}})"
    r"@(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:/@\s]+):(?P<port>[0-9]{1,5})/(?P<authority>[0-9a-f]{64})"
)
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)-----END CERTIFICATE-----")

Said = TypeVar("Said", bound=Struct)


class Invitation(NamedTuple):
    """What is written on it: whom it is for, where to go, whom to trust there, and the secret."""

    site: str
    agent: str
    secret: str
    host: str
    port: int
    authority: str
    """SHA-256 of the authority's certificate in DER, in hexadecimal."""

    @property
    def user(self) -> str:
        """The agent's login."""
        return user_name(self.site, self.agent)

    def __repr__(self) -> str:
        return f"<Invitation of {self.site}/{self.agent} to {self.host}:{self.port}>"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{SCHEME}://{self.user}:{self.secret}@{host}:{self.port}/{self.authority}"


def parse_invitation(text: str) -> Invitation:
    """Read an invitation; raises ContractError, which does not repeat its secret."""
    found = _TEXT.fullmatch(text.strip())
    if not found or not is_id(found["site"]) or not is_id(found["agent"]) or not 0 < int(found["port"]) < 65_536:
        raise ContractError("bad-invitation", "this is no invitation, or only a part of one")
    host = found["host"].strip("[]")
    return Invitation(found["site"], found["agent"], found["secret"], host, int(found["port"]), found["authority"])


def fingerprint(pem: str) -> str:
    """Give SHA-256 of the one certificate in a text; raises ContractError where there is none, or more than one."""
    return hashlib.sha256(_der_in(pem)).hexdigest()


def certificate_in(pem: str) -> str:
    """Give the one certificate in a text and nothing else of it; raises ContractError.

    What stands beside it may be a certificate to others, who know more names for one, and was never compared.
    """
    lines = textwrap.wrap(base64.b64encode(_der_in(pem)).decode(), 64)
    return "\n".join(("-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""))


def _der_in(pem: str) -> bytes:
    found = _PEM.findall(pem)
    if len(found) != 1:
        raise ContractError("bad-authority", "this is not the certificate of one authority")
    try:
        return base64.b64decode(found[0])
    except ValueError:
        raise ContractError("bad-authority", "this is no certificate") from None


def hash_of(secret: str) -> bytes:
    """Give what a desk keeps of an invitation's secret."""
    return hashlib.sha256(secret.encode()).digest()


class Terms(Struct, frozen=True, kw_only=True):
    """What the desk tells an agent that trusts it: where the broker is, and what is shown there."""

    v: int
    host: str
    port: int
    identity: Identity


class Request(Struct, frozen=True, kw_only=True):
    """What an agent brings: the secret, and what is kept of its new password, or a request for a certificate (PEM)."""

    v: int
    user: Annotated[str, Meta(max_length=65)]
    secret: Annotated[str, Meta(max_length=64)]
    kept: Annotated[str, Meta(max_length=200)] | None = None
    request: Annotated[str, Meta(max_length=8_192)] | None = None


class Granted(Struct, frozen=True, kw_only=True):
    """What the agent gets: that its password holds from now on, or its certificate (PEM)."""

    v: int
    user: str
    certificate: str | None = None


class Refused(Struct, frozen=True, kw_only=True):
    """Why an agent gets nothing, and what to do."""

    what: str
    remedy: str


def encode(said: Struct) -> bytes:
    """Write a message of an enrolment."""
    return msgspec.json.encode(said)


def decode(body: bytes, kind: type[Said]) -> Said:
    """Read a message of an enrolment; raises ContractError."""
    try:
        if len(body) > MAX_BYTES:
            raise ContractError("bad-enrolment", f"this is longer than {MAX_BYTES} bytes")
        return msgspec.json.decode(body, type=kind)
    except (ValueError, RecursionError) as error:  # msgspec's DecodeError is a ValueError
        raise ContractError("bad-enrolment", f"this is not what an enrolment says: {error}") from None
