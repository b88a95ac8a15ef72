"""From values to messages."""

import msgspec

from perch.contract.messages import VERSION, Ack, Batch, Event, LiveState, Status
from perch.contract.topics import Publication, caller_name, topic

_encoder = msgspec.json.Encoder()
_NO_EPOCH = "0" * 32


def build_up(site: str, agent: str, batch: Batch) -> Publication:
    """Build a message of events; the caller keeps it within MAX_EVENTS and MAX_PAYLOAD_BYTES."""
    return Publication(topic(site, agent, "up"), _encoder.encode(batch))


def build_ack(site: str, agent: str, ack: Ack) -> Publication:
    """Build a receipt."""
    return Publication(topic(site, agent, "ack"), _encoder.encode(ack))


def build_call(site: str, journal: str) -> Publication:
    """Build the word by which a collector tells others that it is there: a receipt of nothing, for nobody."""
    ack = Ack(v=VERSION, journal=journal, epoch=_NO_EPOCH, upto=0)
    return build_ack(site, caller_name(journal), ack)


def build_state(site: str, agent: str, space: str, state: LiveState) -> Publication:
    """Build the retained state of a space, which the broker drops when it is past its time."""
    expiry_s = -(-state.valid_for_ms // 1000)
    return Publication(topic(site, agent, "state", space), _encoder.encode(state), retain=True, expiry_s=expiry_s)


def build_status(site: str, agent: str, status: Status) -> Publication:
    """Build the retained status of an agent, or its will where `online` is false."""
    if status.online:
        payload = _encoder.encode(status)
    else:
        payload = _encoder.encode({"v": status.v, "online": False, "epoch": status.epoch, "run": status.run})
    return Publication(topic(site, agent, "status"), payload, retain=True)


def encode_event(event: Event) -> bytes:
    """Give the JSON of one event, as it stands in a batch."""
    return _encoder.encode(event)
