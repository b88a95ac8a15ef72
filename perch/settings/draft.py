"""A floor plan to begin with, made from the layout alone: a box for each zone, and in it a box for each space.

It knows no building: whoever has one draws walls around it, or moves the boxes in any editor. Boxes do not overlap,
each space is there once, and everything is plain SVG in `currentColor`.
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from perch.model import Site, Space, SpaceKind

_SIZES = {
    SpaceKind.DESK: (140, 90),
    SpaceKind.BOOTH: (140, 130),
    SpaceKind.LOUNGE: (260, 170),
    SpaceKind.ROOM: (280, 190),
}
_GAP, _MARGIN, _HEAD = 20, 24, 52
_SHEET_WIDTH, _ZONE_WIDTH = 1600, 800
_LETTER = 0.6
"""How wide a letter is in the mean, as a share of the size of the type: names are cut where they would not fit."""


class Box(NamedTuple):
    """Something of a size, at a place once it has one."""

    width: float
    height: float
    x: float = 0
    y: float = 0

    def at(self, x: float, y: float) -> "Box":
        """Put it somewhere."""
        return self._replace(x=x, y=y)


def draft_plan(site: Site, floor: str, spaces: Sequence[Space]) -> str:
    """Draw the zones of a floor with spaces, of which each is given once; gives SVG text."""
    zones = [zone for zone in site.zones if zone.floor == floor]
    inside = {zone.id: [space for space in spaces if space.zone == zone.id] for zone in zones}
    drawn = [zone for zone in zones if inside[zone.id]]
    filled = {zone.id: _in_rows([Box(*_SIZES[one.kind]) for one in inside[zone.id]], _ZONE_WIDTH) for zone in drawn}
    sheet = _in_rows([_around(filled[zone.id]) for zone in drawn], _SHEET_WIDTH)
    picture = _sheet(_around(sheet, head=0))
    for zone, room in zip(drawn, sheet, strict=True):
        x, y = room.x + _MARGIN, room.y + _MARGIN
        part = ET.SubElement(picture, "g")
        _box(part, room.at(x, y), 16, opacity="0.5")
        _words(part, zone.name, x + _MARGIN, y + 34, room.width - 2 * _MARGIN, 24, anchor="start")
        for space, box in zip(inside[zone.id], filled[zone.id], strict=True):
            _space(picture, space, box.at(x + _MARGIN + box.x, y + _HEAD + box.y))
    ET.indent(picture)
    return ET.tostring(picture, encoding="unicode") + "\n"


def _in_rows(boxes: Sequence[Box], most: float) -> list[Box]:
    """Put boxes side by side, and into a new row where they would be wider than the most together."""
    put: list[Box] = []
    x = y = tallest = 0.0
    for box in boxes:
        if x and x + box.width > most:
            x, y, tallest = 0.0, y + tallest + _GAP, 0.0
        put.append(box.at(x, y))
        x, tallest = x + box.width + _GAP, max(tallest, box.height)
    return put


def _around(boxes: Iterable[Box], head: float = _HEAD - _MARGIN) -> Box:
    """Give the size of a box that holds others, with a margin and room for a name."""
    held = list(boxes) or [Box(_SHEET_WIDTH / 4, _SHEET_WIDTH / 8)]
    width, height = max(box.x + box.width for box in held), max(box.y + box.height for box in held)
    return Box(width + 2 * _MARGIN, height + 2 * _MARGIN + head)


def _sheet(size: Box) -> ET.Element:
    look = {"fill": "none", "stroke": "currentColor", "stroke-width": "3", "font-family": "sans-serif"}
    return ET.Element(
        "svg", {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {size.width:g} {size.height:g}", **look}
    )


def _space(parent: ET.Element, space: Space, box: Box) -> None:
    group = ET.SubElement(parent, "g", {"id": f"space-{space.id}", "class": "space"})
    ET.SubElement(group, "title").text = _plain(space.name)
    _box(group, box, 10, **{"class": "area"})
    middle = box.x + box.width / 2
    _words(group, space.name, middle, box.y + box.height / 2 + 8, box.width - 16, 24, anchor="middle")


def _box(parent: ET.Element, box: Box, round_: int, **more: str) -> None:
    place = {"x": f"{box.x:g}", "y": f"{box.y:g}", "width": f"{box.width:g}", "height": f"{box.height:g}"}
    ET.SubElement(parent, "rect", {**place, "rx": str(round_), **more})


def _words(parent: ET.Element, text: str, x: float, y: float, room: float, size: int, *, anchor: str) -> None:
    most = int(room / (size * _LETTER))
    words = _plain(text)
    shown = words if len(words) <= most else words[: most - 1].rstrip() + "…"
    look = {"class": "name", "font-size": str(size), "text-anchor": anchor, "fill": "currentColor", "stroke": "none"}
    ET.SubElement(parent, "text", {"x": f"{x:g}", "y": f"{y:g}", **look}).text = shown


def _plain(text: str) -> str:
    """Leave out what XML cannot hold."""
    return "".join(sign if sign.isprintable() else " " for sign in text)
