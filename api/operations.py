"""How the API itself is: alive, and able to answer from every part that it depends on."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import State

from api.document.openapi import DOCUMENT, answers, same_shape
from api.entrance.access import ANYBODY, Matter, Reader
from api.live.shapes import Health, Part, Readiness, Root
from api.parameters import StrictRoute, TheLive, TheReader
from perch import __version__
from perch.errors import PerchError

router = APIRouter(route_class=StrictRoute, tags=["operations"])
_encoder = msgspec.json.Encoder()
_NO_STORE = {"Cache-Control": "no-store"}

KEPT_MS = 1_000


class Looked(NamedTuple):
    """How the parts were, and until when that is told to anybody."""

    until_ms: int
    parts: tuple[Part, ...]


Check = Callable[[], str]
"""Gives a word on a part that is well, raises PerchError where it is not."""


@router.get("/api/v1/", **answers(Root))
async def root() -> Response:
    """Tell which version of Perch answers, and where its description is."""
    body = _encoder.encode(Root("Perch", __version__, DOCUMENT))
    return Response(body, headers=_NO_STORE, media_type="application/json")


@router.get("/healthz", **answers(Health))
async def healthz() -> Response:
    """Tell that the process answers."""
    return Response(_encoder.encode(Health("alive")), headers=_NO_STORE, media_type="application/json")


@router.get("/readyz", **same_shape(answers(Readiness), 503))
async def readyz(request: Request, live: TheLive, reader: TheReader) -> Response:
    """Tell whether every part is well, and which one is not to whoever may know."""
    parts = await _parts(request.app.state, live.now().mono_ms, anew=reader != ANYBODY)
    ready = all(part.ok for part in parts)
    body = _encoder.encode(Readiness(ready, parts if may_operate(reader) else ()))
    return Response(body, 200 if ready else 503, _NO_STORE, "application/json")


async def _parts(state: State, now_ms: int, *, anew: bool) -> tuple[Part, ...]:
    """Look at every part; who shows no key may ask without limit, so they are told what was found within a second."""
    looked: Looked | None = state.looked
    if looked is not None and not anew and now_ms < looked.until_ms:
        return looked.parts
    if looked is not None:
        state.looked = Looked(now_ms + KEPT_MS, looked.parts)  # for who asks while the parts are looked at
    checks: Sequence[tuple[str, Check]] = state.checks
    parts = await run_in_threadpool(lambda: tuple(_look_at(name, check) for name, check in checks))
    state.looked = Looked(now_ms + KEPT_MS, parts)
    return parts


def may_operate(reader: Reader) -> bool:
    """Tell whether a reader may know how the server does: it serves all sites at once."""
    return reader.may_read(Matter.FLEET) and reader.sites is None


def _look_at(name: str, check: Check) -> Part:
    try:
        return Part(name, True, check())
    except PerchError as error:
        return Part(name, False, f"{error.what}: {error.remedy}" if error.remedy else error.what)
