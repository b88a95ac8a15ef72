"""No field that could hold who somebody is: in no class, message, table, tag, column, parameter or answer of Perch.

A name may be refused here that means something harmless: say what it means below. That is the point: somebody looked.
"""

import ast
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from api.application import with_routes
from perch.history.tables import Column

ROOT = Path(__file__).parent.parent
PRODUCT = ("perch", "sensor_agent", "collector", "api", "dashboards")
PEOPLE = (
    "person people user username login firstname lastname surname forename nickname employee staff tenant member "
    "visitor guest attendee organizer organiser participant occupant owner who author sitter identity gender birth"
)
DEVICES = (
    "mac imei imsi ble bluetooth wifi wlan ssid bssid rssi rfid nfc badge card beacon device phone telephone mobile"
)
WAYS = "email mail address ip host hostname agent_string gps lat lon latitude longitude"
BODIES = "face photo picture image camera video audio voice microphone recording fingerprint biometric gait"
TEXTS = "title subject comment note summary"
FORBIDDEN = frozenset(f"{PEOPLE} {DEVICES} {WAYS} {BODIES} {TEXTS}".split())

HARMLESS: Mapping[str, str] = {
    "Audience.who": "a role with its sites, to group streams of one kind; in memory",
    "Api.public_summary": "how many spaces are free, for everybody",
    "Broker.host": "the broker's machine",
    "Broker.username": "the login of a process of Perch at the broker",
    "Influx.username": "the login of a process of Perch at InfluxDB",
    "MetricsAt.host": "where a process listens",
    "Api.host": "where a process listens",
    "Enrolment.host": "the broker's machine",
    "Enrolment.identity": "password or certificate: what agents show",
    "ServerSettings.faces": "what a site shows as SpaceAPI",
    "Face.email": "of the site, published by its operator",
    "Face.address": "the same",
    "Face.lat": "the same",
    "Face.lon": "the same",
    "SpaceApiContact.email": "the same",
    "SpaceApiLocation.address": "the same",
    "SpaceApiLocation.lat": "the same",
    "SpaceApiLocation.lon": "the same",
    "Entry.summary": "what a command does",
    "Problem.title": "of an error (RFC 9457)",
    "Section.title": "a heading of /privacy",
    "Pushed.title": "of a dashboard",
    "Invitation.host": "the broker's machine",
    "Terms.host": "the broker's machine",
    "Terms.identity": "password or certificate",
    "Centre.host": "the broker's machine",
    "Credential.host": "the broker's machine",
    "Credential.identity": "password or certificate",
    "SiteWanted.host": "the broker's machine",
    "EdgeWanted.host": "the broker's machine",
    "Ticket.user": "an agent at the broker",
    "Rights.user": "an agent at the broker",
    "Request.user": "an agent at the broker",
    "Granted.user": "an agent at the broker",
    "Credential.user": "an agent at the broker",
    "Place.user_name": "an agent at the broker",
    "Roster.members": "the agents that are in",
    "Place.members": "the agents that are in",
    "Asked.address": "where an agent that enrols comes from; in memory, to slow down who guesses",
    "Seen.member": "which space of a group",
    "Seat.device": "on which disk a file lies",
    "_Seat.device": "the same",
    "Event.subject": "which space or agent an event is of",
    "Alert.subject": "which part, agent or sensor needs looking after",
    "Strip.note": "words beside a chart",
    "Belief.voices": "what a sensor says",
    "Place.voice": "what a sensor says",
    "Rule.voices": "what a sensor says",
}
"""By class and field. `people` is not here: it is a number of them everywhere, see below."""


def parts_of(name: str) -> set[str]:
    """Take a name apart: `firstName`, `first_name` and `user_ids` have the words one would look for."""
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower().strip("_")
    return {words, *words.split("_"), *(part.rstrip("s") for part in words.split("_"))}


def is_refused(name: str) -> bool:
    """Tell whether a name could be of somebody's identity; `people` are counted, and never listed."""
    return bool(parts_of(name) & (FORBIDDEN - {"people"}))


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for package in PRODUCT:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path, ast.parse(path.read_text())


@pytest.fixture(scope="module")
def trees() -> dict[Path, ast.Module]:
    return dict(sources())


def fields(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Give the annotated fields of all classes, with what they are of."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            for inside in node.body:
                if isinstance(inside, ast.AnnAssign) and isinstance(inside.target, ast.Name):
                    yield f"{node.name}.{inside.target.id}", ast.unparse(inside.annotation)


def texts(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_no_class_has_a_field_for_who_somebody_is(trees: dict[Path, ast.Module]) -> None:
    found = {name for tree in trees.values() for name, _ in fields(tree) if is_refused(name.partition(".")[2])}
    assert sorted(found - HARMLESS.keys()) == []


def test_people_are_numbers_wherever_they_are(trees: dict[Path, ast.Module]) -> None:
    """A count, an array of counts, or time: never a list of somebody."""
    numbers = re.compile(
        r"(int|float|Integers|Floats)( \| None)?|tuple\[.*(int|float).*\]|Many( \| None)?|list\[Table\]"
    )
    strange = {
        (name, kind)
        for tree in trees.values()
        for name, kind in fields(tree)
        if "people" in parts_of(name.partition(".")[2]) and not numbers.search(kind)
    }
    assert strange == set()


def test_no_table_of_a_database_has_a_column_for_it(trees: dict[Path, ast.Module]) -> None:
    """All SQLite files are made by statements that stand in the adapters."""
    made = [text for path, tree in trees.items() for text in texts(tree) if "CREATE TABLE" in text]
    assert len(made) >= 6
    names = {name for text in made for name in re.findall(r"[A-Za-z_]+", re.sub(r"--.*", "", text))}
    names -= {"run_identity"}  # an index: of a run of events
    assert {"space", "people", "at_ms"} <= names
    assert sorted(name for name in names if is_refused(name)) == []


def test_no_tag_or_field_of_influxdb_is_of_it(trees: dict[Path, ast.Module]) -> None:
    names: set[str] = set()
    for file in ("line_protocol", "statements"):
        for text in texts(trees[ROOT / "perch" / "adapters" / "influx" / f"{file}.py"]):
            names |= {text} if re.fullmatch(r"\w+", text) else set(re.findall(r"(\w+)=", text))
    assert {"site", "space", "state", "people"} <= names
    assert sorted(name for name in names if is_refused(name)) == []


def test_no_column_of_an_export_is_of_it(trees: dict[Path, ast.Module]) -> None:
    names = {
        node.args[0].value
        for node in ast.walk(trees[ROOT / "perch" / "history" / "tables.py"])
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == Column.__name__
        and isinstance(node.args[0], ast.Constant)
    }
    assert len(names) > 20
    assert sorted(name for name in map(str, names) if is_refused(name)) == []


def test_no_parameter_or_answer_of_the_api_is_of_it() -> None:
    """What is sent to somebody's own machine, and what is published of a site, are in the classes above."""
    document = with_routes().openapi()
    answered = {
        (shape, name)
        for shape, schema in document["components"]["schemas"].items()
        for name in schema.get("properties", ())
    }
    asked = {
        parameter["name"]
        for methods in document["paths"].values()
        for operation in methods.values()
        for parameter in operation.get("parameters", ())
    }
    assert len(answered) > 100
    assert (
        sorted(f"{shape}.{name}" for shape, name in answered if is_refused(name) and f"{shape}.{name}" not in HARMLESS)
        == []
    )
    assert sorted(name for name in asked if is_refused(name)) == []


SOMEBODY = re.compile(
    rb"[\w.+-]{3,}@[\w-]{4,}\.[a-z]{2,}"  # mail
    rb"|\b(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}\b"  # an address of a network card, a telephone, a badge
    rb"|\b(?!127\.0\.0\.1\b)(?:\d{1,3}\.){3}\d{1,3}\b"  # of a machine
    rb"|\+\d{2}[ \d]{7,}"  # a telephone's number
)


def strange_in(folder: Path) -> set[tuple[str, bytes]]:
    """Give what could lead to somebody in the bytes of all databases of a folder, and of their logs."""
    files = [
        path for path in folder.rglob("*") if path.is_file() and re.search(r"\.(db|db-wal|sqlite|json)$", path.name)
    ]
    assert files
    return {(path.name, match) for path in files for match in SOMEBODY.findall(path.read_bytes())}


def columns_in(folder: Path) -> set[str]:
    """Give the names of all columns of the databases of a folder, but of outboxes, which their agents keep locked."""
    names: set[str] = set()
    for path in (path for path in folder.rglob("*.db") if path.name != "outbox.db"):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            names.update(row[1] for table in tables for row in db.execute(f"PRAGMA table_info({table})"))
    return names


def test_what_leads_to_somebody_would_be_found_in_a_dump(tmp_path: Path) -> None:
    (tmp_path / "one.db").write_bytes(
        b"\0x ada@lovelace.example; 02:42:ac:11:00:02; 10.1.2.3; 127.0.0.1; +351 912 345 678"
    )
    assert len(strange_in(tmp_path)) == 4


@pytest.mark.parametrize(
    "name",
    ["user_id", "macAddress", "badge", "phone_number", "bookedByEmail", "rssi", "attendees", "photo_url", "title"],
)
def test_such_a_field_would_be_found(name: str) -> None:
    assert is_refused(name)
