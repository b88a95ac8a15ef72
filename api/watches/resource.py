"""Watches over HTTP: ask to be told, see what was sent, send it anew."""

import asyncio
from dataclasses import asdict
from datetime import UTC
from secrets import token_hex
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response

from api.audit.body import read_object
from api.document.openapi import answers, no_answer, same_shape, takes
from api.entrance.access import NOTED, Matter, Reader
from api.entrance.noting import denied, note
from api.live.live import Live
from api.live.shapes import ProblemCause
from api.moments import rfc3339
from api.parameters import StrictRoute, TheLive, TheReader, known_site, required
from api.problems import ParametersError, not_found, wrong
from api.watches.shapes import (
    DeliveryItem,
    DeliveryPage,
    ReplayAsked,
    Replayed,
    WatchAsked,
    WatchItem,
    WatchMade,
    WatchPage,
)
from api.watches.watches import Watches
from api.watches.watching import FEWEST, GROUP, MATTERS
from perch.adapters.watches_file import Post, Watch
from perch.adapters.webhooks import new_secret, origin_of
from perch.errors import PerchError
from perch.watching.conditions import About
from perch.watching.posting import Standing
from perch.watching.wishes import Wish, complaints

router = APIRouter(prefix="/api/v1", route_class=StrictRoute, tags=["watches"])
LARGEST_BYTES = 8_192
MOST_OF_A_KEY, MOST_IN_ALL = 50, 1_000
MOST_DELIVERIES = 200
_encoder = msgspec.json.Encoder()
_NO_STORE = {"Cache-Control": "no-store"}
Asked = TypeVar("Asked")


async def watches_of(request: Request) -> Watches:
    """Give the watches that the application keeps."""
    watches: Watches | None = request.app.state.watches
    if watches is None:
        raise HTTPException(503, "this API keeps no watches")
    return watches


TheWatches = Annotated[Watches, Depends(watches_of)]
WatchId = Annotated[str, Path(pattern="^[0-9a-f]{12}$", description="id of a watch")]
After = Annotated[int, Query(ge=0, le=2**53, description="`next` of the page before; 0 begins")]
Most = Annotated[int, Query(ge=1, le=MOST_DELIVERIES, description="most items of one answer")]


@router.post(
    "/watches",
    status_code=201,
    **same_shape({**answers(WatchMade, 403, 409, 413, 415, 503), **takes(WatchAsked)}, 201),
    dependencies=[required(Matter.LIVE)],
)
async def watch(request: Request, live: TheLive, reader: TheReader, watches: TheWatches) -> Response:
    """Ask to be told when something turns; answers the secret that messages are signed with, once."""
    asked = _converted(await read_object(request, LARGEST_BYTES), WatchAsked)
    wish = _wish(asked)
    if not reader.may_read(MATTERS[wish.about]):
        raise denied(reader, MATTERS[wish.about])
    _check_place(wish, live, reader)
    if MATTERS[wish.about] in NOTED:
        await asyncio.to_thread(note, request, reader)
    try:
        watches.destinations.check(asked.url)
    except PerchError as error:
        raise wrong("url", f"{error.what}; {error.remedy}") from None
    if len(watches.of(reader)) >= MOST_OF_A_KEY or watches.number >= MOST_IN_ALL:
        raise HTTPException(409, f"there are {MOST_OF_A_KEY} watches of this key already; delete some first")
    made = Watch(token_hex(6), reader.key, asked.name, wish, asked.url, new_secret(), live.now().wall_ms)
    await watches.add(made)
    return _json(WatchMade(_item(made), made.secret), 201)


@router.get("/watches", **answers(WatchPage, 403, 503), dependencies=[required(Matter.LIVE)])
async def list_watches(live: TheLive, reader: TheReader, watches: TheWatches) -> Response:
    """List the reader's own watches."""
    found = tuple(map(_item, watches.of(reader)))
    return _json(WatchPage(found, None, rfc3339(live.now().wall_ms, UTC)))


@router.get("/watches/{id}", **answers(WatchItem, 403, 404, 503), dependencies=[required(Matter.LIVE)])
async def get_watch(reader: TheReader, watches: TheWatches, id: WatchId) -> Response:  # noqa: A002 - its name in the address
    """Show one of the reader's own watches."""
    return _json(_item(_own(watches, reader, id)))


@router.delete("/watches/{id}", status_code=204, **no_answer(403, 404, 503), dependencies=[required(Matter.LIVE)])
async def stop_watching(reader: TheReader, watches: TheWatches, id: WatchId) -> Response:  # noqa: A002
    """Watch something no longer; what was still to be sent is let go."""
    await watches.remove(_own(watches, reader, id))
    return Response(status_code=204, headers=_NO_STORE)


@router.get("/watches/{id}/deliveries", **answers(DeliveryPage, 403, 404, 503), dependencies=[required(Matter.LIVE)])
async def list_deliveries(
    live: TheLive,
    reader: TheReader,
    watches: TheWatches,
    id: WatchId,  # noqa: A002
    after: After = 0,
    limit: Most = MOST_DELIVERIES,
) -> Response:
    """List what a watch has sent, or is about to."""
    posts = await watches.posts(_own(watches, reader, id), after, limit)
    following = str(posts[-1].cursor) if len(posts) == limit else None
    return _json(DeliveryPage(tuple(map(_delivery, posts)), following, rfc3339(live.now().wall_ms, UTC)))


@router.post(
    "/watches/{id}/replay",
    status_code=202,
    **same_shape({**answers(Replayed, 403, 404, 413, 415, 503), **takes(ReplayAsked)}, 202),
    dependencies=[required(Matter.LIVE)],
)
async def replay(request: Request, reader: TheReader, watches: TheWatches, id: WatchId) -> Response:  # noqa: A002
    """Send messages after a cursor anew; a watch that was disabled goes on."""
    own = _own(watches, reader, id)
    asked = _converted(await read_object(request, LARGEST_BYTES), ReplayAsked)
    return _json(Replayed(await watches.replay(own, asked.after)), 202)


def _converted(given: dict[str, Any], shape: type[Asked]) -> Asked:
    try:
        return msgspec.convert(given, shape)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at ")
        raise wrong(place.strip("`$.") or "body", what) from None


def _wish(asked: WatchAsked) -> Wish:
    given = {name: value for name, value in msgspec.structs.asdict(asked).items() if name not in ("url", "name")}
    wish = Wish(**given)
    if found := [ProblemCause(name, what) for name, what in complaints(wish)]:
        raise ParametersError(found)
    return wish


def _check_place(wish: Wish, live: Live, reader: Reader) -> None:
    """Refuse a site or agent that does not exist for the reader; raises ParametersError."""
    known_site(live, reader, wish.site)
    if wish.agent is not None and (wish.site or "", wish.agent) not in live.directory.spaces_of:
        raise wrong("agent", f"there is no agent {wish.agent!r} at {wish.site}; /api/v1/agents lists them")


_OVER = f"it has told once, which is all of fewer than {FEWEST} spaces; make another to be told again"


def _own(watches: Watches, reader: Reader, id_: str) -> Watch:
    for one in watches.of(reader):
        if one.id == id_:
            return one
    raise not_found("there is no such watch")


def _item(one: Watch) -> WatchItem:
    delivered = None if one.well_ms is None else rfc3339(one.well_ms, UTC)
    held = any(one.holds.values()) if one.wish.about is About.AGENT_OFFLINE and one.holds else one.holds.get(GROUP)
    return WatchItem(
        id=one.id,
        name=one.name,
        url=f"{origin_of(one.url)}/…",
        created=rfc3339(one.created_ms, UTC),
        holds=held,
        disabled=one.disabled,
        over=_OVER if one.is_over else None,
        last_delivered=delivered,
        **asdict(one.wish),
    )


def _delivery(post: Post) -> DeliveryItem:
    made, posting = post.made, post.posting
    due = rfc3339(posting.due_ms, UTC) if posting.standing is Standing.WAITING else None
    at = rfc3339(made.at_ms, UTC)
    return DeliveryItem(post.cursor, made.id, made.type, at, posting.standing, posting.attempts, due, post.said)


def _json(answer: msgspec.Struct, status: int = 200) -> Response:
    return Response(_encoder.encode(answer), status, _NO_STORE, "application/json")
