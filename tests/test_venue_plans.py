"""The floor plans of the demo network: every space drawn once, colourable by a page, harmless, as the code draws."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from perch.model import Floor, Space
from perch.settings.site import load_site
from perch.venue import network
from perch.venue.plans.__main__ import drawn

SVG = "{http://www.w3.org/2000/svg}"
FLOORS = [
    pytest.param(floor, [space for space in site.spaces if space.floor == floor.id], id=f"{site.id}-{floor.id}")
    for site in (load_site(network.FOLDER / name / "site.toml") for name in network.SITES)
    for floor in site.floors
]
each_floor = pytest.mark.parametrize(("floor", "spaces"), FLOORS)


def tree(plan: str | None) -> ElementTree.Element:
    assert plan is not None
    return ElementTree.fromstring(plan)  # noqa: S314  # our own drawing


def groups(root: ElementTree.Element) -> dict[str, ElementTree.Element]:
    return {group.get("id", ""): group for group in root.iter(f"{SVG}g") if "space" in group.get("class", "").split()}


@each_floor
def test_every_space_of_a_floor_is_drawn_once_and_named(floor: Floor, spaces: list[Space]) -> None:
    root = tree(floor.plan)
    drawn_ids = [element.get("id", "") for element in root.iter() if element.get("id")]
    assert sorted(drawn_ids) == sorted(f"space-{space.id}" for space in spaces)
    for space in spaces:
        group = groups(root)[f"space-{space.id}"]
        assert group.findtext(f"{SVG}title") == space.name
        assert space.kind.value in group.get("class", "").split()


@each_floor
def test_a_page_can_colour_every_space(floor: Floor, spaces: list[Space]) -> None:
    """The area of a space has no paint of its own, nor any of its parents."""
    root = tree(floor.plan)
    assert (root.get("fill"), root.get("stroke")) == ("none", "currentColor")
    for space in spaces:
        group = groups(root)[f"space-{space.id}"]
        (area,) = (element for element in group.iter() if element.get("class") == "area")
        parents = [element for element in group.iter() if area in list(element.iter())]
        assert all(element.get("fill") is None and element.get("style") is None for element in parents)


@each_floor
def test_a_plan_is_inert_and_takes_its_colours_from_the_page(floor: Floor, spaces: list[Space]) -> None:
    root = tree(floor.plan)
    assert root.get("viewBox")
    assert spaces
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "g", "title", "path", "rect", "circle", "ellipse", "text"}
    for element in root.iter():
        assert not any(name.startswith("on") or "href" in name or name == "style" for name in element.attrib)
        assert {element.get("fill"), element.get("stroke")} <= {None, "none", "currentColor"}
    assert not re.search(r"url\(|http(?!://www\.w3\.org/2000/svg)", floor.plan or "")


@pytest.mark.parametrize(("path", "svg"), drawn().items(), ids=list(drawn()))
def test_the_plans_in_the_package_are_what_the_code_draws(path: str, svg: str) -> None:
    assert (Path(network.FOLDER) / path).read_text(encoding="utf-8") == svg, "run python -m perch.venue.plans"
