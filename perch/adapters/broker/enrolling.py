"""An agent's side of its enrolment: nothing secret is said before the authority has proved to be the invited one.

First the authority's certificate is fetched from whoever answers and compared with the invitation; then everything else
goes over a connection that this authority vouches for. A man in the middle learns that somebody enrols, and no more.
"""

import http.client
import secrets
import ssl
from typing import NamedTuple, TypeVar

from msgspec import Struct

from perch.adapters.broker.authority import key_and_request
from perch.adapters.broker.distrust import distrusted
from perch.contract.credentials import SALT_BYTES, SECRET_BYTES, kept_of
from perch.contract.enrolment import (
    AUTHORITY_PATH,
    CREDENTIAL_PATH,
    MAX_BYTES,
    STOLEN,
    TERMS_PATH,
    VERSION,
    Granted,
    Invitation,
    Refused,
    Request,
    Terms,
    certificate_in,
    decode,
    encode,
    fingerprint,
)
from perch.errors import ContractError, PerchError, UnavailableError
from perch.model import Identity

ANSWER_S = 30.0
"""The broker has to read its files meanwhile."""

_LOOK = f"see that perch agents token still waits on the server, and that its port can be reached from here; {STOLEN}"
_IMPOSTOR = (
    "do not use this invitation again: somebody may be in between; ask for another one, and see who answers there"
)
Said = TypeVar("Said", bound=Struct)


class Credential(NamedTuple):
    """What an agent has at the end: authority (PEM), where the broker is, and its password, or certificate and key."""

    user: str
    authority: str
    host: str
    port: int
    identity: Identity
    secret: str
    """The password; or certificate and key in one PEM text."""

    def __repr__(self) -> str:
        return f"<Credential of {self.user} at {self.host}:{self.port}>"


def enrol(invitation: Invitation) -> Credential:
    """Get an agent its credential; raises PerchError, and then nothing has changed anywhere."""
    authority = _authority(invitation)
    context = ssl.create_default_context(cadata=authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    terms = _ask(invitation, context, "GET", TERMS_PATH, None, Terms)
    key, request, password = "", None, secrets.token_urlsafe(SECRET_BYTES)
    if terms.identity is Identity.CERTIFICATE:
        made, request = key_and_request(invitation.user)
        key = made.decode()
    kept = None if key else kept_of(password, secrets.token_bytes(SALT_BYTES))
    asked = Request(v=VERSION, user=invitation.user, secret=invitation.secret, kept=kept, request=request)
    granted = _ask(invitation, context, "POST", CREDENTIAL_PATH, asked, Granted)
    if granted.user != invitation.user or (granted.certificate is None) == bool(key):
        raise PerchError("the desk gave what was not asked for", _IMPOSTOR)
    secret = f"{granted.certificate}{key}" if key else password
    return Credential(invitation.user, authority, terms.host, terms.port, terms.identity, secret)


def _authority(invitation: Invitation) -> str:
    """Fetch the authority's certificate from whoever answers; raises PerchError where it is not the invited one."""
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    stranger.check_hostname, stranger.verify_mode = False, ssl.CERT_NONE
    status, body = _over(invitation, stranger, "GET", AUTHORITY_PATH, b"")
    pem = body.decode("ascii", "replace")
    try:
        is_the_one = status == 200 and fingerprint(pem) == invitation.authority
    except ContractError:
        is_the_one = False
    if not is_the_one:
        where = f"{invitation.host}:{invitation.port}"
        raise PerchError(f"whoever answers at {where} is not the server that this invitation is from", _IMPOSTOR)
    return certificate_in(pem)


def _ask(
    invitation: Invitation, context: ssl.SSLContext, method: str, path: str, said: Struct | None, kind: type[Said]
) -> Said:
    status, body = _over(invitation, context, method, path, b"" if said is None else encode(said))
    try:
        if status == 200:
            return decode(body, kind)
        refused = decode(body, Refused)
    except ContractError as error:
        what = f"the desk's answer (HTTP status {status}) cannot be read: {error.what}"
        raise UnavailableError(what, "run the perch of the server's version, and try again") from None
    raise PerchError(refused.what, refused.remedy)


def _over(invitation: Invitation, context: ssl.SSLContext, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    where = f"the desk at {invitation.host}:{invitation.port}"
    wire = http.client.HTTPSConnection(invitation.host, invitation.port, timeout=ANSWER_S, context=context)
    try:
        wire.request(method, path, body)
        answer = wire.getresponse()
        return answer.status, answer.read(MAX_BYTES)
    except ssl.SSLCertVerificationError as error:
        raise distrusted(where, invitation.host, error) from error
    except (OSError, http.client.HTTPException) as error:
        raise UnavailableError(f"{where} cannot be reached: {error or type(error).__name__}", _LOOK) from error
    finally:
        wire.close()
