"""What holds now: sites, summary, spaces, agents and sensors."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC
from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Request, Response

from api.document.openapi import answers, may_be_known
from api.entrance.access import Matter, Reader, matter_of
from api.live import items
from api.live.kept import Answer, AnswerResponse, Kept, question_of, tag_of
from api.live.live import Live, Shown
from api.live.paging import Item, Key, Page, keyed_page, ranked_page
from api.live.selection import Order, Selection, rank
from api.live.shapes import AgentPage, SensorPage, SitePage, SpaceItem, SpacePage, Summary, Tally
from api.moments import rfc3339
from api.parameters import (
    AskedOrder,
    OptionalKind,
    OptionalSite,
    StrictRoute,
    TheLive,
    ThePage,
    TheReader,
    TheSelection,
    known_site,
    required,
)
from api.problems import not_found, wrong
from perch.model import State

router = APIRouter(prefix="/api/v1", route_class=StrictRoute, tags=["live"])
FEWEST_IN_PUBLIC = 5
EVERYTHING = Selection()
_encoder = msgspec.json.Encoder()


@router.get("/sites", **may_be_known(answers(SitePage)), dependencies=[required(Matter.NETWORK)])
async def sites(request: Request, live: TheLive, reader: TheReader, page: ThePage) -> Response:
    """List the places of the network."""
    known = (site for site in live.directory.sites.values() if reader.may_see_site(site.id))
    keyed = (((site.id,), items.site_item(site)) for site in known)
    listed, following = _page(keyed, page)
    content = _encoder.encode((listed, following))
    return _keep(request, SitePage(tuple(listed), following, as_of(live, None)), content)


@router.get("/summary", **may_be_known(answers(Summary)), dependencies=[required(Matter.SUMMARY)])
async def summary(
    request: Request, live: TheLive, reader: TheReader, site: OptionalSite = None, kind: OptionalKind = None
) -> Response:
    """Count the free, occupied and unknown spaces, in all and by site and kind."""
    known_site(live, reader, site)
    answer = summarised(counted(live, reader, Selection(site=site, kind=kind)), as_of(live, site))
    return _keep(request, answer, _encoder.encode(msgspec.structs.replace(answer, as_of="")))


@router.get("/spaces", **may_be_known(answers(SpacePage)), dependencies=[required(Matter.LIVE)])
async def spaces(
    request: Request,
    live: TheLive,
    reader: TheReader,
    selection: TheSelection,
    page: ThePage,
    order: AskedOrder = Order.FREE_FIRST,
) -> Response:
    """List spaces with what can be vouched for now, surely free ones first."""
    found = visible(live, reader, selection)
    if order is Order.ID:
        chosen, following = _page(found, page)
    else:
        chosen, following = _best(found, live, reader, page)
    now = live.now()
    answer = SpacePage(
        tuple(live.item_to(reader, shown, now) for shown in chosen), following, as_of(live, selection.site)
    )
    return _keep(request, answer, _encoder.encode(([shown.to(reader) for shown in chosen], following)))


@router.get("/spaces/{site}/{space}", **may_be_known(answers(SpaceItem, 404)), dependencies=[required(Matter.LIVE)])
async def one_space(
    request: Request,
    live: TheLive,
    reader: TheReader,
    site: Annotated[str, Path(max_length=64)],
    space: Annotated[str, Path(max_length=64)],
) -> Response:
    """Tell what can be vouched for now of one space."""
    shown = live.get(site, space)
    if shown is None or not reader.may_see(site, shown.place.space):
        raise not_found(f"there is no space {site}/{space}; /api/v1/spaces lists them")
    return _keep(request, live.item_to(reader, shown, live.now()), _encoder.encode(shown.to(reader)))


@router.get("/agents", **may_be_known(answers(AgentPage, 403)), dependencies=[required(Matter.FLEET)])
async def agents(
    request: Request,
    live: TheLive,
    reader: TheReader,
    page: ThePage,
    site: OptionalSite = None,
) -> Response:
    """List the agents of the layout, heard or not."""
    now = live.now()
    keyed = ((key, live.agent_item_to(reader, key, now)) for key in _agents(live, reader, site))
    listed, following = _page(keyed, page)
    answer = AgentPage(tuple(listed), following, as_of(live, site))
    return _keep(request, answer, _encoder.encode((listed, following)))


@router.get("/sensors", **may_be_known(answers(SensorPage, 403)), dependencies=[required(Matter.FLEET)])
async def sensors(
    request: Request,
    live: TheLive,
    reader: TheReader,
    page: ThePage,
    site: OptionalSite = None,
) -> Response:
    """List the sensors that agents told of."""
    now = live.now()
    described = ((key, item) for key in _agents(live, reader, site) for item in live.sensor_items_to(reader, key, now))
    keyed = (((*key, item.id), item) for key, item in described)
    listed, following = _page(keyed, page)
    answer = SensorPage(tuple(listed), following, as_of(live, site))
    return _keep(request, answer, _encoder.encode((listed, following)))


def _page(keyed: Iterable[tuple[Key, Item]], page: Page) -> tuple[list[Item], str | None]:
    """Cut a page out of what is in order of key; raises ParametersError."""
    try:
        return keyed_page(keyed, page)
    except ValueError as error:
        raise wrong("cursor", str(error)) from None


def _best(found: Iterable[tuple[Key, Shown]], live: Live, reader: Reader, page: Page) -> tuple[list[Shown], str | None]:
    """Cut a page out of spaces, surely free ones first, equals by site and id; raises ParametersError."""
    ranked = sorted(found, key=lambda one: rank(one[1].occupancy))
    if page.cursor is None and len(ranked) <= page.limit:
        return [shown for _, shown in ranked], None
    try:
        return ranked_page(ranked, places(live, reader), page)
    except ValueError as error:
        raise wrong("cursor", str(error)) from None


def places(live: Live, reader: Reader) -> list[Key]:
    """Give the key of every space that a reader may see on some day of the layout, in order."""
    rows = ((site.id, space) for site in live.directory.sites.values() for space in site.spaces)
    return sorted({(site, space.id) for site, space in rows if reader.may_see(site, space)})


def _agents(live: Live, reader: Reader, site: str | None) -> Iterator[tuple[str, str]]:
    known_site(live, reader, site)
    return (key for key in live.agents if site in (None, key[0]) and reader.may_see_site(key[0]))


def visible(live: Live, reader: Reader, selection: Selection) -> Iterator[tuple[tuple[str, str], Shown]]:
    """Give the spaces that a reader asks for and may see."""
    for key, shown in live.all():
        space = shown.place.space
        if reader.may_see(key[0], space) and selection.takes(key[0], space, shown.occupancy):
            yield key, shown


def counted(live: Live, reader: Reader, selection: Selection = EVERYTHING) -> list[Shown]:
    """Give the spaces that a reader's summary counts; without a key, only kinds of which a site has five or more.

    Smaller ones are left out of every figure, so that no difference of two of them is the state of a few spaces.
    """
    if reader.may_read(Matter.LIVE):
        return [shown for _, shown in visible(live, reader, selection)]
    shared = [shown for key, shown in live.all() if matter_of(shown.place.space) is Matter.LIVE]
    sizes = Counter((shown.place.site, shown.place.space.kind) for shown in shared)
    return [
        shown
        for shown in shared
        if sizes[shown.place.site, shown.place.space.kind] >= FEWEST_IN_PUBLIC
        and selection.takes(shown.place.site, shown.place.space, shown.occupancy)
    ]


def summarised(chosen: Iterable[Shown], moment: str) -> Summary:
    """Count spaces by state: in all, by site and by kind."""
    counted = Counter((shown.place.site, shown.place.space.kind, shown.occupancy.state) for shown in chosen)
    by_site = {site: _tally(c for c in counted.items() if c[0][0] == site) for site, _, _ in sorted(counted)}
    by_kind = {kind.value: _tally(c for c in counted.items() if c[0][1] == kind) for _, kind, _ in sorted(counted)}
    whole = _tally(counted.items())
    return Summary(moment, whole.total, whole.free, whole.occupied, whole.unknown, by_site, by_kind)


def _tally(counted: Iterable[tuple[tuple[str, str, State], int]]) -> Tally:
    number = Counter[State]()
    for (_, _, state), spaces in counted:
        number[state] += spaces
    return Tally(number.total(), number[State.FREE], number[State.OCCUPIED], number[State.UNKNOWN])


def as_of(live: Live, site: str | None) -> str:
    """Write the present moment in a site's offset, or in UTC where an answer spans sites."""
    return rfc3339(live.now().wall_ms, UTC if site is None else live.directory.zone(site))


def _keep(request: Request, answer: msgspec.Struct, content: bytes) -> Response:
    kept: Kept = request.app.state.kept
    made = Answer(_encoder.encode(answer), tag_of(content))
    kept.put(question_of(request.scope), made)
    return AnswerResponse(made)
