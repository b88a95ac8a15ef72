"""What will be: the chance of a free space of a kind at a moment, with how right such forecasts have been."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from api.document.openapi import answers
from api.entrance.access import Matter
from api.forecast.forecasts import Forecasts
from api.forecast.shapes import ForecastAnswer, ForecastRecord
from api.history.resources import HEADERS, RequiredSite
from api.live.live import Live
from api.moments import parse_moment, rfc3339, zone_of
from api.parameters import StrictRoute, TheLive, TheReader, complain, complain_of_site, required
from api.turns import taking_turns
from perch.history.forecast.asking import Forecast, Present
from perch.history.forecast.record import Record
from perch.history.forecast.ties import Lead
from perch.model import Purpose, Reason, Site, SpaceKind, State

router = APIRouter(prefix="/api/v1", route_class=StrictRoute, tags=["forecast"], dependencies=[required(Matter.LIVE)])
_encoder = msgspec.json.Encoder()
_DECIMALS_OF_CHANCE, _DECIMALS_OF_FREE = 3, 2


@dataclass(frozen=True, slots=True)
class Asked:
    """A kind of space at a site, the moment asked for and the present one, and what the pool is like now."""

    site: Site
    kind: SpaceKind
    at_ms: int
    now_ms: int
    present: Present


async def asked_of(
    live: TheLive,
    reader: TheReader,
    site: RequiredSite,
    kind: Annotated[SpaceKind, Query(description="which kind of space")],
    at: Annotated[str, Query(max_length=64, description="RFC 3339; without offset: the site's own time")],
) -> Asked | None:
    """Read what is asked; None where there is something to complain of. On the loop, which owns the live states."""
    if complain_of_site(live, reader, site):
        return None
    of = live.directory.sites[site]
    try:
        at_ms = parse_moment(at, zone_of(of.time_zone))
    except ValueError as error:
        complain("at", str(error))
        return None
    return Asked(of, kind, at_ms, live.now().wall_ms, present_of(live, site, kind))


def present_of(live: Live, site: str, kind: SpaceKind) -> Present:
    """Count the shared spaces of a kind at a site as they are now."""
    said = [
        shown.occupancy
        for _, shown in live.all()
        if shown.place.site == site and shown.place.space.kind is kind and shown.place.space.purpose is Purpose.SHARED
    ]
    states = [one.state for one in said if one.reason is not Reason.OUT_OF_SERVICE]
    return Present(states.count(State.OCCUPIED), states.count(State.FREE), len(states))


async def forecasts_of(request: Request) -> Forecasts:
    """Give the forecasts that the application serves."""
    forecasts: Forecasts = request.app.state.forecasts
    return forecasts


@router.get("/forecast", **answers(ForecastAnswer, 403, 503))
@taking_turns
def forecast(
    forecasts: Annotated[Forecasts, Depends(forecasts_of)], asked: Annotated[Asked, Depends(asked_of)]
) -> Response:
    """Say how likely a space of a kind is free at a moment of the next fourteen days, or why nobody can tell."""
    found = forecasts.ask(asked.site, asked.kind, asked.at_ms, asked.now_ms, asked.present)
    return Response(_encoder.encode(_answer(asked, found)), headers=HEADERS, media_type="application/json")


def _answer(asked: Asked, found: Forecast) -> ForecastAnswer:
    zone = zone_of(asked.site.time_zone)
    return ForecastAnswer(
        asked.site.id,
        asked.site.time_zone,
        asked.kind,
        rfc3339(asked.at_ms, zone),
        _rounded(found.probability_free, _DECIMALS_OF_CHANCE),
        _rounded(found.expected_free, _DECIMALS_OF_FREE),
        _rounded(found.usually_free, _DECIMALS_OF_FREE),
        found.total,
        None if found.record is None or found.lead is None else _record(found.record, found.lead),
        None if found.why is None else found.why.sentence,
        None if found.why is None else found.why.code,
    )


def _record(of: Record, lead: Lead) -> ForecastRecord:
    hours = lead.days * 24 + lead.quarters // 4
    return ForecastRecord(round(of.brier, 4), round(of.hit_rate, 3), of.n, round(of.usual_brier, 4), hours)


def _rounded(number: float | None, decimals: int) -> float | None:
    return None if number is None else round(number, decimals)
