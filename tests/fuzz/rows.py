"""Rows for InfluxDB, of which names and values are whatever somebody may have written."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from perch.adapters.influx import line_protocol as lines
from perch.model import Clock, Reason, State
from tests.line_parser import Parsed, Value

PIECES = (
    *(
        "hq",
        "d01",
        "quiet",
        "a",
        "",
        "é",
        "😀",
        "١",
        "ＡＢ",
        " ",
        "  ",
        ",",
        "=",
        '"',
        "\\",
        "\\\\",
        "\\,",
        "\\ ",
        '\\"',
        "'",
        "#",
    ),
    *(
        "\n",
        "\r",
        "\r\n",
        "\t",
        "\x00",
        "\x0b",
        "\x1c",
        "\x7f",
        "\x85",
        "\xa0",
        "\u2028",
        "\u2029",
        "\ud800",
        "\ufeff",
        "\u202e",
    ),
    *(
        "a,b=c",
        " value=1i 5",
        "\nzone_now free=1i 5",
        "m,a=b c=1 2",
        "null",
        "true",
        "1i",
        "NaN",
        "-",
        "_",
        "$",
        "x" * 2_000,
    ),
)
WHOLE = (0, 1, -1, 2**53, 2**63 - 1, -(2**63), 2**63, 10**40)
FLOATS = (
    0.0,
    1.0,
    -0.0,
    0.031,
    5e-324,
    1e308,
    1e-7,
    0.1 + 0.2,
    float("nan"),
    float("inf"),
    -float("inf"),
    1e22,
    123456789.125,
)


@dataclass(frozen=True)
class Row:
    """A row, a function that writes its line, and what a reader must make of that line."""

    line: Callable[[], str]
    expected: Parsed

    def __repr__(self) -> str:
        return repr(self.expected)


def row(dice: Random) -> Row:
    """Make a row of one of the measurements."""
    return dice.choice((_occupancy, _occupancy, _alive, _zone_now, _fleet, _integers))(dice)


def _name(dice: Random) -> str:
    if dice.random() < 0.5:
        return dice.choice(("hq", "f1", "quiet", "desk", "pi-1"))
    return "".join(dice.choice(PIECES) for _ in range(dice.choice((1, 1, 2, 3, 8))))


def _tags(names: tuple[str, ...], values: list[str]) -> dict[str, str]:
    return {name: value for name, value in zip(names, values, strict=True) if value}


ZONE, SPACE = ("site", "floor", "zone", "kind"), ("site", "floor", "zone", "kind", "space")


def _occupancy(dice: Random) -> Row:
    names, state = [_name(dice) for _ in SPACE], dice.choice(tuple(State))
    said = [dice.choice((dice.choice(tuple(words)), _name(dice))) for words in (Reason, Clock)]
    probability, people = dice.choice((dice.random(), dice.choice(FLOATS))), dice.choice((None, *WHOLE))
    ns, carried = lines.row_ns(dice.choice(WHOLE), dice.choice(WHOLE)), dice.random() < 0.5

    def write() -> str:
        key = lines.space_key(*names)
        return lines.occupancy_line(key, ns, state, *said, probability, people, carried=carried)

    fields: dict[str, Value] = {"state": str(state), "reason": str(said[0]), "clock": str(said[1])}
    fields |= {str(each): int(each is state) for each in State}
    fields |= {
        "probability": probability,
        "people": people or 0,
        "counted": int(people is not None),
        "carried": int(carried),
    }
    return Row(write, Parsed("occupancy", _tags(SPACE, names), fields, ns))


def _alive(dice: Random) -> Row:
    names, epoch, ns = [_name(dice), _name(dice)], _name(dice), dice.choice(WHOLE)
    fields: dict[str, Value] = {"epoch": epoch, "mark": 1}
    return Row(
        lambda: lines.alive_line(*names, epoch, ns), Parsed("alive", _tags(("site", "agent"), names), fields, ns)
    )


def _zone_now(dice: Random) -> Row:
    names, ms = [_name(dice) for _ in ZONE], dice.choice(WHOLE)
    free, occupied, unknown = (dice.choice(WHOLE) for _ in range(3))
    fields: dict[str, Value] = {
        "free": free,
        "occupied": occupied,
        "unknown": unknown,
        "total": free + occupied + unknown,
    }

    def write() -> str:
        return lines.zone_now_line(*names, ms, free=free, occupied=occupied, unknown=unknown)

    return Row(write, Parsed("zone_now", _tags(ZONE, names), fields, ms * 10**6))


def _fleet(dice: Random) -> Row:
    names, ms, online = [_name(dice), _name(dice)], dice.choice(WHOLE), dice.random() < 0.5
    outbox, silent = dice.choice(WHOLE), dice.choice(WHOLE)
    fields: dict[str, Value] = {"online": int(online), "outbox": outbox, "silent_sensors": silent}

    def write() -> str:
        return lines.fleet_line(*names, ms, online=online, outbox=outbox, silent_sensors=silent)

    return Row(write, Parsed("fleet", _tags(("site", "agent"), names), fields, ms * 10**6))


def _integers(dice: Random) -> Row:
    names, ns = [_name(dice) for _ in ZONE], dice.choice(WHOLE)
    fields: dict[str, Value] = {f"sum_{place}": dice.choice(WHOLE) for place in range(dice.randint(1, 10))}

    def write() -> str:
        sums = tuple((name, int(value)) for name, value in fields.items())
        return lines.integers_line(lines.zone_key("zone_15min", *names), ns, sums)

    return Row(write, Parsed("zone_15min", _tags(ZONE, names), fields, ns))
