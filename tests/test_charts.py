"""Pictures are functions of numbers: what is drawn is what there is, to scale, and can be told apart by anybody."""

import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.planners.charts import STEPS, WIDTH, Bar, Cell, Curve, Piece, Strip, bars, heat_map, shade, shortfall, timeline
from tests.examples import usually

HOUR_MS = 3_600_000
HOSTILE = "<script>alert(1)</script>&\"'"
DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
CSS = (Path(__file__).parent.parent / "api" / "web" / "planners.css").read_text()


def drawn(picture: str) -> ET.Element:
    return ET.fromstring(picture)  # noqa: S314 - the product drew it


def kinds(picture: ET.Element, kind: str) -> list[ET.Element]:
    return [one for one in picture.iter() if kind in one.get("class", "").split()]


def texts(picture: ET.Element) -> list[str]:
    return [one.text or "" for one in picture.iter("text")]


def number(element: ET.Element, name: str) -> float:
    return float(element.attrib[name])


shares = st.none() | st.floats(0, 1)
hours = st.dictionaries(st.tuples(st.integers(1, 7), st.integers(0, 23)), shares, min_size=1)


@usually(40)
@given(hours)
def test_each_hour_that_there_is_has_its_cell_at_its_place(found: dict[tuple[int, int], float | None]) -> None:
    cells = {key: Cell(f"{key[0]}/{key[1]}", share, False, False) for key, share in found.items()}
    picture = drawn(heat_map(cells, DAYS, "a label"))
    groups = kinds(picture, "heat")
    assert sorted(text for group in groups for text in texts(group)) == sorted(cell.text for cell in cells.values())
    assert {text for text in texts(picture) if text in DAYS} == {DAYS[weekday - 1] for weekday, _ in cells}
    places = {texts(group)[0]: group.find("rect") for group in groups}
    for (weekday, hour), cell in cells.items():
        assert f"heat-{shade(cell.share)}" in next(g for g in groups if texts(g) == [cell.text]).attrib["class"]
        for (other_day, other_hour), other in cells.items():
            mine, theirs = places[cell.text], places[other.text]
            assert mine is not None
            assert theirs is not None
            assert (number(mine, "x") < number(theirs, "x")) == (weekday < other_day)
            assert (number(mine, "y") < number(theirs, "y")) == (hour < other_hour)
    assert all(number(rect, "x") + number(rect, "width") <= WIDTH for rect in picture.iter("rect"))


@given(st.lists(st.floats(0, 1), min_size=2))
def test_a_fuller_hour_is_never_paler(found: list[float]) -> None:
    shades = [int(shade(share)) for share in sorted(found)]
    assert shades == sorted(shades)
    assert (shade(0), shade(1e-9), shade(1), shade(1.5), shade(None)) == ("0", "1", str(STEPS), str(STEPS), "none")


def test_the_peak_and_hours_that_were_little_observed_are_marked() -> None:
    cells = {(4, 14): Cell("41", 0.85, False, True), (4, 15): Cell("–", None, True, False)}
    picture = drawn(heat_map(cells, DAYS, "Thursday"))
    (peak,) = kinds(picture, "most")
    assert texts(peak) == ["41"]
    assert len(kinds(picture, "poor")) == 1
    assert (picture.attrib["role"], picture.attrib["aria-label"]) == ("img", "Thursday")


def test_words_stay_words_in_pictures() -> None:
    picture = bars([Bar(HOSTILE, "36 %", 0.36, 0.3, 0.4)], HOSTILE)
    assert "<script" not in picture
    assert HOSTILE in texts(drawn(picture))
    assert drawn(picture).attrib["aria-label"] == HOSTILE


def test_a_bar_shows_its_bounds_only_where_there_are_any() -> None:
    picture = drawn(
        bars([Bar("a", "50 %", 0.5, 0.25, 0.75), Bar("b", "50 %", 0.5, 0.5, 0.5), Bar("c", "–", None, None, None)], "")
    )
    assert [number(bar, "width") for bar in kinds(picture, "value")] == [WIDTH / 2, WIDTH / 2]
    (whisker,) = kinds(picture, "whisker")
    assert whisker.attrib["d"].startswith(f"M{WIDTH / 4:.1f} 24H{WIDTH * 3 / 4:.1f}")


@usually(40)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=300), st.integers(0, 2_000), st.data())
def test_the_curve_falls_within_its_frame_and_marks_its_numbers(
    found: list[float], first: int, data: st.DataObject
) -> None:
    points = [(first + place, share) for place, share in enumerate(sorted(found, reverse=True))]
    enough = data.draw(st.sampled_from([desks for desks, _ in points]))
    high = data.draw(st.none() | st.integers(enough, first + len(points) + 3))
    curve = Curve(points, enough, (enough, high), points[-1][0], 0.05, "enough", "current", "desks")
    picture = drawn(shortfall(curve, "label"))
    (line,) = kinds(picture, "line")
    downs = [float(text) for text in re.findall(r"V([\d.]+)", line.attrib["d"])]
    assert all(above <= below for above, below in pairwise(downs))
    (span,) = kinds(picture, "span")
    assert number(span, "x") + number(span, "width") <= WIDTH
    for mark in kinds(picture, "mark"):
        across = re.match(r"M([\d.]+)", mark.attrib["d"])
        assert across is not None
        assert 0 < float(across[1]) < WIDTH
    ticks = [text for text in texts(picture) if text.isdigit()]
    assert len(ticks) <= 8


def test_a_day_is_drawn_to_the_scale_of_the_longest() -> None:
    whole = Piece(0, 24 * HOUR_MS, "free")
    usual = Strip("Sat 24", 24 * HOUR_MS, [whole], [], [(0, "0"), (12 * HOUR_MS, "12")])
    longer = Strip(
        "Sun 25", 25 * HOUR_MS, [Piece(5 * HOUR_MS, 10 * HOUR_MS, "occupied")], [(0, 25 * HOUR_MS)], [(0, "0")]
    )
    picture = drawn(timeline([usual, longer], "label"))
    day, long_day = (number(rect, "width") for rect in kinds(picture, "ground"))
    (occupied,), (free,), (opened,) = (kinds(picture, kind) for kind in ("occupied", "free", "open"))
    assert long_day / day == pytest.approx(25 / 24, abs=0.001)
    assert number(occupied, "width") / long_day == pytest.approx(5 / 25, abs=0.001)
    assert (number(free, "width"), number(opened, "width")) == (day, long_day)
    assert number(opened, "x") + long_day <= WIDTH


def shades(css: str) -> dict[str, str]:
    return dict(re.findall(r"--(heat-[\w-]+): (#\w{6})", css))


def luminance(colour: str) -> float:
    channels = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_shades_rise_evenly_for_every_eye_and_numbers_on_them_can_be_read(scheme: str) -> None:
    light, _, dark = CSS.partition("prefers-color-scheme: dark")
    colours = shades(light if scheme == "light" else dark)
    lights = [luminance(colours[f"heat-{step}"]) for step in range(STEPS + 1)]
    assert lights == sorted(lights, reverse=scheme == "light")
    on_full = {int(step) for step in re.findall(r"\.heat-(\d) text", CSS)}
    for step, ground in enumerate(lights):
        ink = luminance(colours["heat-ink-full" if step in on_full else "heat-ink"])
        bright, dim = max(ink, ground), min(ink, ground)
        assert (bright + 0.05) / (dim + 0.05) >= 4.5, f"shade {step}"
