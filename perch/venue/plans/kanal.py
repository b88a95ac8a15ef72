"""Kanalhof, Berlin: two wings of a former factory around a courtyard, one floor."""

from perch.venue.plans.building import (
    Door,
    Pair,
    Window,
    basin,
    boards,
    kitchen,
    north,
    paving,
    scale_bar,
    tiles,
    toilet,
    tree,
    wall,
)
from perch.venue.plans.furniture import (
    armchair,
    board,
    chair,
    coffee_table,
    keyboard,
    lamp,
    lockers,
    plant,
    printer,
    rug,
    screen,
    shelf,
    sofa,
    stool,
    table,
)
from perch.venue.plans.shapes import FINE, LINE, box, circle, faded, line, path, placed, words
from perch.venue.plans.sheet import desk, rectangle, room, sheet

INNER = 12
WIDTH, WING = 2100, 540
"""Length and depth of the northern wing."""
SIDE, DEPTH = 570, 1400
"""Width of the western wing, and how far it reaches."""
GALLERY = 396
"""Where the passage along the courtyard begins."""


def floors() -> dict[str, str]:
    """Draw the floor, by file name."""
    return {"floor.svg": _floor()}


def _floor() -> str:
    return sheet(
        "Kanalhof",
        -40,
        -50,
        2180,
        1560,
        [
            *_courtyard(),
            tiles(10, 10, 540, 520, 40),
            boards(556, 10, 632, 520),
            boards(1180, GALLERY, 520, 134),
            boards(250, 810, 308, 580),
            tiles(250, 550, 310, 254, 40),
            tiles(10, 556, 228, 228),
            _kitchen(),
            *_bench("a", "A", 742),
            *_bench("b", "B", 1036),
            _panke(),
            _havel(),
            _spree(),
            *_hall(),
            _cell(1, 802),
            _cell(2, 952),
            _fireside(),
            *_window_desks(),
            *_shell(),
            *_inner_walls(),
            scale_bar(600, 1470),
            north(2050, 1466, 0),
        ],
    )


def _shell() -> list[str]:
    factory = [Window(90 + 190 * k, 130) for k in range(6)] + [Window(1245, 150), Window(1500, 150), Window(1760, 260)]
    return [
        wall((0, 0), (WIDTH, 0), *factory, thickness=24),
        wall((WIDTH, 0), (WIDTH, WING), thickness=24),
        wall(
            (SIDE, WING), (WIDTH, WING), *(Window(60 + 190 * k, 130) for k in range(6)), Window(1220, 240), thickness=24
        ),
        wall((SIDE, WING), (SIDE, DEPTH), Pair(90, 160), Window(330, 130), Window(640, 150), thickness=24),
        wall((0, DEPTH), (SIDE, DEPTH), Window(50, 200), Window(310, 200), thickness=24),
        wall((0, 0), (0, DEPTH), Window(110, 130), Window(310, 130), Window(1110, 190), thickness=24),
    ]


def _inner_walls() -> list[str]:
    return [
        wall((1194, 10), (1194, GALLERY), thickness=INNER),
        wall((1456, 10), (1456, GALLERY), thickness=INNER),
        wall((1700, 10), (1700, 530), Door(404, 86, far=True, left=True), thickness=INNER),
        wall(
            (1194, GALLERY),
            (1700, GALLERY),
            Door(164, 84, far=True, left=True),
            Door(282, 84, left=True),
            thickness=INNER,
        ),
        wall((0, WING), (244, WING), thickness=INNER),
        wall((244, WING), (244, 794), Door(150, 80, left=True), thickness=INNER),
        wall((10, 794), (244, 794), thickness=INNER),
        wall((126, WING), (126, 664), thickness=8),
        wall((10, 664), (244, 664), Door(36, 66, far=True), Door(146, 66), thickness=8),
        wall((168, 794), (168, 1094), Door(40, 74, left=True), Door(188, 74, left=True), thickness=8),
        wall((10, 946), (168, 946), thickness=8),
        wall((10, 1094), (168, 1094), thickness=8),
    ]


def _kitchen() -> str:
    inside = [
        placed([kitchen(440)], 60, 12),
        placed([table(330, 92, 4, ends=1, radius=6)], 282, 270),
        placed([plant(16)], 282, 264, 20, opacity="0.8"),
        placed([plant(28)], 54, 480),
        placed([plant(28)], 500, 480),
        placed([shelf(200)], 270, 506),
    ]
    return room("kueche", "Küche", "lounge", rectangle(12, 12, 540, 516), inside, (282, 410), 28)


def _bench(row: str, letter: str, x: float) -> list[str]:
    where = [(-70, 178, 180), (70, 178, 180), (-70, 250, 0), (70, 250, 0)]
    drawn = [
        desk(
            f"{row}{place + 1}",
            f"{letter}{place + 1}",
            x + dx,
            y,
            turn,
            label=f"{letter}{place + 1}",
            standing=place == 2,
            equipped=place != 1,
            width=136,
        )
        for place, (dx, y, turn) in enumerate(where)
    ]
    return [*drawn, placed([plant(22)], x, 56)]


def _panke() -> str:
    inside = [placed([board(120)], 1200, 200, 270)]
    for y, turn in ((128, 0), (278, 180)):
        for x in (1268, 1382):
            at_desk = [box(-52, -32, 104, 64, 4, LINE), placed([chair()], 0, 52)]
            at_desk += [placed([screen(44)], 0, -16), placed([keyboard()], -4, 14)]
            inside.append(placed(at_desk, x, y, 180 - turn))
    return room("panke", "Panke (recorded)", "room", rectangle(1200, 12, 250, 378), inside, (1325, 212), 22)


def _havel() -> str:
    inside = [
        placed([table(96, 150, 0)], 1578, 200),
        placed([board(120)], 1694, 200, 90),
        placed([plant(18)], 1664, 44),
    ]
    for y in (162, 238):
        inside += [placed([chair()], 1510, y, 90), placed([chair()], 1646, y, 270)]
    return room("havel", "Havel", "room", rectangle(1462, 12, 232, 378), inside, (1578, 208), 26)


def _spree() -> str:
    inside = [
        placed([table(118, 300, 0, ends=0)], 1900, 260),
        placed([board(200)], 1900, 12),
        placed([plant(26)], 2050, 490),
    ]
    for y in (160, 260, 360):
        inside += [placed([chair()], 1821, y, 90), placed([chair()], 1979, y, 270)]
    inside += [placed([chair()], 1900, 90, 180), placed([chair()], 1900, 430)]
    return room("spree", "Spree", "room", rectangle(1706, 12, 382, 516), inside, (1900, 270), 30)


def _hall() -> list[str]:
    mat = faded([box(478, 634, 76, 152, 4, FINE), path("".join(f"M484 {646 + 12 * k}h64" for k in range(12)), 1)], 0.5)
    return [
        placed([toilet()], 68, 550),
        placed([toilet()], 182, 550),
        placed([basin(44)], 12, 740, 270),
        placed([lockers(3)], 532, 884, 90),
        placed([plant(24)], 282, 580),
        placed([printer()], 520, 582),
        mat,
        words(150, 766, "WC", 20, opacity="0.7"),
        words(372, 700, "Hallo", 24, opacity="0.7"),
    ]


def _cell(number: int, y: float) -> str:
    inside = [box(16, y + 4, 44, 130, 0, LINE), placed([stool(19)], 100, y + 56), placed([lamp()], 38, y + 24)]
    return room(f"zelle-{number}", f"Zelle {number}", "booth", rectangle(12, y, 152, 138), inside, (112, y + 118), 20)


def _fireside() -> str:
    fire = box(516, 1066, 42, 120, 0, LINE) + path("M526 1146q10 -14 4 -26q16 10 12 26M530 1128q4 -16 16 -24", FINE)
    inside = [
        fire,
        placed([rug(170, 150)], 398, 1126),
        placed([sofa(2)], 256, 1126, 90),
        placed([armchair()], 372, 1010, 180),
        placed([coffee_table(60, 84)], 388, 1126),
        placed([plant(20)], 236, 1000),
    ]
    return room("kamin", "Kamin", "lounge", rectangle(202, 960, 356, 258), inside, (490, 1012), 25)


def _window_desks() -> list[str]:
    return [
        desk(
            f"c{place + 1}",
            f"C{place + 1}",
            82 + 134 * place,
            1348,
            180,
            label=f"C{place + 1}",
            equipped=place != 3,
            standing=place == 0,
            width=126,
        )
        for place in range(4)
    ]


def _courtyard() -> list[str]:
    ground = [(584, 554), (2110, 554), (2110, 1410), (584, 1410)]
    bench = box(-80, -20, 160, 40, 4, FINE) + "".join(line(-80, y, 80, y, 1) for y in (-7, 6))
    rack = "".join(line(34 * k, 0, 34 * k, 92, 5) + circle(34 * k, 20, 1, FINE) for k in range(9))
    fence = "M2110 554V1410H1560M1330 1410H584"
    gate = line(1330, 1410, 1330, 1300, 4) + line(1560, 1410, 1560, 1300, 4)
    swing = path("M1330 1300A110 110 0 0 1 1440 1410M1560 1300A110 110 0 0 0 1450 1410", FINE, opacity="0.6")
    return [
        paving(ground),
        placed([tree(150)], 1120, 900),
        placed([tree(120)], 1660, 840),
        placed([tree(95)], 1900, 1190),
        placed([tree(64)], 740, 1260),
        placed([bench], 1390, 1020),
        placed([bench], 1390, 800, 180),
        placed([circle(0, 0, 46, FINE), circle(0, 0, 36, 1)], 1390, 910),
        faded([placed([rack], 1010, 1290)], 0.7),
        path(fence, 6, stroke_dasharray="26 10", opacity="0.6"),
        gate,
        swing,
        words(850, 700, "Courtyard", 30, opacity="0.6"),
    ]
