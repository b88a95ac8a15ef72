"""How events lie in the journal: MessagePack arrays without names, with interned words, exact to the last bit.

A state event takes about 20 bytes. Wall times are kept as their distance from the receipt of their message,
probabilities as thousandths wherever that is exactly what they are. Of an event that was erased nothing is left but
its number, which follows from its place.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from perch.codes import CLOCK_CODES, CLOCKS, REASONS, STATES
from perch.contract import AliveEvent, ClockEvent, Event, LostEvent, StateEvent

_STATE, _ALIVE, _CLOCK, _LOST, _ERASED, _ERASURE = range(6)
_ROOM = 32  # reasons that fit into a code

# Enum members hash slowly, their identities do not.
_CODES = {
    (id(state), id(reason), id(clock)): (s * _ROOM + r) * 2 + c
    for s, state in enumerate(STATES)
    for r, reason in enumerate(REASONS)
    for c, clock in enumerate(CLOCKS)
}
_MEANINGS = {
    (s * _ROOM + r) * 2 + c: (state, reason, clock)
    for s, state in enumerate(STATES)
    for r, reason in enumerate(REASONS)
    for c, clock in enumerate(CLOCKS)
}


class ErasedEvent(Struct, frozen=True):
    """An event of which nothing is left but that there was one."""

    seq: int


class ErasureEvent(Struct, frozen=True):
    """What was said of a space of the site from one moment until before another (ms UTC) was erased at a third."""

    seq: int
    space: str
    from_ms: int
    to_ms: int
    erased_ms: int


Kept = Event | ErasedEvent | ErasureEvent
"""What a journal keeps."""


class _State(Struct, array_like=True, tag=_STATE):
    code: int
    space: int
    probability: int | float
    count: int | None
    wall: int
    mono_ms: int


class _Alive(Struct, array_like=True, tag=_ALIVE):
    clock: int
    wall: int
    mono_ms: int


class _Clock(Struct, array_like=True, tag=_CLOCK):
    boot: str
    offset_ms: int


class _Lost(Struct, array_like=True, tag=_LOST):
    epoch: str
    first: int
    last: int
    start: int
    end: int
    from_mono_ms: int
    to_mono_ms: int
    clock: int
    reason: str


class _Erased(Struct, array_like=True, tag=_ERASED):
    pass


class _Erasure(Struct, array_like=True, tag=_ERASURE):
    space: str
    from_ms: int
    to_ms: int
    erased_ms: int


_Stored = _State | _Alive | _Clock | _Lost | _Erased | _Erasure
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[list[_Stored]] = msgspec.msgpack.Decoder(list[_Stored])


def encode(events: Sequence[Kept], received_ms: int, words: Mapping[str, int]) -> bytes:
    """Write consecutive events that were received together; `words` gives the number of each space's id."""
    return _encoder.encode([_ROWS[type(event)](event, received_ms, words) for event in events])


def decode(body: bytes, first_seq: int, received_ms: int, words: Mapping[int, str]) -> list[Kept]:
    """Read back what `encode` wrote, equal to the last bit; raises msgspec.DecodeError or LookupError if damaged."""
    return [_event(stored, first_seq + place, received_ms, words) for place, stored in enumerate(_decoder.decode(body))]


def _state_row(event: StateEvent, received_ms: int, words: Mapping[str, int]) -> tuple[Any, ...]:
    probability = event.probability
    thousandths = round(probability * 1000)
    return (
        _STATE,
        _CODES[id(event.state), id(event.reason), id(event.clock)],
        words[event.space],
        thousandths if thousandths / 1000 == probability else probability,
        event.count,
        event.wall_ms - received_ms,
        event.mono_ms,
    )


def _alive_row(event: AliveEvent, received_ms: int, _words: Mapping[str, int]) -> tuple[Any, ...]:
    return _ALIVE, CLOCK_CODES[event.clock], event.wall_ms - received_ms, event.mono_ms


def _clock_row(event: ClockEvent, _received_ms: int, _words: Mapping[str, int]) -> tuple[Any, ...]:
    return _CLOCK, event.boot, event.offset_ms


def _lost_row(event: LostEvent, received_ms: int, _words: Mapping[str, int]) -> tuple[Any, ...]:
    return (
        _LOST,
        event.epoch,
        *event.lost,
        event.from_ms - received_ms,
        event.to_ms - received_ms,
        event.from_mono_ms,
        event.to_mono_ms,
        CLOCK_CODES[event.clock],
        event.reason,
    )


def _erased_row(_event: ErasedEvent, _received_ms: int, _words: Mapping[str, int]) -> tuple[Any, ...]:
    return (_ERASED,)


def _erasure_row(event: ErasureEvent, _received_ms: int, _words: Mapping[str, int]) -> tuple[Any, ...]:
    return _ERASURE, event.space, event.from_ms, event.to_ms, event.erased_ms


_ROWS: dict[type, Callable[[Any, int, Mapping[str, int]], tuple[Any, ...]]] = {
    StateEvent: _state_row,
    AliveEvent: _alive_row,
    ClockEvent: _clock_row,
    LostEvent: _lost_row,
    ErasedEvent: _erased_row,
    ErasureEvent: _erasure_row,
}


def _event(stored: _Stored, seq: int, received_ms: int, words: Mapping[int, str]) -> Kept:
    if type(stored) is _State:
        return _state_event(stored, seq, received_ms, words)
    if type(stored) is _Alive:
        return AliveEvent(seq, received_ms + stored.wall, stored.mono_ms, CLOCKS[stored.clock])
    if type(stored) is _Clock:
        return ClockEvent(seq, stored.boot, stored.offset_ms)
    if type(stored) is _Erased:
        return ErasedEvent(seq)
    if type(stored) is _Erasure:
        return ErasureEvent(seq, stored.space, stored.from_ms, stored.to_ms, stored.erased_ms)
    assert type(stored) is _Lost  # noqa: S101 - tells mypy what is left
    return LostEvent(
        seq,
        stored.epoch,
        (stored.first, stored.last),
        received_ms + stored.start,
        received_ms + stored.end,
        stored.from_mono_ms,
        stored.to_mono_ms,
        CLOCKS[stored.clock],
        stored.reason,
    )


def _state_event(stored: _State, seq: int, received_ms: int, words: Mapping[int, str]) -> StateEvent:
    state, reason, clock = _MEANINGS[stored.code]
    probability = stored.probability
    return StateEvent(
        seq,
        words[stored.space],
        state,
        probability / 1000 if type(probability) is int else probability,
        stored.count,
        reason,
        received_ms + stored.wall,
        stored.mono_ms,
        clock,
    )
