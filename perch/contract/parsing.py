"""From messages back to values; whatever breaks the contract is a ContractError and nothing else."""

from collections import Counter
from typing import Annotated, Any, NoReturn

import msgspec
from msgspec import Meta, Struct

from perch.contract.messages import (
    MAX_EVENTS,
    MAX_PAYLOAD_BYTES,
    MAX_SEQ,
    VERSION,
    Ack,
    Batch,
    Event,
    Hex16,
    Hex32,
    LiveState,
    LostEvent,
    Milliseconds,
    ParsedBatch,
    Seq,
    StateEvent,
    Status,
    Unreadable,
)
from perch.errors import ContractError
from perch.model import is_id

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
MAX_WHY = 300  # the decoder may quote a value, and with it the whole payload
_READ_ERRORS = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


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
            raise ContractError("unsupported-version", "of another major version")
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
        _refuse("unsupported-version", payload, f"version {str(v)[:20]}; this program knows version {VERSION}")


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
    """Find which number the first event must have: the one that most events agree on, so that one alone is outvoted."""
    votes = Counter(seq - place for place, raw in enumerate(raws) if (seq := _sequence_of(raw)) is not None)
    (first, _), *_ = votes.most_common(1) or [(0, 0)]
    return first if 1 <= first <= MAX_SEQ - len(raws) else None


def _sequence_of(raw: msgspec.Raw) -> int | None:
    try:
        return _sequence.decode(raw).seq
    except _READ_ERRORS:
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
    raise ContractError(code, f"{str(why)[:MAX_WHY]} (in {len(payload)} bytes)")
