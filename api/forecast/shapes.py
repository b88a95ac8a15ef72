"""What a forecast answers; these names too are schemas of the OpenAPI document."""

from typing import Annotated

from msgspec import Meta, Struct

from api.live.shapes import Amount, Moment
from perch.history.forecast.silence import Why
from perch.model import SpaceKind

Share = Annotated[float, Meta(ge=0, le=1)]
Free = Annotated[float, Meta(ge=0)]


class ForecastRecord(Struct, frozen=True):
    """How right such forecasts would have been on this site's own past: n of them, made so many hours ahead.

    `brier` is the mean square of what the chance missed (0 is perfect), `usual_brier` that of the plain share of past
    weeks; `hit_rate` is the share that was on the right side of a half.
    """

    brier: Share
    hit_rate: Share
    n: Amount
    usual_brier: Share
    hours_ahead: Amount


class ForecastAnswer(Struct, frozen=True):
    """The chance that at least one space is free at a moment; numbers are null where `why` says that none is known.

    `why_code` says the same for programs, and for pages in other languages.
    """

    site: str
    time_zone: str
    kind: SpaceKind
    at: Moment
    probability_free: Share | None
    expected_free: Free | None
    usually_free: Free | None
    total: Amount
    record: ForecastRecord | None
    why: str | None
    why_code: Why | None
