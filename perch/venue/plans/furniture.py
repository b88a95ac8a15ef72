"""What people sit at and on, each piece drawn around its own middle and facing up."""

from math import cos, radians, sin

from perch.venue.plans.shapes import FINE, LINE, arc, box, circle, faded, line, path, pen, placed


def chair() -> str:
    """Draw an office chair, its back at the bottom."""
    return box(-20, -20, 40, 38, 9, FINE) + path("M-24 2Q-25 25 0 25Q25 25 24 2", LINE)


def stool(radius: float = 17) -> str:
    """Draw a stool."""
    return circle(0, 0, radius, FINE) + circle(0, 0, radius - 6, FINE, opacity="0.5")


def screen(width: float = 54) -> str:
    """Draw a monitor seen from above."""
    return box(-width / 2, -3, width, 6, 2, FINE, fill="currentColor") + path("M-9 3L-13 12H13L9 3", FINE)


def laptop() -> str:
    """Draw an open laptop."""
    return box(-18, -4, 36, 24, 3, FINE) + line(-20, -7, 20, -7, LINE) + line(-13, 4, 13, 4, 1) + line(-13, 9, 13, 9, 1)


def lamp() -> str:
    """Draw a desk lamp."""
    return circle(0, 0, 8, FINE) + circle(0, 0, 2.5, FINE, fill="currentColor") + line(6, -6, 18, -14, FINE)


def keyboard() -> str:
    """Draw a keyboard and a mouse."""
    return box(-22, -6, 40, 12, 2, FINE) + box(25, -6, 8, 12, 4, FINE)


def desk(equipped: bool, standing: bool, width: float = 140) -> str:
    """Draw a desk, 70 deep, with its chair below; a standing desk shows its lifting columns."""
    half = width / 2
    parts = [box(-half, -35, width, 70, 5, LINE), placed([chair()], 0, 57)]
    parts.append(placed([screen()], 6, -19) + placed([keyboard()], 4, 12) if equipped else placed([laptop()], 4, -4))
    if standing:
        parts.append(circle(-half + 13, 22, 5, FINE) + circle(half - 13, 22, 5, FINE))
    return "".join(parts)


def table(width: float, depth: float, long_side: int, ends: int = 0, radius: float = 8) -> str:
    """Draw a meeting table with so many chairs along each long side and at each end."""
    parts = [box(-width / 2, -depth / 2, width, depth, radius, LINE)]
    for place in range(long_side):
        x = width * ((place + 0.5) / long_side - 0.5)
        parts += [placed([chair()], x, depth / 2 + 20), placed([chair()], x, -depth / 2 - 20, 180)]
    if ends:
        parts += [placed([chair()], width / 2 + 20, 0, 270), placed([chair()], -width / 2 - 20, 0, 90)]
    return "".join(parts)


def round_table(radius: float, seats: int, stools: bool = False, first: float = 0) -> str:
    """Draw a round table with seats around it, the first at so many degrees from the right."""
    parts = [circle(0, 0, radius, LINE)]
    seat, away = (stool(), radius + 24) if stools else (chair(), radius + 22)
    for place in range(seats):
        angle = first + 360 * place / seats
        x, y = away * cos(radians(angle)), away * sin(radians(angle))
        parts.append(placed([seat], x, y, (angle - 90) % 360))
    return "".join(parts)


def sofa(seats: int) -> str:
    """Draw a sofa, 85 deep, its back at the bottom."""
    inner = seats * 64
    half = inner / 2 + 17
    in_, out = half - 17, half - 10
    left = pen("M", -half, -30, "Q", -half, -40, 8 - half, -40, "H", -in_, "V", 24)
    right = pen("H", in_, "V", -40, "H", half - 8, "Q", half, -40, half, -30, "V", 34, "Q", half, 44, out, 44)
    parts = [path(left + right + pen("H", -out, "Q", -half, 44, -half, 34, "Z"), LINE)]
    parts += [box(-inner / 2 + 64 * seat + 1.5, -36, 61, 58, 9, FINE) for seat in range(seats)]
    return "".join(parts)


def armchair() -> str:
    """Draw an armchair."""
    return sofa(1)


def coffee_table(width: float, depth: float) -> str:
    """Draw a low table with a cup on it."""
    cup = circle(width * 0.2, -depth * 0.1, 6, FINE) + arc(
        width * 0.2 + 6, -depth * 0.1 - 3, width * 0.2 + 6, -depth * 0.1 + 4, 4, True
    )
    book = placed([box(-12, -8, 24, 16, 1, FINE), line(-8, -8, -8, 8, 1)], -width * 0.2, 4, 14)
    return box(-width / 2, -depth / 2, width, depth, 12, LINE) + cup + book


def rug(width: float, depth: float) -> str:
    """Draw a rug with a border."""
    border = box(-width / 2 + 10, -depth / 2 + 10, width - 20, depth - 20, 10, FINE, stroke_dasharray="3 7")
    return faded([box(-width / 2, -depth / 2, width, depth, 14, FINE), border], 0.45)


def shelf(width: float) -> str:
    """Draw a bookshelf 35 deep, with a few books on it."""
    parts = [box(-width / 2, -17.5, width, 35, 0, LINE)]
    x, place = -width / 2 + 8.0, 0
    while x < width / 2 - 12:
        if place % 7 != 5:
            parts.append(line(x, -13, x + (5 if place % 5 == 3 else 0), 13, FINE))
        x, place = x + 9 + 3 * (place % 3), place + 1
    return "".join(parts)


def plant(radius: float = 26) -> str:
    """Draw a potted plant."""
    wide, high = radius * 0.42, -radius * 0.6
    leaf = pen("M", 0, -4, "Q", -wide, high, 0, -radius, "Q", wide, high, 0, -4)
    leaves = [placed([path(leaf, FINE)], 0, 0, turn) for turn in range(0, 360, 45)]
    small = [placed([path(leaf, FINE, opacity="0.55")], 0, 0, turn) for turn in (22, 112, 202, 292)]
    return circle(0, 0, radius * 0.52, FINE, opacity="0.6") + "".join(leaves + small)


def board(width: float) -> str:
    """Draw a wall-mounted screen or whiteboard, its wall at the top."""
    return box(-width / 2, 0, width, 7, 1, FINE, fill="currentColor", fill_opacity="0.35")


def printer() -> str:
    """Draw a printer on its cabinet."""
    return box(-32, -28, 64, 56, 3, LINE) + box(-22, -18, 44, 26, 2, FINE) + line(-16, 16, 16, 16, FINE)


def lockers(count: int) -> str:
    """Draw a row of lockers, 45 deep."""
    width = 40 * count
    doors = [
        box(-width / 2 + 40 * place, -22, 40, 44, 0, FINE)
        + line(-width / 2 + 40 * place + 8, 22, -width / 2 + 40 * place + 32, 22, 5)
        for place in range(count)
    ]
    return box(-width / 2, -22, width, 44, 0, LINE) + "".join(doors)
