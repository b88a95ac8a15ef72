"""`perch site plan`: what is wrong with a plan is explained; one that is begun for a layout is right from the start."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from api.plans.check import check_plans, remarks
from api.plans.plans import read_plan
from perch.commands.site import site as command
from perch.errors import InputError
from perch.model import Floor, Site, Space, SpaceKind, Zone
from perch.settings import load_site
from perch.settings.draft import draft_plan
from tests.examples import usually
from tests.serving import PLAN, a_site, a_space
from tests.test_page import HOSTILE_NAME

TODAY = date(2026, 11, 22)
NETWORK = Path(__file__).parent.parent / "perch" / "venue" / "network"


def complaints(plan: str | None, *spaces: Space) -> list[tuple[str, str]]:
    """Give what is said of a plan, and of which place."""
    site = a_site(plan=plan, spaces=spaces or (a_space("d01"), a_space("d02"), a_space("r1", zone="rooms")))
    return [(complaint.where, complaint.what) for complaint in check_plans(site, TODAY)]


@pytest.mark.parametrize("path", sorted(NETWORK.glob("*/site.toml")), ids=lambda path: path.parent.name)
def test_nothing_is_wrong_with_the_plans_of_the_demo(path: Path) -> None:
    site = load_site(path)
    assert check_plans(site, TODAY) == []
    assert remarks(site) == []


def test_spaces_that_are_missing_double_or_strange_are_named() -> None:
    assert complaints(PLAN) == []
    assert complaints(PLAN.replace("space-d01", "space-d02")) == [
        ("plan of f1", "space d01 is not on it"),
        ("plan of f1", "space d02 is drawn more than once"),
    ]
    assert complaints(PLAN.replace("space-d01", "space-d1")) == [
        ("plan of f1", "space d01 is not on it"),
        ("plan of f1", "there is no space d1 at hq"),
    ]
    elsewhere = a_space("d01", floor="f2")
    assert complaints(PLAN, elsewhere, a_space("d02"), a_space("r1")) == [
        ("plan of f1", "space d01 stands on f2, not here")
    ]
    assert complaints(None) == [("floor f1", "has 3 spaces and no plan")]
    assert complaints("<!DOCTYPE svg><svg/>")[0][0] == "plan of f1"


def test_a_space_of_long_ago_need_not_be_drawn_and_one_to_come_must() -> None:
    gone, to_come = a_space("x1", valid_until=TODAY), a_space("x2", valid_from=date(2027, 1, 1))
    assert complaints(PLAN, a_space("d01"), a_space("d02"), a_space("r1"), gone) == []
    assert complaints(PLAN, a_space("d01"), a_space("d02"), a_space("r1"), to_come) == [
        ("plan of f1", "space x2 is not on it")
    ]


def test_what_a_page_does_not_show_is_told_and_harms_nothing() -> None:
    plan = PLAN.replace("</svg>", '<script>alert(1)</script><image href="x.png"/><metadata/></svg>')
    assert complaints(plan) == []
    assert remarks(a_site(plan=plan)) == ["plan of f1: left out, as a page shows plain drawings only: image, script"]


KINDS = st.sampled_from(list(SpaceKind))
NAMES = st.text(min_size=1, max_size=30) | st.just(HOSTILE_NAME)


def a_floor(kinds: list[tuple[SpaceKind, str, int]]) -> tuple[Site, list[Space]]:
    """Make a site of one floor with three zones."""
    zones = tuple(Zone(f"z{number}", "f1", HOSTILE_NAME) for number in range(3))
    spaces = [
        a_space(f"s{number}", kind, name=name, zone=f"z{zone}") for number, (kind, name, zone) in enumerate(kinds)
    ]
    return replace(a_site(spaces=tuple(spaces)), zones=zones), spaces


@usually(30)
@given(st.lists(st.tuples(KINDS, NAMES, st.integers(0, 2)), max_size=60))
def test_a_plan_that_is_begun_has_each_space_once_and_no_two_overlap(kinds: list[tuple[SpaceKind, str, int]]) -> None:
    site, spaces = a_floor(kinds)
    text = draft_plan(site, "f1", spaces)
    plan = read_plan(text, "plan", 0)
    assert sorted(plan.spaces) == sorted(space.id for space in spaces)
    assert (plan.twice, plan.left_out) == ((), ())
    drawn = replace(site, floors=(Floor("f1", "First", text),))
    assert check_plans(drawn, TODAY) == []
    root = ET.fromstring(text)  # noqa: S314 - it comes out of what is tested
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    boxes = [
        tuple(float(rect.attrib[side]) for side in ("x", "y", "width", "height"))
        for rect in root.iter("{http://www.w3.org/2000/svg}rect")
        if rect.get("class") == "area"
    ]
    for place, (x, y, w, h) in enumerate(boxes):
        assert x >= 0
        assert y >= 0
        assert x + w <= width
        assert y + h <= height
        for x2, y2, w2, h2 in boxes[:place]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y


def test_a_site_without_plans_is_given_them_and_is_then_in_order(tmp_path: Path) -> None:
    text = (NETWORK / "tejo" / "site.toml").read_text()
    (tmp_path / "site.toml").write_text(text.replace("first.svg", "upstairs.svg").replace('plan = "ground.svg"\n', ""))
    (tmp_path / "spaces.csv").write_text((NETWORK / "tejo" / "spaces.csv").read_text())
    done = CliRunner().invoke(command, ["plan", "draft", str(tmp_path / "site.toml"), "--floor", "ground"])
    assert (done.exit_code, 'plan = "ground.svg"' in done.output) == (0, True)
    (tmp_path / "upstairs.svg").write_text((NETWORK / "tejo" / "first.svg").read_text())
    (tmp_path / "site.toml").write_text(text.replace("first.svg", "upstairs.svg"))
    done = CliRunner().invoke(command, ["plan", "check", str(tmp_path / "site.toml")])
    assert (done.exit_code, "is in order" in done.output) == (0, True)
    before = (tmp_path / "ground.svg").read_text()
    done = CliRunner().invoke(command, ["plan", "draft", str(tmp_path / "site.toml")])
    assert "stays as it is" in done.output
    assert (tmp_path / "ground.svg").read_text() == before
    (tmp_path / "ground.svg").write_text(before.replace("space-d01", "space-d99"))
    wrong = CliRunner().invoke(command, ["plan", "check", str(tmp_path / "site.toml")]).exception
    assert isinstance(wrong, InputError)
    assert [complaint.what for complaint in wrong.complaints] == [
        "space d01 is not on it",
        "there is no space d99 at tejo",
    ]


def test_the_commands_of_the_docs_say_what_the_docs_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "hq"
    folder.mkdir()
    spaces = "".join(f'[[space]]\nid = "d{n:02}"\nkind = "desk"\nzone = "open"\n' for n in range(1, 13))
    head = '[site]\nid = "hq"\ntime_zone = "Europe/Lisbon"\n[hours]\nmon = "08:00-20:00"\n'
    text = f'{head}[[zone]]\nid = "open"\nfloor = "f1"\n{spaces}'
    (folder / "site.toml").write_text(text + '[[floor]]\nid = "f1"\n')
    monkeypatch.chdir(tmp_path)
    document = (Path(__file__).parent.parent / "docs" / "plans.md").read_text()
    (session,) = re.findall(r"```console\n(.*?)```", document, re.DOTALL)
    seen = ""
    for line in re.findall(r"^\$ perch site (.*)\n", session, re.MULTILINE):
        seen += f"$ perch site {line}\n{CliRunner().invoke(command, line.split()).output}"
        (folder / "site.toml").write_text(text + '[[floor]]\nid = "f1"\nplan = "f1.svg"\n')
    assert seen == session
