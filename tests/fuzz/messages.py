"""Payloads and topics: valid ones, spoilt in one place or several, and noise."""

from random import Random
from typing import Any

from tests.fuzz.trees import HOSTILE, Object, spoil, spoil_bytes, write

STATES, REASONS, CLOCKS = ("free", "occupied", "unknown"), ("motion", "quiet", "starting"), ("ok", "unsynced")
IDS = ("d01", "d02", "r1", "a", "x" * 32, "0-0")


def _hex(dice: Random, digits: int) -> str:
    return f"{dice.getrandbits(digits * 4):0{digits}x}"


def _ms(dice: Random) -> int:
    return dice.choice((0, 1, -1, 2**53, -(2**53), 1_790_000_000_000, dice.randint(0, 2 * 10**12)))


def _times(dice: Random) -> list[tuple[str, Any]]:
    return [("wall_ms", _ms(dice)), ("mono_ms", _ms(dice)), ("clock", dice.choice(CLOCKS))]


def _stated(dice: Random) -> list[tuple[str, Any]]:
    return [
        ("state", dice.choice(STATES)),
        ("probability", dice.choice((0, 1, 0.031, 1.0, dice.random()))),
        ("count", dice.choice((None, 0, 3, 100_000))),
        ("reason", dice.choice(REASONS)),
    ]


def _event(dice: Random, seq: int) -> Object:
    kind = dice.choice(("state", "state", "alive", "clock", "lost"))
    head = [("type", kind), ("seq", seq)]
    if kind == "state":
        return Object([*head, ("space", dice.choice(IDS)), *_stated(dice), *_times(dice)])
    if kind == "alive":
        return Object([*head, *_times(dice)])
    if kind == "clock":
        return Object([*head, ("boot", _hex(dice, 16)), ("offset_ms", _ms(dice))])
    ends = [(name, _ms(dice)) for name in ("from_ms", "to_ms", "from_mono_ms", "to_mono_ms")]
    lost = [("epoch", _hex(dice, 32)), ("lost", [dice.randint(1, 9), dice.randint(9, 99)])]
    return Object([*head, *lost, *ends, ("clock", dice.choice(CLOCKS)), ("reason", dice.choice(("outbox-full", "é")))])


LENGTHS = (*[1] * 20, *[2] * 15, *[3] * 10, *[5] * 6, *[20] * 3, 100, 101)


def up(dice: Random) -> Object:
    """Make a batch."""
    first = dice.choice((1, 2, 2**53 - 200, dice.randint(1, 10**6)))
    events = [_event(dice, first + place) for place in range(dice.choice(LENGTHS))]
    sent = dice.choice((None, _ms(dice)))
    return Object(
        [("v", 1), ("epoch", _hex(dice, 32)), ("boot", _hex(dice, 16)), ("sent_mono_ms", sent), ("events", events)]
    )


def ack(dice: Random) -> Object:
    """Make a receipt."""
    have = [[place * 10 + 1, place * 10 + dice.randint(1, 9)] for place in range(dice.choice((0, 1, 2, 50)))]
    return Object(
        [
            ("v", 1),
            ("journal", _hex(dice, 16)),
            ("epoch", _hex(dice, 32)),
            ("upto", dice.randint(0, 99)),
            ("have", have),
        ]
    )


def state(dice: Random) -> Object:
    """Make the retained state of a space."""
    ends = [("since_ms", _ms(dice)), ("sent_ms", _ms(dice)), ("valid_for_ms", 90_000), ("clock", dice.choice(CLOCKS))]
    return Object([("v", 1), ("epoch", _hex(dice, 32)), *_stated(dice), *ends])


def status(dice: Random) -> Object:
    """Make a status, or a will."""
    head: list[tuple[str, Any]] = [("v", 1), ("online", dice.random() < 0.8), ("epoch", _hex(dice, 32)), ("run", 7)]
    health = [("health", "ok"), ("since_ms", _ms(dice)), ("last_ms", None), ("kind", "motion"), ("space", "d01")]
    sensors = Object((name, Object(health)) for name in IDS[: dice.randint(0, 6)])
    more = [("version", "0.1"), ("heartbeat_s", 30), ("outbox", 12), ("sensors", sensors), ("trouble", "é")]
    return Object(head + more[: dice.randint(0, 5)])


def payload(dice: Random, valid: Object) -> bytes:
    """Spoil a valid message, mostly in its tree and sometimes in its bytes; some stay whole, some are noise."""
    lot = dice.random()
    if lot < 0.03:
        return dice.randbytes(dice.choice((0, 1, 3, 30, 300, 16_384, 20_000)))
    if lot < 0.06:
        return write(dice.choice(HOSTILE))
    for _ in range(dice.choice((0, 0, 1, 1, 1, 1, 2, 3, 6))):
        spoil(dice, valid)
    content = write(valid)
    for _ in range(dice.choice((0, 0, 0, 0, 0, 1, 2, 5))):
        content = spoil_bytes(dice, content)
    return content


PARTS = (
    *(
        "perch",
        "v1",
        "hq",
        "pi-1",
        "up",
        "ack",
        "status",
        "state",
        "d01",
        "",
        " ",
        "+",
        "#",
        "$SYS",
        "V1",
        "Hq",
        "-a",
        "a" * 32,
    ),
    *("a" * 33, "é", "\x00", "\ud800", "\udcff", "hq\n", "..", "%2f", "a" * 9_000, "١", "ａ", "\u202e"),
)


def topic(dice: Random) -> str:
    """Make a topic: a valid one with parts exchanged, put in or left out, or any text."""
    if dice.random() < 0.1:
        return "".join(
            chr(dice.choice((47, dice.randrange(128), dice.randrange(0x110000)))) for _ in range(dice.randrange(60))
        )
    parts = [
        "perch",
        "v1",
        dice.choice(IDS),
        dice.choice(IDS),
        *dice.choice((("up",), ("ack",), ("status",), ("state", "d01"))),
    ]
    for _ in range(dice.choice((0, 0, 1, 1, 2, 4))):
        place = dice.randint(0, len(parts))
        parts[place : place + dice.choice((0, 1, 1, 1))] = dice.choice(
            ((), (dice.choice(PARTS),), (dice.choice(PARTS),) * 2)
        )
    text = "/".join(parts)
    return text * dice.choice((2, 2_000)) if dice.random() < 0.01 else text
