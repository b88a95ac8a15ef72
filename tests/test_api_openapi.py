"""The published OpenAPI document is true: what is really answered is what it describes."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from perch import __version__
from perch.model import State
from tests.parts import Broker, find_mosquitto, until
from tests.serving import Served, Speaker, server_settings, serving_connected


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An API that has heard of an agent with a sensor, and of two spaces."""
    program = find_mosquitto()
    if program is None:
        pytest.skip("mosquitto is not installed: run scripts/get-parts")
    broker = Broker(program, tmp_path_factory.mktemp("mosquitto"))
    broker.start()
    settings = server_settings(broker.port, tmp_path_factory.mktemp("data"))
    try:
        with serving_connected(settings) as served, Speaker(broker) as speaker:
            speaker.beat()
            speaker.say("d01", State.FREE)
            speaker.say("r1", State.OCCUPIED, count=2)
            served.wait_for("r1", State.OCCUPIED)
            until(lambda: served.json("/api/v1/sensors")["items"])
            yield served
    finally:
        broker.stop()


@pytest.fixture(scope="module")
def document(served: Served) -> Any:
    """The document as it is published."""
    return served.json("/api/v1/openapi.json")


def check(document: Any, path: str, status: int, body: Any) -> None:
    """Hold an answer against the schema that the document names for it."""
    (content,) = document["paths"][path]["get"]["responses"][str(status)]["content"].values()
    hold(document, content["schema"], body)


def hold(document: Any, described: Any, body: Any) -> None:
    """Hold a body against a schema of the document."""
    from jsonschema import Draft202012Validator  # takes seconds

    schema = {**described, "components": document["components"]}
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
        ("/api/v1/", "/api/v1/"),
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
    route = document["paths"]["/api/v1/events"]["get"]["responses"]["200"]
    described = route["content"]["text/event-stream"]["schema"]["x-event-data"]
    hold(document, described["snapshot"], json.loads(data.removeprefix("data: ")))
    assert set(described) == {"snapshot", "space", "agent", "reset"}


def test_every_reference_of_the_document_leads_somewhere_and_every_schema_is_used(document: Any) -> None:
    from jsonschema import Draft202012Validator  # takes seconds

    schemas = document["components"]["schemas"]
    parts = {kind: of for kind, of in document["components"].items() if kind != "securitySchemes"}
    named = set(_references(document))
    assert named <= {f"#/components/{kind}/{name}" for kind, of in parts.items() for name in of}
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
        assert {"401", "403", "413", "429", "500"} <= set(route["responses"]), path
        assert ("{" in path) <= ("404" in route["responses"]), path
        assert route["summary"], path
        assert route["operationId"].isidentifier(), path
    names = [route["operationId"] for _, _, route in routes]
    assert len(set(names)) == len(names)
    not_reading = {(path, method) for path, method, _ in routes if method != "get"}
    scenarios = ("/api/v1/planning/scenarios", "post")  # asks with a body, and changes nothing
    watches = {
        ("/api/v1/watches", "post"),
        ("/api/v1/watches/{id}", "delete"),
        ("/api/v1/watches/{id}/replay", "post"),
    }
    assert not_reading == {("/api/v1/audit", "post"), ("/api/v1/audit/{id}", "delete"), scenarios} | watches


def test_whatever_is_json_has_an_example_that_fits(document: Any) -> None:
    from jsonschema import Draft202012Validator  # takes seconds

    shown = 0
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            answers = [of for status, of in operation["responses"].items() if status.startswith("2")]
            for message in (*answers, operation.get("requestBody", {})):
                for media_type, content in message.get("content", {}).items():
                    if "json" not in media_type:
                        continue
                    assert content["examples"], (path, method)
                    for example in content["examples"].values():
                        schema = {**content["schema"], "components": document["components"]}
                        Draft202012Validator(_closed(schema)).validate(example["value"])
                        shown += 1
    assert shown >= 15


def test_what_may_be_left_out_of_an_address_is_not_null_there(document: Any) -> None:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                assert '"null"' not in json.dumps(parameter["schema"]), (path, parameter["name"])


def test_the_document_is_openapi_3_1(document: Any) -> None:
    assert document["openapi"].startswith("3.1.")
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


def test_a_document_that_lies_would_be_found(served: Served, document: Any) -> None:
    for change in ({"colour": "blue"}, {"state": "maybe"}, {"probability": 2}):
        body = {**served.space("r1"), **change}
        with pytest.raises(Exception, match=r"maybe|colour|2"):
            check(document, "/api/v1/spaces/{site}/{space}", 200, body)


def test_the_root_says_which_version_answers(served: Served) -> None:
    """As `perch --version` and each agent's status do."""
    assert served.json("/api/v1/") == {
        "name": "Perch",
        "version": __version__,
        "description": "/api/v1/openapi.json",
    }
