"""A server at its broker: does what it subscribes to arrive, may it acknowledge, and which agents are heard.

A broker may grant a subscription and deliver nothing, so something is published and must come: an acknowledgement to an
agent that does not exist, of nothing.
"""

import secrets
from collections.abc import Iterator, Sequence

from perch import contract
from perch.adapters.mqtt.connection import Received
from perch.adapters.mqtt.visit import Answer, Visit
from perch.contract import Ack, Publication, topic
from perch.doctor import broker as way
from perch.doctor.agents import look_at_agents
from perch.doctor.findings import Finding, fault, ok, warn
from perch.errors import UnavailableError
from perch.model import Site
from perch.settings import Broker, Enrolment

DELIVERY_S = 1.5
RETAINED_S = 0.7
NO_SPACE = "perch-doctor"
_LIST = "let this login read perch/v1/# and write perch/v1/+/+/ack in the broker's access list, and nothing else"


def look_at_broker(broker: Broker, sites: Sequence[Site], enrolment: Enrolment | None = None) -> Iterator[Finding]:
    """Look at broker, TLS, topic rights and the agents."""
    chance = secrets.token_hex(2)
    try:
        yield from way.look_at_way(broker, way.now_utc())
        visit = way.log_in(broker, f"perch-doctor-{chance}")
    except UnavailableError as error:
        yield way.not_let_in(error)
        return
    with visit:
        yield from way.welcome(broker, visit, way.name_of(broker))
        granted = visit.subscribe([way.whole_network()])
        if granted == [True]:
            yield from _rights(broker, visit, sites[0].id, way.made_up_agent(chance))
            visit.stay(RETAINED_S)
        else:
            yield fault("topic rights", f"may not subscribe to {way.whole_network()}", _LIST)
    yield from look_at_agents(sites, visit.received, enrolment)


def _rights(broker: Broker, visit: Visit, site: str, nobody: str) -> Iterator[Finding]:
    publication = _acknowledgement_of_nothing(site, nobody)
    if visit.publish(publication.topic, publication.payload) is Answer.DENIED:
        yield fault("topic rights", "may not publish acknowledgements, so agents keep everything for ever", _LIST)
        return
    arrived = visit.await_message(lambda message: _is_same(message, publication), DELIVERY_S)
    if arrived is None:
        what = f"what is published on {publication.topic} does not arrive, although the subscription was granted"
        yield fault("topic rights", what, _LIST)
        return
    may_speak = visit.publish(topic(site, nobody, "state", NO_SPACE), b"") is Answer.ACCEPTED
    if not may_speak or broker.protocol != 5:
        yield ok("topic rights", "what is published arrives, and acknowledgements may be sent")
    elif way.is_open(broker):
        what = "the broker lets anybody publish anything, without a name"
        yield warn("topic rights", what, "give server and agents a name, a password and an access list of their own")
    else:
        yield warn("topic rights", f"{way.name_of(broker)} may publish states in the name of agents", _LIST)


def _acknowledgement_of_nothing(site: str, nobody: str) -> Publication:
    ack = Ack(v=contract.VERSION, journal=secrets.token_hex(8), epoch=secrets.token_hex(16), upto=0)
    return contract.build_ack(site, nobody, ack)


def _is_same(message: Received, publication: Publication) -> bool:
    return (message.topic, message.payload) == (publication.topic, publication.payload)
