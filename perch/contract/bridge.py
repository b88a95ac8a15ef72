"""What goes over the way from a site's own broker to the network's: mosquitto's words for a bridge.

Everything that agents say goes out, acknowledgements come in, and nothing else passes. Nothing is queued for while the
way is cut: agents send again what is not acknowledged, and say what holds at each heartbeat; a queue would only be
bounded, and what it drops would be the newest. When the way is there again, what holds at the site is sent anew.
"""

from collections.abc import Iterator
from typing import NamedTuple

from perch.contract.topics import QOS, ROOT

RESTART_S = (1, 30)
"""How long the site's broker waits before it tries again: at first, and at most."""

OUT = ("+/up", "+/status", "+/state/+")
IN = ("+/ack",)


class Centre(NamedTuple):
    """The network's broker as a site's broker reaches it; `ca` None: in the clear, for a way that is safe by itself.

    `ca`, `certificate` and `key` are paths at the site.
    """

    host: str
    port: int
    password: str | None = None
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None


def edge_name(site: str) -> str:
    """Give the user name and client id of a site's own broker at the network's; no agent and no reader has a dot."""
    return f"edge.{site}"


def bridge_topic(site: str) -> str:
    """Name the topic at a site's own broker, and nowhere else, under which it keeps 1 while the way stands, else 0."""
    return f"{ROOT}/{site}/{edge_name(site)}/bridge"


def bridge_lines(site: str, to: Centre, restart_s: tuple[int, int] = RESTART_S) -> str:
    """Write the lines for mosquitto's configuration (2.0) at a site; those with a password are for its eyes only."""
    return "".join(f"{line}\n" for line in _lines(site, to, restart_s))


def _lines(site: str, to: Centre, restart_s: tuple[int, int]) -> Iterator[str]:
    name, here = edge_name(site), f"{ROOT}/{site}/"
    yield f"connection {name}"
    yield f"address {to.host}:{to.port}"
    yield from (f"topic {what} out {QOS} {here} {here}" for what in OUT)
    yield from (f"topic {what} in {QOS} {here} {here}" for what in IN)
    yield "bridge_protocol_version mqttv50"
    yield "cleansession true"
    yield "notifications true"
    yield "notifications_local_only true"
    yield f"notification_topic {bridge_topic(site)}"
    yield "try_private true"
    yield f"restart_timeout {restart_s[0]} {restart_s[1]}"
    yield "keepalive_interval 15"
    yield f"remote_clientid {name}"
    if to.password is not None:
        yield f"remote_username {name}"
        yield f"remote_password {to.password}"
    if to.ca is not None:
        yield f"bridge_cafile {to.ca}"
        yield "bridge_tls_version tlsv1.2"
    if to.certificate is not None:
        yield f"bridge_certfile {to.certificate}"
        yield f"bridge_keyfile {to.key}"
