"""The wire: every MQTT topic and payload under `perch/v1/<site>/<agent>/`, built and parsed in this one place.

An agent's identity is its topic; payloads never name it. `up` carries events one way, `ack` receipts the other way;
`state/<space>` and `status` are retained and say what holds now. Parsing refuses what breaks the contract with a
`ContractError`, and ignores fields it does not know, so that newer minor versions can add some. In a batch each event
stands alone: one that cannot be read becomes `Unreadable` and its neighbours are still good.
"""

from dataclasses import dataclass
from typing import Annotated, Any, NoReturn

import msgspec
from msgspec import Meta, Struct

from perch.errors import ContractError
from perch.model import Clock, Occupancy, Reason, SensorHealth, State, is_id

ROOT = "perch/v1"
QOS = 1
VERSION = 1
MAX_PAYLOAD_BYTES = 16 * 1024
MAX_EVENTS = 100
HEARTBEAT_S = 30
VALID_FOR_MS = 90_000

Hex32 = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
Hex16 = Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
Seq = Annotated[int, Meta(ge=1, le=2**53)]
Upto = Annotated[int, Meta(ge=0, le=2**53)]
Milliseconds = Annotated[int, Meta(ge=-(2**53), le=2**53)]
Probability = Annotated[float, Meta(ge=0.0, le=1.0)]
Count = Annotated[int, Meta(ge=0, le=100_000)]
SeqRange = tuple[Seq, Seq]


class StateEvent(Struct, frozen=True, tag="state"):
    """A space changed its state, its count, or the reason why it is unknown."""

    seq: Seq
    space: str
    state: State
    probability: Probability
    count: Count | None
    reason: Reason
    wall_ms: Milliseconds
    mono_ms: Milliseconds
    clock: Clock


class AliveEvent(Struct, frozen=True, tag="alive"):
    """The agent vouches for every state it stated in this epoch, up to this moment."""

    seq: Seq
    wall_ms: Milliseconds
    mono_ms: Milliseconds
    clock: Clock


class ClockEvent(Struct, frozen=True, tag="clock"):
    """For every event of that boot, wall time = monotonic time + offset; the latest such event wins."""

    seq: Seq
    boot: Hex16
    offset_ms: Milliseconds


class LostEvent(Struct, frozen=True, tag="lost"):
    """A tombstone: events `lost[0]`…`lost[1]` of the epoch named are gone for good and count as received."""

    seq: Seq
    epoch: Hex32
    lost: SeqRange
    from_ms: Milliseconds
    to_ms: Milliseconds
    from_mono_ms: Milliseconds
    to_mono_ms: Milliseconds
    clock: Clock
    reason: str


Event = StateEvent | AliveEvent | ClockEvent | LostEvent


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An event of a batch that breaks the contract; `seq` is its own or follows from its place, None if neither."""

    seq: int | None
    raw: bytes
    why: str


class Batch(Struct, frozen=True, kw_only=True):
    """What an agent sends on `up`: consecutive events of one epoch; `sent_mono_ms` is None once that boot is over."""

    v: int
    epoch: Hex32
    boot: Hex16
    sent_mono_ms: Milliseconds | None
    events: Annotated[tuple[Event, ...], Meta(min_length=1, max_length=MAX_EVENTS)]


class Ack(Struct, frozen=True, kw_only=True):
    """What the collector answers: all up to `upto`, and all in the ranges `have`, is durably stored in this journal."""

    v: int
    journal: Hex16
    epoch: Hex32
    upto: Upto
    have: tuple[SeqRange, ...] = ()


class LiveState(Struct, frozen=True, kw_only=True):
    """The retained state of a space; it may be believed for `valid_for_ms`, never longer."""

    v: int
    epoch: Hex32
    state: State
    probability: Probability
    count: Count | None
    reason: Reason
    since_ms: Milliseconds
    sent_ms: Milliseconds
    clock: Clock
    valid_for_ms: Annotated[int, Meta(ge=1, le=86_400_000)] = VALID_FOR_MS

    def occupancy(self) -> Occupancy:
        """Give the same as a model value."""
        return Occupancy(self.state, self.probability, self.count, self.reason, self.since_ms)


class SensorStatus(Struct, frozen=True):
    """How one sensor is doing, since when, and when it was last heard (ms UTC, None if never)."""

    health: SensorHealth
    since_ms: Milliseconds
    last_ms: Milliseconds | None


class Status(Struct, frozen=True, kw_only=True):
    """The retained status of an agent; the will is the same with `online` false and the fields below `run` left out."""

    v: int
    online: bool
    epoch: Hex32
    run: Upto
    version: str = ""
    heartbeat_s: int = HEARTBEAT_S
    outbox: Upto = 0
    sensors: dict[str, SensorStatus] = {}


@dataclass(frozen=True, slots=True)
class Publication:
    """A message ready to be published at QoS 1; `expiry_s` applies to MQTT 5 only."""

    topic: str
    payload: bytes
    retain: bool = False
    expiry_s: int | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """What a topic says: whose channel it is, and for `state` which space's."""

    site: str
    agent: str
    channel: str
    space: str | None = None


_CHANNELS = frozenset({"up", "ack", "status"})
_encoder = msgspec.json.Encoder()
_batch = msgspec.json.Decoder(Batch)
_event: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_ack = msgspec.json.Decoder(Ack)
_live_state = msgspec.json.Decoder(LiveState)
_status = msgspec.json.Decoder(Status)


class _Envelope(Struct):
    epoch: Hex32
    boot: Hex16
    sent_mono_ms: Milliseconds | None
    events: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=MAX_EVENTS)]


class _Version(Struct):
    v: int


class _Sequence(Struct):
    seq: Seq


_envelope = msgspec.json.Decoder(_Envelope)
_version = msgspec.json.Decoder(_Version)
_sequence = msgspec.json.Decoder(_Sequence)
_READ_ERRORS = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


@dataclass(frozen=True, slots=True)
class ParsedBatch:
    """A batch as received: every entry of `events` stands for one sequence number."""

    epoch: str
    boot: str
    sent_mono_ms: int | None
    events: tuple[Event | Unreadable, ...]


def topic(site: str, agent: str, channel: str, space: str | None = None) -> str:
    """Build the topic of a channel (`up`, `ack`, `status`, or `state` with a space); `+` may stand for any part."""
    return f"{ROOT}/{site}/{agent}/{channel}" + ("" if space is None else f"/{space}")


def parse_topic(text: str) -> Address:
    """Take a topic apart; raises ContractError `bad-topic`."""
    parts = text.split("/")
    if len(parts) >= 5 and "/".join(parts[:2]) == ROOT and is_id(parts[2]) and is_id(parts[3]):
        if len(parts) == 5 and parts[4] in _CHANNELS:
            return Address(parts[2], parts[3], parts[4])
        if len(parts) == 6 and parts[4] == "state" and is_id(parts[5]):
            return Address(parts[2], parts[3], "state", parts[5])
    raise ContractError("bad-topic", f"{text[:200]!r} is no topic of {ROOT}")


def user_name(site: str, agent: str) -> str:
    """Give the broker user name that an agent's topics are bound to."""
    return f"{site}_{agent}"


def build_up(site: str, agent: str, batch: Batch) -> Publication:
    """Build a message of events; the caller keeps it within MAX_EVENTS and MAX_PAYLOAD_BYTES."""
    return Publication(topic(site, agent, "up"), _encoder.encode(batch))


def build_ack(site: str, agent: str, ack: Ack) -> Publication:
    """Build a receipt."""
    return Publication(topic(site, agent, "ack"), _encoder.encode(ack))


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


def decode_event(payload: bytes) -> Event:
    """Read one event back; raises ContractError."""
    try:
        event = _event.decode(payload)
    except _READ_ERRORS as error:
        _refuse("undecodable", payload, error)
    _check_event(event)
    return event


def parse_up(payload: bytes) -> ParsedBatch:
    """Read a batch; raises ContractError only where not even epoch and places of the events can be read."""
    _check_size(payload)
    try:
        batch = _batch.decode(payload)
        if batch.v != VERSION:
            raise ContractError("unsupported-version", f"version {batch.v}")
        _check_batch(batch)
    except (*_READ_ERRORS, ContractError):
        return _salvage(payload)
    return ParsedBatch(batch.epoch, batch.boot, batch.sent_mono_ms, batch.events)


def parse_ack(payload: bytes) -> Ack:
    """Read a receipt; raises ContractError."""
    ack: Ack = _decode(_ack, payload)
    if any(first > last for first, last in ack.have):
        _refuse("undecodable", payload, "a range of have ends before it begins")
    return ack


def parse_state(payload: bytes) -> LiveState:
    """Read the retained state of a space; raises ContractError."""
    state: LiveState = _decode(_live_state, payload)
    return state


def parse_status(payload: bytes) -> Status:
    """Read the status or the will of an agent; raises ContractError."""
    status: Status = _decode(_status, payload)
    if not all(map(is_id, status.sensors)):
        _refuse("undecodable", payload, "a sensor's name is no id")
    return status


def _decode(decoder: Any, payload: bytes) -> Any:
    _check_size(payload)
    _check_version(payload)
    try:
        return decoder.decode(payload)
    except _READ_ERRORS as error:
        _refuse("undecodable", payload, error)


def _check_size(payload: bytes) -> None:
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ContractError("too-large", f"{len(payload)} bytes; the most is {MAX_PAYLOAD_BYTES}")


def _check_version(payload: bytes) -> None:
    try:
        v = _version.decode(payload).v
    except _READ_ERRORS as error:
        _refuse("undecodable", payload, error)
    if v != VERSION:
        _refuse("unsupported-version", payload, f"version {v}; this program knows version {VERSION}")


def _check_batch(batch: Batch) -> None:
    first = batch.events[0].seq
    for place, event in enumerate(batch.events):
        if event.seq != first + place:
            raise ContractError("undecodable", f"sequence {event.seq} stands where {first + place} belongs")
        _check_event(event)


def _check_event(event: Event) -> None:
    if isinstance(event, StateEvent) and not is_id(event.space):
        raise ContractError("undecodable", f"{event.space[:64]!r} is no id of a space")
    if isinstance(event, LostEvent) and event.lost[0] > event.lost[1]:
        raise ContractError("undecodable", f"lost {event.lost} ends before it begins")


def _salvage(payload: bytes) -> ParsedBatch:
    """Read a batch event by event, so that one bad event does not take its neighbours with it."""
    _check_version(payload)
    try:
        envelope = _envelope.decode(payload)
    except _READ_ERRORS as error:
        _refuse("undecodable", payload, error)
    first = _first_sequence(envelope.events)
    events = tuple(
        _salvage_event(bytes(raw), None if first is None else first + place)
        for place, raw in enumerate(envelope.events)
    )
    return ParsedBatch(envelope.epoch, envelope.boot, envelope.sent_mono_ms, events)


def _first_sequence(raws: list[msgspec.Raw]) -> int | None:
    """Find which number the first event must have, from the first event whose own number can be read."""
    for place, raw in enumerate(raws):
        try:
            first = _sequence.decode(raw).seq - place
        except _READ_ERRORS:
            continue
        return first if first >= 1 else None
    return None


def _salvage_event(raw: bytes, seq: int | None) -> Event | Unreadable:
    try:
        event = decode_event(raw)
    except ContractError as error:
        return Unreadable(seq, raw, error.what)
    if event.seq != seq:
        return Unreadable(None, raw, f"sequence {event.seq} stands where {seq} belongs")
    return event


def _refuse(code: str, payload: bytes, why: object) -> NoReturn:
    raise ContractError(code, f"{why} (in {len(payload)} bytes)")


def will(epoch: str, run: int) -> Status:
    """Give the status that the broker publishes when the agent is gone."""
    return Status(v=VERSION, online=False, epoch=epoch, run=run)
