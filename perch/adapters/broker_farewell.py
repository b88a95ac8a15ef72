"""Saying of an agent that was put out that it is gone: it has no right any more to say so, nor has its will.

Without that its last states would be believed for as long as they said that they are valid.
"""

from contextlib import suppress

from perch.adapters.mqtt_visit import Visit
from perch.contract import Status, build_status, parse_status, topic, will
from perch.errors import PerchError
from perch.settings import Broker


def last_status(server: Broker, site: str, agent: str) -> Status | None:
    """Give what the broker keeps as an agent's status; None where it keeps none, or does not answer."""
    where = topic(site, agent, "status")
    with suppress(PerchError), Visit(server, "", protocol=server.protocol).connect() as visit:
        visit.subscribe([where])
        visit.subscribe([where])  # answered after what was retained, so that nobody has to wait for what is not there
        return next((parse_status(one.payload) for one in visit.received if one.payload), None)
    return None


def say_gone(by: Broker, site: str, agent: str, last: Status) -> None:
    """Leave behind, in place of an agent's last status, that it is offline; raises UnavailableError."""
    gone = build_status(site, agent, will(last.epoch, last.run))
    with Visit(by, "", protocol=by.protocol).connect() as visit:
        visit.leave_behind(gone.topic, gone.payload)
