"""Messages that nobody should send, and those of other versions: what is to be borne, and what is to be kept."""

import json
from collections.abc import Iterator

from perch.adapters.journal.reader import Stream
from perch.contract import parse_up

EPOCH, BOOT = "f" * 32, "f" * 16

LONG_AGO_MS = 949_363_200_000

TODAY = (
    '{"v":1,"epoch":"0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d","boot":"0123456789abcdef","sent_mono_ms":60000,"events":['
    '{"type":"state","seq":1,"space":"a1-d1","state":"unknown","probability":0.5,"count":null,"reason":"starting",'
    '"wall_ms":1795348800000,"mono_ms":1000,"clock":"ok"},'
    '{"type":"alive","seq":2,"wall_ms":1795348860000,"mono_ms":61000,"clock":"ok"},'
    '{"type":"clock","seq":3,"boot":"0123456789abcdef","offset_ms":1795348799000}]}'
)
"""A batch as version 1 sends it in November 2026: it must be stored for as long as there is a version 1."""


def newer() -> str:
    """Give the same as a later 1.x may send it: with fields that this version does not know."""
    batch = json.loads(TODAY)
    batch |= {"epoch": "1e" * 16, "made_by": "perch 1.9", "more": {"deep": [1, 2]}}
    for event in batch["events"]:
        event["confidence"] = 0.9
    return json.dumps(batch)


def long_ago() -> str:
    """Give what an agent says whose clock claims to be right and reads February 2000."""
    batch = json.loads(TODAY) | {"epoch": "2d" * 16, "boot": "2d" * 8}
    state, mark, _ = batch["events"]
    batch["events"] = [
        state | {"wall_ms": LONG_AGO_MS},
        mark | {"wall_ms": LONG_AGO_MS + 60_000},
        mark | {"seq": 3, "wall_ms": LONG_AGO_MS + 120_000, "mono_ms": 121_000},
    ]
    return json.dumps(batch)


VISITORS = {"old": TODAY, "new": newer(), "long-ago": long_ago()}
"""What agents of other versions say, and one whose clock is wrong, by agent."""


def visitors(site: str) -> Iterator[tuple[Stream, str, bytes]]:
    """Give each visitor's stream, topic and payload."""
    for agent, text in VISITORS.items():
        stream = Stream(site, agent, parse_up(text.encode()).epoch)
        yield stream, f"perch/v1/{site}/{agent}/up", text.encode()


def bad_inputs(site: str) -> list[tuple[str, bytes]]:
    """Give topics and payloads, each wrong in a way of its own; none has an identity that a real event has."""
    up = f"perch/v1/{site}/junk/up"
    payloads = [*_no_json(), *map(_encoded, _no_batches()), *map(_encoded, _odd_events())]
    return [(up, payload) for payload in payloads] + [
        (f"perch/v1/{site}/junk/up/more", b"{}"),
        (f"perch/v1/{site}//up", b"{}"),
        (f"perch/v1/{site}/JUNK/up", TODAY.encode()),
        (f"perch/v1/{site}/junk/state/no id!", b"{}"),
        (f"perch/v1/{site}/junk/state/d1", b'{"v":1}'),
        (f"perch/v1/{site}/junk/status", b"null"),
        (f"perch/v1/{site}/junk/ack", b'{"v":1,"journal":"x"}'),
        (f"perch/v1/{'x' * 200}/junk/up", b"{}"),
        (f"perch/v1/{site}/\u00e4\u2028/up", b"{}"),
        ("perch/v1", b"{}"),
    ]


def _no_json() -> list[bytes]:
    return [
        b"",
        b"\x00",
        b"\xff\xfe\xfd",
        b"nonsense",
        b"[" * 15_000,
        b'{"v":' * 3_000,
        b"{" + b'"k":1,' * 2_000 + b'"k":1}',
        b'"' + b"a" * 15_000,
        b"x" * 17_000,
        b"x" * 200_000,
        b"1e999999",
        b'{"v":1,"epoch":"\xed\xa0\x80"}',
        TODAY.encode("utf-16"),
        TODAY.encode()[:-1],
        b"\xef\xbb\xbf" + TODAY.encode(),
    ]


def _no_batches() -> list[object]:
    batch = json.loads(TODAY) | {"epoch": EPOCH}
    return [
        [],
        {},
        None,
        {"v": 1},
        batch | {"v": 2},
        batch | {"v": "1"},
        batch | {"v": -1},
        batch | {"epoch": EPOCH.upper()},
        batch | {"epoch": EPOCH + "\n"},
        batch | {"epoch": ""},
        batch | {"boot": 7},
        batch | {"sent_mono_ms": 2**70},
        batch | {"sent_mono_ms": 1.5},
        batch | {"events": []},
        batch | {"events": [batch["events"][0]] * 101},
        batch | {"events": {}},
        batch | {"events": [None, True, 3, "x", []]},
    ]


def _odd_events() -> list[object]:
    batch = json.loads(TODAY) | {"epoch": EPOCH}
    event = batch["events"][0]
    changes: list[dict[str, object]] = [
        {"seq": 0},
        {"seq": -1},
        {"seq": 2**53 + 1},
        {"seq": 2**64},
        {"seq": "1"},
        {"seq": None},
        {"space": "No Id"},
        {"space": "a" * 33},
        {"space": "d1\nevil,tag=1 free=1i 0"},
        {"space": ""},
        {"state": "maybe"},
        {"probability": 1.5},
        {"probability": "NaN"},
        {"probability": -0.1},
        {"count": -1},
        {"count": 1e9},
        {"reason": "because"},
        {"wall_ms": 2**60},
        {"wall_ms": "now"},
        {"mono_ms": None},
        {"clock": "fast"},
        {"type": "party"},
        {"type": None},
    ]
    return [batch | {"events": [event | change]} for change in changes] + [
        batch | {"events": [event, event]},
        batch | {"events": [event | {"seq": 5}, event | {"seq": 4}]},
        batch | {"events": [{"type": "lost", "seq": 1, "epoch": EPOCH, "lost": [9, 1]}]},
    ]


def _encoded(value: object) -> bytes:
    return json.dumps(value).encode()
