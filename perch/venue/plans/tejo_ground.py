"""Tejo Works, ground floor: shop front, coffee bar, six desks, two rooms, two booths."""

from perch.venue.plans.building import (
    Door,
    Pair,
    Window,
    boards,
    kitchen,
    north,
    paving,
    scale_bar,
    tiles,
    tree,
    wall,
)
from perch.venue.plans.furniture import (
    armchair,
    board,
    coffee_table,
    lockers,
    plant,
    printer,
    round_table,
    rug,
    shelf,
    sofa,
    stool,
    table,
)
from perch.venue.plans.shapes import FINE, LINE, box, circle, faded, line, path, placed, words
from perch.venue.plans.sheet import desk, rectangle, room, sheet
from perch.venue.plans.tejo_core import DEPTH, INNER, SOUTH, WIDTH, booth, core


def ground() -> str:
    """Draw the floor."""
    shell = [
        wall((0, 0), (WIDTH, 0), Window(110, 220), Window(500, 180)),
        wall((WIDTH, 0), (WIDTH, DEPTH)),
        wall(
            (0, DEPTH),
            (WIDTH, DEPTH),
            Window(60, 250),
            Window(350, 250),
            Window(650, 290),
            Pair(1010, 170, left=True),
            Window(1230, 280),
        ),
        wall((0, 0), (0, DEPTH), Window(430, 230), Window(740, 230)),
    ]
    rooms = [
        wall((446, 10), (446, SOUTH), thickness=INNER),
        wall((0, SOUTH), (716, SOUTH), Door(340, 86, far=True, left=True), Door(470, 86, left=True), thickness=INNER),
        wall((716, 10), (716, SOUTH), thickness=INNER),
        wall((716, 176), (1006, 176), Door(48, 74), Door(192, 74), thickness=8),
        wall((861, 10), (861, 176), thickness=8),
    ]
    return sheet(
        "Tejo Works, ground floor",
        -40,
        -50,
        1640,
        1260,
        [
            paving([(-30, 1072), (1590, 1072), (1590, 1124), (-30, 1124)]),
            boards(10, 362, 990, 688),
            boards(722, 182, 278, 180),
            tiles(1000, 362, 550, 688, 40),
            *core("up"),
            _alfama(),
            _belem(),
            booth(1, 722),
            booth(2, 865),
            *_ground_desks(),
            _sofa_corner(),
            _coffee_bar(),
            *_entrance(),
            *shell,
            *rooms,
            placed([plant(32)], 54, 1008),
            placed([plant(26)], 982, 1012),
            placed([plant(24)], 750, 324),
            placed([plant(24)], 1516, 1014),
            placed([lockers(3)], 930, 326),
            scale_bar(0, 1168),
            north(1530, 1162, 28),
        ],
    )


def _alfama() -> str:
    inside = [
        placed([table(270, 112, 3, ends=1)], 225, 182),
        placed([board(170)], 10, 182, 270),
        placed([plant(20)], 412, 40),
    ]
    return room("alfama", "Alfama", "room", rectangle(10, 10, 430, 340), inside, (225, 192))


def _belem() -> str:
    inside = [placed([table(150, 96, 2)], 581, 176), placed([board(120)], 710, 176, 90)]
    return room("belem", "Belém", "room", rectangle(452, 10, 258, 340), inside, (581, 185), 28)


def _ground_desks() -> list[str]:
    drawn = []
    for place in range(3):
        x = 206 + 148 * place
        drawn.append(desk(f"d0{place + 1}", f"Desk {place + 1}", x, 588, 180, label=str(place + 1)))
        drawn.append(
            desk(
                f"d0{place + 4}",
                f"Desk {place + 4}",
                x,
                660,
                0,
                label=str(place + 4),
                equipped=place != 1,
                standing=place == 2,
            )
        )
    return [*drawn, placed([shelf(330)], 260, 900), placed([printer()], 484, 904)]


def _sofa_corner() -> str:
    inside = [
        placed([rug(172, 140)], 790, 884),
        placed([sofa(3)], 790, 996),
        placed([armchair()], 652, 880, 90),
        placed([armchair()], 928, 880, 270),
        placed([coffee_table(110, 60)], 790, 896),
    ]
    return room("sofa", "Sofa corner", "lounge", rectangle(600, 766, 380, 282), inside, (790, 800), 25)


def _coffee_bar() -> str:
    inside = [
        placed([kitchen(370)], 1550, 410, 90),
        box(1368, 410, 44, 370, 8, LINE),
        *(placed([stool()], 1342, 452 + 72 * k) for k in range(5)),
        placed([round_table(36, 3, stools=True, first=90)], 1200, 490),
        placed([round_table(36, 3, stools=True, first=30)], 1200, 690),
        circle(1390, 444, 9, FINE),
        circle(1390, 480, 6, FINE),
    ]
    return room("bar", "Coffee bar", "lounge", rectangle(1110, 396, 440, 404), inside, (1216, 600), 25)


def _entrance() -> list[str]:
    counter = "M1240 920Q1240 874 1286 874H1470V916H1298Q1284 916 1284 930V1000H1240Z"
    mat = faded(
        [box(1018, 964, 154, 84, 4, FINE), path("".join(f"M{1028 + 12 * k} 970v72" for k in range(12)), 1)], 0.5
    )
    return [
        path(counter, LINE),
        placed([stool()], 1350, 960),
        mat,
        line(1296, 894, 1336, 894, 5),
        words(1390, 1026, "Welcome", 24, opacity="0.7"),
        placed([tree(38)], 330, 1118),
        placed([tree(38)], 946, 1118),
    ]
