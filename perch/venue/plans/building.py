"""What is built in: walls with doors and windows, stairs, kitchens, washrooms, and the trees outside."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, hypot, radians, sin

from perch.venue.plans.shapes import (
    BOLD,
    FINE,
    LINE,
    Point,
    box,
    circle,
    faded,
    line,
    number,
    outline,
    path,
    placed,
    words,
)


@dataclass(frozen=True, slots=True)
class Opening:
    """A hole in a wall, so many centimetres from the wall's beginning."""

    at: float
    width: float


@dataclass(frozen=True, slots=True)
class Window(Opening):
    """A window over its whole width."""


@dataclass(frozen=True, slots=True)
class Door(Opening):
    """A swinging door: hinged at the opening's beginning unless `far`; opens to the wall's right side unless `left`."""

    far: bool = False
    left: bool = False


@dataclass(frozen=True, slots=True)
class Pair(Opening):
    """Two door leaves."""

    left: bool = False


@dataclass(frozen=True, slots=True)
class Slide(Opening):
    """A sliding glass door."""


def wall(start: Point, end: Point, *openings: Opening, thickness: float = 20) -> str:
    """Draw a wall between two points of its axis; openings come in order along it."""
    length = hypot(end[0] - start[0], end[1] - start[1])
    turn = {(1, 0): 0, (0, 1): 90, (-1, 0): 180, (0, -1): 270}[
        round((end[0] - start[0]) / length), round((end[1] - start[1]) / length)
    ]
    half = thickness / 2
    edges = [-half, *(edge for hole in openings for edge in (hole.at, hole.at + hole.width)), length + half]
    solid = "".join(
        outline([(a, -half), (b, -half), (b, half), (a, half)]) for a, b in zip(edges[::2], edges[1::2], strict=True)
    )
    parts = [f'<path d="{solid}" fill="currentColor" stroke="none"/>']
    parts += [_fitted(hole, half) for hole in openings]
    return placed(parts, start[0], start[1], turn)


def _fitted(hole: Opening, half: float) -> str:
    match hole:
        case Window():
            pane = line(hole.at, 0, hole.at + hole.width, 0, FINE)
            return box(hole.at, -half, hole.width, 2 * half, 0, FINE) + pane
        case Door():
            return _leaf(hole.at + hole.width if hole.far else hole.at, hole.width, half, hole.far, hole.left)
        case Pair():
            middle = hole.width / 2
            first = _leaf(hole.at, middle, half, False, hole.left)
            return first + _leaf(hole.at + hole.width, middle, half, True, hole.left)
        case Slide():
            overlap = hole.width * 0.55
            back = box(hole.at, -half * 0.6, overlap, half * 0.6, 0, FINE)
            return back + box(hole.at + hole.width - overlap, 0, overlap, half * 0.6, 0, FINE)
    return line(hole.at, -half, hole.at + hole.width, -half, FINE, stroke_dasharray="8 8", opacity="0.5")


def _leaf(hinge: float, width: float, half: float, far: bool, left: bool) -> str:
    side, towards = (-1 if left else 1), (-1 if far else 1)
    base, tip = side * half, side * (half + width)
    swing = f"A{number(width)} {number(width)} 0 0 {int(far is left)} {number(hinge + towards * width)} {number(base)}"
    leaf = line(hinge, base, hinge, tip, BOLD)
    return leaf + path(f"M{number(hinge)} {number(tip)}{swing}", FINE, opacity="0.7")


def stairs(width: float, length: float, treads: int, word: str) -> str:
    """Draw a flight with the arrow that plans use: to the right where the word is `up`, else to the left."""
    step, middle = length / treads, width / 2
    lines = "".join(f"M{number(step * place)} 0V{number(width)}" for place in range(1, treads))
    arrow = circle(0, 0, 5, FINE, fill="currentColor") + path(f"M0 0H{number(length - 44)}m-14 -9l14 9l-14 9", FINE)
    flight = placed([arrow], 16, middle) if word == "up" else placed([arrow], length - 16, middle, 180)
    cut = path(f"M{number(length * 0.62)} {number(width + 8)}l{number(step * 1.2)} {number(-width - 16)}", LINE)
    treaded = box(0, 0, length, width, 0, LINE) + path(lines, FINE, opacity="0.7")
    return treaded + flight + cut + words(4, width + 22, word, 20, "start", opacity="0.7")


def lift(width: float, depth: float) -> str:
    """Draw a lift car."""
    cross = path(
        f"M8 8L{number(width - 8)} {number(depth - 8)}M{number(width - 8)} 8L8 {number(depth - 8)}", FINE, opacity="0.6"
    )
    return box(0, 0, width, depth, 0, LINE) + cross


def toilet() -> str:
    """Draw a toilet, its cistern at the top."""
    return box(-20, 0, 40, 16, 3, FINE) + path("M-15 18Q-20 58 0 60Q20 58 15 18Z", FINE)


def basin(width: float = 50) -> str:
    """Draw a washbasin at a wall above it."""
    return (
        box(-width / 2, 0, width, 42, 6, FINE)
        + f'<ellipse cx="0" cy="24" rx="{number(width * 0.34)}" ry="12" stroke-width="1.6"/>'
        + line(0, 5, 0, 14, LINE)
    )


def kitchen(length: float, hob: bool = True) -> str:
    """Draw a kitchen line, 62 deep, at a wall above it."""
    parts = [box(0, 0, length, 62, 0, LINE), box(0, 0, 66, 62, 0, LINE), path("M0 0L66 62M66 0L0 62", 1, opacity="0.5")]
    parts += [box(92, 14, 62, 38, 7, FINE), circle(123, 33, 4, FINE), line(123, 4, 123, 20, LINE)]
    if hob and length > 250:
        parts += [circle(length - 66 + 32 * x, 18 + 26 * y, 10, FINE) for x in (0, 1) for y in (0, 1)]
    return "".join(parts)


def tree(radius: float) -> str:
    """Draw a tree's crown as seen from above."""
    count = 11
    points = [(radius * cos(radians(360 * k / count)), radius * sin(radians(360 * k / count))) for k in range(count)]
    bulge = radius * 0.36
    crown = f"M{number(points[0][0])} {number(points[0][1])}" + "".join(
        f"A{number(bulge)} {number(bulge)} 0 0 1 {number(x)} {number(y)}" for x, y in [*points[1:], points[0]]
    )
    twigs = "".join(
        f"M{number(6 * cos(radians(a)))} {number(6 * sin(radians(a)))}"
        f"L{number(radius * f * cos(radians(a)))} {number(radius * f * sin(radians(a)))}"
        for a, f in ((10, 0.7), (75, 0.55), (130, 0.8), (200, 0.6), (255, 0.75), (310, 0.5))
    )
    return faded([path(crown, LINE), path(twigs, FINE), circle(0, 0, 6, FINE, fill="currentColor")], 0.6)


def boards(x: float, y: float, w: float, h: float, step: float = 22) -> str:
    """Draw floor boards, lightly."""
    rows = "".join(
        f"M{number(x)} {number(y + step * k)}h{number(w)}" for k in range(1, int(h / step) + 1) if step * k < h
    )
    joints = "".join(
        f"M{number(x + (97 + 131 * k) % w)} {number(y + step * k)}v{number(min(step, h - step * k))}"
        for k in range(int(h / step))
    )
    return faded([path(rows + joints, 1)], 0.13)


def tiles(x: float, y: float, w: float, h: float, step: float = 30) -> str:
    """Draw floor tiles, lightly."""
    across = "".join(f"M{number(x)} {number(y + step * k)}h{number(w)}" for k in range(1, -(-int(h) // int(step))))
    down = "".join(f"M{number(x + step * k)} {number(y)}v{number(h)}" for k in range(1, -(-int(w) // int(step))))
    return faded([path(across + down, 1)], 0.2)


def paving(points: Sequence[Point]) -> str:
    """Tint an area outside."""
    return f'<path d="{outline(points)}" fill="currentColor" fill-opacity="0.05" stroke="none"/>'


def scale_bar(x: float, y: float) -> str:
    """Draw a bar of five metres in steps of one."""
    filled = [box(100 * k, -8, 100, 8, 0, FINE, **({"fill": "currentColor"} if k % 2 == 0 else {})) for k in range(5)]
    marks = [words(place * 100, 22, str(place), 20) for place in (0, 1)] + [words(500, 22, "5 m", 20)]
    return placed([*filled, *marks], x, y, opacity="0.7")


def north(x: float, y: float, turn: float) -> str:
    """Draw a north arrow."""
    needle = path("M0 -34L14 26L0 14L-14 26Z", FINE) + path("M0 -34L14 26L0 14Z", FINE, fill="currentColor")
    return placed([circle(0, 0, 40, FINE), placed([needle], 0, 0, turn), words(0, -48, "N", 22)], x, y, opacity="0.7")
