"""A drawing sheet: spaces as groups that a page can find and colour, and the SVG document around them."""

from collections.abc import Iterable
from xml.sax.saxutils import escape

from perch.venue.plans import furniture
from perch.venue.plans.shapes import FINE, Point, box, number, outline, placed, words


def desk(
    space: str,
    name: str,
    x: float,
    y: float,
    turn: float = 0,
    *,
    label: str,
    equipped: bool = True,
    standing: bool = False,
    width: float = 140,
) -> str:
    """Draw a desk space; its person sits below it before it is turned."""
    half = width / 2 + 3
    area = box(-half, -38, 2 * half, 122, 10, 0, class_="area", stroke="none")
    tag = placed([words(0, 7, label, 21, class_="name", opacity="0.9")], -half + 21, -18, -turn)
    return _group(space, name, "desk", [placed([area, furniture.desk(equipped, standing, width), tag], x, y, turn)])


def room(
    space: str, name: str, kind: str, corners: Iterable[Point], inside: Iterable[str], label: Point, size: float = 30
) -> str:
    """Draw a room, booth or lounge over its whole floor, given by its corners."""
    area = f'<path class="area" d="{outline(corners)}" stroke="none"/>'
    return _group(space, name, kind, [area, *inside, words(*label, name, size, class_="name")])


def rectangle(x: float, y: float, w: float, h: float) -> list[Point]:
    """Give the corners of a rectangle."""
    return [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]


def sheet(title: str, left: float, top: float, width: float, height: float, parts: Iterable[str]) -> str:
    """Give the SVG document: lines in currentColor, nothing filled, sizes in centimetres."""
    view = " ".join(map(number, (left, top, width, height)))
    body = "\n".join(part for part in parts if part)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{view}" class="plan" role="img" fill="none" '
        f'stroke="currentColor" stroke-width="{number(FINE)}" stroke-linecap="round" stroke-linejoin="round" '
        f'font-family="system-ui, sans-serif">\n<title>{escape(title)}</title>\n{body}\n</svg>\n'
    )


def _group(space: str, name: str, kind: str, parts: Iterable[str]) -> str:
    return f'<g id="space-{space}" class="space {kind}"><title>{escape(name)}</title>{"".join(parts)}</g>'
