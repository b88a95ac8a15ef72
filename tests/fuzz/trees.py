"""JSON as a tree that can be spoilt before it is written: keys twice, numbers that are none, text that is no UTF-8."""

import json
from random import Random
from typing import Any


class Object(list[tuple[Any, Any]]):
    """A JSON object as its pairs, so that a key may stand in it twice."""


class Raw(bytes):
    """Bytes that stand in the output as they are."""


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]", inside: bytes = b"") -> Raw:
    """Give something within something within something."""
    return Raw(opening * depth + inside + closing * depth)


HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 1.0, 1.5, 0.1 + 0.2, -0.0, 5e-324, 1e308, "", " ", "0", "null", "ok"),
    *(2**31, 2**53 - 1, 2**53, 2**53 + 1, -(2**53), -(2**53) - 1, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**30),
    *map(Raw, (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"1E400", b"1e-999", b"1e", b"01", b"-", b"+1")),
    *map(Raw, (b".5", b"1.", b"0x10", b"1_000", b"-0", b"1.0e0", b"1e0", b"100e-2", b"tru", b"nul", b"undefined")),
    *(Raw(b"9" * digits) for digits in (16, 19, 20, 39, 309, 4_300, 4_301, 9_000)),
    *(Raw(b"-" + b"9" * digits) for digits in (17, 5_000)),
    *(Raw(b"0." + b"3" * 5_000), Raw(b"1" + b"0" * 400 + b".5"), Raw(b"1e" + b"9" * 400), Raw(b"9" * 400 + b"e-400")),
    *map(
        Raw, (rb'"\ud800"', rb'"\udc00\ud800"', rb'"\ud83d\ude00"', rb'"\u0000"', rb'"\x"', rb'"\u12"', b'"\\"', b'"')
    ),
    *map(
        Raw, (b'"\xff"', b'"\xed\xa0\x80"', b'"\xc0\xaf"', b'"\xf4\x90\x80\x80"', b'"\xe2\x82"', b'"\x00"', b'"a\nb"')
    ),
    *("d01\n", "D01", "d" * 32, "d" * 33, "-d", "é", "😀", "\u2028", "\x7f", "a" * 64, "a" * 3_000, "../x", "a/b", "+"),
    *("free", "occupied", "state", "alive", "clock", "lost", "0" * 32, "F" * 32, "0" * 16, "b007" * 4),
    *([], [[]], [None], [1, 2], [2, 1], [1], [0, 0], [1, 2**53], Object(), Object([("", None)])),
    *(
        nested(40),
        nested(1_100),
        nested(7_000),
        nested(1_100, b'{"a":', b"}", b"1"),
        nested(500, b'[{"v":', b"}]", b"1"),
    ),
    *(Raw(b"[" * 9_000), Raw(b'{"a":' * 2_000), Raw(b"[1," * 3_000), Raw(b"")),
)

BYTES = (
    b"\x00",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\n",
    b" ",
)


_leaf = json.JSONEncoder(ensure_ascii=False).encode


def write(value: Any) -> bytes:
    """Write a tree; lone surrogates become the bytes that no UTF-8 has."""
    if isinstance(value, Raw):
        return bytes(value)
    if isinstance(value, Object):
        return b"{" + b",".join(write(key) + b":" + write(held) for key, held in value) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(map(write, value)) + b"]"
    return _leaf(value).encode("utf-8", "surrogatepass")


def copied(value: Any) -> Any:
    """Give a tree of one's own, to spoil."""
    if isinstance(value, Object):
        return Object((key, copied(held)) for key, held in value)
    if isinstance(value, tuple):
        return value[0], copied(value[1])
    return [copied(held) for held in value] if isinstance(value, list) else value


def branches(value: Any) -> list[list[Any]]:
    """Find all objects and lists of a tree that hold something."""
    found = [value] if isinstance(value, list) and value else []
    for branch in found:
        found += [held for held in map(_held, branch) if isinstance(held, list) and held]
    return found


def _held(entry: Any) -> Any:
    return entry[1] if isinstance(entry, tuple) else entry


def spoil(dice: Random, tree: Any) -> None:
    """Change one thing somewhere in a tree."""
    places = branches(tree)
    if places:
        branch = dice.choice(places)
        dice.choice(CHANGES)(dice, branch, dice.randrange(len(branch)))


def _replace(dice: Random, branch: list[Any], place: int) -> None:
    value = copied(dice.choice(HOSTILE))
    branch[place] = (branch[place][0], value) if isinstance(branch, Object) else value


def _remove(_dice: Random, branch: list[Any], place: int) -> None:
    del branch[place]


def _repeat(dice: Random, branch: list[Any], place: int) -> None:
    entry = branch[place]
    if isinstance(branch, Object) and dice.random() < 0.5:
        entry = (entry[0], dice.choice(HOSTILE))
    for _ in range(dice.choice((1, 1, 1, 1, 1, 1, 1, 2, 2, 100))):
        branch.insert(dice.randint(0, len(branch)), copied(entry))


def _rename(dice: Random, branch: list[Any], place: int) -> None:
    if isinstance(branch, Object):
        branch[place] = (copied(dice.choice(HOSTILE)), branch[place][1])


def _swap(dice: Random, branch: list[Any], place: int) -> None:
    other = dice.randrange(len(branch))
    if isinstance(branch, Object):
        (one, first), (two, second) = branch[place], branch[other]
        branch[place], branch[other] = (one, second), (two, first)
    else:
        branch[place], branch[other] = branch[other], branch[place]


def _wrap(dice: Random, branch: list[Any], place: int) -> None:
    value = _held(branch[place])
    wrapped = [value] if dice.random() < 0.5 else Object([("a", value)])
    branch[place] = (branch[place][0], wrapped) if isinstance(branch, Object) else wrapped


CHANGES = (_replace, _replace, _replace, _replace, _remove, _repeat, _rename, _swap, _wrap)


def spoil_bytes(dice: Random, content: bytes) -> bytes:
    """Change some bytes: cut off in the midst, one put in, one turned round, a piece twice, a piece gone."""
    place, length = dice.randint(0, len(content)), dice.choice((1, 1, 2, 8, 200))
    how = dice.randrange(5)
    if how == 0:
        return content[:place]
    if how == 1:
        return content[:place] + dice.choice(BYTES) * dice.choice((1, 1, 1, 3, 500)) + content[place:]
    if how == 2:
        return (
            content[:place]
            + bytes(b ^ 1 << dice.randrange(8) for b in content[place : place + 1])
            + content[place + 1 :]
        )
    if how == 3:
        return content[:place] + content[place : place + length] + content[place:]
    return content[:place] + content[place + length :]
