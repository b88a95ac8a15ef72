"""Pictures drawn by the server: functions from numbers to SVG, without colours, which the style sheet has.

All are 360 units wide, which is a phone's width, and as high as they need to be.
"""

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from math import ceil
from typing import NamedTuple

WIDTH = 360
STEPS = 9
"""How many shades there are above nothing."""


class Cell(NamedTuple):
    """An hour of the week: what is written, how full (0 to 1; None: no number), and whether little was observed."""

    text: str
    share: float | None
    is_poor: bool
    is_peak: bool


class Bar(NamedTuple):
    """A share with its bounds; None where there is no number."""

    name: str
    text: str
    value: float | None
    low: float | None
    high: float | None


class Curve(NamedTuple):
    """Shares of days by number of spaces, rising; what is enough, what stands there, and the share that is allowed."""

    points: Sequence[tuple[int, float]]
    enough: int
    interval: tuple[int, int | None]
    current: int
    allowed: float
    enough_text: str
    current_text: str
    axis_text: str


def drawing(height: float, label: str, name: str) -> ET.Element:
    """Begin a picture that is read out as `label`."""
    head = {"viewBox": f"0 0 {WIDTH} {height:g}", "class": f"chart {name}", "role": "img", "aria-label": label}
    return ET.Element("svg", head)


def put(parent: ET.Element, tag: str, text: str = "", /, **attributes: object) -> ET.Element:
    """Put something into a picture: numbers are written short, `kind` is its class, hyphens are underscores here."""
    named = {("class" if name == "kind" else name.replace("_", "-")): _short(it) for name, it in attributes.items()}
    element = ET.SubElement(parent, tag, named)
    element.text = text or None
    return element


def markup(picture: ET.Element) -> str:
    """Write a picture down."""
    return ET.tostring(picture, encoding="unicode")


def _short(value: object) -> str:
    return f"{round(value, 2):g}" if isinstance(value, float) else str(value)


_HOUR_WIDTH, _ROW, _HEAD = 46, 30, 24


def heat_map(cells: Mapping[tuple[int, int], Cell], weekdays: Sequence[str], label: str) -> str:
    """Draw hours of the week, by (weekday from 1, hour): a column for each weekday that occurs."""
    days = sorted({weekday for weekday, _ in cells})
    hours = range(min(hour for _, hour in cells), max(hour for _, hour in cells) + 1)
    picture = drawing(_HEAD + _ROW * len(hours), label, "heat-map")
    width = (WIDTH - _HOUR_WIDTH) / len(days)
    for column, weekday in enumerate(days):
        put(picture, "text", weekdays[weekday - 1], kind="head", x=_HOUR_WIDTH + (column + 0.5) * width, y=15)
    for row, hour in enumerate(hours):
        put(picture, "text", f"{hour:02}:00", kind="side", x=_HOUR_WIDTH - 7, y=_HEAD + row * _ROW + 20)
    spots = sorted(
        (
            (column, row, cells[weekday, hour])
            for column, weekday in enumerate(days)
            for row, hour in enumerate(hours)
            if (weekday, hour) in cells
        ),
        key=lambda spot: spot[2].is_peak,
    )
    for column, row, cell in spots:
        _cell(picture, cell, _HOUR_WIDTH + column * width, _HEAD + row * _ROW, width)
    return markup(picture)


def shade(share: float | None) -> str:
    """Name the shade of a share: 0 for nothing, up to STEPS for everything."""
    return "none" if share is None else str(min(STEPS, ceil(max(share, 0.0) * STEPS)))


def _cell(picture: ET.Element, cell: Cell, x: float, y: float, width: float) -> None:
    group = put(picture, "g", kind=f"heat heat-{shade(cell.share)}{' most' if cell.is_peak else ''}")
    put(group, "rect", x=x + 1, y=y + 1, width=width - 2, height=_ROW - 2, rx=4)
    if cell.is_poor:
        put(group, "path", kind="poor", d=f"M{x + width - 11:g} {y + 3:g}h8v8z")
    put(group, "text", cell.text, x=x + width / 2, y=y + 20)


_LEFT, _RIGHT, _TOP, _HEIGHT, _FOOT, _NAME_WIDTH = 40, 8, 44, 150, 40, 110


def shortfall(of: Curve, label: str) -> str:
    """Draw on which share of days somebody would find none, by how many spaces there are."""
    first, last = of.points[0][0], of.points[-1][0] + 1
    picture = drawing(_TOP + _HEIGHT + _FOOT, label, "shortfall")

    def across(desks: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * (desks - first) / (last - first)

    def down(share: float) -> float:
        return _TOP + _HEIGHT * (1 - share)

    high = last if of.interval[1] is None else min(of.interval[1] + 1, last)
    low_x = across(of.interval[0])
    put(picture, "rect", kind="span", x=low_x, y=_TOP, width=max(across(high) - low_x, 0.0), height=_HEIGHT)
    for share in (0, 0.25, 0.5, 0.75, 1):
        put(picture, "path", kind="grid", d=f"M{_LEFT} {down(share):g}H{WIDTH - _RIGHT}")
        put(picture, "text", f"{share:.0%}", kind="side", x=_LEFT - 6, y=down(share) + 4)
    steps = " ".join(f"V{down(share):.1f}H{across(desks + 1):.1f}" for desks, share in of.points)
    put(picture, "path", kind="under", d=f"M{_LEFT} {down(0):g}{steps}V{down(0):g}z")
    put(picture, "path", kind="line", d=f"M{_LEFT} {down(of.points[0][1]):.1f}{steps}")
    put(picture, "path", kind="allowed", d=f"M{_LEFT} {down(of.allowed):.1f}H{WIDTH - _RIGHT}")
    marks = (of.enough, "enough", of.enough_text), (of.current, "current", of.current_text)
    for row, (desks, name, text) in enumerate(sorted(marks, reverse=True)):
        _mark(picture, name, text, across(desks + 0.5), 12 + 18 * row)
    for desks in _ticks(first, last - 1):
        put(picture, "text", str(desks), kind="foot", x=across(desks + 0.5), y=_TOP + _HEIGHT + 16)
    put(picture, "text", of.axis_text, kind="foot", x=(_LEFT + WIDTH - _RIGHT) / 2, y=_TOP + _HEIGHT + 34)
    return markup(picture)


def _mark(picture: ET.Element, name: str, text: str, x: float, y: int) -> None:
    """Mark a number with a line that is named on the side that has room: the larger one's name is the upper one."""
    put(picture, "path", kind=f"mark {name}", d=f"M{x:.1f} {y - 9}V{_TOP + _HEIGHT}")
    is_left = x > _LEFT + _NAME_WIDTH
    put(picture, "text", text, kind=name, x=x + (-5 if is_left else 5), y=y, text_anchor="end" if is_left else "start")


def _ticks(first: int, last: int) -> list[int]:
    """Give round numbers to write along an axis, at most eight."""
    step = next(
        step for size in range(9) for step in (10**size, 2 * 10**size, 5 * 10**size) if (last - first) // step < 8
    )
    return list(range(-(-first // step) * step, last + 1, step))


_BAR_ROW = 38


def bars(rows: Sequence[Bar], label: str) -> str:
    """Draw shares from 0 to 1 with what they are at least and at most."""
    picture = drawing(_BAR_ROW * len(rows), label, "bars")
    for place, row in enumerate(rows):
        top = place * _BAR_ROW
        put(picture, "text", row.name, kind="name", x=0, y=top + 13)
        put(picture, "text", row.text, kind="side", x=WIDTH, y=top + 13)
        put(picture, "rect", kind="ground", x=0, y=top + 19, width=WIDTH, height=10, rx=3)
        if row.value is not None:
            put(picture, "rect", kind="value", x=0, y=top + 19, width=row.value * WIDTH, height=10, rx=3)
        if row.low is not None and row.high is not None and row.high - row.low > 0.004:
            low, high = row.low * WIDTH, row.high * WIDTH
            put(
                picture,
                "path",
                kind="whisker",
                d=f"M{low:.1f} {top + 24}H{high:.1f}M{low:.1f} {top + 20}v8M{high:.1f} {top + 20}v8",
            )
    return markup(picture)


class Piece(NamedTuple):
    """A state over a stretch of a day, ms from its beginning."""

    from_ms: int
    to_ms: int
    state: str


class Strip(NamedTuple):
    """A day of one space: its length, states and opening hours, and hours to mark with their names.

    `note` is said below where there are no opening hours.
    """

    name: str
    length_ms: int
    pieces: Sequence[Piece]
    opening_ms: Sequence[tuple[int, int]]
    ticks: Sequence[tuple[int, str]]
    note: str = ""


_STRIP_LEFT, _STRIP_TOP, _STRIP_ROW, _TALL = 54, 20, 40, 26


def timeline(strips: Sequence[Strip], label: str) -> str:
    """Draw one space's days one below the other, to the scale of the longest; unknown time has a pattern of its own."""
    picture = drawing(_STRIP_TOP + _STRIP_ROW * len(strips), label, "timeline")
    _patterns(picture)
    scale = (WIDTH - _STRIP_LEFT - 2) / max(strip.length_ms for strip in strips)
    for offset_ms, text in strips[0].ticks:
        x = _STRIP_LEFT + offset_ms * scale
        put(picture, "text", text, kind="head", x=x, y=13)
    for place, strip in enumerate(strips):
        _strip(picture, strip, _STRIP_TOP + place * _STRIP_ROW, scale)
    return markup(picture)


def _strip(picture: ET.Element, strip: Strip, top: float, scale: float) -> None:
    put(picture, "text", strip.name, kind="side", x=_STRIP_LEFT - 8, y=top + 18)
    ground = {"y": top, "height": _TALL}
    put(picture, "rect", kind="ground", x=_STRIP_LEFT, width=strip.length_ms * scale, **ground)
    for piece in strip.pieces:
        x, width = _STRIP_LEFT + piece.from_ms * scale, (piece.to_ms - piece.from_ms) * scale
        put(picture, "rect", kind=f"piece {piece.state}", x=x, width=max(width, 0.4), **ground)
    for from_ms, to_ms in strip.opening_ms:
        x, width = _STRIP_LEFT + from_ms * scale, (to_ms - from_ms) * scale
        put(picture, "rect", kind="open", x=x, y=top + _TALL + 3, width=width, height=3)
    if strip.note:
        put(picture, "text", strip.note, kind="note", x=_STRIP_LEFT, y=top + _TALL + 11)
    for offset_ms, _ in strip.ticks:
        x = _STRIP_LEFT + offset_ms * scale
        put(picture, "path", kind="tick", d=f"M{x:.1f} {top}v{_TALL}")


def _patterns(picture: ET.Element) -> None:
    """Make what tells occupied and unknown time apart without colour."""
    defs = put(picture, "defs")
    for state, turn in (("occupied", 45), ("unknown", -45)):
        tile = {"width": 6, "height": 6, "patternUnits": "userSpaceOnUse", "patternTransform": f"rotate({turn})"}
        weave = put(defs, "pattern", id=f"weave-{state}", **tile)
        put(weave, "rect", kind=f"ground-{state}", width=6, height=6)
        put(weave, "rect", kind=f"thread-{state}", width=2, height=6)
