"""The pen: strokes, boxes and words as SVG text. Lengths are centimetres, y points down."""

from collections.abc import Iterable
from xml.sax.saxutils import escape

Point = tuple[float, float]

FINE = 1.6
LINE = 2.6
BOLD = 4.0


def number(value: float) -> str:
    """Write a coordinate without noise."""
    return f"{value:.1f}".rstrip("0").rstrip(".")


def path(d: str, width: float = LINE, **paint: str) -> str:
    """Draw a path."""
    return f'<path d="{d}" stroke-width="{number(width)}"{attributes(paint)}/>'


def pen(*steps: str | float) -> str:
    """Write path data from letters and coordinates."""
    return " ".join(step if isinstance(step, str) else number(step) for step in steps)


def line(x1: float, y1: float, x2: float, y2: float, width: float = LINE, **paint: str) -> str:
    """Draw a straight stroke."""
    return path(f"M{number(x1)} {number(y1)}L{number(x2)} {number(y2)}", width, **paint)


def box(x: float, y: float, w: float, h: float, radius: float = 0, width: float = LINE, **paint: str) -> str:
    """Draw a rectangle."""
    corner = f' rx="{number(radius)}"' if radius else ""
    return (
        f'<rect x="{number(x)}" y="{number(y)}" width="{number(w)}" height="{number(h)}"{corner} '
        f'stroke-width="{number(width)}"{attributes(paint)}/>'
    )


def circle(x: float, y: float, r: float, width: float = LINE, **paint: str) -> str:
    """Draw a circle."""
    return (
        f'<circle cx="{number(x)}" cy="{number(y)}" r="{number(r)}" stroke-width="{number(width)}"{attributes(paint)}/>'
    )


def arc(x1: float, y1: float, x2: float, y2: float, radius: float, clockwise: bool, width: float = FINE) -> str:
    """Draw a quarter of a circle from one point to another."""
    turn = f"A{number(radius)} {number(radius)} 0 0 {int(clockwise)} {number(x2)} {number(y2)}"
    return path(f"M{number(x1)} {number(y1)}{turn}", width)


def outline(points: Iterable[Point]) -> str:
    """Give the path data of a closed outline."""
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points) + "Z"


def words(x: float, y: float, text: str, size: float = 26, anchor: str = "middle", **paint: str) -> str:
    """Write upright words with their baseline at y."""
    return (
        f'<text x="{number(x)}" y="{number(y)}" font-size="{number(size)}" text-anchor="{anchor}" '
        f'fill="currentColor" stroke="none"{attributes(paint)}>{escape(text)}</text>'
    )


def placed(parts: Iterable[str], x: float, y: float, turn: float = 0, **paint: str) -> str:
    """Move and turn (degrees, clockwise) a group of shapes."""
    turned = f" rotate({number(turn)})" if turn else ""
    return f'<g transform="translate({number(x)} {number(y)}){turned}"{attributes(paint)}>{"".join(parts)}</g>'


def faded(parts: Iterable[str], opacity: float) -> str:
    """Draw shapes lightly, as architects do with what is not built in."""
    return f'<g opacity="{number(opacity) if opacity >= 0.1 else opacity}">{"".join(parts)}</g>'


def attributes(paint: dict[str, str]) -> str:
    """Write further attributes; underscores stand for hyphens, `class_` for class."""
    return "".join(f' {name.rstrip("_").replace("_", "-")}="{escape(value)}"' for name, value in paint.items())
