"""Floor plans are made harmless, and keep what makes them plans."""

import re
import xml.etree.ElementTree as ET
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.plans.plans import Plan, read_plan
from perch.errors import InputError

SITES = Path(__file__).parent.parent / "perch" / "venue" / "network"


def plan_of(inside: str, attributes: str = 'viewBox="0 0 400 200"') -> Plan:
    """Read a plan with something inside."""
    head = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return read_plan(f"<svg {head} {attributes}>{inside}</svg>", "plan of floor f1", 0)


def drawn(inside: str, **states: str) -> str:
    """Draw a plan with something inside; the states are those of spaces."""
    return plan_of(inside).drawn(states)


def parsed(text: str) -> ET.Element:
    """Read markup of our own."""
    return ET.fromstring(text)  # noqa: S314 - it comes out of what is tested


def test_spaces_carry_their_state() -> None:
    plan = plan_of('<g id="space-d01"><rect width="9" height="9"/></g><rect id="space-r1" width="9" height="9"/>')
    assert plan.spaces == ("d01", "r1")
    drawing = parsed(plan.drawn({"d01": "free", "r1": "unknown off"}))
    found = {one.get("id"): one for one in drawing.iter()}
    assert found["space-d01"].attrib == {"id": "space-d01", "class": "space", "data-state": "free"}
    assert found["space-d01"][0].get("class") == "area"
    assert found["space-r1"].get("class") == "space area"
    assert found["space-r1"].get("data-state") == "unknown off"


def test_a_space_without_a_state_stays_plain() -> None:
    assert "data-state" not in drawn('<rect id="space-x1" width="9" height="9"/>')


def test_an_area_that_is_named_is_the_one_that_is_coloured() -> None:
    inside = '<g id="space-d01"><path d="M0 0"/><rect class="area big" width="9" height="9"/></g>'
    drawing = parsed(drawn(inside, d01="free"))
    assert [one.tag for one in drawing.iter() if one.get("class") == "area"] == ["rect"]


HOSTILE = {
    "a script": "<script>alert(1)</script>",
    "a script in a space": '<g id="space-d01"><script href="//x.example/y.js"/></g>',
    "an event attribute": '<rect width="9" height="9" onload="alert(1)" onclick="alert(1)"/>',
    "a foreign object": '<foreignObject><p xmlns="http://www.w3.org/1999/xhtml"><img src="x"/></p></foreignObject>',
    "a picture": '<image href="https://x.example/y.png"/>',
    "a link": '<a href="javascript:alert(1)"><rect width="9" height="9"/></a>',
    "an outer use": '<use href="https://x.example/y.svg#z"/><use xlink:href="data:image/svg+xml,x"/>',
    "a style sheet": "<style>@import url(https://x.example/y.css);</style>",
    "a style": '<rect style="fill:url(https://x.example/z);background:url(//x.example)" width="9" height="9"/>',
    "a paint from outside": '<rect fill="url(https://x.example/z#a)" width="9" height="9"/>',
    "a paint in disguise": '<rect fill="u\\72l(//x.example)" stroke="url(#a) url(//x.example)" width="9" height="9"/>',
    "an animation": '<rect width="9" height="9"><set attributeName="onclick" to="alert(1)"/></rect>',
    "a handler": '<handler xmlns="http://www.w3.org/2001/xml-events" type="application/ecmascript">alert(1)</handler>',
    "another namespace": '<x:script xmlns:x="http://www.w3.org/2000/svg">alert(1)</x:script>',
    "an iframe": '<iframe xmlns="http://www.w3.org/1999/xhtml" src="javascript:alert(1)"/>',
    "a base": '<rect xml:base="https://x.example/" width="9" height="9"/>',
}


@pytest.mark.parametrize("inside", HOSTILE.values(), ids=HOSTILE)
def test_what_could_do_harm_is_left_out(inside: str) -> None:
    text = drawn(inside)
    for word in (
        "alert",
        "x.example",
        "javascript",
        "script",
        "onload",
        "onclick",
        "data:",
        "import",
        "style=",
        "src=",
    ):
        assert word not in text.lower()


def test_words_stay_words() -> None:
    text = drawn("<text>&lt;img src=x onerror=alert(1)&gt;</text>")
    assert "&lt;img src=x onerror=alert(1)&gt;</text>" in text


@pytest.mark.parametrize(
    "bomb",
    [
        '<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><svg viewBox="0 0 1 1">&b;</svg>',
        '<!DOCTYPE svg SYSTEM "https://x.example/svg.dtd"><svg viewBox="0 0 1 1"/>',
        '<!doctype svg><svg viewBox="0 0 1 1"/>',
    ],
)
def test_a_document_type_is_refused(bomb: str) -> None:
    with pytest.raises(InputError, match="document type"):
        read_plan(bomb, "plan of floor f1", 0)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no well-formed XML"),
        ("<svg", "no well-formed XML"),
        ("<html/>", "no SVG"),
        ("<svg/>", "viewBox"),
        ('<svg viewBox="0 0 0 9"/>', "viewBox"),
        ('<svg viewBox="a b c d"/>', "viewBox"),
        ('<svg viewBox="0 0 1 1">' + "<g>" * 500 + "</g>" * 500 + "</svg>", "levels"),
        ('<svg viewBox="0 0 1 1">' + "<g/>" * 20_001 + "</svg>", "elements"),
        ("x" * 2_000_001, "characters"),
        ('<svg viewBox="0 0 1 1"><text> data-state=""</text></svg>', "words that look like"),
    ],
)
def test_a_plan_that_cannot_be_shown_is_refused_with_what_to_do(text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as refused:
        read_plan(text, "plan of floor f1", 0)
    (only,) = refused.value.complaints
    assert only.where == "plan of floor f1"
    assert only.remedy


def test_styles_become_attributes_which_the_pages_policy_allows() -> None:
    drawing = parsed(drawn('<rect style="fill:#abc; stroke : red;behavior:url(#x)" width="9" height="9"/>'))
    rect = next(one for one in drawing if one.tag == "rect")
    assert rect.attrib == {"fill": "#abc", "stroke": "red", "width": "9", "height": "9"}


def test_plans_of_one_page_do_not_meet_in_their_ids() -> None:
    inside = '<defs><pattern id="p"/></defs><rect fill="url(#p)" width="9" height="9"/><use xlink:href="#p"/>'
    text = f'<svg xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 1 1">{inside}</svg>'
    first, second = (read_plan(text, "plan", place).drawn({}) for place in (0, 1))
    for number, drawing in enumerate((first, second)):
        assert f'id="plan{number}-p"' in drawing
        assert f'fill="url(#plan{number}-p)"' in drawing
        assert f'href="#plan{number}-p"' in drawing
    assert not set(re.findall(r' id="([^"]+)"', first)) & set(re.findall(r' id="([^"]+)"', second))


def test_a_space_that_is_drawn_twice_counts_once() -> None:
    plan = plan_of('<rect id="space-d01" width="9" height="9"/><rect id="space-d01" width="5" height="5"/>')
    assert plan.spaces == ("d01",)


@given(st.text(max_size=60))
def test_any_text_is_a_plan_or_refused(text: str) -> None:
    for whole in (text, f'<svg viewBox="0 0 1 1"><text>{text}</text></svg>'):
        with suppress(InputError):
            assert parsed(read_plan(whole, "plan", 0).drawn({})).tag == "svg"


@pytest.mark.parametrize("path", sorted(SITES.glob("*/*.svg")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_plans_of_the_demo_are_shown_whole(path: Path) -> None:
    text = path.read_text()
    plan = read_plan(text, str(path), 0)
    assert plan.spaces
    assert set(plan.spaces) == set(re.findall(r'id="space-([^"]+)"', text))
    before = sum(1 for _ in parsed(text).iter())
    after = sum(1 for _ in parsed(plan.drawn({})).iter())
    assert after == before + 7  # two patterns of two stripes, and where they are kept
