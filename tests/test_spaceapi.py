"""A site that its operator publishes is there for the world, by SpaceAPI's rules, and tells no more than it should."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from api.spaceapi.resource import open_by
from perch.adapters.keys import KeysFile, Role
from perch.errors import InputError
from perch.history.calendar import Calendar
from perch.settings import Face, load_server
from tests.configurations import site_toml
from tests.parts import free_port
from tests.serving import Served, a_site, server_settings, serving

FACE = Face("hq", "https://hq.example", "https://hq.example/logo.svg", "a@hq.example", "Quay 1", 38.71, -9.14)

# What https://schema.spaceapi.io/15.json asks of the fields that Perch gives, compared word by word on 2026-11-23;
# stricter in that nothing else may be there.
TEXT, NUMBER = {"type": "string"}, {"type": "number"}
SPACEAPI_15 = {
    "type": "object",
    "required": ["api_compatibility", "space", "logo", "url", "contact"],
    "properties": {
        "api_compatibility": {"type": "array", "items": TEXT, "contains": {"const": "15"}},
        "space": TEXT,
        "logo": TEXT,
        "url": TEXT,
        "location": {
            "type": "object",
            "minProperties": 1,
            "properties": {"address": TEXT, "lat": NUMBER, "lon": NUMBER, "timezone": TEXT, "country_code": TEXT},
            "dependentRequired": {"lat": ["lon"], "lon": ["lat"]},
        },
        "contact": {"type": "object", "properties": {"email": TEXT}},
        "state": {"type": "object", "properties": {"open": {"type": "boolean"}, "lastchange": NUMBER}},
    },
    "patternProperties": {"^ext_": {}},
    "additionalProperties": False,
}


@contextmanager
def published(data: Path, *, public_summary: bool) -> Iterator[Served]:
    settings = server_settings(free_port(), data)
    api = replace(settings.api, public_summary=public_summary)
    KeysFile(data).create("somebody", Role.MEMBER, None, 0)
    with serving(replace(settings, api=api, faces=(FACE,))) as served:
        yield served


def test_a_published_site_is_for_everybody_without_a_key_and_from_any_page(tmp_path: Path) -> None:
    import jsonschema  # takes seconds

    with published(tmp_path, public_summary=False) as served:
        answer = served.get("/spaceapi?site=hq", Origin="https://mapall.example")
        assert answer.status_code == 200
        assert answer.headers.get_list("access-control-allow-origin") == ["*"]
        shown = answer.json()
        jsonschema.Draft202012Validator(SPACEAPI_15).validate(shown)
        assert (shown["space"], shown["contact"], shown["location"]["lat"]) == (
            "Harbour House",
            {"email": FACE.email},
            38.71,
        )
        assert "ext_perch" not in shown
        assert served.get("/spaceapi?site=annex").status_code == 404
        assert served.get("/api/v1/summary").status_code == 401


def test_how_many_are_free_is_told_where_the_summary_is_public(tmp_path: Path) -> None:
    with published(tmp_path, public_summary=True) as served:
        told = served.json("/spaceapi?site=hq")["ext_perch"]
        summary = served.json("/api/v1/summary?site=hq")
    assert {name: told[name] for name in ("total", "free", "occupied", "unknown")} == {
        name: summary[name] for name in ("total", "free", "occupied", "unknown")
    }


def at(calendar: Calendar, text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=calendar.zone).timestamp() * 1000)


@pytest.mark.parametrize(
    ("now", "is_open", "since"),
    [
        ("2026-03-30T07:59", False, "2026-03-27T20:00"),  # Monday, after a weekend in which the clocks changed
        ("2026-03-30T08:00", True, "2026-03-30T08:00"),
        ("2026-03-30T19:59", True, "2026-03-30T08:00"),
        ("2026-03-30T20:00", False, "2026-03-30T20:00"),
    ],
)
def test_a_site_is_open_by_its_hours_and_says_since_when(now: str, is_open: bool, since: str) -> None:
    calendar = Calendar(a_site().time_zone, a_site().hours)
    state = open_by(calendar, at(calendar, now))
    assert (state.open, state.lastchange) == (is_open, at(calendar, since) // 1000)


FACE_TOML = """[[spaceapi]]
site = "hq"
url = "https://a.example"
logo = "https://a.example/l.svg"
email = "a@a.example"
"""


@pytest.mark.parametrize(
    ("face", "where"),
    [
        (FACE_TOML.replace('"hq"', '"nowhere"'), "[[spaceapi]][1].site"),
        (FACE_TOML + "lat = 38.7\n", "[[spaceapi]][1]"),
        (FACE_TOML + "lat = 91\nlon = 0\n", "[[spaceapi]][1].lat"),
        (FACE_TOML.replace("https://a.example/l", "l"), "[[spaceapi]][1].logo"),
        (FACE_TOML.replace('email = "a@a.example"\n', ""), "[[spaceapi]][1].email"),
        (FACE_TOML + FACE_TOML, "[[spaceapi]][2].site"),
    ],
)
def test_a_face_that_cannot_be_shown_is_refused_by_name(tmp_path: Path, face: str, where: str) -> None:
    assert complaints(tmp_path, FACE_TOML) == []
    found = complaints(tmp_path, face)
    assert [complaint.where.endswith(where) for complaint in found] == [True], found


def complaints(folder: Path, face: str) -> list[Any]:
    (folder / "site.toml").write_text(site_toml(""))
    (folder / "perch.toml").write_text(f'data = "data"\nsites = ["site.toml"]\n{face}')
    try:
        load_server(folder / "perch.toml", {})
    except InputError as error:
        return list(error.complaints)
    return []
