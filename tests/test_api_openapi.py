"""The published OpenAPI document is true: what is really answered is what it describes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from perch.model import State
from tests.parts import Broker, until
from tests.serving import Served, Speaker, server_settings, serving_connected


@pytest.fixture
def served(mosquitto: Broker, tmp_path: Path) -> Iterator[Served]:
    """An API that has heard of an agent with a sensor, and of two spaces."""
    with serving_connected(server_settings(mosquitto.port, tmp_path)) as served, Speaker(mosquitto) as speaker:
        speaker.beat()
        speaker.say("d01", State.FREE)
        speaker.say("r1", State.OCCUPIED, count=2)
        served.wait_for("r1", State.OCCUPIED)
        yield served


@pytest.fixture
def document(served: Served) -> Any:
    """The document as it is published."""
    return served.json("/api/v1/openapi.json")


def check(document: Any, path: str, status: int, body: Any) -> None:
    """Hold an answer against the schema that the document names for it."""
    (content,) = document["paths"][path]["get"]["responses"][str(status)]["content"].values()
    schema = {**content["schema"], "components": document["components"]}
    Draft202012Validator(_closed(schema), format_checker=Draft202012Validator.FORMAT_CHECKER).validate(body)


def _closed(schema: Any) -> Any:
    """Forbid fields that the document does not name, which JSON Schema by itself would let pass."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(value) for name, value in schema.items()}
    if isinstance(closed.get("properties"), dict) and "additionalProperties" not in closed:
        closed["additionalProperties"] = False
    return closed


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("/api/v1/sites", "/api/v1/sites"),
        ("/api/v1/summary", "/api/v1/summary"),
        ("/api/v1/spaces", "/api/v1/spaces"),
        ("/api/v1/spaces", "/api/v1/spaces?limit=1"),
        ("/api/v1/spaces/{site}/{space}", "/api/v1/spaces/hq/r1"),
        ("/api/v1/spaces/{site}/{space}", "/api/v1/spaces/hq/d03"),
        ("/api/v1/agents", "/api/v1/agents"),
        ("/api/v1/sensors", "/api/v1/sensors"),
        ("/api/v1/definitions", "/api/v1/definitions"),
        ("/api/v1/audit", "/api/v1/audit?site=hq"),
        ("/healthz", "/healthz"),
    ],
)
def test_answers_are_as_described(served: Served, document: Any, path: str, address: str) -> None:
    body = served.json(address)
    assert body
    assert body.get("items") != [] or path.endswith("/audit")
    check(document, path, 200, body)


@pytest.mark.parametrize(
    ("path", "address", "status"),
    [
        ("/api/v1/spaces", "/api/v1/spaces?kind=sofa", 422),
        ("/api/v1/spaces/{site}/{space}", "/api/v1/spaces/hq/none", 404),
        ("/api/v1/history/{metric}", "/api/v1/history/none?site=hq&from=2026-01-01&to=2026-01-02", 404),
        ("/api/v1/history/{metric}", "/api/v1/history/coverage?site=hq&from=2026-01-01&to=2026-01-02", 503),
        ("/readyz", "/readyz", 503),
    ],
)
def test_refusals_are_as_described(served: Served, document: Any, path: str, address: str, status: int) -> None:
    answer = served.get(address)
    assert answer.status_code == status
    check(document, path, status, answer.json())


def test_events_carry_items_as_described(served: Served, document: Any) -> None:
    with served.client.stream("GET", "/api/v1/events") as answer:
        data = next(line for line in answer.iter_lines() if line.startswith("data: "))
    check(document, "/api/v1/events", 200, json.loads(data.removeprefix("data: ")))


def test_every_reference_of_the_document_leads_somewhere_and_every_schema_is_used(document: Any) -> None:
    schemas = document["components"]["schemas"]
    named = set(_references(document))
    assert named <= {f"#/components/schemas/{name}" for name in schemas}
    for name, schema in schemas.items():
        Draft202012Validator.check_schema(schema)
        assert schema.get("title", name) == name
    assert not [name for name in schemas if "Validation" in name]


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


def test_every_route_says_how_it_refuses(document: Any) -> None:
    routes = [(path, method, of) for path, methods in document["paths"].items() for method, of in methods.items()]
    for path, _, route in routes:
        assert list(route["responses"]["422"]["content"]) == ["application/problem+json"], path
        assert route["summary"], path
        assert route["operationId"].isidentifier(), path
    names = [route["operationId"] for _, _, route in routes]
    assert len(set(names)) == len(names)
    not_reading = {(path, method) for path, method, _ in routes if method != "get"}
    scenarios = ("/api/v1/planning/scenarios", "post")  # asks with a body, and changes nothing
    assert not_reading == {("/api/v1/audit", "post"), ("/api/v1/audit/{id}", "delete"), scenarios}


def test_a_document_that_lies_would_be_found(served: Served, document: Any) -> None:
    until(lambda: served.json("/api/v1/agents")["items"])
    for change in ({"colour": "blue"}, {"state": "maybe"}, {"probability": 2}):
        body = {**served.space("r1"), **change}
        with pytest.raises(Exception, match=r"maybe|colour|2"):
            check(document, "/api/v1/spaces/{site}/{space}", 200, body)
