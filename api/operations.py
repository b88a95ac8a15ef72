"""How the API itself is: alive, and able to answer from every part that it depends on."""

from collections.abc import Callable, Sequence

import msgspec
from fastapi import APIRouter, Request, Response

from api.access import Matter, Reader
from api.openapi import answers, same_shape
from api.parameters import StrictRoute, TheReader
from api.shapes import Health, Part, Readiness
from perch.errors import PerchError

router = APIRouter(route_class=StrictRoute, tags=["operations"])
_encoder = msgspec.json.Encoder()
_NO_STORE = {"Cache-Control": "no-store"}

Check = Callable[[], str]
"""Gives a word on a part that is well, raises PerchError where it is not."""


@router.get("/healthz", **answers(Health))
async def healthz() -> Response:
    """Tell that the process answers."""
    return Response(_encoder.encode(Health("alive")), headers=_NO_STORE, media_type="application/json")


@router.get("/readyz", **same_shape(answers(Readiness), 503))
def readyz(request: Request, reader: TheReader) -> Response:
    """Tell whether every part is well, and which one is not to whoever may know."""
    checks: Sequence[tuple[str, Check]] = request.app.state.checks
    parts = tuple(_look_at(name, check) for name, check in checks)
    ready = all(part.ok for part in parts)
    body = _encoder.encode(Readiness(ready, parts if may_operate(reader) else ()))
    return Response(body, 200 if ready else 503, _NO_STORE, "application/json")


def may_operate(reader: Reader) -> bool:
    """Tell whether a reader may know how the server does: it serves all sites at once."""
    return reader.may_read(Matter.FLEET) and reader.sites is None


def _look_at(name: str, check: Check) -> Part:
    try:
        return Part(name, True, check())
    except PerchError as error:
        return Part(name, False, f"{error.what}: {error.remedy}" if error.remedy else error.what)
