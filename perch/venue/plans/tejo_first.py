"""Tejo Works, first floor: studio, quiet corner, two rooms, a booth and the balcony."""

from perch.venue.plans.building import (
    Door,
    Pair,
    Window,
    basin,
    boards,
    north,
    paving,
    scale_bar,
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
    table,
)
from perch.venue.plans.shapes import FINE, LINE, box, line, path, placed, words
from perch.venue.plans.sheet import desk, rectangle, room, sheet
from perch.venue.plans.tejo_core import DEPTH, INNER, SOUTH, WIDTH, booth, core


def first() -> str:
    """Draw the floor."""
    shell = [
        wall((0, 0), (WIDTH, 0), Window(90, 220), Window(500, 130)),
        wall((WIDTH, 0), (WIDTH, DEPTH)),
        wall(
            (0, DEPTH),
            (WIDTH, DEPTH),
            Window(70, 220),
            Pair(370, 150),
            Window(590, 220),
            Window(880, 220),
            Pair(1170, 150),
            Window(1370, 130),
        ),
        wall((0, 0), (0, DEPTH), Window(430, 230), Window(740, 230)),
    ]
    rooms = [
        wall(
            (0, SOUTH),
            (716, SOUTH),
            Door(310, 86, far=True, left=True),
            Door(610, 86, far=True, left=True),
            thickness=INNER,
        ),
        wall((420, 10), (420, SOUTH), thickness=INNER),
        wall((716, 10), (716, SOUTH), thickness=INNER),
        wall((716, 176), (861, 176), Door(48, 74), thickness=8),
        wall((861, 10), (861, 176), thickness=8),
    ]
    balcony = [
        paving([(-10, 1070), (1570, 1070), (1570, 1160), (-10, 1160)]),
        line(-10, 1160, 1570, 1160, LINE),
        path("".join(f"M{k} 1153v14" for k in range(-10, 1571, 40)), FINE),
        placed([plant(18)], 40, 1116),
        placed([plant(18)], 850, 1116),
        placed([plant(18)], 1440, 1116),
    ]
    return sheet(
        "Tejo Works, first floor",
        -40,
        -50,
        1640,
        1320,
        [
            boards(10, 362, 1540, 688),
            boards(722, 182, 278, 180),
            *core("down"),
            *balcony,
            _chiado(),
            _parents(),
            booth(3, 722),
            *_studio(),
            *_quiet(),
            *shell,
            *rooms,
            placed([plant(30)], 52, 1010),
            placed([plant(24)], 744, 400),
            placed([lockers(3)], 934, 36),
            placed([printer()], 966, 300),
            scale_bar(0, 1206),
            north(1530, 1226, 28),
        ],
    )


def _chiado() -> str:
    inside = [
        placed([table(220, 108, 2, ends=1)], 212, 182),
        placed([board(150)], 10, 182, 270),
        placed([plant(20)], 386, 40),
    ]
    return room("chiado", "Chiado", "room", rectangle(10, 10, 404, 340), inside, (212, 192))


def _parents() -> str:
    inside = [
        placed([armchair()], 486, 70, 180),
        placed([coffee_table(54, 44)], 570, 60),
        placed([basin()], 710, 130, 90),
        box(440, 236, 58, 104, 6, LINE),
        box(446, 242, 46, 92, 20, FINE),
        placed([plant(18)], 684, 40),
    ]
    return room("parents", "Parents’ room", "room", rectangle(426, 10, 284, 340), inside, (566, 190), 25)


def _studio() -> list[str]:
    drawn = []
    for place in range(3):
        x = 330 + 164 * place
        drawn.append(desk(f"d1{place + 1}", f"Desk {11 + place}", x, 640, 180, label=str(11 + place), width=156))
        drawn.append(
            desk(
                f"d1{place + 4}", f"Desk {14 + place}", x, 712, 0, label=str(14 + place), width=156, standing=place == 1
            )
        )
    return [
        *drawn,
        words(494, 510, "Studio", 26, opacity="0.6"),
        placed([plant(22)], 212, 676),
        placed([plant(22)], 776, 676),
        placed([sofa(2)], 80, 890, 90),
        placed([coffee_table(56, 84)], 180, 890),
        placed([rug(110, 190)], 186, 890),
        placed([shelf(300)], 560, 1020),
    ]


def _quiet() -> list[str]:
    return [
        placed([shelf(250)], 960, 590, 90),
        placed([shelf(250)], 960, 870, 90),
        desk("d21", "Desk 21", 1510, 520, 90, label="21", equipped=False),
        desk("d22", "Desk 22", 1510, 720, 90, label="22"),
        desk("d23", "Desk 23", 1018, 590, 270, label="23", standing=True),
        desk("d24", "Desk 24", 1018, 870, 270, label="24"),
        words(1270, 510, "Quiet", 26, opacity="0.6"),
        placed([rug(150, 146)], 1304, 732),
        placed([armchair()], 1270, 850),
        placed([armchair()], 1180, 740, 100),
        placed([round_table(28, 0)], 1280, 740),
        placed([plant(28)], 1508, 950),
    ]
