"""The way to the broker: sockets, certificates, passwords, and in words what kept a client from it."""

import socket
import ssl
from pathlib import Path
from typing import Any

from perch.adapters.broker.certificates import common_name
from perch.adapters.broker.distrust import distrusted
from perch.errors import PerchError, StorageError, UnavailableError
from perch.settings import Broker

CHECK_PLACE = "start the broker, or correct host and port under [broker]"


def place(broker: Broker) -> str:
    """Say where a broker is."""
    return f"{broker.host}:{broker.port}"


def explain(broker: Broker, error: Exception) -> UnavailableError:
    """Say why a broker could not be reached, and what to do."""
    where = place(broker)
    if isinstance(error, PerchError):
        return UnavailableError(error.what, error.remedy)
    if isinstance(error, ssl.SSLCertVerificationError):
        return distrusted(f"the broker at {where}", broker.host, error)
    if isinstance(error, ssl.SSLError):
        return UnavailableError(
            f"no TLS connection with the broker at {where}: {error}", "check ca, certificate and key under [broker]"
        )
    if isinstance(error, ConnectionResetError) and (broker.ca or broker.certificate):
        return cut_short(broker)
    if isinstance(error, socket.gaierror):
        return UnavailableError(f"the broker's name {broker.host!r} is not known: {error}", CHECK_PLACE)
    return UnavailableError(f"the broker at {where} cannot be reached: {error}", CHECK_PLACE)


def cut_short(broker: Broker) -> UnavailableError:
    """Say that a TLS handshake was not gone through with."""
    remedy = "write the broker's TLS port under [broker] (usually 8883), or see the broker's log"
    return UnavailableError(f"{place(broker)} ends the connection in the middle of the TLS handshake", remedy)


def unanswered(broker: Broker) -> UnavailableError:
    """Say that a broker takes connections, or seems to, and says nothing."""
    return UnavailableError(f"the broker at {place(broker)} does not answer", CHECK_PLACE)


def no_broker(broker: Broker) -> UnavailableError:
    """Say that something takes connections and ends them before a word of MQTT was said."""
    what = f"what answers at {place(broker)} ends the connection before it says a word of MQTT"
    return UnavailableError(what, "see that it is the broker, or correct host and port under [broker]")


def in_the_clear(broker: Broker) -> UnavailableError:
    """Say that a broker was spoken to without TLS, and speaks nothing else."""
    remedy = "set ca under [broker], or write the port that speaks MQTT without TLS (usually 1883)"
    return UnavailableError(f"{place(broker)} speaks TLS, and the configuration does not", remedy)


def lost(broker: Broker) -> UnavailableError:
    """Say that a connection that stood has ended."""
    what = f"the connection to the broker at {place(broker)} is lost"
    return UnavailableError(what, "no need to do anything: it is tried again")


def refused(broker: Broker, why: str) -> UnavailableError:
    """Say that a broker was reached and will have none of it."""
    return UnavailableError(
        f"the broker at {place(broker)} refuses: {why}",
        "check username, password_file or certificate under [broker], and the broker's access list; an agent that was"
        " revoked or replaced needs an invitation: perch agents token or replace on the server, then perch enroll here",
    )


def denied(broker: Broker, client_id: str, why: str) -> UnavailableError:
    """Say that a broker lets a client in and throws away what it says."""
    own = None if broker.certificate is None else common_name(broker.certificate)
    whose = f"; {broker.certificate} is the certificate of {own}" if own not in (None, client_id) else ""
    what = f"the broker at {place(broker)} does not take what {client_id} says: {why}{whose}"
    return UnavailableError(what, "see to its credential under [broker] and to the broker's access list: perch doctor")


def credentials(broker: Broker) -> tuple[str | None, str | None]:
    """Read user name and password, at each connect: a changed password needs no restart. Raises StorageError."""
    if broker.password_file is None:
        return broker.username, None
    try:
        return broker.username, broker.password_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(broker.password_file, error) from error


def tls_context(broker: Broker) -> ssl.SSLContext | None:
    """Build a context where `ca` or `certificate` is given; None means in the clear. Raises StorageError."""
    if broker.ca is None and broker.certificate is None:
        return None
    try:
        context = ssl.create_default_context(cafile=broker.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.sslsocket_class = _TidySocket
        if broker.certificate is not None:
            context.load_cert_chain(broker.certificate, broker.key)
    except ssl.SSLError as error:
        raise _unfit(broker, error) from error
    except OSError as error:
        raise _unreadable(broker.certificate or broker.ca, error) from error
    return context


class _TidySocket(ssl.SSLSocket):
    """Closes itself when the handshake fails, which paho leaves to chance."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def _unfit(broker: Broker, error: ssl.SSLError) -> StorageError:
    if error.reason == "KEY_VALUES_MISMATCH":
        what = f"{broker.key} is not the key of {broker.certificate}"
        return StorageError(what, "put key and certificate of one agent where [broker] points")
    return _unreadable(broker.certificate or broker.ca, error)


def _unreadable(path: Path | None, error: Exception) -> StorageError:
    return StorageError(f"{path} cannot be read: {error}", "correct the path under [broker], or the file's rights")


def shut(wire: Any) -> None:
    """Cut a connection that may hang; whatever waits for it is told."""
    try:
        wire.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
