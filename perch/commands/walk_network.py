"""A walk that listens to a running agent: its `status` says when each sensor was last heard.

An agent says its status soon after a sensor speaks that was quiet for half a minute, else each 30 s. How a pin behaves
between is not told, so that of wiring mistakes only a swapped pair of beams can be seen from here.
"""

import threading
import time
from collections.abc import Callable, Mapping

from perch import contract
from perch.adapters.mailbox import Mailbox
from perch.adapters.mqtt.connection import Connection, Received
from perch.contract import SensorStatus, Status
from perch.errors import ContractError, PerchError, UnavailableError
from perch.model import Sensor, SensorHealth, SensorKind
from perch.sensing import commissioning
from perch.sensing.commissioning import Verdict, Walk
from perch.sensing.health import MEASURING
from perch.settings import Broker

PATIENCE_S = 35.0
"""An agent that lives says so each 30 s."""

Teller = Callable[[Walk, Mapping[str, Verdict]], None]


def which(named: str | None, agents: Mapping[str, tuple[str, ...]]) -> tuple[str, str]:
    """Give site and agent by `site/agent`, by the agent's own name, or the only one that there is."""
    known = [(site, agent) for site, several in agents.items() for agent in several]
    found = [one for one in known if named in (None, one[1], "/".join(one))]
    if len(found) == 1:
        return found[0]
    listed = ", ".join("/".join(one) for one in known) or "none"
    what = f"there is no agent {named}" if named is not None and not found else "there are several agents"
    raise PerchError(what, f"name one with --agent SITE/AGENT; the layout has {listed}")


def run(broker: Broker, site: str, agent: str, stop: threading.Event, told: Teller, most_ms: int) -> Walk:
    """Listen until every sensor was heard, the time is over or `stop` is set; raises UnavailableError for no agent."""
    said: Mailbox[Status] = Mailbox()
    topic = contract.topic(site, agent, "status")
    client_id = f"{contract.user_name(site, agent)}-walk"
    until_s = time.monotonic() + most_ms / 1000
    with Connection(broker, client_id, subscriptions=[topic], on_message=lambda one: _hear(one, said)) as connection:
        connection.ready(10)
        patience_s = min(PATIENCE_S, most_ms / 1000)
        walk = _begun(_first(said, stop, connection, f"{site}/{agent}", patience_s))
        while not stop.is_set() and time.monotonic() < until_s:
            verdicts = commissioning.findings(walk)
            told(walk, verdicts)
            if verdicts and all(verdict is Verdict.OK for verdict in verdicts.values()):
                break
            connection.check()
            status = said.take(0.2)
            if status is not None and status.online:
                walk = heard(walk, status.sensors)
    return walk


def heard(walk: Walk, sensors: Mapping[str, SensorStatus]) -> Walk:
    """Tick off the sensors that spoke since the last status, in the order in which they did.

    A sensor that is read at intervals says something each time; only one that saw somebody was walked past.
    """
    news = []
    for name, status in sensors.items():
        before = walk.traces.get(name)
        if before is None:
            continue
        if status.health not in (SensorHealth.OK, SensorHealth.STARTING):
            walk = commissioning.failed(walk, name, f"its agent says {status.health}", walk.now_ms)
            continue
        spoke_ms = status.last_ms if status.kind in MEASURING else status.sign_ms
        if spoke_ms is not None and spoke_ms > max(walk.began_ms, before.since_ms):
            news.append((max(spoke_ms, walk.now_ms), name))
    for last_ms, name in sorted(news):
        walk = commissioning.spoke(walk, name, last_ms)
    return walk


def _begun(status: Status) -> Walk:
    """Begin at the newest moment at which any sensor spoke: what spoke before is not walked past."""
    sensors = [
        Sensor(name, one.kind or SensorKind.MOTION, one.space or "", None) for name, one in status.sensors.items()
    ]
    began_ms = max((one.last_ms or one.since_ms for one in status.sensors.values()), default=0)
    return commissioning.begin(sensors, {}, began_ms, 0)


def _first(
    said: Mailbox[Status], stop: threading.Event, connection: Connection, name: str, patience_s: float
) -> Status:
    until_s = time.monotonic() + patience_s
    while not stop.is_set() and time.monotonic() < until_s:
        connection.check()
        status = said.take(0.2)
        if status is not None and status.online:
            return status
    what = f"nothing was heard of the agent {name} within {patience_s:.0f} s"
    remedy = "see that it runs, and that the broker lets this user read its status: the server's user may (perch.toml)"
    raise UnavailableError(what, remedy)


def _hear(message: Received, said: Mailbox[Status]) -> None:
    try:
        said.put(contract.parse_status(message.payload))
    except ContractError:
        return
