"""Saying of an agent that was put out that it is gone: it has no right any more to say so, nor has its will.

Without that its last states would be believed for as long as they said that they are valid. One that means ill may have
stated them under another start than its status names, so each start that the broker keeps a word of is said to be over.
"""

from collections.abc import Iterator
from contextlib import suppress

from perch.adapters.mqtt.connection import Received
from perch.adapters.mqtt.visit import Visit
from perch.contract import build_status, parse_state, parse_status, topic, will
from perch.errors import ContractError, PerchError
from perch.settings import Broker

MORE_S = 0.1
"""The broker keeps some messages back until the first ones are acknowledged."""

MOST = 1_000
NEVER_RUN = 1

Starts = dict[str, int]
"""Epochs, each with the number of its run, the newest last."""


def last_starts(server: Broker, site: str, agent: str) -> Starts:
    """Give the starts of which the broker keeps an agent's word; none where it keeps nothing, or does not answer."""
    mine = [topic(site, agent, "state", "+"), topic(site, agent, "status")]
    with suppress(PerchError), Visit(server, "", protocol=server.protocol).connect() as visit:
        visit.subscribe(mine)
        visit.subscribe(mine)  # answered after what was retained, so that nobody has to wait for what is not there
        visit.stay(MORE_S)
        found = dict(start for message in visit.received for start in _start(message))
        return dict(list(found.items())[-MOST:])
    return {}


def _start(message: Received) -> Iterator[tuple[str, int]]:
    with suppress(ContractError):
        if message.topic.endswith("/status"):
            status = parse_status(message.payload)
            yield status.epoch, status.run
        else:
            yield parse_state(message.payload).epoch, NEVER_RUN


def say_gone(by: Broker, site: str, agent: str, starts: Starts) -> None:
    """Leave behind, in place of an agent's last status, that it is offline; raises UnavailableError."""
    if not starts:
        return
    with Visit(by, "", protocol=by.protocol).connect() as visit:
        for epoch, run in starts.items():
            gone = build_status(site, agent, will(epoch, run))
            visit.leave_behind(gone.topic, gone.payload)
