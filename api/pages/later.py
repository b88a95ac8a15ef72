"""Find a desk for later: at each site the chance that one of a kind is free at a moment of its own time."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from api.forecast.forecasts import Forecasts
from api.moments import parse_moment, zone_of
from api.pages.languages import Words, say
from api.pages.rows import moment_of, percent
from perch.errors import PerchError, QuestionError
from perch.history.forecast.asking import MOST_DAYS_AHEAD, Present
from perch.history.forecast.silence import Silence
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
    except ValueError:
        return {**told, "time": "", "more": own["no_time"]}
    except QuestionError:
        is_past = at_ms <= now_ms
        return {**told, "time": "", "more": own["past"] if is_past else say(own, "too_far", days=MOST_DAYS_AHEAD)}
    except PerchError:
        return {**told, "time": "", "more": words["space"]["today_gone"]}
    moment = moment_of(at_ms, now_ms, zone, words).text
    if found.probability_free is None or found.expected_free is None:
        return {**told, "time": say(own, "at", time=moment), "more": _why(found.why, pool, now_ms, words)}
    record = "" if found.record is None else say(own, "record", share=_share(found.record.hit_rate, words))
    return {
        **told,
        "time": say(own, "at", time=moment),
        "chance": _share(found.probability_free, words),
        "more": say(own, "expected", n=round(found.expected_free), total=found.total),
        "record": record,
    }


def _why(why: Silence | None, pool: Pool, now_ms: int, words: Words) -> str:
    """Say in the reader's words why there is no number."""
    if why is None:
        return ""
    opens = "" if why.opens_ms is None else moment_of(why.opens_ms, now_ms, zone_of(pool.site.time_zone), words).text
    kind = words["kinds"][pool.kind]
    return say(words["find"]["why"], why.code, kind=kind, time=opens, found=why.found, needed=why.needed)


def _share(share: float, words: Words) -> str:
    """Write a share that is never all, nor none, where it is not."""
    return percent(share if share in (0.0, 1.0) else min(max(share, 0.01), 0.99), words)
