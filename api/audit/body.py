"""Reading what somebody taps: every complaint at once, as with parameters of an address."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi import HTTPException, Request

from api.entrance.access import Reader
from api.live.live import Live
from api.live.shapes import ProblemCause
from api.moments import parse_moment
from api.problems import ParametersError, wrong
from perch.adapters.audit_file import Tapped
from perch.history.looks import Look
from perch.model import DAY_MS

LARGEST_BYTES = 2_000
MOST_PEOPLE = 10_000
AHEAD_MS = 5_000
"""A phone's clock may be so much ahead; its time is then ours."""

LATE_DAYS = 7
"""A tap that waited for a connection may be so old; for older truth there is `perch audit import`."""

KEYS = ("id", "site", "space", "count", "seen_at")
_ID = re.compile(r"[0-9a-f]{32}")


async def read_object(request: Request, most_bytes: int = LARGEST_BYTES) -> dict[str, Any]:
    """Read a body that is a small JSON object; raises HTTPException or ParametersError."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "send JSON, with Content-Type: application/json")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most_bytes:
            raise HTTPException(413, f"what is sent here has no more than {most_bytes} bytes")
    try:
        given = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise wrong("body", f"this is no JSON: {error}") from None
    if not isinstance(given, dict):
        raise wrong("body", "this is no object; write {…}")
    return given


def read_tap(given: Mapping[str, Any], live: Live, reader: Reader) -> Tapped:
    """Make a tap of what was given; its time is now where none is said. Raises ParametersError."""
    found = [ProblemCause(name[:64], f"is not known here; known are {', '.join(KEYS)}") for name in given.keys() - KEYS]
    found += [ProblemCause(name, "is missing") for name in KEYS[:4] if name not in given]
    complaints = ((name, _complaint(name, given, live, reader)) for name in KEYS if name in given)
    found += [ProblemCause(name, complaint) for name, complaint in complaints if complaint]
    if found:
        raise ParametersError(found)
    seen_ms = _seen_ms(given.get("seen_at"), given["site"], live)
    return Tapped(given["id"], given["site"], Look(given["space"], seen_ms, given["count"]))


def _complaint(name: str, given: Mapping[str, Any], live: Live, reader: Reader) -> str:
    """Say what is wrong with one value, "" where nothing is."""
    value, site = given[name], given.get("site")
    if name == "count":
        return _count(value)
    if name == "seen_at" and value is None:
        return ""
    if not isinstance(value, str):
        return "must be a text"
    if name == "id":
        return "" if _ID.fullmatch(value) else "must be 32 of 0-9 and a-f, at random"
    if name == "site":
        return _site(value, live, reader)
    return _space(site, value, live, reader) if name == "space" else _time(value, site, live)


def _seen_ms(text: str | None, site: str, live: Live) -> int:
    now_ms = live.now().wall_ms
    return now_ms if text is None else min(now_ms, parse_moment(text, live.directory.zone(site)))


def _site(site: str, live: Live, reader: Reader) -> str:
    visible = [known for known in live.directory.sites if reader.may_see_site(known)]
    return "" if site in visible else f"there is no site {site[:64]!r}; there are: {', '.join(visible) or 'none'}"


def _space(site: object, space: str, live: Live, reader: Reader) -> str:
    if not isinstance(site, str) or _site(site, live, reader):
        return ""
    shown = live.get(site, space)
    if shown is None or not reader.may_see(site, shown.place.space):
        return f"there is no space {site}/{space[:64]} today; /api/v1/spaces lists them"
    return ""


def _count(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_PEOPLE:
        return ""
    return f"must be a whole number of people, 0 to {MOST_PEOPLE}"


def _time(text: str, site: object, live: Live) -> str:
    if not isinstance(site, str) or site not in live.directory.sites:
        return ""
    try:
        seen_ms = parse_moment(text, live.directory.zone(site))
    except ValueError as error:
        return str(error)
    now_ms = live.now().wall_ms
    if seen_ms > now_ms + AHEAD_MS:
        return "this lies ahead: nobody has seen it yet"
    if seen_ms < now_ms - LATE_DAYS * DAY_MS:
        return f"this is more than {LATE_DAYS} days ago; import older truth with `perch audit import`"
    return ""
