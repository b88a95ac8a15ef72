"""How agents come in: whether the broker answers them by TLS, and until when its certificate holds."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from perch.adapters.broker.credential_ends import BROKERS, agents_ending, files_ending
from perch.adapters.broker.files import ROSTER
from perch.adapters.broker.tls_probe import validity_shown
from perch.contract.roster import decode
from perch.doctor.findings import Finding, fault, ok, warn
from perch.errors import PerchError
from perch.settings import Broker, Enrolment

PART = "enrolment"
SOON = timedelta(days=30)
ANSWER_S = 3.0
_RENEW = "run perch agents prepare"


def look_at_enrolment(enrolment: Enrolment | None, own: Broker, now: datetime) -> Iterator[Finding]:
    """Look at the port of the broker that agents use, from this machine; says nothing where none are enrolled."""
    if enrolment is None:
        return
    port = enrolment.port
    shown = validity_shown(Broker(own.host, port), ANSWER_S)
    if shown is None:
        what = f"nobody answers agents by TLS at port {port}"
        yield fault(PART, what, "run perch agents prepare, let the broker read its mosquitto.conf, and restart it")
        return
    told = f"the broker shows agents at port {port} a certificate that ends on {shown.end:%Y-%m-%d}"
    if shown.end <= now:
        yield fault(PART, f"the certificate that the broker shows agents ended on {shown.end:%Y-%m-%d}", _RENEW)
    elif shown.end - now <= SOON:
        yield warn(PART, told, _RENEW)
    else:
        yield ok(PART, told)
    yield from _soon_over(enrolment.folder, now)


def _soon_over(folder: Path, now: datetime) -> Iterator[Finding]:
    """Look at what is behind that certificate; the files are for root alone, and others are not shown them."""
    with suppress(OSError, PerchError):
        roster = decode((folder / ROSTER).read_bytes())
        for one in (*files_ending(folder, now), *agents_ending(roster, now)):
            if one.whose != BROKERS:
                make = fault if one.end <= now else warn
                yield make(PART, f"{one.whose} ends on {one.end:%Y-%m-%d}", one.remedy)
