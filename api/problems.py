"""Every error as `application/problem+json` (RFC 9457): what is wrong, where, and what to do about it."""

import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from api.entrance.access import Matter, Reader
from api.live.shapes import Problem, ProblemCause
from perch.errors import InputError, PerchError, QuestionError

MEDIA_TYPE = "application/problem+json"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_HEADERS = {"Cache-Control": "no-store"}
_LONGEST_ECHO = 100
_MOST_CAUSES = 20
"""So that a small request cannot ask for a large answer."""

_log = logging.getLogger("perch.api")
_encoder = msgspec.json.Encoder()

_DETAILS = {
    HTTPStatus.NOT_FOUND: "there is nothing at this address; /api/v1/openapi.json lists what there is",
    HTTPStatus.METHOD_NOT_ALLOWED: "this address knows other methods; the Allow header names them",
}


UNTOLD = "what this answer is made of cannot be read at the moment; whoever looks after the server is told why"
OVER_S = 600.0
"""What was not said for so long is an incident of its own when it comes again."""

_MOST_INCIDENTS = 100


class Incidents:
    """Remembers what was said in the log, so that an outage is one line there and not one a request."""

    def __init__(self) -> None:
        self._last_s: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"<Incidents, {len(self._last_s)} told>"

    def is_new(self, what: str, now_s: float) -> bool:
        """Tell whether something did not happen lately, and note that it has."""
        before_s = self._last_s.pop(what, None)
        self._last_s[what] = now_s
        if len(self._last_s) > _MOST_INCIDENTS:
            del self._last_s[next(iter(self._last_s))]
        return before_s is None or now_s - before_s > OVER_S


class ParametersError(Exception):
    """Parameters of a request are wrong; carries every cause."""

    def __init__(self, causes: Iterable[ProblemCause]) -> None:
        super().__init__("wrong parameters")
        self.causes = tuple(causes)


def wrong(where: str, what: str) -> ParametersError:
    """Complain of one parameter."""
    return ParametersError((ProblemCause(where, what),))


def problem(
    status: int, detail: str = "", errors: Iterable[ProblemCause] = (), headers: dict[str, str] | None = None
) -> Response:
    """Build an answer that says what is wrong."""
    return Response(body_of(status, detail, errors), status, {**_HEADERS, **(headers or {})}, MEDIA_TYPE)


def body_of(status: int, detail: str = "", errors: Iterable[ProblemCause] = ()) -> bytes:
    """Write what is wrong."""
    known = HTTPStatus(status)
    body = Problem("about:blank", known.phrase, status, detail or _DETAILS.get(known, known.description), tuple(errors))
    return _encoder.encode(body)


def not_found(what: str) -> HTTPException:
    """Say that something named in the address does not exist."""
    return HTTPException(404, what)


def declare_problems(app: FastAPI) -> None:
    """Make every error of the application a problem document."""
    handlers: dict[Any, Callable[[Request, Any], Awaitable[Response]]] = {
        HTTPException: _on_http_exception,
        RequestValidationError: _on_validation,
        ParametersError: _on_parameters,
        PerchError: _on_perch_error,
        Exception: _on_bug,
    }
    app.state.incidents = Incidents()
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


async def _on_http_exception(request: Request, error: HTTPException) -> Response:
    phrase = HTTPStatus(error.status_code).phrase
    detail = "" if error.detail == phrase else str(error.detail)
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_allowed(request))
    return problem(error.status_code, detail, headers=headers)


def _allowed(request: Request) -> list[str]:
    """Name every method of an address; the framework names those of its first route alone."""
    routes, scope = request.app.routes, request.scope
    return [
        method
        for method in _METHODS
        if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in routes)
    ]


async def _on_validation(_request: Request, error: RequestValidationError) -> Response:
    return _unprocessable(causes_of(error))


async def _on_parameters(_request: Request, error: ParametersError) -> Response:
    return _unprocessable(error.causes)


async def _on_perch_error(request: Request, error: PerchError) -> Response:
    """What a request asks wrongly is the reader's to mend; an unreadable file or database is not.

    Where that lies is for whoever may know how the server does.
    """
    if isinstance(error, QuestionError):
        what = f"{error.what}; {error.remedy}" if error.remedy else error.what
        return _unprocessable((ProblemCause(error.parameter, what),))
    if isinstance(error, InputError):
        return _unprocessable(ProblemCause(complaint.where, complaint.what) for complaint in error.complaints)
    incidents: Incidents = request.app.state.incidents
    if incidents.is_new(error.what, time.monotonic()):
        _log.warning("cannot answer: %s", error.what)
    told = f"{error.what}: {error.remedy}" if error.remedy else error.what
    return problem(503, told if _may_know(request) else UNTOLD, headers={"Retry-After": "10"})


def _may_know(request: Request) -> bool:
    reader: Reader | None = request.scope["state"].get("reader")
    return reader is not None and reader.may_read(Matter.FLEET)


async def _on_bug(_request: Request, _error: Exception) -> Response:
    return problem(500, "this is a bug in Perch; the log of the API tells more")


def _unprocessable(causes: Iterable[ProblemCause]) -> Response:
    errors = tuple(causes)
    if len(errors) > _MOST_CAUSES:
        rest = ProblemCause("and more", f"{len(errors) - _MOST_CAUSES} other things are wrong")
        errors = (*errors[:_MOST_CAUSES], rest)
    named = ", ".join(dict.fromkeys(cause.where for cause in errors))
    return problem(422, f"the request cannot be answered as it is: {named}", errors)


def causes_of(error: RequestValidationError) -> tuple[ProblemCause, ...]:
    """Give what FastAPI found wrong with the values of a request."""
    return tuple(map(_cause, error.errors()))


def _cause(error: dict[str, Any]) -> ProblemCause:
    where = ".".join(str(step) for step in error["loc"][1:]) or str(error["loc"][0])
    given = error.get("input")
    echo = f"; got {given[:_LONGEST_ECHO]!r}" if isinstance(given, str) else ""
    return ProblemCause(where, f"{error['msg']}{echo}")
