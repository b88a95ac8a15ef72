"""TOML and CSV files: valid ones, spoilt in their words, lines and bytes."""

import gzip
from random import Random

from tests.fuzz.trees import spoil_bytes

AGENT = """\
site = "hq"
agent = "pi-3"
data = "data"
outbox_events = 1000
[broker]
host = "127.0.0.1"
port = 8883
[[space]]
id = "d01"
kind = "desk"
capacity = 1
prefer = "balanced"
[[space]]
id = "r1"
kind = "room"
hold_seconds = 600
quiet_limit_hours = 24
[[sensor]]
id = "pir1"
kind = "motion"
space = "d01"
pin = 17
every_seconds = 30
[[sensor]]
id = "co2"
kind = "co2"
space = "r1"
driver = "scd4x"
"""

SENSING = AGENT[AGENT.index("[[space]]") :]

SITE = """\
[site]
id = "hq"
name = "Harbour House"
time_zone = "Europe/Lisbon"
country = "PT"
closed = ["2026-12-24/2026-12-27", "2026-05-01"]
[hours]
mon = "08:00-12:00, 13:00-20:00"
sun = "00:00-24:00"
[[floor]]
id = "f1"
name = "First floor"
plan = "f1.svg"
[[zone]]
id = "quiet"
floor = "f1"
[[agent]]
id = "pi-3"
[[space]]
id = "d01"
zone = "quiet"
kind = "desk"
purpose = "shared"
features = ["window", "screen"]
agent = "pi-3"
valid_from = 2026-01-01
valid_until = "2026-06-01"
[[space]]
id = "d01"
zone = "quiet"
kind = "desk"
valid_from = 2026-06-01
"""

SERVER = """\
data = "data"
sites = ["site.toml"]
[broker]
host = "127.0.0.1"
username = "u"
password_file = "secret"
[influx]
url = "http://127.0.0.1:8086"
token_file = "secret"
org = "venue"
[api]
port = 8080
public_summary = true
[retention]
transitions_days = 0
"""

SPACES = """\
id,name,floor,zone,kind,capacity,purpose,features,agent,valid_from,valid_until
d01,Desk 1,f1,quiet,desk,1,shared,window;screen,pi-3,2026-01-01,2026-06-01
d01,"Desk 1, by the wall",,quiet,desk,,,,,2026-06-01,
r1,Room,f1,quiet,room,8,,,pi-3,,
"""

READINGS = """\
time,sensor,value
2026-05-04T09:00:00Z,pir1,1
2026-05-04T11:00:02.500+02:00,pir1,0
1790000000,co2,612.5
1790000000.25,pir1,
1790000001,"pir1",1
"""

STATED = """\
time,space,state,probability,count
2026-05-04T09:00:00Z,d01,free,0.031,
2026-05-04T09:00:05Z,d01,occupied,0.97,1
2026-05-04T09:10:00Z,r1,unknown,,
"""

TRUTH = """\
time,space,count
2026-05-04T09:00:00Z,d01,0
1790000000,d01,3
"""

TOML_PIECES = (
    *(
        '"hq"',
        '""',
        '"\\u0000"',
        '"\\ud800"',
        '"\\x"',
        '"é"',
        "'",
        "'''a'''",
        '"""a"""',
        "0",
        "-1",
        "17",
        "1e308",
        "1e999",
        "nan",
    ),
    *(
        "-inf",
        "0x1F",
        "0o7",
        "0b1",
        "1_000",
        "01",
        "+1",
        "9" * 20,
        "9" * 4_301,
        "1." + "3" * 400,
        "true",
        "[]",
        "[[]]",
        "{}",
        "{a=1}",
    ),
    *(
        "[1, [2, [3]]]",
        "{a={a={a=1}}}",
        '["a", 1]',
        "1979-05-27",
        "1979-13-27",
        "1979-05-27T07:32:00Z",
        "07:32:00",
        "0000-01-01",
    ),
    *(
        "2026-12-24/2026-12-20",
        '"2026-12-24/2026-12-20"',
        '"9999-12-31"',
        '"08:00-07:00"',
        '"99:99-99:99"',
        '"US-ZZ"',
        '"DE-BY"',
    ),
    *(
        '"../../etc"',
        '"."',
        '"/"',
        '"a/\\u0000"',
        '"' + "a" * 3_000 + '"',
        '"Etc/../UTC"',
        '"posixrules"',
        '"\\u202e"',
        '"١"',
    ),
    *(
        "[" * 500,
        "{a=" * 300,
        "[" * 300 + "]" * 300,
        "a." * 300 + "a = 1",
        "[x]",
        "[[x]]",
        "[site]",
        "[[space]]",
        "[x",
        "= 1",
        "a",
        "#",
    ),
    *("a.b.c = 1", '"" = 1', '"a b" = 1', "a = 1\na = 2", "\ufeff", "\r", "\x00", "\x0b", "\\", ",", "\ud800"),
)
CELLS = (
    *(
        "",
        " ",
        "d01",
        "D01",
        "-1",
        "0",
        "1.5",
        "nan",
        "inf",
        "1e999",
        "1e308",
        "9" * 400,
        "9" * 5_000,
        "1_0",
        "١",
        "0x1",
        '"',
        '""',
    ),
    *(
        '"a',
        'a"b',
        '"a""b"',
        '"a,b"',
        "\x00",
        "\r",
        "\x0b",
        "\u2028",
        "\ufeff",
        "é",
        "\ud800",
        "a" * 5_000,
        "," * 50,
        "=1+1",
    ),
    *(
        "2026-05-04",
        "2026-05-04T09:00:00",
        "2026-05-04T25:00:00Z",
        "2026-02-30T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:60Z",
    ),
    *(
        "2026-05-04T09:00:00+99:99",
        "2026-05-04T09:00:00." + "9" * 400 + "Z",
        "-99999999999999999999",
        "1e9",
        "179000000000000",
    ),
    *(
        "0001-01-01T00:00:00+23:59",
        "occupied",
        "free",
        "never",
        "0.5",
        "2",
        "-0",
        "100001",
        "desk",
        "quiet",
        "2026-06-01",
        ";;;",
    ),
)


def toml(dice: Random, valid: str) -> bytes:
    """Spoil a TOML file."""
    return _spoilt(dice, valid, _exchange_value)


def table(dice: Random, valid: str) -> bytes:
    """Spoil a CSV file; some are gzipped, and of these some are damaged."""
    content = _spoilt(dice, valid, _exchange_cell)
    if dice.random() < 0.1:
        content = gzip.compress(content, 1)
        return spoil_bytes(dice, content) if dice.random() < 0.5 else content
    return content


def _spoilt(dice: Random, valid: str, exchange) -> bytes:  # type: ignore[no-untyped-def]
    if dice.random() < 0.03:
        return dice.randbytes(dice.choice((0, 1, 30, 3_000)))
    lines = valid.split("\n")
    for _ in range(dice.choice((0, 1, 1, 1, 2, 3, 8))):
        place = dice.randrange(len(lines))
        how = dice.randrange(8)
        if how < 4:
            lines[place] = exchange(dice, lines[place])
        elif how == 4:
            del lines[place]
        elif how == 5:
            lines[place:place] = [lines[place]] * dice.choice((1, 1, 1, 50))
        elif how == 6:
            lines.insert(place, lines.pop(dice.randrange(len(lines))))
        else:
            lines.insert(place, dice.choice(TOML_PIECES))
        lines = lines or [""]
    content = dice.choice(("\n", "\n", "\n", "\r\n")).join(lines).encode("utf-8", "surrogatepass")
    for _ in range(dice.choice((0, 0, 0, 1, 3))):
        content = spoil_bytes(dice, content)
    return content


def _exchange_value(dice: Random, line: str) -> str:
    key, equals, value = line.partition(" = ")
    piece = dice.choice(TOML_PIECES)
    if not equals or dice.random() < 0.2:
        return piece
    return f"{key} = {piece}" if dice.random() < 0.8 else f"{piece} = {value}"


def _exchange_cell(dice: Random, line: str) -> str:
    cells = line.split(",")
    place = dice.randrange(len(cells))
    cells[place : place + dice.choice((0, 1, 1, 1, 1))] = [dice.choice(CELLS)] * dice.choice((1, 1, 1, 1, 0, 2))
    return ",".join(cells)
