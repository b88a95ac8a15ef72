"""`perch site diff` says what another layout changes and from when, and nothing else."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.commands import run
from perch.history.differences import Becomes, SpaceChange, difference
from perch.model import Space, SpaceKind
from tests.serving import a_site, a_space

HEAD = """
[site]
id = "hq"
time_zone = "Europe/Lisbon"
closed = ["2026-12-24/2026-12-27"]
[hours]
mon = "08:00-12:00, 13:00-24:00"
tue = "08:00-20:00"
[[floor]]
id = "f1"
[[zone]]
id = "quiet"
floor = "f1"
[[zone]]
id = "open"
floor = "f1"
[[agent]]
id = "pi-1"
"""
COLUMNS = "id,name,floor,zone,kind,capacity,purpose,features,agent,valid_from,valid_until\n"
OLD = """d01,,f1,quiet,desk,1,shared,,pi-1,,
d02,,f1,quiet,desk,1,shared,,pi-1,,
d03,,f1,quiet,desk,1,shared,,pi-1,,
r1,,f1,open,room,4,shared,,pi-1,,
"""
NEW = """d01,,f1,quiet,desk,1,shared,,pi-1,,2026-03-01
d01,,f1,open,desk,1,shared,window,pi-1,2026-03-01,
d02,,f1,quiet,desk,1,shared,,pi-1,,2026-03-01
d03,,f1,quiet,desk,1,shared,,pi-1,,2026-03-01
d03,,f1,quiet,booth,1,shared,,pi-1,2026-03-01,2026-06-01
d03,,f1,quiet,desk,1,shared,,pi-1,2026-06-01,
d04,,f1,open,desk,1,shared,,,2026-03-01,
r1,,f1,open,room,6,assigned,,pi-1,,
"""


def written(folder: Path, head: str, rows: str) -> str:
    folder.mkdir()
    (folder / "site.toml").write_text(head, "utf-8")
    (folder / "spaces.csv").write_text(COLUMNS + rows, "utf-8")
    return str(folder / "site.toml")


def test_a_planned_layout_is_told_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = (
        HEAD.replace('tue = "08:00-20:00"', 'wed = "08:00-20:00"').replace("12-27", "12-26").replace("13:00", "14:00")
    )
    new = written(tmp_path / "new", head, NEW)
    assert run(["site", "diff", written(tmp_path / "old", HEAD, OLD), new]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "At once, and for the past as well:",
        "  hours mon 08:00-12:00, 13:00-24:00 → 08:00-12:00, 14:00-24:00",
        "  hours tue 08:00-20:00 is gone",
        "  hours wed becomes 08:00-20:00",
        "  open again on 2026-12-27",
        "At any time:",
        "  r1 changes: capacity 4 → 6, purpose shared → assigned",
        "From 2026-03-01 until 2026-06-01:",
        "  d03 changes: kind desk → booth",
        "From 2026-03-01:",
        "  d01 changes: zone quiet → open, features becomes window",
        "  d02 vanishes: desk in quiet",
        "  d04 appears: desk in open",
    ]


def test_it_is_told_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = written(tmp_path / "old", HEAD, OLD), written(tmp_path / "new", HEAD, NEW)
    assert run(["site", "diff", old, new, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["same"], told["site"]) == (False, [])
    assert told["spaces"][1] == {
        "space": "d03",
        "from": "2026-03-01",
        "until": "2026-06-01",
        "becomes": "changes",
        "changed": [{"what": "kind", "old": "desk", "new": "booth"}],
    }
    assert run(["site", "diff", old, old, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"same": True, "site": [], "spaces": []}
    assert run(["site", "diff", old, old]) == 0
    assert capsys.readouterr().out == "Nothing changes.\n"


def test_a_layout_that_is_wrong_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, wrong = written(tmp_path / "old", HEAD, OLD), written(tmp_path / "new", HEAD, "d01,,f1,attic,desk,,,,,,\n")
    assert run(["site", "diff", old, wrong]) == 2
    assert "attic" in capsys.readouterr().err
    assert run(["site", "diff", old]) == 2


def test_zones_agents_floors_and_their_plans_are_compared() -> None:
    site = a_site()
    other = a_site(plan=None, name="Harbour", time_zone="UTC")
    found = {changed.what: (changed.old, changed.new) for changed in difference(site, other).site}
    assert found == {
        "name": ("Harbour House", "Harbour"),
        "time_zone": ("Europe/Lisbon", "UTC"),
        "plan of f1": ("a plan", None),
    }


FIRST = date(2026, 3, 1)


@st.composite
def rows(draw: st.DrawFn) -> tuple[Space, ...]:
    """Rows of one space that do not overlap, each in one of two zones and kinds."""
    days = sorted(draw(st.sets(st.integers(0, 12), min_size=1, max_size=6)))
    made = []
    for first, last in zip(days, (*days[1:], None), strict=True):
        if draw(st.booleans()):
            from_day = draw(st.sampled_from([None, 0])) if first == days[0] else 0
            made.append(
                a_space(
                    "d01",
                    draw(st.sampled_from([SpaceKind.DESK, SpaceKind.BOOTH])),
                    zone=draw(st.sampled_from(["open", "rooms"])),
                    valid_from=None if from_day is None else FIRST + timedelta(days=first),
                    valid_until=None if last is None else FIRST + timedelta(days=last),
                )
            )
    return tuple(made)


@given(rows(), rows())
def test_changes_are_exactly_the_days_on_which_rows_differ(old: tuple[Space, ...], new: tuple[Space, ...]) -> None:
    one, other = a_site(spaces=old), a_site(spaces=new)
    changes = difference(one, other).spaces
    for day in (FIRST + timedelta(days=number) for number in range(-2, 16)):
        was, will = one.spaces_on(day), other.spaces_on(day)
        said = [change for change in changes if _covers(change, day)]
        assert len(said) <= 1
        if said:
            assert said[0].becomes is (
                Becomes.APPEARS if not was else Becomes.VANISHES if not will else Becomes.CHANGES
            )
        for name in ("zone", "kind"):
            pair = [getattr(rows_[0], name) if rows_ else None for rows_ in (was, will)]
            told = [(of.old, of.new) for change in said for of in change.changed if of.what == name]
            assert told == ([tuple(pair)] if pair[0] != pair[1] else [])
    for change in changes:
        assert change.from_day is None or change.until_day is None or change.from_day < change.until_day


def _covers(change: SpaceChange, day: date) -> bool:
    return (change.from_day is None or change.from_day <= day) and (change.until_day is None or day < change.until_day)
