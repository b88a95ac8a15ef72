"""An agent at its broker: what it may publish and receive, tried without anybody taking it for real.

What is published to try a right is empty and not retained, on topics of spaces and agents that do not exist: readers
let it pass. Whether events arrive and are acknowledged is tried with an event that the outbox holds, which an agent may
send again at any time. While an agent runs that says all is well the broker is not logged in to, as some brokers give
each user a single connection.
"""

import secrets
from collections.abc import Iterator

from perch import __version__, contract
from perch.adapters.health.agent import AgentHealth
from perch.adapters.mqtt.connection import Received
from perch.adapters.mqtt.visit import Answer, Visit
from perch.adapters.mqtt.way import credentials, place
from perch.contract import Batch, topic
from perch.contract.home_assistant import build_discovery
from perch.doctor import broker as way
from perch.doctor.findings import Finding, fault, ok, warn
from perch.errors import ContractError, StorageError, UnavailableError
from perch.settings import AgentSettings

ACK_S = 3.0
NO_SPACE = "perch-doctor"
_CONNECTED = "the agent that runs here is connected"
_LIST = "correct the broker's access list"


def look_at_broker(
    settings: AgentSettings, runs: AgentHealth | None, sample: Batch | None, ack_s: float = ACK_S
) -> Iterator[Finding]:
    """Look at broker, TLS and topic rights; `runs` is what an agent says that runs and is well, None otherwise."""
    broker = settings.broker
    try:
        yield from way.look_at_way(broker, way.now_utc())
        if runs is not None:
            credentials(broker)
            yield ok("broker", f"{place(broker)} is reached; password and certificate are not tried: {_CONNECTED}")
            yield _of_running(runs)
            return
        visit = way.log_in(broker, f"{contract.user_name(settings.site, settings.agent)}-doctor")
    except (UnavailableError, StorageError) as error:
        yield way.not_let_in(error)
        return
    with visit:
        yield from way.welcome(broker, visit, way.name_of(broker))
        rights = list(_rights(settings, visit, sample, ack_s))
        put_out = visit.gone
    if put_out:
        what = "the broker gives each user one connection, and the agent that runs here took it back"
        yield warn("topic rights", what, "stop the agent, then run the doctor again")
        return
    yield from rights


def _of_running(runs: AgentHealth) -> Finding:
    """Say what an agent that is well proves by being so."""
    if runs.waiting_since is None:
        return ok("topic rights", "the agent's events are acknowledged; stop the agent to have every right tried")
    return ok("topic rights", "the agent waits for an acknowledgement; run the doctor again in half a minute")


def _rights(settings: AgentSettings, visit: Visit, sample: Batch | None, ack_s: float) -> Iterator[Finding]:
    site, agent = settings.site, settings.agent
    if visit.subscribe([topic(site, agent, "ack")]) != [True]:
        yield fault("topic rights", f"may not subscribe to {topic(site, agent, 'ack')}", _LIST)
    if settings.broker.protocol == 5:
        yield from _may_publish(visit, [topic(site, agent, "state", NO_SPACE), topic(site, agent, "status")])
        yield from _may_not_publish(settings, visit)
        if settings.home_assistant:
            yield from _may_tell_home_assistant(settings, visit)
    else:
        what = "with MQTT 3.1.1 a broker does not say what it throws away, so only delivery was tried"
        yield warn("topic rights", what, "leave out protocol under [broker] where the broker speaks MQTT 5")
    yield from _delivery(settings, visit, sample, ack_s)


def _may_publish(visit: Visit, topics: list[str]) -> Iterator[Finding]:
    for name in topics:
        answer = visit.publish(name, b"")
        if answer is Answer.DENIED:
            yield fault("topic rights", f"may not publish on {name}", _LIST)
        elif answer is Answer.NONE and not visit.gone:
            yield fault("topic rights", f"the broker does not confirm what is published on {name}", "see its log")


def _may_tell_home_assistant(settings: AgentSettings, visit: Visit) -> Iterator[Finding]:
    """Say what the agent says at each connection, as another word there would remove its spaces."""
    spaces = [space.id for space in settings.sensing.spaces]
    told = build_discovery(settings.site, settings.agent, spaces, (), __version__)
    if visit.publish(told.topic, told.payload) is Answer.DENIED:
        yield fault("topic rights", f"may not publish on {told.topic}", f"{_LIST}, or leave out [homeassistant]")


def _may_not_publish(settings: AgentSettings, visit: Visit) -> Iterator[Finding]:
    neighbour = way.made_up_agent(secrets.token_hex(2))
    name = topic(settings.site, neighbour, "state", NO_SPACE)
    if visit.publish(name, b"") is not Answer.ACCEPTED:
        yield ok("topic rights", "publishes in its own name only")
    elif way.is_open(settings.broker):
        what = "the broker lets anybody publish anything, without a name"
        yield warn("topic rights", what, "give each agent a user name, a password and an access list of its own")
    else:
        client = way.name_of(settings.broker)
        yield fault("topic rights", f"{client} may publish in the name of other agents, as on {name}", _LIST)


def _delivery(settings: AgentSettings, visit: Visit, sample: Batch | None, ack_s: float) -> Iterator[Finding]:
    """Send an event once more and see that it is acknowledged."""
    site, agent = settings.site, settings.agent
    if sample is None:
        return
    answer = visit.publish(topic(site, agent, "up"), contract.build_up(site, agent, sample).payload)
    if answer is Answer.DENIED:
        yield fault("topic rights", f"may not publish on {topic(site, agent, 'up')}", _LIST)
    elif visit.await_message(lambda message: _acknowledges(message, sample), ack_s) is None and not visit.gone:
        what = f"no acknowledgement came within {ack_s:g} s"
        remedy = (
            "see with perch doctor on the server that the collector runs; if it does, the broker's access list keeps "
            f"{topic(site, agent, 'up')} from it, or {topic(site, agent, 'ack')} from this agent"
        )
        yield fault("topic rights", what, remedy)
    elif not visit.gone:
        yield ok("topic rights", "an event of the outbox was sent once more and acknowledged")


def _acknowledges(message: Received, sample: Batch) -> bool:
    try:
        ack = contract.parse_ack(message.payload)
    except ContractError:
        return False
    seq = sample.events[0].seq
    return ack.epoch == sample.epoch and (seq <= ack.upto or any(first <= seq <= last for first, last in ack.have))
