"""A day by its hours: bars for today, a stepped line for what is usual."""

from collections.abc import Callable, Iterator, Sequence

from api.pages.typical import HourOfDay
from api.planners.charts import WIDTH, drawing, markup, put

_LEFT, _RIGHT, _TOP, _HEIGHT, _FOOT = 40, 4, 10, 130, 24
_DAY = (7, 20)
"""The hours that are drawn at least; others where something was in use."""


def day_chart(hours: Sequence[HourOfDay], label: str) -> str:
    """Draw a day; shares are from 0 to 1, the scale ends at the next fifth above the highest."""
    drawn = [hour for hour in hours if _DAY[0] <= hour.hour <= _DAY[1] or hour.today or (hour.usual or 0) > 0.005]
    shown = hours[min(hour.hour for hour in drawn) : max(hour.hour for hour in drawn) + 1]
    highest = max((share or 0.0 for hour in shown for share in (hour.today, hour.usual)), default=0.0)
    top = next(step for step in (0.2, 0.4, 0.6, 0.8, 1.0) if highest <= step or step == 1.0)
    picture = drawing(_TOP + _HEIGHT + _FOOT, label, "day")
    width = (WIDTH - _LEFT - _RIGHT) / len(shown)

    def down(share: float) -> float:
        return _TOP + _HEIGHT * (1 - share / top)

    for part in (0.0, 0.5, 1.0):
        put(picture, "path", kind="grid", d=f"M{_LEFT} {down(part * top):g}H{WIDTH - _RIGHT}")
        put(
            picture,
            "text",
            f"{part * top:.0%}",
            kind="side",
            x=_LEFT - 6,
            y=down(part * top) + 4,
        )
    for place, hour in enumerate(shown):
        x = _LEFT + place * width
        if hour.today:
            size = {"width": width * 0.7, "height": _HEIGHT * hour.today / top}
            put(picture, "rect", kind="now", x=x + width * 0.15, y=down(hour.today), rx=2, **size)
        if hour.hour % 3 == 0:
            put(picture, "text", str(hour.hour), kind="foot", x=x + width / 2, y=_TOP + _HEIGHT + 17)
    steps = " ".join(_usual(shown, width, down))
    if steps:
        put(picture, "path", kind="usual", d=steps)
    return markup(picture)


def _usual(shown: Sequence[HourOfDay], width: float, down: Callable[[float], float]) -> Iterator[str]:
    """Write the line of what is usual; it begins anew after an hour that has no number."""
    joins = False
    for place, hour in enumerate(shown):
        if hour.usual is not None:
            yield f"{'L' if joins else 'M'}{_LEFT + place * width:.1f} {down(hour.usual):.1f}h{width:.1f}"
        joins = hour.usual is not None
