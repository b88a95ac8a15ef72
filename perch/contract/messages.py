"""What travels: the payloads of every channel, as frozen values with their limits."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta, Struct

from perch.model import Clock, Occupancy, Reason, SensorHealth, SensorKind, State

VERSION = 1
MAX_PAYLOAD_BYTES = 16 * 1024
MAX_EVENTS = 100
RANGES_PER_ACK = 200
"""Keeps an acknowledgement below half of the largest payload; what is left over goes into a further one."""

HEARTBEAT_S = 30
VALID_FOR_MS = 90_000

Hex32 = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
Hex16 = Annotated[str, Meta(pattern=r"^[0-9a-f]{16}\Z")]
MAX_SEQ = 2**53
Seq = Annotated[int, Meta(ge=1, le=MAX_SEQ)]
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
    """What the collector answers: all up to `upto`, and all in the ranges `have`, is durably stored in this journal.

    More ranges than RANGES_PER_ACK come in several answers.
    """

    v: int
    journal: Hex16
    epoch: Hex32
    upto: Upto
    have: Annotated[tuple[SeqRange, ...], Meta(max_length=RANGES_PER_ACK)] = ()


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
    """How a sensor does, since when, when last heard (ms UTC, None if never), what it measures and in which space.

    `sign_ms` is when it last saw somebody, None if it has not yet, or measures something else. `drift_a_day` is of a
    beam: by how many a day the doors of its space count more in than out, None while that is not known.
    """

    health: SensorHealth
    since_ms: Milliseconds
    last_ms: Milliseconds | None
    kind: SensorKind | None = None
    space: str | None = None
    sign_ms: Milliseconds | None = None
    drift_a_day: float | None = None


class Status(Struct, frozen=True, kw_only=True):
    """The retained status of an agent; the will is the same with `online` false and the fields below `run` left out.

    `trouble` says in a sentence what is wrong with the agent itself, such as an outbox that cannot be written;
    `notice` what somebody should know of although nothing is wrong any more, such as one that was set aside.
    """

    v: int
    online: bool
    epoch: Hex32
    run: Upto
    version: str = ""
    heartbeat_s: Annotated[int, Meta(ge=1, le=86_400)] = HEARTBEAT_S
    outbox: Upto = 0
    sensors: dict[str, SensorStatus] = {}
    trouble: str | None = None
    notice: str | None = None


@dataclass(frozen=True, slots=True)
class ParsedBatch:
    """A batch as received: every entry of `events` stands for one sequence number."""

    epoch: str
    boot: str
    sent_mono_ms: int | None
    events: tuple[Event | Unreadable, ...]


def will(epoch: str, run: int) -> Status:
    """Give the status that the broker publishes when the agent is gone."""
    return Status(v=VERSION, online=False, epoch=epoch, run=run)
