"""What may stand in a query, declared once: routes take these as arguments, and refuse everything else by name.

All this is read on the event loop: an answer of live states waits for no thread, however many others are at work.
"""

import functools
import inspect
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from api.entrance.access import NOTED, Matter, Reader
from api.entrance.noting import denied, note
from api.live.live import Live
from api.live.paging import LONGEST_CURSOR, MOST_ITEMS, Page, question
from api.live.selection import Order, Selection
from api.live.shapes import ProblemCause
from api.problems import ParametersError, causes_of, wrong
from perch.model import ID_PATTERN, SpaceKind, State

_ID = f"^{ID_PATTERN.pattern}$"
OptionalSite = Annotated[str | None, Query(pattern=_ID, description="id of a site")]
OptionalFloor = Annotated[str | None, Query(pattern=_ID, description="id of a floor")]
OptionalZone = Annotated[str | None, Query(pattern=_ID, description="id of a zone")]
OptionalKind = Annotated[SpaceKind | None, Query(description="kind of space")]
OptionalState = Annotated[State | None, Query(description="present state")]
OptionalFeature = Annotated[str | None, Query(max_length=64, description="a feature that the space has")]
OptionalCapacity = Annotated[int | None, Query(ge=0, le=10_000, description="people that must find a seat")]
AskedOrder = Annotated[Order, Query(description="surely free first, then what may be; or by site and id")]
Limit = Annotated[int, Query(ge=1, le=MOST_ITEMS, description="most items of one answer")]
Cursor = Annotated[
    str | None, Query(max_length=LONGEST_CURSOR, description="`next` of the page before, with the same question")
]


_found: ContextVar[list[ProblemCause]] = ContextVar("what is wrong with the parameters of this request")


class StrictRoute(APIRoute):
    """A route that refuses parameters which the OpenAPI document does not declare, and such as are given twice.

    Whatever is wrong with a request is said at once: its endpoint runs only where nothing was found.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        super().__init__(path, _unless_wrong(endpoint), **more)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Check names as well as values."""
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            found = _strangers(request, self._declared(request.app.openapi())) if request.query_params else []
            token = _found.set(found)
            try:
                return await handle(request)
            except RequestValidationError as error:
                raise ParametersError([*found, *causes_of(error)]) from error
            finally:
                _found.reset(token)

        return strict

    def _declared(self, document: dict[str, Any]) -> list[str]:
        method = next(iter(self.methods or ()), "GET")
        described = document["paths"][self.path_format][method.lower()].get("parameters", [])
        return [parameter["name"] for parameter in described if parameter["in"] == "query"]


def complain(where: str, what: str) -> None:
    """Note that a parameter is wrong, while the others are still looked at; its endpoint will not run."""
    _found.get().append(ProblemCause(where, what))


def _unless_wrong(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Make an endpoint that refuses a request of which anything is wrong."""

    def refuse() -> None:
        if found := _found.get():
            raise ParametersError(found)

    @functools.wraps(endpoint)
    async def awaited(*given: Any, **named: Any) -> Any:
        refuse()
        return await endpoint(*given, **named)

    @functools.wraps(endpoint)
    def called(*given: Any, **named: Any) -> Any:
        refuse()
        return endpoint(*given, **named)

    return awaited if inspect.iscoroutinefunction(endpoint) else called


def _strangers(request: Request, declared: list[str]) -> list[ProblemCause]:
    causes = []
    known = ", ".join(declared) or "none"
    for name in dict.fromkeys(request.query_params):
        if name not in declared:
            causes.append(ProblemCause(name[:64], f"there is no such parameter here; there are: {known}"))
        elif len(request.query_params.getlist(name)) > 1:
            causes.append(ProblemCause(name, "this is given more than once"))
    return causes


async def live_of(request: Request) -> Live:
    """Give the live states that the application serves."""
    live: Live = request.app.state.live
    return live


async def reader_in(request: Request) -> Reader:
    """Give who asks, as the door decided."""
    reader: Reader = request.scope["state"]["reader"]
    return reader


TheLive = Annotated[Live, Depends(live_of)]
TheReader = Annotated[Reader, Depends(reader_in)]


def known_site(live: Live, reader: Reader, site: str | None) -> str | None:
    """Check that a site which is asked for exists for the reader; raises ParametersError."""
    complaint = _unknown_site(live, reader, site)
    if complaint is not None:
        raise wrong("site", complaint)
    return site


def complain_of_site(live: Live, reader: Reader, site: str | None) -> bool:
    """Complain of a site that does not exist for the reader; tells whether it had to."""
    complaint = _unknown_site(live, reader, site)
    if complaint is not None:
        complain("site", complaint)
    return complaint is not None


def _unknown_site(live: Live, reader: Reader, site: str | None) -> str | None:
    visible = [known for known in live.directory.sites if reader.may_see_site(known)]
    if site is None or site in visible:
        return None
    if not reader.may_read(Matter.NETWORK):
        return f"there is no site {site!r}"
    return f"there is no site {site!r}; there are: {', '.join(visible) or 'none'}"


async def page_asked(request: Request, limit: Limit = MOST_ITEMS, cursor: Cursor = None) -> Page:
    """Read which page of a list is asked for."""
    return Page(question(request.url.path, request.query_params), limit, cursor)


ThePage = Annotated[Page, Depends(page_asked)]


async def selection_of(
    live: TheLive,
    reader: TheReader,
    site: OptionalSite = None,
    floor: OptionalFloor = None,
    zone: OptionalZone = None,
    kind: OptionalKind = None,
    state: OptionalState = None,
    feature: OptionalFeature = None,
    min_capacity: OptionalCapacity = None,
) -> Selection:
    """Read the filters of spaces."""
    complain_of_site(live, reader, site)
    return Selection(site, floor, zone, kind, state, feature, min_capacity)


TheSelection = Annotated[Selection, Depends(selection_of)]


def required(matter: Matter) -> Any:
    """Let only those roles pass that may read a matter; some of it is noted."""

    async def check(reader: TheReader) -> None:
        if not reader.may_read(matter):
            raise denied(reader, matter)

    def check_and_note(request: Request, reader: TheReader) -> None:
        if not reader.may_read(matter):
            raise denied(reader, matter)
        note(request, reader)

    return Depends(check_and_note if matter in NOTED else check)
