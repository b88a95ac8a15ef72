"""One row is one line, and is read back as the same row."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from perch.adapters.influx import line_protocol
from perch.adapters.influx.line_protocol import LineError
from perch.model import Clock, Reason, State
from tests.line_parser import Parsed, Value, parse

ids = st.from_regex(r"[a-z0-9][a-z0-9-]{0,31}", fullmatch=True)
printable = st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" "), min_size=1, max_size=20)
times = st.integers(-(10**12), 10**13)
counts = st.integers(0, 2**53)


@given(
    names=st.tuples(ids, ids, ids, ids, ids),
    ns=st.builds(line_protocol.row_ns, times, st.integers(1, 2**53)),
    state=st.sampled_from(State),
    reason=st.sampled_from(Reason),
    clock=st.sampled_from(Clock),
    probability=st.floats(0, 1),
    people=st.none() | counts,
    carried=st.booleans(),
)
def test_an_occupancy_row_is_read_back_as_it_was_written(
    names: tuple[str, str, str, str, str],
    ns: int,
    state: State,
    reason: Reason,
    clock: Clock,
    probability: float,
    people: int | None,
    carried: bool,
) -> None:
    key = line_protocol.space_key(*names)
    line = line_protocol.occupancy_line(key, ns, state, reason, clock, probability, people, carried=carried)
    assert parse(line) == Parsed(
        "occupancy",
        dict(zip(("site", "floor", "zone", "kind", "space"), names, strict=True)),
        {
            "state": str(state),
            "reason": str(reason),
            "clock": str(clock),
            "free": int(state == "free"),
            "occupied": int(state == "occupied"),
            "unknown": int(state == "unknown"),
            "probability": probability,
            "people": 0 if people is None else people,
            "counted": int(people is not None),
            "carried": int(carried),
        },
        ns,
    )
    assert isinstance(parse(line).fields["probability"], float)
    assert isinstance(parse(line).fields["people"], int)


@given(site=ids, agent=ids, epoch=st.text("0123456789abcdef", min_size=32, max_size=32), ns=times)
def test_an_alive_row_is_read_back_as_it_was_written(site: str, agent: str, epoch: str, ns: int) -> None:
    line = line_protocol.alive_line(site, agent, epoch, ns)
    assert parse(line) == Parsed("alive", {"site": site, "agent": agent}, {"epoch": epoch, "mark": 1}, ns)


@given(names=st.tuples(ids, ids, ids, ids), wall_ms=times, free=counts, occupied=counts, unknown=counts)
def test_a_zone_now_row_adds_up(
    names: tuple[str, str, str, str], wall_ms: int, free: int, occupied: int, unknown: int
) -> None:
    line = line_protocol.zone_now_line(*names, wall_ms, free=free, occupied=occupied, unknown=unknown)
    tags = dict(zip(("site", "floor", "zone", "kind"), names, strict=True))
    fields: dict[str, Value] = {"free": free, "occupied": occupied, "unknown": unknown}
    assert parse(line) == Parsed("zone_now", tags, {**fields, "total": free + occupied + unknown}, wall_ms * 10**6)


@given(site=ids, agent=ids, wall_ms=times, online=st.booleans(), outbox=counts, silent=counts)
def test_a_fleet_row_is_read_back_as_it_was_written(
    site: str, agent: str, wall_ms: int, online: bool, outbox: int, silent: int
) -> None:
    line = line_protocol.fleet_line(site, agent, wall_ms, online=online, outbox=outbox, silent_sensors=silent)
    fields: dict[str, Value] = {"online": int(online), "outbox": outbox, "silent_sensors": silent}
    assert parse(line) == Parsed("fleet", {"site": site, "agent": agent}, fields, wall_ms * 10**6)


@given(value=printable.filter(lambda text: "\\" not in text), text=printable)
def test_commas_quotes_and_equal_signs_stay_inside_their_value(value: str, text: str) -> None:
    line = f"m,a={line_protocol.tag_value(value)},b=z s={line_protocol.text_field(text)},n=1i 5"
    assert parse(line) == Parsed("m", {"a": value, "b": "z"}, {"s": text, "n": 1}, 5)


@given(st.text(), st.sampled_from("\n\r\t\0\x0b\x1f\x7f\x85\u2028\u2029\ud800"), st.text())
def test_a_control_character_is_refused_everywhere(before: str, hostile: str, after: str) -> None:
    with pytest.raises(LineError):
        line_protocol.tag_value(before + hostile + after)
    with pytest.raises(LineError):
        line_protocol.text_field(before + hostile + after)


@pytest.mark.parametrize("value", ["", "ends\\", "a\\,b", "a\nzone_now free=1i"])
def test_a_tag_that_line_protocol_cannot_carry_is_refused_not_rewritten(value: str) -> None:
    with pytest.raises(LineError):
        line_protocol.tag_value(value)


def test_a_tag_without_a_value_is_left_out() -> None:
    assert line_protocol.zone_key("zone_15min", "hq", "", "quiet", "desk") == "zone_15min,kind=desk,site=hq,zone=quiet"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(LineError):
        line_protocol.float_field(value)


@given(times, st.integers(1, 2**53), st.integers(0, 999_997))
@example(0, 1, 999)
@example(0, 1, 999_997)
def test_events_of_one_millisecond_have_nanoseconds_of_their_own(wall_ms: int, seq: int, further: int) -> None:
    """999,999 consecutive events of a millisecond stay apart, in front of the state carried on at that millisecond."""
    first, second = line_protocol.row_ns(wall_ms, seq), line_protocol.row_ns(wall_ms, seq + 1 + further)
    assert len({first, second, line_protocol.carried_ns(wall_ms)}) == 3
    assert max(first, second) < line_protocol.carried_ns(wall_ms) < line_protocol.row_ns(wall_ms + 1, 0)
