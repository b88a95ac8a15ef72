"""Broker and TLS: can it be reached, is it who it says it is, does it let this client in."""

import ipaddress
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from perch.adapters.broker.certificates import Validity, validities
from perch.adapters.broker.tls_probe import reach, shake_hands, speaks_tls
from perch.adapters.mqtt.visit import Visit
from perch.adapters.mqtt.way import in_the_clear, place
from perch.contract import ROOT
from perch.doctor.findings import Finding, fault, fault_of, ok, warn
from perch.errors import PerchError, UnavailableError
from perch.settings import Broker

REACH_S = 3.0
SOON = timedelta(days=30)
BROKER_VERSION = "$SYS/broker/version"
VERSIONS = {5: "MQTT 5", 4: "MQTT 3.1.1"}
_VERSION_S = 0.3
_FEW = 4


def look_at_way(broker: Broker, now: datetime) -> Iterator[Finding]:
    """Reach the broker without logging in; raises UnavailableError where going on makes no sense."""
    reach(broker, REACH_S).close()
    yield from _look_at_secrets(broker)
    if broker.ca is None and broker.certificate is None:
        yield _in_the_clear(broker)
        return
    handshake = shake_hands(broker, REACH_S)
    until = [("the broker's certificate", handshake.validity), *_own_certificates(broker)]
    ending = [_ending(whose, validity, now) for whose, validity in until]
    yield from (finding for finding in ending if finding is not None)
    if not any(ending):
        ends = ", ".join(f"{whose} until {validity.end:%Y-%m-%d}" for whose, validity in until)
        yield ok("tls", f"{handshake.version}; {ends}")


def log_in(broker: Broker, client_id: str) -> Visit:
    """Make a visit that is connected, which its user ends; raises UnavailableError with the likeliest reason."""
    visit = Visit(broker, client_id, protocol=broker.protocol)
    try:
        return visit.connect()
    except UnavailableError as error:
        if broker.ca is None and broker.certificate is None and speaks_tls(broker, REACH_S):
            raise in_the_clear(broker) from error
        raise


def welcome(broker: Broker, visit: Visit, client: str) -> Iterator[Finding]:
    """Say who was let in, and by what."""
    visit.subscribe([BROKER_VERSION])
    told = visit.await_message(lambda message: message.topic == BROKER_VERSION, _VERSION_S)
    version = told.payload.decode("utf-8", "replace") if told else ""
    kind = f"; {version}" if version else ""
    yield ok("broker", f"{place(broker)} lets {client} in over {VERSIONS[broker.protocol]}{kind}")
    if version.startswith("mosquitto version 1."):
        yield warn("versions", f"the broker is {version}, which is no longer mended", "install mosquitto 2")


def name_of(broker: Broker) -> str:
    """Name a client as its broker knows it."""
    if broker.username is not None:
        return broker.username
    return "the owner of the certificate" if broker.certificate is not None else "anybody"


def is_open(broker: Broker) -> bool:
    """Tell whether this client gives nothing to be known by."""
    return broker.username is None and broker.certificate is None


def made_up_agent(chance: str) -> str:
    """Give the id of an agent that no site has, to try rights with."""
    return f"perch-doctor-{chance}"


def whole_network() -> str:
    """Give the topic under which all of Perch is."""
    return f"{ROOT}/#"


def _in_the_clear(broker: Broker) -> Finding:
    if is_here(broker.host):
        return ok("tls", "not used, and not needed: the broker is on this machine")
    what = f"everything goes to {place(broker)} in the clear" + (", the password too" if broker.password_file else "")
    return warn("tls", what, "give the broker a certificate, and set ca under [broker]")


def is_here(host: str) -> bool:
    """Tell whether a name or address is this machine's own, for its own users alone."""
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def _own_certificates(broker: Broker) -> Iterator[tuple[str, Validity]]:
    """Give the client's certificate, and the authority where `ca` is one and not the collection of a system."""
    for whose, path in (("the authority's", broker.ca), ("this client's", broker.certificate)):
        found = validities(path) if path is not None else []
        if 0 < len(found) <= _FEW:
            yield whose, min(found, key=lambda validity: validity.end)


def _ending(whose: str, validity: Validity, now: datetime) -> Finding | None:
    day = f"{validity.end:%Y-%m-%d}"
    name = whose if whose.endswith("certificate") else f"{whose} certificate"
    if validity.end <= now:
        return fault("tls", f"{name} ended on {day}", "renew it")
    if validity.end - now <= SOON:
        return warn("tls", f"{name} ends on {day}", "renew it before that day: nothing is delivered after it")
    return None


def _look_at_secrets(broker: Broker) -> Iterator[Finding]:
    """Say which secrets can be read by others on this machine."""
    for path in (broker.password_file, broker.key):
        if path is not None and _is_open_to_others(path):
            yield warn("configuration", f"others on this machine can read {path}", f"chmod 600 {path}")


def _is_open_to_others(path: Path) -> bool:
    with suppress(OSError):  # whoever reads it says that it is not there
        return bool(path.stat().st_mode & 0o004)
    return False


def now_utc() -> datetime:
    """Read the clock."""
    return datetime.now(UTC)


def not_let_in(error: PerchError) -> Finding:
    """Say that a broker cannot be reached, or will not have this client."""
    return fault_of("broker", error)
