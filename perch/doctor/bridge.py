"""A site's own broker: does its bridge to the network stand, and does nobody at the site acknowledge events."""

import secrets
from collections.abc import Iterator
from pathlib import Path

from perch.adapters.age import Mark
from perch.adapters.health.collector import read_health
from perch.contract.bridge import bridge_topic
from perch.doctor import broker as way
from perch.doctor.findings import Finding, fault, ok
from perch.settings import Broker

PART = "bridge"
STANDS = b"1"
TOLD_S = 1.5


def look_at_bridge(broker: Broker, site: str, to: str) -> Iterator[Finding]:
    """Ask the broker how its bridge is: it keeps that as a retained message; raises UnavailableError."""
    name = bridge_topic(site)
    with way.log_in(broker, f"perch-doctor-{secrets.token_hex(3)}") as visit:
        visit.subscribe([name])
        told = visit.await_message(lambda message: message.topic == name, TOLD_S)
    if told is None:
        what = f"this broker has no bridge to {to}, so nobody hears what agents say here"
        yield fault(PART, what, f"run perch site bridge {site}, see docs/scale.md, and start the broker anew")
    elif told.payload == STANDS:
        yield ok(PART, f"the way to {to} stands")
    else:
        what = f"the way to {to} does not stand; agents keep what they have to say"
        remedy = f"see whether {to} is reached from here; if it is, the broker's log says why: journalctl -u mosquitto"
        yield fault(PART, what, f"{remedy}, or /var/log/mosquitto/mosquitto.log")


def look_for_a_stranger(data: Path, now: Mark) -> Iterator[Finding]:
    """See that no collector runs here: it would acknowledge what the network never hears of."""
    health = read_health(data)
    if health is None or health.is_stale(now):
        yield ok("collector", "none runs here, as it is to be: events are for the network's")
        return
    what = "one runs here, and acknowledges events that the network never hears of"
    yield fault("collector", what, "stop it: systemctl disable --now perch-collector perch-api")
