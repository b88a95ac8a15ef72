"""How good forecasts are on simulated pools, beside the plain share of past weeks and that of all past hours.

Every forecast is made by what was known before it, of each full open hour from the fifth week on. The plain
hour-of-week mean is the share of past weeks in which one was free at that time of the week; climatology the share of
all past open quarter hours.
"""

from collections.abc import Iterator

import numpy as np

from benchmarks.figures import Figure
from benchmarks.forecast_pools import POOLS
from perch.history.forecast.record import JUDGED, Forecasts, judge
from perch.history.forecast.ties import Lead
from perch.history.measure import Floats

SEEDS = (11, 12, 13)
LEADS = {JUDGED[0]: "1 h", JUDGED[1]: "3 h", JUDGED[2]: "1 day", JUDGED[3]: "1 week", JUDGED[4]: "2 weeks"}
ENOUGH = 200
AIM = "≥ 10 % better"


def figures() -> list[Figure]:
    """Forecast each pool with each seed."""
    said = {pool: [judge(make(seed))[1] for seed in SEEDS] for pool, make in POOLS.items()}
    every = [of for several in said.values() for of in several]
    found = [figure for lead, name in LEADS.items() for figure in _of_lead([of[lead] for of in every], name)]
    found += [_gain(several, f"{pool}: 1 h to 1 week") for pool, several in said.items()]
    found.append(_gain(every, "all pools: 1 h to 1 week", AIM))
    return [*found, *_reliability(_joined([forecasts for of in every for forecasts in of.values()]))]


def _of_lead(several: list[Forecasts], name: str) -> Iterator[Figure]:
    whole = _joined(several)
    for column, what in ((whole.chance, "forecast"), (whole.usual, "hour-of-week mean"), (whole.ever, "climatology")):
        yield Figure(f"Brier {name} ahead, {what}", [_brier(column, whole.came)], f"of {len(whole.came)}")
    better = 100 * (1 - _brier(whole.chance, whole.came) / _brier(whole.usual, whole.came))
    hits = 100 * float(np.mean((whole.chance >= 0.5) == (whole.came == 1)))
    yield Figure(f"{name} ahead, better than the hour-of-week mean", [better], "%", AIM)
    yield Figure(f"{name} ahead, on the right side of a half", [hits], "%")


def _gain(several: list[dict[Lead, Forecasts]], what: str, aim: str = "") -> Figure:
    """Compare the mean Brier scores of the four leads up to a week, by pool and seed."""
    gains = []
    for of in several:
        mine, usual = (
            np.mean([_brier(getattr(of[lead], column), of[lead].came) for lead in JUDGED[:4]])
            for column in ("chance", "usual")
        )
        gains.append(float(100 * (1 - mine / usual)))
    return Figure(f"{what}, better than the hour-of-week mean", gains, "%", aim)


def _reliability(of: Forecasts) -> Iterator[Figure]:
    """Put chances beside how often they came true, by tenths."""
    tenth = np.minimum((10 * of.chance).astype(int), 9)
    for number in range(10):
        among = tenth == number
        if np.count_nonzero(among) >= ENOUGH:
            points = 100 * float(of.came[among].mean() - of.chance[among].mean())
            what = f"said {of.chance[among].mean():.3f}, came {of.came[among].mean():.3f}, n={np.count_nonzero(among)}"
            yield Figure(what, [points], "points", "within 5")


def _joined(several: list[Forecasts]) -> Forecasts:
    return Forecasts(*(np.concatenate(column) for column in zip(*several, strict=True)))


def _brier(said: Floats, came: Floats) -> float:
    return float(np.square(said - came).mean())
