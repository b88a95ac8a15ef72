"""A TLS handshake with the broker, to learn whether it works and until when, or in words why it does not."""

import socket
import ssl
from typing import NamedTuple

from perch.adapters.broker.certificates import Validity, validity
from perch.adapters.broker.distrust import distrusted
from perch.adapters.mqtt.way import cut_short, explain, in_the_clear, no_broker, place, tls_context
from perch.errors import UnavailableError
from perch.settings import Broker


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
        seen = validity_shown(broker, timeout_s)
        raise distrusted(f"the broker at {place(broker)}", broker.host, error, seen) from error
    except OSError as error:
        raise _failed(broker, error) from error


def speaks_tls(broker: Broker, timeout_s: float) -> bool:
    """Tell whether whoever listens there begins a TLS handshake, with whatever certificate."""
    return validity_shown(broker, timeout_s) is not None


def wordless(broker: Broker, timeout_s: float) -> UnavailableError:
    """Say why what answers ended a connection before a word of MQTT was said."""
    if broker.ca is None and broker.certificate is None and speaks_tls(broker, timeout_s):
        return in_the_clear(broker)
    return no_broker(broker)


def _failed(broker: Broker, error: OSError) -> UnavailableError:
    where = place(broker)
    if isinstance(error, ssl.SSLError) and error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        remedy = "write the broker's TLS port under [broker] (usually 8883)"
        return UnavailableError(f"{where} does not speak TLS", remedy)
    if isinstance(error, ConnectionError | ssl.SSLEOFError):
        return cut_short(broker)
    if isinstance(error, TimeoutError):
        return UnavailableError(
            f"{where} does not answer to a TLS handshake", "write the broker's TLS port under [broker] (usually 8883)"
        )
    return explain(broker, error)


def validity_shown(broker: Broker, timeout_s: float) -> Validity | None:
    """Read when the certificate that is shown may be used, trusted or not; None where none is, and nothing is sent."""
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
