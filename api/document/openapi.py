"""The OpenAPI document: FastAPI describes addresses and parameters, msgspec the shapes that are really sent."""

from typing import Any

import msgspec
from fastapi import FastAPI

from api.audit import shapes as audit_shapes
from api.document.finishing import finish
from api.forecast import shapes as forecast_shapes
from api.history import shapes as history_shapes
from api.live import shapes
from api.planning import shapes as planning_shapes
from api.privacy import shapes as privacy_shapes
from api.problems import MEDIA_TYPE
from api.spaceapi import shapes as spaceapi_shapes
from api.watches import shapes as watches_shapes

DOCUMENT = "/api/v1/openapi.json"
_REFERENCE = "#/components/schemas/{name}"
_SHAPES = [
    shape
    for module in (
        shapes,
        history_shapes,
        planning_shapes,
        forecast_shapes,
        audit_shapes,
        watches_shapes,
        spaceapi_shapes,
        privacy_shapes,
    )
    for shape in vars(module).values()
    if isinstance(shape, type) and shape.__module__ == module.__name__
]
_PROBLEMS = {
    403: "the reader's role does not include this",
    404: "there is no such thing",
    409: "this is not possible any more, or there is something else under this id",
    413: "the body is too large",
    415: "the body is no JSON",
    422: "parameters are wrong, each named",
    503: "a part of Perch does not answer now",
}


def takes(shape: type) -> dict[str, Any]:
    """Describe a body that a route needs."""
    content = {"application/json": {"schema": _reference_to(shape)}}
    return {"openapi_extra": {"requestBody": {"required": True, "content": content}}}


def answers(shape: type, *problems: int) -> dict[str, Any]:
    """Describe a route that answers with a shape, and which problems it may report instead."""
    good = {"description": _first_line(shape), "content": {"application/json": {"schema": _reference_to(shape)}}}
    return {"response_model": None, "responses": {200: good, **{status: _bad(status) for status in (422, *problems)}}}


def streams(**events: type) -> dict[str, Any]:
    """Describe a route that streams events, each with data of a shape."""
    schema = {"x-event-data": {name: _reference_to(shape) for name, shape in events.items()}}
    good = {
        "description": "Server-sent events: the name of each, and the JSON in its `data`, as `x-event-data` says.",
        "content": {"text/event-stream": {"schema": schema}},
    }
    return {"response_model": None, "responses": {200: good, 422: _bad(422)}}


def or_shape(route: dict[str, Any], shape: type) -> dict[str, Any]:
    """Describe a route that may also answer with another shape."""
    good = route["responses"][200]
    content = {
        name: {"schema": {"anyOf": [of["schema"], _reference_to(shape)]}} for name, of in good["content"].items()
    }
    return {**route, "responses": {**route["responses"], 200: {**good, "content": content}}}


def or_file(route: dict[str, Any], *media_types: str) -> dict[str, Any]:
    """Describe a route that may also answer with a file of one of these types."""
    good = route["responses"][200]
    files = {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in media_types}
    content = {**good["content"], **files}
    return {**route, "responses": {**route["responses"], 200: {**good, "content": content}}}


def same_shape(route: dict[str, Any], status: int) -> dict[str, Any]:
    """Describe a route that answers with the same shape under another status as well."""
    return {**route, "responses": {**route["responses"], status: route["responses"][200]}}


def no_answer(*problems: int) -> dict[str, Any]:
    """Describe a route that answers with nothing but that it is done."""
    done = {204: {"description": "it is done"}}
    return {"response_model": None, "responses": {**done, **{status: _bad(status) for status in (422, *problems)}}}


def may_be_known(route: dict[str, Any]) -> dict[str, Any]:
    """Describe a route that answers 304 where the reader's ETag still holds."""
    known = {304: {"description": "nothing has changed since the ETag given in If-None-Match"}}
    return {**route, "responses": {**route["responses"], **known}}


def _first_line(shape: type) -> str:
    return (shape.__doc__ or "").splitlines()[0]


def _bad(status: int) -> dict[str, Any]:
    return {
        "description": _PROBLEMS[status],
        "content": {MEDIA_TYPE: {"schema": _reference_to(shapes.Problem)}},
    }


def _reference_to(shape: type) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(name=shape.__name__)}


def describe(app: FastAPI) -> None:
    """Give the application a document whose schemas are those of the modules of shapes."""
    made = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            described = made()
            _, schemas = msgspec.json.schema_components(_SHAPES, ref_template=_REFERENCE)
            components = described.setdefault("components", {}).setdefault("schemas", {})
            components.update(schemas)
            for unused in ("HTTPValidationError", "ValidationError"):
                components.pop(unused, None)
            finish(described, {shape.__name__: shape for shape in _SHAPES})
            app.openapi_schema = described
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # the way FastAPI documents
