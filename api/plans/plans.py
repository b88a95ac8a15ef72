"""Floor plans made safe to stand inside a page: what is not known to be harmless drawing is left out.

Spaces are the elements with the id `space-<id>`; the shape to be coloured has the class `area`, or is the first shape.
Styles become attributes, as the page's content policy allows no inline style; every other id gets a prefix, as several
plans share one page.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from perch.errors import Complaint, InputError
from perch.model import is_id

MOST_BYTES = 2_000_000
MOST_ELEMENTS = 20_000
DEEPEST = 100
PATTERNS_ACROSS = 80

_SHAPES = frozenset({"rect", "path", "polygon", "circle", "ellipse", "polyline"})
_ELEMENTS = _SHAPES | {
    *("svg", "g", "line", "text", "tspan", "title", "desc", "defs", "use", "symbol"),
    *("linearGradient", "radialGradient", "stop", "pattern", "clipPath"),
}
_PAINT_NAMES = """
    fill fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-linecap stroke-linejoin stroke-dasharray
    stroke-dashoffset stroke-miterlimit opacity color stop-color stop-opacity clip-path clip-rule font-size
    font-family font-weight font-style text-anchor dominant-baseline letter-spacing display visibility
"""
_OTHER_NAMES = """
    viewBox preserveAspectRatio x y x1 y1 x2 y2 cx cy r rx ry fx fy width height d points transform dx dy offset
    gradientUnits gradientTransform patternUnits patternContentUnits patternTransform clipPathUnits spreadMethod
    textLength lengthAdjust rotate
"""
_PAINT = frozenset(_PAINT_NAMES.split())
_ATTRIBUTES = _PAINT | frozenset(_OTHER_NAMES.split())
_CLASSES = frozenset({"space", "area", "name"})
_LINK = re.compile(r"url\(\s*['\"]?([^'\")]*)['\"]?\s*\)")
_CALL = re.compile(r"([^\s(,;]*)\s*\(")
_FUNCTIONS = frozenset(
    {"url", "rgb", "rgba", "hsl", "hsla", "matrix", "translate", "scale", "rotate", "skewx", "skewy"}
)
_SPACE = "space-"
_SLOT = "data-state"
_SVG = "{http://www.w3.org/2000/svg}"
_NAMESPACE = re.compile(r"\{[^}]*\}")


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan in pieces: between two pieces stands the attribute that tells the state of one space.

    `twice` are spaces that are drawn more than once, of which the first counts; `left_out` are elements that are not
    shown.
    """

    pieces: tuple[str, ...]
    spaces: tuple[str, ...]
    twice: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def drawn(self, states: Mapping[str, str]) -> str:
        """Give the markup with the state of each space; a space that is not known here stays plain."""
        parts = [self.pieces[0]]
        for space, piece in zip(self.spaces, self.pieces[1:], strict=True):
            state = states.get(space)
            parts += [f' {_SLOT}="{state}"' if state else "", piece]
        return "".join(parts)


def read_plan(text: str, where: str, place: int) -> Plan:
    """Make a plan safe; `place` tells the plans of one page apart. Raises InputError."""
    root = _parse(text, where)
    drawing = _clean(root, f"plan{place}-")
    if drawing is None or drawing.tag != "svg":
        raise _refused(where, "this is no SVG drawing", "export the plan as plain SVG")
    box = _view_box(drawing, where)
    drawing.attrib.pop("width", None)
    drawing.attrib.pop("height", None)
    drawing.set("class", f"plan plan{place}")
    drawing.set("aria-hidden", "true")
    twice: list[str] = []
    spaces = tuple(_mark_spaces(drawing, twice))
    drawing.insert(0, _weaves(box[2] / PATTERNS_ACROSS, f"plan{place}-"))
    written = ET.tostring(drawing, encoding="unicode", short_empty_elements=True)
    pieces = written.split(f' {_SLOT}=""')
    if len(pieces) != len(spaces) + 1:
        raise _refused(where, f"the plan has words that look like {_SLOT}", "remove them")
    return Plan(tuple(pieces), spaces, tuple(dict.fromkeys(twice)), _left_out(root))


def _left_out(root: ET.Element) -> tuple[str, ...]:
    """Name what is drawn but not shown; what an editor notes for itself is no drawing."""
    tags = (element.tag for element in root.iter() if isinstance(element.tag, str))
    drawn = (_plain(tag) for tag in tags if tag.startswith(_SVG) or not tag.startswith("{"))
    return tuple(sorted({tag for tag in drawn if tag not in _ELEMENTS and tag != "metadata"}))


def _parse(text: str, where: str) -> ET.Element:
    if len(text) > MOST_BYTES:
        raise _refused(where, f"the plan has {len(text)} characters", f"simplify it to less than {MOST_BYTES}")
    if re.search(r"<!(DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise _refused(where, "the plan has a document type, which may hide entities", "remove the <!DOCTYPE …> line")
    try:
        root = ET.fromstring(text)  # noqa: S314 - no document type, see above
    except ET.ParseError as error:
        raise _refused(where, f"the plan is no well-formed XML: {error}", "export the plan as plain SVG") from None
    if sum(1 for _ in root.iter()) > MOST_ELEMENTS or _depth(root) > DEEPEST:
        raise _refused(where, f"the plan has more than {MOST_ELEMENTS} elements or {DEEPEST} levels", "simplify it")
    return root


def _depth(root: ET.Element) -> int:
    level, depth = [root], 0
    while level:
        level, depth = [child for element in level for child in element], depth + 1
    return depth


def _refused(where: str, what: str, remedy: str) -> InputError:
    return InputError((Complaint(where, what, remedy),))


def _clean(element: ET.Element, prefix: str) -> ET.Element | None:
    tag = _plain(element.tag)
    if tag not in _ELEMENTS:
        return None
    clean = ET.Element(tag, dict(_attributes(element, prefix)))
    clean.text = element.text
    clean.tail = element.tail
    for child in element:
        kept = _clean(child, prefix)
        if kept is not None:
            clean.append(kept)
    return clean


def _plain(tag: object) -> str:
    return _NAMESPACE.sub("", tag) if isinstance(tag, str) else ""


def _attributes(element: ET.Element, prefix: str) -> Iterator[tuple[str, str]]:
    for full_name, value in element.attrib.items():
        name = _plain(full_name)
        if name == "id":
            yield name, value if value.startswith(_SPACE) and is_id(value.removeprefix(_SPACE)) else prefix + value
        elif name == "class":
            yield name, " ".join(word for word in value.split() if word in _CLASSES)
        elif name == "href" and value.startswith("#"):
            yield name, f"#{prefix}{value[1:]}"
        elif name in _ATTRIBUTES and full_name == name:
            yield from _paint(name, value, prefix)
    for declaration in element.get("style", "").split(";"):
        name, _, value = declaration.partition(":")
        if name.strip() in _PAINT:
            yield from _paint(name.strip(), value.strip(), prefix)


def _paint(name: str, value: str, prefix: str) -> Iterator[tuple[str, str]]:
    """Let a value through if it links to nothing outside the drawing, and calls nothing that is not known."""
    links = _LINK.findall(value)
    calls = [call.lower() for call in _CALL.findall(value)]
    if "\\" in value or not _FUNCTIONS.issuperset(calls) or calls.count("url") != len(links):
        return
    if not all(link.startswith("#") for link in links):
        return
    yield name, _LINK.sub(lambda link: f"url(#{prefix}{link[1][1:]})", value)


def _view_box(drawing: ET.Element, where: str) -> tuple[float, ...]:
    text = drawing.get("viewBox") or f"0 0 {drawing.get('width', '')} {drawing.get('height', '')}"
    numbers = re.findall(r"-?\d+(?:\.\d+)?", text)
    box = tuple(map(float, numbers))
    if len(box) != 4 or box[2] <= 0 or box[3] <= 0:
        raise _refused(where, "the plan has no viewBox of four numbers", 'write <svg viewBox="0 0 WIDTH HEIGHT" …>')
    drawing.set("viewBox", " ".join(numbers))
    return box


def _mark_spaces(drawing: ET.Element, twice: list[str]) -> Iterator[str]:
    """Prepare every space to be coloured, and give their ids in the order of the document."""
    seen: set[str] = set()
    for element in drawing.iter():
        name = element.get("id", "")
        if not name.startswith(_SPACE):
            continue
        space = name.removeprefix(_SPACE)
        if space in seen:
            del element.attrib["id"]
            twice.append(space)
            continue
        seen.add(space)
        element.set("class", "space")
        _mark_area(element)
        element.set(_SLOT, "")
        yield space


def _mark_area(space: ET.Element) -> None:
    if space.tag in _SHAPES:
        space.set("class", "space area")
        return
    if any(_has_area(inner) for inner in space.iter()):
        return
    first = next((inner for inner in space.iter() if inner.tag in _SHAPES), None)
    if first is not None:
        first.set("class", "area")


def _has_area(element: ET.Element) -> bool:
    return "area" in element.get("class", "").split()


def _weaves(size: float, prefix: str) -> ET.Element:
    """Make the patterns that tell states apart without colour, as large as suits this drawing."""
    defs = ET.Element("defs")
    for state, turn in (("occupied", "45"), ("unknown", "-45")):
        tile = {"id": f"{prefix}{state}", "width": f"{size:g}", "height": f"{size:g}", "patternUnits": "userSpaceOnUse"}
        weave = ET.SubElement(defs, "pattern", {**tile, "patternTransform": f"rotate({turn})"})
        box = {"width": f"{size:g}", "height": f"{size:g}", "stroke": "none"}
        ET.SubElement(weave, "rect", {**box, "class": f"ground-{state}"})
        ET.SubElement(weave, "rect", {**box, "width": f"{size * 0.4:g}", "class": f"thread-{state}"})
    return defs
