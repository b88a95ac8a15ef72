"""Whatever comes in that breaks the contract is refused with a ContractError and nothing else."""

import json
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from perch import contract
from perch.contract import AliveEvent, Unreadable
from perch.errors import ContractError
from perch.model import Clock
from tests.wire import BOOT, EPOCH, JOURNAL, acks, alive, batches, events, lives, stated, statuses, up


def refused(parse: Callable[[bytes], object], payload: bytes) -> str:
    """Parse what must be refused, and give the code."""
    with pytest.raises(ContractError) as caught:
        parse(payload)
    assert len(caught.value.what) < 400, "a complaint never repeats a whole payload"
    return caught.value.code


# Versions.


@pytest.mark.parametrize("version", [0, 2, -1, 10**30])
@pytest.mark.parametrize("parse", [contract.parse_up, contract.parse_ack, contract.parse_state, contract.parse_status])
def test_another_major_version_is_refused_whatever_it_holds(parse: Callable[[bytes], object], version: int) -> None:
    assert refused(parse, json.dumps({"v": version, "shape": "new"}).encode()) == "unsupported-version"
    assert refused(parse, up(alive(1), v=version)) == "unsupported-version"


@pytest.mark.parametrize("version", [True, 1.0, "1", None, [1]])
def test_a_version_is_a_whole_number(version: object) -> None:
    assert refused(contract.parse_up, up(alive(1), v=version)) == "undecodable"


def test_a_batch_without_a_version_is_refused() -> None:
    head = {"epoch": EPOCH, "boot": BOOT, "sent_mono_ms": 5, "events": [alive(1)]}
    assert refused(contract.parse_up, json.dumps(head).encode()) == "undecodable"


# One bad event leaves its neighbours good.

BAD_EVENTS: list[object] = [
    alive(2, type="new"),
    alive(2, wall_ms="now"),
    alive(2, wall_ms=1.5),
    alive(2, wall_ms=2**53 + 1),
    alive(2, clock="wound up"),
    stated(2, space="D 01"),
    stated(2, space="d01\n"),
    stated(2, state="maybe"),
    stated(2, probability=1.1),
    stated(2, probability="0.5"),
    stated(2, count=-1),
    stated(2, count=1.5),
    {"type": "lost", "seq": 2},
    alive(2, type="lost", epoch=EPOCH, lost=[9, 3], from_ms=1, to_ms=2, from_mono_ms=1, to_mono_ms=2, reason="r"),
    alive(2, type="clock", boot="b" * 17, offset_ms=1),
    alive(2, type="clock", boot="b" * 16 + "\n", offset_ms=1),
    {"type": "alive"},
    {"seq": 2},
    {},
    [],
    None,
    7,
    "alive",
    alive(0),
    alive(-2),
]


def test_what_is_said_of_a_bad_event_never_repeats_all_of_it() -> None:
    [bad] = contract.parse_up(up(alive(1, type="x" * 9_000))).events
    assert isinstance(bad, Unreadable)
    assert len(bad.why) < 400


@pytest.mark.parametrize("bad", BAD_EVENTS, ids=str)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_bad_event_is_set_aside_by_its_number(bad: object, place: int) -> None:
    first = 2 - place if place < 2 else 1
    several: list[object] = [alive(first), alive(first + 1), alive(first + 2)]
    if isinstance(bad, dict) and bad.get("seq") == 2:
        bad = bad | {"seq": first + place}
    several[place] = bad
    events = contract.parse_up(up(*several)).events
    aside = events[place]
    assert isinstance(aside, Unreadable)
    assert (aside.seq, json.loads(aside.raw)) == (first + place, bad)
    good = [event for at, event in enumerate(events) if at != place]
    assert good == [AliveEvent(first + at, 1, 2, Clock.OK) for at in range(3) if at != place]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_event_with_a_number_out_of_order_is_outvoted(place: int) -> None:
    several = [alive(5), alive(6), alive(7)]
    several[place]["seq"] = 90
    events = contract.parse_up(up(*several)).events
    assert isinstance(events[place], Unreadable)
    assert sum(isinstance(event, AliveEvent) for event in events) == 2


@pytest.mark.parametrize("several", [({}, {}, alive(1), alive(2)), (alive(2**53), {}, {})])
def test_numbers_outside_what_an_epoch_can_hold_belong_to_no_event(several: tuple[object, ...]) -> None:
    events = contract.parse_up(up(*several)).events
    assert all(isinstance(event, Unreadable) and event.seq is None for event in events)


# Sizes and depths.


def test_a_batch_holds_up_to_a_hundred_events() -> None:
    assert len(contract.parse_up(up(*map(alive, range(1, 101)))).events) == 100
    assert refused(contract.parse_up, up(*map(alive, range(1, 102)))) == "undecodable"
    assert refused(contract.parse_up, up()) == "undecodable"


@pytest.mark.parametrize("parse", [contract.parse_up, contract.parse_ack, contract.parse_state, contract.parse_status])
def test_a_payload_of_more_than_16_kib_is_refused_unread(parse: Callable[[bytes], object]) -> None:
    assert refused(parse, up(alive(1)) + b" " * contract.MAX_PAYLOAD_BYTES) == "too-large"


def test_sixteen_kib_are_not_too_many() -> None:
    payload = up(alive(1))
    assert contract.parse_up(payload.ljust(contract.MAX_PAYLOAD_BYTES)).events


HOSTILE = [
    b"",
    b" ",
    b"null",
    b"[]",
    b"{}",
    b"[" * 100_000,
    b"[" * 16_000,
    b'{"a":' * 3_000,
    b'{"v":' + b"[" * 16_000,
    b'{"x":' + b"[" * 16_000,
    b'{"v":1,"x":' + b'{"x":' * 3_000,
    b'{"v":' + b"9" * 16_000 + b"}",
    b'{"v":' + b"9" * 4_000 + b"}",
    b'{"v":-' + b"9" * 4_400 + b"}",
    b'{"v":1e999}',
    b'{"v":NaN}',
    b'{"v":1,"epoch":"\xff\xfe"}',
    b'{"v":1,"epoch":"\\ud800"}',
    b"\xef\xbb\xbf{}",
    b"\x00",
    up(alive(1))[:-1],
    up(alive(1)) + b"}",
    up(alive(1), epoch=EPOCH + "\n"),
    up(alive(1), epoch=EPOCH.upper()),
    up(alive(1), epoch=EPOCH[:-1]),
    up(alive(1), boot=BOOT + "0"),
    up(alive(1), epoch=None),
    up(alive(1), sent_mono_ms=float("nan")),
    up(alive(1), sent_mono_ms=1.0),
    up(alive(1), sent_mono_ms=10**400),
    up(alive(1), events={"0": alive(1)}),
]


@pytest.mark.parametrize("payload", HOSTILE, ids=lambda payload: repr(payload[:40]))
@pytest.mark.parametrize("parse", [contract.parse_up, contract.parse_ack, contract.parse_state, contract.parse_status])
def test_what_breaks_the_contract_is_refused(parse: Callable[[bytes], object], payload: bytes) -> None:
    assert refused(parse, payload) in {"undecodable", "too-large", "unsupported-version"}


@pytest.mark.parametrize("depth", [10, 500, 5000])
def test_an_unknown_field_of_any_depth_is_passed_over_or_refused(depth: int) -> None:
    """How deep a decoder goes depends on the Python; that nothing else happens does not."""
    payload = up(alive(1)).replace(b'"seq": 1', b'"seq": 1, "x": ' + b"[" * depth + b"]" * depth)
    assert seqs_or_refusal(payload) in ([1], "undecodable")


def seqs_or_refusal(payload: bytes) -> list[int] | str:
    """Give the numbers of a batch's events, or the code with which it is refused."""
    try:
        return [event.seq for event in contract.parse_up(payload).events]
    except ContractError as refusal:
        return refusal.code


@pytest.mark.parametrize(
    "other",
    [
        {"heartbeat_s": 0},
        {"heartbeat_s": 10**400},
        {"run": -1},
        {"online": 1},
        {"sensors": {"PIR 1": {"health": "ok", "since_ms": 1, "last_ms": None}}},
        {"sensors": {"pir1": {"health": "fine", "since_ms": 1, "last_ms": None}}},
        {"sensors": [1]},
        {"version": None},
        {"epoch": "e"},
    ],
    ids=str,
)
def test_a_status_that_says_nonsense_is_refused(other: dict[str, object]) -> None:
    payload = json.dumps({"v": 1, "online": True, "epoch": EPOCH, "run": 1} | other).encode()
    assert refused(contract.parse_status, payload) == "undecodable"


MANY = [[2 * number, 2 * number] for number in range(1, contract.RANGES_PER_ACK + 2)]


@pytest.mark.parametrize("have", [[[3, 2]], [[0, 1]], [[1]], [1], [[1, 2, 3]], None, MANY])
def test_a_receipt_whose_ranges_are_none_is_refused(have: object) -> None:
    payload = json.dumps({"v": 1, "journal": JOURNAL, "epoch": EPOCH, "upto": 0, "have": have}).encode()
    assert refused(contract.parse_ack, payload) == "undecodable"


# Anything at all.

PARSERS: list[Callable[[bytes], object]] = [
    contract.parse_up,
    contract.parse_ack,
    contract.parse_state,
    contract.parse_status,
    contract.decode_event,
]


def refusals(payload: bytes) -> list[str]:
    """Give a payload to every parser, and what those say that refuse it (ContractError; any other error goes on)."""
    told = []
    for parse in PARSERS:
        try:
            parse(payload)
        except ContractError as error:
            told.append(str(error))
    return told


@given(payload=st.binary(max_size=300))
def test_any_bytes_are_parsed_or_refused(payload: bytes) -> None:
    assert all(refusals(payload))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from([EPOCH, BOOT, "ok"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(sorted(stated(1))), inner, max_size=4),
    max_leaves=8,
)


@given(fields=st.dictionaries(st.sampled_from([*stated(1), "v", "epoch", "boot", "events", "have"]), json_values))
def test_any_json_is_parsed_or_refused(fields: dict[str, object]) -> None:
    assert all(refusals(json.dumps(fields).encode()))
    assert all(refusals(up(stated(1), fields, stated(3) | fields)))
    assert all(refusals(up(stated(1), **fields)))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Good payloads of which a few bytes were replaced, taken out or put in."""
    good = draw(
        st.one_of(
            batches().map(lambda batch: contract.build_up("hq", "a", batch).payload),
            lives.map(lambda state: contract.build_state("hq", "a", "d", state).payload),
            acks.map(lambda ack: contract.build_ack("hq", "a", ack).payload),
            statuses.map(lambda status: contract.build_status("hq", "a", status).payload),
            events.map(contract.encode_event),
        )
    )
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(good) - 1, 0)))
        taken = draw(st.integers(0, 3))
        good = good[:at] + draw(st.binary(max_size=3)) + good[at + taken :]
    return good


@given(payload=damaged())
@example(payload=up(alive(1)).replace(b"ok", b"o\xff"))
def test_damaged_payloads_are_parsed_or_refused(payload: bytes) -> None:
    assert all(refusals(payload))
