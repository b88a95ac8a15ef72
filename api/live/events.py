"""What changes, as it changes: server-sent events that can be resumed."""

from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse

from api.directory import Place
from api.document.openapi import streams
from api.entrance.access import Matter, Reader
from api.live.feed import Condition, Feed, Push, Subscription
from api.live.feeds import Audience, Sight
from api.live.live import Live
from api.live.resources import visible
from api.live.selection import Selection
from api.live.shapes import AgentItem, Reset, Snapshot, SpaceItem
from api.parameters import (
    OptionalCapacity,
    OptionalFeature,
    OptionalFloor,
    OptionalKind,
    OptionalSite,
    OptionalZone,
    StrictRoute,
    TheLive,
    TheReader,
    known_site,
    required,
)
from api.wire import PUSH

router = APIRouter(prefix="/api/v1", route_class=StrictRoute, tags=["live"])
_encoder = msgspec.json.Encoder()
_RETRY = b"retry: 2000\n\n"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@router.get(
    "/events",
    **streams(snapshot=Snapshot, space=SpaceItem, agent=AgentItem, reset=Reset),
    response_class=StreamingResponse,
    dependencies=[required(Matter.LIVE)],
)
async def events(
    request: Request,
    live: TheLive,
    reader: TheReader,
    site: OptionalSite = None,
    floor: OptionalFloor = None,
    zone: OptionalZone = None,
    kind: OptionalKind = None,
    feature: OptionalFeature = None,
    min_capacity: OptionalCapacity = None,
    last_event_id: Annotated[str | None, Header(description="the last `id` seen, to resume after it")] = None,
) -> Response:
    """Stream `snapshot`, then `space` and `agent` for each change; filters choose spaces, whatever their state becomes.

    Ids increase: each is the moment of its event in microseconds since 1970, or one more than the one before. With
    `Last-Event-ID` the stream goes on after that event; where that cannot be (for members: after two minutes), `reset`
    comes first, then a snapshot. A comment is sent each 15 s.
    """
    known_site(live, reader, site)
    selection = Selection(site, floor, zone, kind, None, feature, min_capacity)
    at_us = live.now().wall_ms * 1000
    feed = live.feeds.of(audience_of(reader), at_us)
    subscription = feed.subscribe(
        wanted(reader, selection), lambda: _snapshot(live, reader, selection), _number(last_event_id), at_us
    )
    push = request.scope.get("extensions", {}).get(PUSH)
    stream = _stream(live, feed, subscription, push)
    return StreamingResponse(stream, media_type="text/event-stream", headers=_HEADERS)


async def _stream(live: Live, feed: Feed, subscription: Subscription, push: Push | None) -> AsyncIterator[bytes]:
    try:
        yield _RETRY
        async for chunk in subscription.chunks(wake=live.wake, push=push):
            yield chunk
    finally:
        feed.leave(subscription)


def audience_of(reader: Reader) -> Audience:
    """Give those who may see what a reader may."""
    return Audience((reader.role, reader.sites), wanted(reader, Selection()), _sight_of(reader))


def _sight_of(reader: Reader) -> Sight:
    if reader.may_read(Matter.LIVE_OF_ALL_PURPOSES):
        return Sight.WHOLE
    return Sight.EXACT if reader.may_read(Matter.EXACT_TIMES) else Sight.COARSE


def wanted(reader: Reader, selection: Selection) -> Condition:
    """Take changes of the spaces that are asked for, and of the agents of their sites where the role reads agents."""

    def wants(subject: object) -> bool:
        if isinstance(subject, Place):
            return selection.may_take(subject.site, subject.space) and reader.may_see(subject.site, subject.space)
        site = subject[0] if isinstance(subject, tuple) else ""
        return selection.site in (None, site) and reader.may_see_site(site) and reader.may_read(Matter.FLEET)

    return wants


def _snapshot(live: Live, reader: Reader, selection: Selection) -> bytes:
    now = live.now()
    return _encoder.encode(
        Snapshot(tuple(live.item_to(reader, shown, now) for _, shown in visible(live, reader, selection)))
    )


def _number(last_event_id: str | None) -> int | None:
    """Read the last id; one that no server of ours ever gave is as old as can be."""
    if last_event_id is None:
        return None
    return int(last_event_id) if last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 20 else -1
