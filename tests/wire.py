"""Messages of the wire by Hypothesis, and payloads as they stand in JSON."""

import json
from typing import Any

import msgspec
from hypothesis import strategies as st

from perch import contract
from perch.contract import (
    Ack,
    AliveEvent,
    Batch,
    ClockEvent,
    Event,
    LiveState,
    LostEvent,
    SensorStatus,
    StateEvent,
    Status,
)
from perch.model import Clock, Reason, SensorHealth, State

EPOCH, BOOT, JOURNAL = "0123456789abcdef" * 2, "b007" * 4, "70a4" * 4

ids = st.from_regex(r"[a-z0-9][a-z0-9-]{0,31}", fullmatch=True)
epochs = st.text("0123456789abcdef", min_size=32, max_size=32)
boots = st.text("0123456789abcdef", min_size=16, max_size=16)
times = st.integers(-(2**53), 2**53)
numbers = st.integers(1, 2**53 - contract.MAX_EVENTS)
counts = st.none() | st.integers(0, 100_000)
chances = st.integers(0, 1000).map(lambda thousandths: thousandths / 1000)
spans = st.tuples(numbers, numbers).map(lambda pair: (min(pair), max(pair)))
clocks = st.sampled_from(Clock)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)

events: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        StateEvent,
        seq=numbers,
        space=ids,
        state=st.sampled_from(State),
        probability=chances,
        count=counts,
        reason=st.sampled_from(Reason),
        wall_ms=times,
        mono_ms=times,
        clock=clocks,
    ),
    st.builds(AliveEvent, seq=numbers, wall_ms=times, mono_ms=times, clock=clocks),
    st.builds(ClockEvent, seq=numbers, boot=boots, offset_ms=times),
    st.builds(
        LostEvent,
        seq=numbers,
        epoch=epochs,
        lost=spans,
        from_ms=times,
        to_ms=times,
        from_mono_ms=times,
        to_mono_ms=times,
        clock=clocks,
        reason=texts,
    ),
)
lives = st.builds(
    LiveState,
    v=st.just(1),
    epoch=epochs,
    state=st.sampled_from(State),
    probability=chances,
    count=counts,
    reason=st.sampled_from(Reason),
    since_ms=times,
    sent_ms=times,
    clock=clocks,
    valid_for_ms=st.integers(1, 86_400_000),
)
acks = st.builds(
    Ack,
    v=st.just(1),
    journal=boots,
    epoch=epochs,
    upto=st.integers(0, 2**53),
    have=st.lists(spans, max_size=20).map(tuple),
)
healths = st.builds(SensorStatus, health=st.sampled_from(SensorHealth), since_ms=times, last_ms=st.none() | times)
statuses = st.builds(
    Status,
    v=st.just(1),
    online=st.just(True),
    epoch=epochs,
    run=st.integers(0, 2**53),
    version=texts,
    heartbeat_s=st.integers(1, 86_400),
    outbox=st.integers(0, 2**53),
    sensors=st.dictionaries(ids, healths, max_size=5),
    trouble=st.none() | texts,
)


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """Batches of one epoch with consecutive numbers."""
    several = draw(st.lists(events, min_size=1, max_size=12))
    first = several[0].seq
    numbered = tuple(msgspec.structs.replace(event, seq=first + place) for place, event in enumerate(several))
    return Batch(v=1, epoch=draw(epochs), boot=draw(boots), sent_mono_ms=draw(st.none() | times), events=numbered)


def alive(seq: int, **other: Any) -> dict[str, Any]:
    """Give an alive event as it stands in JSON."""
    return {"type": "alive", "seq": seq, "wall_ms": 1, "mono_ms": 2, "clock": "ok"} | other


def stated(seq: int, **other: Any) -> dict[str, Any]:
    """Give a state event as it stands in JSON."""
    said = {"space": "d01", "state": "free", "probability": 0.031, "count": None, "reason": "quiet"}
    return alive(seq, type="state") | said | other


def up(*several: object, **other: Any) -> bytes:
    """Give an `up` payload."""
    head = {"v": 1, "epoch": EPOCH, "boot": BOOT, "sent_mono_ms": 5, "events": list(several)}
    return json.dumps(head | other).encode()
