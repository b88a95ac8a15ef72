"""Line protocol: one row of InfluxDB as one ready line of text, for each of Perch's measurements.

A line is `measurement,tag=value,… field=value,… nanoseconds`. Every row writes every field, integers as integers, so
that a row written twice is the same row. Whatever could end a line or a value early (a control character, a backslash
in a tag) is refused with a `LineError`, never rewritten: two names must not become one.
"""

from functools import lru_cache
from math import isfinite

from perch.errors import PerchError
from perch.model import State

NS_PER_MS = 1_000_000
CARRIED_NS = 999_999
"""Where within its millisecond a carried row stands: after every transition of that millisecond."""

_TAG_ESCAPES = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ "})
_TEXT_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"'})
_STATE_FLAGS = {
    State.FREE: "free=1i,occupied=0i,unknown=0i",
    State.OCCUPIED: "free=0i,occupied=1i,unknown=0i",
    State.UNKNOWN: "free=0i,occupied=0i,unknown=1i",
}


class LineError(PerchError):
    """A name or value cannot be written as line protocol without becoming another one."""

    def __init__(self, what: str) -> None:
        super().__init__(what, "rename it: ids are a-z, 0-9 and hyphens")


def row_ns(wall_ms: int, seq: int) -> int:
    """Give the nanoseconds of an event: its millisecond, made unique within it by its sequence number."""
    return wall_ms * NS_PER_MS + seq % CARRIED_NS


def carried_ns(quarter_ms: int) -> int:
    """Give the nanoseconds of a state carried on at a full quarter hour."""
    return quarter_ms * NS_PER_MS + CARRIED_NS


def tag_value(text: str) -> str:
    """Escape a tag's value; raises LineError for what line protocol cannot carry."""
    if not text or not text.isprintable() or "\\" in text:
        raise LineError(f"{text[:64]!r} cannot be the value of a tag in InfluxDB")
    return text.translate(_TAG_ESCAPES)


def text_field(text: str) -> str:
    """Quote a string field; raises LineError for line breaks and other control characters."""
    if not text.isprintable():
        raise LineError(f"{text[:64]!r} cannot be a string in InfluxDB")
    return f'"{text.translate(_TEXT_ESCAPES)}"'


@lru_cache(maxsize=1 << 12)
def float_field(value: float) -> str:
    """Write a float field so that it is read back as the same float; raises LineError for NaN and infinities."""
    if not isfinite(value):
        raise LineError(f"{value} is no number that InfluxDB can hold")
    return repr(float(value))


@lru_cache(maxsize=1 << 17)
def _key(measurement: str, *tags: tuple[str, str]) -> str:
    """Give the part of a line that all rows of a series share; a tag without a value is left out."""
    return measurement + "".join(f",{name}={tag_value(value)}" for name, value in sorted(tags) if value)


def zone_key(measurement: str, site: str, floor: str, zone: str, kind: str) -> str:
    """Give the series of a kind of space in a zone."""
    return _key(measurement, ("site", site), ("floor", floor), ("zone", zone), ("kind", kind))


def space_key(site: str, floor: str, zone: str, kind: str, space: str) -> str:
    """Give the series of a space as it stood at that moment, for `occupancy_line`."""
    return _key("occupancy", ("site", site), ("floor", floor), ("zone", zone), ("kind", kind), ("space", space))


def statement_key(site: str, agent: str, space: str) -> str:
    """Give the series of what an agent states of a space."""
    return _key("statement", ("site", site), ("agent", agent), ("space", space))


def occupancy_line(
    key: str, ns: int, state: State, reason: str, clock: str, probability: float, people: int | None, *, carried: bool
) -> str:
    """Write a transition, or a state carried on, of the series `space_key`; `people` is None where nothing counts."""
    said, belief = said_fields(state, reason, clock), float_field(probability)
    return f"{key} {said},probability={belief},{count_fields(people)},carried={int(carried)}i {ns}"


@lru_cache(maxsize=1 << 10)
def said_fields(state: State, reason: str, clock: str) -> str:
    """Write the fields that say what a space is, for `occupancy_line`."""
    return f"{words_fields(state, reason, clock)},{_STATE_FLAGS[state]}"


def words_fields(state: State, reason: str, clock: str) -> str:
    """Write in words what a space is, why, and how the time of that was come by."""
    return f"state={text_field(state)},reason={text_field(reason)},clock={text_field(clock)}"


def count_fields(people: int | None) -> str:
    """Write the fields that say how many people there are, for `occupancy_line`."""
    return "people=0i,counted=0i" if people is None else f"people={people}i,counted=1i"


def alive_line(site: str, agent: str, epoch: str, ns: int) -> str:
    """Write that an epoch of an agent vouches for its states up to this moment."""
    return f"{_key('alive', ('site', site), ('agent', agent))} epoch={text_field(epoch)},mark=1i {ns}"


def zone_now_line(
    site: str, floor: str, zone: str, kind: str, wall_ms: int, *, free: int, occupied: int, unknown: int
) -> str:
    """Write how many spaces of a kind are free, occupied and unknown in a zone right now, and their total."""
    return (
        f"{zone_key('zone_now', site, floor, zone, kind)} free={free}i,occupied={occupied}i,unknown={unknown}i,"
        f"total={free + occupied + unknown}i {wall_ms * NS_PER_MS}"
    )


def fleet_line(site: str, agent: str, wall_ms: int, *, online: bool, outbox: int, silent_sensors: int) -> str:
    """Write how an agent is doing right now."""
    return (
        f"{_key('fleet', ('site', site), ('agent', agent))} online={int(online)}i,outbox={outbox}i,"
        f"silent_sensors={silent_sensors}i {wall_ms * NS_PER_MS}"
    )


def integers_line(key: str, ns: int, fields: tuple[tuple[str, int], ...]) -> str:
    """Write a row of integers, such as a quarter hour's sums, under names that need no escaping."""
    return f"{key} {','.join(f'{name}={value}i' for name, value in fields)} {ns}"
