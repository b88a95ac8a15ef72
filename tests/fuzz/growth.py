"""Inputs of one shape and any size, for seeing that four times as much takes about four times as long, not sixteen."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from perch import contract
from perch.adapters.tables.csv_files import read_states, read_truth, survey_readings
from perch.contract import MAX_PAYLOAD_BYTES
from perch.errors import PerchError
from perch.settings import load_agent, load_sensing, load_server, load_site
from tests.fuzz import documents

Shape = Callable[[int], str]

HEAD = '{"v":1,"epoch":"0123456789abcdef0123456789abcdef","boot":"0123456789abcdef","sent_mono_ms":5,'
EVENT = '{"type":"alive","seq":%d,"wall_ms":1,"mono_ms":2,"clock":"ok"}'
STATUS = '{"v":1,"online":true,"epoch":"0123456789abcdef0123456789abcdef","run":7,'
ACK = '{"v":1,"journal":"0123456789abcdef","epoch":"0123456789abcdef0123456789abcdef","upto":1,'


def filled(before: str, piece: str, after: str = "") -> Shape:
    """Make a shape: as many pieces as fit between a beginning and an end."""
    return lambda size: before + piece * max(1, (size - len(before) - len(after)) // len(piece)) + after


PAYLOADS: dict[str, tuple[Callable[[bytes], object], Shape]] = {
    "lists within lists": (contract.parse_up, lambda size: HEAD + '"x":' + "[" * (size // 2) + "]" * (size // 2) + "}"),
    "objects within objects": (contract.parse_up, filled(HEAD + '"x":', '{"a":')),
    "events that are none": (contract.parse_up, filled(HEAD + '"events":[', "0,", "0]}")),
    "one event of many keys": (contract.parse_up, filled(HEAD + '"events":[{', '"a":1,', '"seq":1}]}')),
    "one event of many types": (contract.parse_up, filled(HEAD + '"events":[{', '"type":"alive",', '"seq":1}]}')),
    "a name that never ends": (contract.parse_up, filled(HEAD + '"events":[{"type":"', "a", '"}]}')),
    "escapes": (contract.parse_up, filled(HEAD + '"events":[{"type":"', "\\u0041", '"}]}')),
    "a number that never ends": (contract.parse_up, filled(HEAD + '"events":[{"type":"alive","seq":', "9", "}]}")),
    "a fraction that never ends": (contract.parse_up, filled(HEAD + '"sent_mono_ms":0.', "3", "}")),
    "a version that never ends": (contract.parse_up, filled('{"v":', "9", "}")),
    "an exponent that never ends": (contract.parse_state, filled('{"v":1,"probability":1e', "9", "}")),
    "spaces": (contract.parse_up, filled(HEAD, " ", '"events":[]}')),
    "the same key": (contract.parse_status, filled(STATUS, '"run":7,', '"outbox":1}')),
    "sensors": (
        contract.parse_status,
        lambda size: STATUS + '"sensors":{' + ",".join(
            f'"s{n}":{{"health":"ok","since_ms":1,"last_ms":null}}' for n in range(size // 50)) + "}}",
    ),
    "ranges": (contract.parse_ack, filled(ACK + '"have":[', "[1,2],", "[1,2]]}")),
}  # fmt: skip


def _numbered(piece: str) -> Shape:
    return lambda size: "".join(piece.replace("#", str(n)) for n in range(size // len(piece)))


SITE_HEAD = '[site]\nid = "hq"\ntime_zone = "UTC"\n'
SITE_END = "[hours]\n"

TOML: dict[str, tuple[Callable[[Path], object], Shape]] = {
    "a key of many parts": (load_sensing, filled("", "a.", "a = 1")),
    "a key of many quoted parts": (load_sensing, filled("", '"a" . ', "a = 1")),
    "a table of many parts": (load_sensing, filled("[", "a.", "a]")),
    "keys of many parts in a table": (load_sensing, filled("x = {", "a.", "a=1}")),
    "tables of twenty parts": (load_sensing, filled("", "[[" + "a." * 20 + "a]]\n")),
    "keys of twenty parts": (load_sensing, _numbered("a." * 20 + "a# = 1\n")),
    "lists within lists": (load_sensing, filled("x = ", "[")),
    "tables within tables": (load_sensing, filled("x = ", "{a=")),
    "unknown keys": (load_sensing, _numbered("key# = 1\n")),
    "unknown keys that look alike": (load_sensing, _numbered("spac# = 1\n")),
    "unknown tables": (load_sensing, _numbered("[t#]\n")),
    "spaces": (load_sensing, _numbered('[[space]]\nid = "d#"\nkind = "desk"\n')),
    "the same space": (load_sensing, filled("", '[[space]]\nid = "d01"\nkind = "desk"\n')),
    "sensors on one pin": (load_sensing, filled("", '[[sensor]]\npin = 1\nkind = "motion"\n')),
    "empty spaces": (load_sensing, filled("", "[[space]]\n")),
    "a number that never ends": (load_sensing, filled("x = ", "9")),
    "a fraction that never ends": (load_sensing, filled("x = 0.", "3")),
    "a key that never ends": (load_sensing, filled("", "a", " = 1")),
    "a text that never ends": (load_sensing, filled('x = "', "a")),
    "escapes": (load_sensing, filled('x = "', "\\u0041", '"')),
    "quotes": (load_sensing, filled('x = """', '\\""', '"""')),
    "a list": (load_sensing, filled("x = [", "1,", "]")),
    "comments": (load_sensing, filled("", "#\n")),
    "empty lines": (load_sensing, filled("", "\n")),
    "carriage returns": (load_sensing, filled("", "\r\n")),
    "closed days": (load_site, filled(SITE_HEAD + "closed = [", '"2026-01-01",', "]\n" + SITE_END)),
    "hours": (load_site, filled(SITE_HEAD + SITE_END + 'mon = "', "08:00-09:00,", '08:00-09:00"')),
    "features": (load_site, filled(SITE_HEAD + SITE_END + '[[space]]\nfeatures = [', '"a",', "]")),
    "rows of one desk": (load_site, filled(SITE_HEAD + SITE_END, '[[space]]\nid = "d01"\nkind = "desk"\nzone = "q"\n')),
    "floors": (load_site, _numbered('[[floor]]\nid = "f#"\n')),
    "sites that are not there": (lambda path: load_server(path, {}), filled("sites = [", '"nowhere",', "]")),
    "an agent's spaces": (lambda path: load_agent(path, {}), filled(documents.AGENT, '[[space]]\nid = "x"\n')),
}  # fmt: skip

CSV: dict[str, tuple[Callable[[Path], object], Shape]] = {
    "columns": (survey_readings, filled("time,sensor,value,", "a,")),
    "the same column": (survey_readings, filled("time,sensor,value,", "time,")),
    "cells": (survey_readings, filled("time,sensor,value\n", "1,")),
    "a row that never ends": (survey_readings, filled("time,sensor,value\n", "1")),
    "quotes": (survey_readings, filled('time,sensor,value\n1,"', '""', '",1')),
    "quotes that are not closed": (survey_readings, filled("time,sensor,value\n", '"\n')),
    "empty lines": (survey_readings, filled("time,sensor,value\n", "\n")),
    "broken rows": (survey_readings, filled("time,sensor,value\n", "a,b,c\n")),
    "good rows": (survey_readings, filled("time,sensor,value\n", "1790000000,pir1,1\n")),
    "a second's fraction": (survey_readings, filled("time,sensor,value\n2026-01-01T00:00:00.", "9", "Z,a,1")),
    "a value that never ends": (survey_readings, filled("time,sensor,value\n1,a,", "9")),
    "many sensors": (survey_readings, lambda size: "time,sensor,value\n" + _numbered("1790000000,p#,1\n")(size)),
    "states": (lambda path: list(read_states(path)), filled("time,space,state,probability,count\n", "1,d,free,0.5,\n")),
    "truth": (lambda path: list(read_truth(path)), filled("time,space,count\n", "1,d,3\n")),
    "zero bytes": (survey_readings, filled("time,sensor,value\n", "\0")),
}  # fmt: skip

SPACES_SITE = SITE_HEAD + SITE_END + '[[floor]]\nid = "f1"\n[[zone]]\nid = "quiet"\nfloor = "f1"\n'
SPACES: dict[str, Shape] = {
    "columns": filled("", "a,"),
    "the same column": filled("id,zone,kind,", "id,"),
    "cells": filled("id,zone,kind\n", "a,"),
    "rows": lambda size: "id,zone,kind\n" + _numbered("d#,quiet,desk\n")(size),
    "rows of one desk": filled("id,zone,kind\n", "d01,quiet,desk\n"),
    "quotes": filled('id,zone,kind\n"', '""', '"'),
    "features": filled("id,zone,kind,features\nd01,quiet,desk,", "a;"),
    "empty lines": filled("id,zone,kind\n", "\n"),
    "broken rows": filled("id,zone,kind\n", "!,!,!\n"),
}


def growth(read: Callable[[Any], object], put: Callable[[int], Any], small: int, times: int = 4) -> float:
    """Tell how many times longer a reader takes for an input `times` as large: processor time, the best of several."""
    first, second = put(small), put(small * times)
    long_ns = short_ns = 1
    for _ in range(3):
        short_ns = min(_spent_ns(read, first) for _ in range(5))
        long_ns = min(_spent_ns(read, second) for _ in range(3))
        if long_ns < 2 * times * max(short_ns, 50_000):
            break
    return long_ns / max(short_ns, 50_000)


def _spent_ns(read: Callable[[Any], object], given: object) -> int:
    start = time.thread_time_ns()
    with suppress(PerchError):
        read(given)
    return time.thread_time_ns() - start


def payload(shape: Shape) -> Callable[[int], bytes]:
    """Make payloads of a shape, never above what is read at all."""
    return lambda size: shape(size).encode()[:MAX_PAYLOAD_BYTES]


def file(folder: Path, name: str, shape: Shape, given: str = "") -> Callable[[int], Path]:
    """Write files of a shape, each into a folder of its own with the file `given` beside it."""

    def put(size: int) -> Path:
        place = folder / str(size)
        place.mkdir()
        (place / name).write_text(shape(size))
        if not given:
            return place / name
        (place / "site.toml").write_text(given)
        return place / "site.toml"

    return put
