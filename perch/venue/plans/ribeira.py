"""Ribeira Rooms, Porto: a narrow town house between party walls, from the street to the garden."""

from perch.venue.plans.building import (
    Door,
    Opening,
    Pair,
    Slide,
    Window,
    basin,
    boards,
    north,
    paving,
    scale_bar,
    stairs,
    tiles,
    toilet,
    tree,
    wall,
)
from perch.venue.plans.furniture import (
    armchair,
    board,
    coffee_table,
    lamp,
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

INNER = 12
BACK, GARDEN_END, DEPTH = 1960, 2330, 900
"""Where the house and its garden end, and how wide both are."""
GLASS = 1680
"""Where the winter garden begins."""


def floors() -> dict[str, str]:
    """Draw the floor, by file name."""
    return {"floor.svg": _floor()}


def _floor() -> str:
    return sheet(
        "Ribeira Rooms",
        -70,
        -50,
        2440,
        1090,
        [
            paving([(-60, -20), (-14, -20), (-14, 920), (-60, 920)]),
            *_garden(),
            boards(10, 10, 1664, 880),
            tiles(GLASS + 6, 10, 264, 880, 36),
            _salon(),
            *_hall(),
            _douro(),
            _foz(),
            *_core(),
            *_desks(),
            _cabin(1, 552),
            _cabin(2, 724),
            _winter_garden(),
            *_shell(),
            *_inner_walls(),
            scale_bar(0, 992),
            north(2280, 986, 270),
        ],
    )


def _shell() -> list[str]:
    return [
        wall((0, 0), (BACK, 0), thickness=26),
        wall((0, DEPTH), (BACK, DEPTH), thickness=26),
        wall((0, 0), (0, DEPTH), Window(70, 150), Window(330, 150), Door(640, 110, left=True), thickness=26),
        wall((BACK, 0), (BACK, DEPTH), Window(30, 250), Pair(320, 170, left=True), Window(530, 340), thickness=14),
        wall((GLASS, 0), (GLASS, DEPTH), Window(60, 230), Slide(330, 190), thickness=10),
    ]


def _inner_walls() -> list[str]:
    return [
        wall((400, 10), (400, 556), Door(410, 90), thickness=INNER),
        wall((10, 556), (400, 556), Opening(210, 150), thickness=INNER),
        wall((400, 326), (1046, 326), Door(270, 84, far=True, left=True), Door(400, 84, left=True), thickness=INNER),
        wall((774, 10), (774, 326), thickness=INNER),
        wall((1046, 10), (1046, 326), thickness=INNER),
        wall((790, 560), (1046, 560), Door(150, 80, far=True), thickness=INNER),
        wall((790, 560), (790, 890), thickness=INNER),
        wall((1046, 560), (1046, 890), thickness=INNER),
        wall((918, 700), (918, 890), thickness=8),
        wall((790, 700), (1046, 700), Door(34, 68), Door(156, 68), thickness=8),
        wall((1520, 546), (1520, 890), Door(52, 76), Door(224, 76), thickness=8),
        wall((1520, 546), (1680, 546), thickness=8),
        wall((1520, 718), (1680, 718), thickness=8),
    ]


def _salon() -> str:
    inside = [
        placed([rug(130, 190)], 184, 262),
        placed([sofa(3)], 72, 250, 90),
        placed([armchair()], 200, 76, 180),
        placed([armchair()], 310, 190, 290),
        placed([coffee_table(64, 100)], 190, 250),
        placed([shelf(250)], 150, 526),
        placed([plant(28)], 56, 60),
        placed([plant(22)], 356, 50),
    ]
    return room("salao", "Salão", "lounge", rectangle(14, 14, 380, 536), inside, (250, 400), 27)


def _hall() -> list[str]:
    mat = faded([box(16, 646, 86, 96, 4, FINE), path("".join(f"M22 {656 + 11 * k}h74" for k in range(8)), 1)], 0.5)
    counter = "M236 700V830Q236 866 200 866H150V826H186Q196 826 196 814V700Z"
    return [mat, path(counter, LINE), placed([stool()], 130, 776), words(300, 640, "Olá", 26, opacity="0.7")]


def _douro() -> str:
    inside = [
        placed([table(210, 100, 2, ends=1)], 580, 164),
        placed([board(150)], 406, 164, 270),
        placed([plant(20)], 742, 44),
    ]
    return room("douro", "Douro", "room", rectangle(406, 14, 362, 306), inside, (580, 174), 28)


def _foz() -> str:
    inside = [
        placed([round_table(58, 4, first=45)], 908, 158),
        placed([board(110)], 1040, 158, 90),
        placed([plant(18)], 1014, 44),
    ]
    return room("foz", "Foz", "room", rectangle(780, 14, 260, 306), inside, (908, 167), 26)


def _core() -> list[str]:
    well = [
        box(424, 590, 170, 150, 0, LINE),
        path("M424 590L594 740M594 590L424 740", 1, stroke_dasharray="10 8", opacity="0.7"),
        placed([plant(34)], 509, 665),
        words(509, 730, "light well", 18, opacity="0.7"),
    ]
    return [
        tiles(796, 566, 244, 324),
        *well,
        placed([stairs(116, 330, 14, "up")], 424, 770),
        placed([toilet()], 854, 886, 180),
        placed([toilet()], 982, 886, 180),
        placed([basin(44)], 798, 624, 270),
        words(900, 640, "WC", 22, opacity="0.7"),
        placed([printer()], 740, 612),
    ]


def _desks() -> list[str]:
    drawn = []
    for place in range(3):
        x = 1190 + 148 * place
        drawn.append(desk(f"m{place + 1}", f"Mesa {place + 1}", x, 158, 180, label=str(place + 1), standing=place == 0))
        drawn.append(desk(f"m{place + 4}", f"Mesa {place + 4}", x, 230, 0, label=str(place + 4), equipped=place != 1))
    for place in range(2):
        x = 1200 + 148 * place
        drawn.append(desk(f"m{place + 7}", f"Mesa {place + 7}", x, 640, 180, label=str(place + 7)))
        drawn.append(desk(f"m{place + 9}", f"Mesa {place + 9}", x, 712, 0, label=str(place + 9), standing=place == 1))
    extras = [placed([plant(26)], 1640, 250), placed([plant(24)], 1084, 676), placed([shelf(280)], 1270, 866)]
    return [*drawn, *extras, placed([shelf(150)], 1594, 32)]


def _cabin(number: int, y: float) -> str:
    inside = [box(1628, y + 4, 44, 152, 0, LINE), placed([stool(19)], 1590, y + 76), placed([lamp()], 1650, y + 26)]
    return room(
        f"cabine-{number}", f"Cabine {number}", "booth", rectangle(1526, y, 150, 162), inside, (1580, y + 140), 19
    )


def _winter_garden() -> str:
    inside = [
        placed([sofa(2)], 1848, 836),
        placed([armchair()], 1752, 716, 100),
        placed([coffee_table(90, 56)], 1856, 728),
        placed([round_table(36, 3, stools=True, first=90)], 1820, 150),
        placed([plant(40)], 1740, 320),
        placed([plant(30)], 1912, 300),
        placed([plant(34)], 1912, 580),
        placed([plant(26)], 1724, 846),
        placed([plant(24)], 1720, 44),
    ]
    return room("jardim", "Winter garden", "lounge", rectangle(GLASS + 6, 14, 266, 872), inside, (1820, 480), 25)


def _garden() -> list[str]:
    lawn = [(BACK + 8, -10), (GARDEN_END, -10), (GARDEN_END, 910), (BACK + 8, 910)]
    path_stones = "".join(
        placed([box(-26, -20, 52, 40, 10, FINE)], 2010 + 62 * k, 404 + (10 if k % 2 else -10), 8 * (-1) ** k)
        for k in range(5)
    )
    walls = path(f"M{BACK} -10H{GARDEN_END}V910H{BACK}", 5, opacity="0.7")
    return [
        paving(lawn),
        walls,
        faded([path_stones], 0.6),
        placed([tree(130)], 2170, 170),
        placed([tree(100)], 2200, 690),
        placed([tree(54)], 2040, 820),
        placed([box(-70, -18, 140, 36, 4, FINE), line(-70, -6, 70, -6, 1), line(-70, 6, 70, 6, 1)], 2020, 640, 270),
        words(2090, 520, "Garden", 27, opacity="0.6"),
        circle(2030, 70, 22, FINE),
    ]
