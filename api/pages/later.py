"""Find a desk for later: at each site the chance that one of a kind is free at a moment of its own time."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from api.forecasts import Forecasts
from api.moments import parse_moment, zone_of
from api.pages.languages import Words, say
from api.pages.rows import moment_of, percent
from perch.errors import PerchError
from perch.history.forecast.asking import Present
from perch.model import Site, SpaceKind


class Pool(NamedTuple):
    """A kind of space at a site, and what it is like now."""

    site: Site
    kind: SpaceKind
    present: Present


def later(pools: Sequence[Pool], at: str, now_ms: int, forecasts: Forecasts, words: Words) -> list[dict[str, Any]]:
    """Tell the chance at each site, or why there is none; asks history, which takes its time."""
    return [_told(pool, at, now_ms, forecasts, words) for pool in pools]


def _told(pool: Pool, at: str, now_ms: int, forecasts: Forecasts, words: Words) -> dict[str, Any]:
    own, zone = words["find"], zone_of(pool.site.time_zone)
    told = {"id": pool.site.id, "name": pool.site.name, "chance": "", "more": "", "record": ""}
    try:
        at_ms = parse_moment(at, zone)
        found = forecasts.ask(pool.site, pool.kind, at_ms, now_ms, pool.present)
    except ValueError as error:
        return {**told, "time": "", "more": str(error)}
    except PerchError as error:
        return {**told, "time": "", "more": error.what}
    moment = moment_of(at_ms, now_ms, zone, words).text
    if found.probability_free is None or found.expected_free is None:
        return {**told, "time": say(own, "at", time=moment), "more": found.why or ""}
    record = "" if found.record is None else say(own, "record", share=_share(found.record.hit_rate, words))
    return {
        **told,
        "time": say(own, "at", time=moment),
        "chance": _share(found.probability_free, words),
        "more": say(own, "expected", n=round(found.expected_free), total=found.total),
        "record": record,
    }


def _share(share: float, words: Words) -> str:
    """Write a share that is never all, nor none, where it is not."""
    return percent(share if share in (0.0, 1.0) else min(max(share, 0.01), 0.99), words)
