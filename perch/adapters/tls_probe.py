"""A TLS handshake with the broker, to learn whether it works and until when, or in words why it does not."""

import socket
import ssl
from datetime import UTC, datetime
from typing import NamedTuple

from perch.adapters.certificates import Validity, validity
from perch.adapters.mqtt_way import explain, place, tls_context
from perch.errors import UnavailableError
from perch.settings import Broker

_NOT_YET, _EXPIRED, _WRONG_NAMES, _REVOKED = 9, 10, (62, 64), 23
_STRANGERS = (2, 7, 18, 19, 20, 21)


class Handshake(NamedTuple):
    """A handshake that succeeded: the protocol's version, and when the broker's certificate may be used."""

    version: str
    validity: Validity


def reach(broker: Broker, timeout_s: float) -> socket.socket:
    """Open a connection to the broker; raises UnavailableError."""
    try:
        return socket.create_connection((broker.host, broker.port), timeout_s)
    except OSError as error:
        raise explain(broker, error) from error


def shake_hands(broker: Broker, timeout_s: float) -> Handshake:
    """Do what a connection of Perch begins with; raises UnavailableError, and StorageError for an unreadable file."""
    context = tls_context(broker) or ssl.create_default_context()
    try:
        with reach(broker, timeout_s) as wire, context.wrap_socket(wire, server_hostname=broker.host) as secure:
            return Handshake(secure.version() or "TLS", validity(secure.getpeercert(binary_form=True) or b""))
    except ssl.SSLCertVerificationError as error:
        raise _distrusted(broker, error, timeout_s) from error
    except OSError as error:
        raise _failed(broker, error) from error


def speaks_tls(broker: Broker, timeout_s: float) -> bool:
    """Tell whether whoever listens there begins a TLS handshake, with whatever certificate."""
    return _validity_unseen(broker, timeout_s) is not None


def _distrusted(broker: Broker, error: ssl.SSLCertVerificationError, timeout_s: float) -> UnavailableError:
    code, where = error.verify_code, place(broker)
    seen = _validity_unseen(broker, timeout_s)
    if code == _EXPIRED:
        end = f" on {seen.end:%Y-%m-%d}" if seen else ""
        return UnavailableError(f"the certificate of the broker at {where} ended{end}", _RENEW)
    if code == _NOT_YET:
        begin = f" only on {seen.begin:%Y-%m-%d}" if seen else " later"
        what = f"the certificate of the broker at {where} begins{begin}; this clock says {datetime.now(UTC):%Y-%m-%d}"
        return UnavailableError(what, "set this machine's clock, or renew the broker's certificate")
    if code in _WRONG_NAMES:
        return UnavailableError(
            f"the certificate of the broker at {where} is not for the name {broker.host!r}",
            "write the name that stands in the certificate as host under [broker], or renew it with this name",
        )
    if code in _STRANGERS:
        remedy = "put the authority that signed the broker's certificate where ca under [broker] points"
        return UnavailableError(f"ca under [broker] did not sign the certificate of the broker at {where}", remedy)
    why = "was revoked" if code == _REVOKED else f"is not accepted: {error.verify_message}"
    return UnavailableError(f"the certificate of the broker at {where} {why}", _RENEW)


_RENEW = "renew the broker's certificate and restart the broker"


def _failed(broker: Broker, error: OSError) -> UnavailableError:
    where = place(broker)
    if isinstance(error, ssl.SSLError) and error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        remedy = "write the broker's TLS port under [broker] (usually 8883)"
        return UnavailableError(f"{where} does not speak TLS", remedy)
    if isinstance(error, ConnectionError | ssl.SSLEOFError):
        remedy = "write the broker's TLS port under [broker] (usually 8883), or see the broker's log"
        return UnavailableError(f"{where} ends the connection in the middle of the TLS handshake", remedy)
    if isinstance(error, TimeoutError):
        return UnavailableError(
            f"{where} does not answer to a TLS handshake", "write the broker's TLS port under [broker] (usually 8883)"
        )
    return explain(broker, error)


def _validity_unseen(broker: Broker, timeout_s: float) -> Validity | None:
    """Read the broker's certificate without asking whether it is to be trusted; nothing is sent over this one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((broker.host, broker.port), timeout_s) as wire,
            context.wrap_socket(wire, server_hostname=broker.host) as secure,
        ):
            return validity(secure.getpeercert(binary_form=True) or b"")
    except (OSError, ValueError):
        return None
