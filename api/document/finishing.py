"""What every operation of the OpenAPI document says besides its own: how it may fail, examples, plain schemas."""

from collections.abc import Iterator, Mapping
from typing import Any

from api.document.examples import WORDS, example_of
from api.live import shapes
from api.problems import MEDIA_TYPE

Document = dict[str, Any]
_EXAMPLES_OF_PARAMETERS = {
    **{name: WORDS[name] for name in ("site", "floor", "zone", "kind", "state", "space", "metric", "resolution")},
    "feature": "monitor",
    "min_capacity": 4,
    "order": "free-first",
    "limit": 100,
    "from": "2026-03-02",
    "to": "2026-03-09T18:00",
    "id": "4f3c0a9be1d24c6f8a5b7d9e0c1f2a3b",
}
_FAILURES = {
    400: ("BadRequest", "this is no HTTP request"),
    401: ("Unauthorized", "a key is needed, or the one given is not valid"),
    403: ("Forbidden", "the reader's role does not include this"),
    413: ("ContentTooLarge", "the body is too large"),
    414: ("UriTooLong", "the address is too long"),
    421: ("MisdirectedRequest", "the server was called by a name that is not its own"),
    429: ("TooManyRequests", "the reader asks more than is allowed; `Retry-After` says how long to wait"),
    431: ("HeadersTooLarge", "the headers are too large"),
    500: ("InternalServerError", "this is a bug in Perch"),
    503: ("ServiceUnavailable", "a part of Perch does not answer now; `Retry-After` says when to come back"),
}
_HEADERS = {
    "RateLimit": {
        "description": (
            'what is left of the allowance, and in how many seconds all of it will be back: `"requests";r=50;t=30`'
        ),
        "schema": {"type": "string"},
    },
    "RateLimitPolicy": {
        "description": 'the allowance, of so many requests in so many seconds: `"requests";q=1200;w=60`',
        "schema": {"type": "string"},
    },
    "RetryAfter": {"description": "seconds to wait", "schema": {"type": "integer", "minimum": 1}},
    "ETag": {"description": "for `If-None-Match`", "schema": {"type": "string"}},
}
_WAITS = (429, 503)


def finish(document: Document, types: Mapping[str, type]) -> None:
    """Complete a document; `types` are the shapes by the names of their schemas."""
    components = document["components"]
    components["headers"] = _HEADERS
    components["responses"] = {name: _failure(status, what) for status, (name, what) in _FAILURES.items()}
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "description": "a key of Perch"}}
    document["security"] = [{"key": []}, {}]
    for schema in components["schemas"].values():
        _make_plain(schema)
    for operation in operations(document):
        _finish(operation, types)


def operations(document: Document) -> Iterator[Document]:
    """Give every operation."""
    for methods in document["paths"].values():
        yield from methods.values()


def _failure(status: int, what: str) -> Document:
    headers = {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}} if status in _WAITS else {}
    schema = {"$ref": f"#/components/schemas/{shapes.Problem.__name__}"}
    return {"description": what, "headers": headers, "content": {MEDIA_TYPE: {"schema": schema}}}


def _finish(operation: Document, types: Mapping[str, type]) -> None:
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = _without_null(parameter["schema"])
        if parameter["name"] in _EXAMPLES_OF_PARAMETERS:
            parameter["example"] = _EXAMPLES_OF_PARAMETERS[parameter["name"]]
    answers = operation["responses"]
    for status, answer in answers.items():
        if status.startswith("2"):
            _show(answer, types)
            answer.setdefault("headers", {})["RateLimit"] = {"$ref": "#/components/headers/RateLimit"}
            answer["headers"]["RateLimit-Policy"] = {"$ref": "#/components/headers/RateLimitPolicy"}
            if "304" in answers:
                answer["headers"]["ETag"] = {"$ref": "#/components/headers/ETag"}
    _show(operation.get("requestBody", {}), types)
    for status, (name, _) in _FAILURES.items():
        answers.setdefault(str(status), {"$ref": f"#/components/responses/{name}"})
    operation["responses"] = dict(sorted(answers.items()))


def _show(message: Document, types: Mapping[str, type]) -> None:
    """Add examples to whatever a message may hold."""
    for media_type, content in message.get("content", {}).items():
        if "json" in media_type:
            references = [one.get("$ref", "") for one in content["schema"].get("anyOf", [content["schema"]])]
            names = [name for name in (reference.rpartition("/")[2] for reference in references) if name in types]
            content["examples"] = {name: {"value": example_of(types[name])} for name in names}


def _without_null(schema: Document) -> Document:
    """Say of what may be left out of an address what it is where it is there; null cannot be written in one."""
    of = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if len(of) != 1:
        return schema
    return {**of[0], **{name: value for name, value in schema.items() if name != "anyOf"}}


def _make_plain(schema: Any) -> None:
    """Leave out that a tuple has no more parts, which its number of parts says, too: generators trip over it."""
    if isinstance(schema, dict):
        if schema.get("items") is False:
            del schema["items"]
        for part in schema.values():
            _make_plain(part)
    elif isinstance(schema, list):
        for part in schema:
            _make_plain(part)
