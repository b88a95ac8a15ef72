"""What cannot be asked of the past is refused by its name, with what to ask instead: over HTTP, and by command."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from perch.adapters.cursor import Cursor
from perch.adapters.history.store import HistoryStore
from perch.commands import run
from perch.model import SpaceKind
from perch.venue.written import site_toml, spaces_csv
from tests.parts import free_port
from tests.serving import Served, a_site, a_space, server_settings, serving
from tests.test_api_planning import history

LATER = date(2026, 4, 1)
SITE = a_site(
    spaces=(
        a_space("d01"),
        a_space("d02", capacity=None),
        replace(a_space("d03"), valid_from=LATER),
        a_space("r1", SpaceKind.ROOM, capacity=None, zone="rooms"),
    )
)
WINDOW = "site=hq&from=2026-03-02&to=2026-04-27"
PERIODS = "before_from=2026-03-02&before_to=2026-03-30&after_from=2026-03-30&after_to=2026-04-27"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A server's folder with eight weeks of history."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "site.toml").write_text(site_toml(SITE))
    (folder / "spaces.csv").write_text(spaces_csv(SITE))
    (folder / "perch.toml").write_text('data = "."\nsites = ["site.toml"]\n[broker]\nhost = "localhost"\n')
    with HistoryStore.open(folder / "history.db") as store:
        store.add(history(), Cursor("0" * 16, 1))
    return folder


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Served]:
    with serving(server_settings(free_port(), folder, SITE)) as served:
        yield served


WINDOWS = {
    "from=2026-03-02&to=2026-03-02": "to",
    "from=2026-04-02&to=2026-03-02": "to",
    "from=2126-03-02&to=2126-04-02": "from",
    "from=2025-03-02&to=2025-04-02": "to",
    "from=NaN&to=2026-03-02": "from",
    "from=2026-02-30&to=2026-03-02": "from",
    "from=99999-01-01&to=2026-03-02": "from",
    "from=2026-03-02&to=2026-03-09&hours=some": "hours",
    "from=2026-03-02&to=2026-03-09&zone=attic": "zone",
    "from=2026-03-02&to=2026-03-09&kind=sofa": "kind",
    "from=2026-03-02&to=2026-03-09&wish=1": "wish",
}
OTHERS = {
    f"history/coverage?{WINDOW}&merge_seconds=NaN": "merge_seconds",
    f"history/sessions?{WINDOW}&min_seconds=1e99": "min_seconds",
    f"history/sessions?{WINDOW}&min_seconds=-1": "min_seconds",
    "history/coverage?site=hq&from=2000-03-02&to=2026-04-27&resolution=15min&scope=space": "resolution",
    "history/transitions?site=hq&space=d03&from=2026-03-02&to=2026-03-09": "from",
    "history/transitions?site=hq&space=d01&from=2025-03-02&to=2025-03-09": "to",
    f"planning/sizing?{WINDOW}&share=NaN": "share",
    f"planning/sizing?{WINDOW}&share=1e999": "share",
    "planning/sizing?site=hq&from=2025-03-02&to=2025-04-02": "to",
    "planning/sizing?site=hq&from=2126-03-02&to=2126-04-02": "from",
    f"planning/comparison?site=hq&metric=coverage&zone=attic&{PERIODS}": "zone",
    f"planning/comparison?site=hq&metric=coverage&control_zone=attic&{PERIODS}": "control_zone",
    f"planning/comparison?site=hq&metric=coverage&zone=open&control_zone=open&{PERIODS}": "control_zone",
    f"planning/comparison?site=hq&metric=coverage&{PERIODS.replace('2026', '2025')}": "before_to",
    f"planning/comparison?site=hq&metric=coverage&{PERIODS.replace('2026', '2126')}": "from",
}


@pytest.mark.parametrize(
    ("query", "where"),
    [*((f"history/coverage?site=hq&{window}", where) for window, where in WINDOWS.items()), *OTHERS.items()],
)
def test_a_question_that_cannot_be_answered_is_a_problem_that_names_what_to_mend(
    served: Served, query: str, where: str
) -> None:
    answer = served.get(f"/api/v1/{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), answer.text
    (error,) = answer.json()["errors"]
    assert error["where"] == where, error
    assert len(error["what"]) > 20


def test_a_space_that_nobody_ever_named_is_not_found_and_one_to_come_says_from_when_on(served: Served) -> None:
    unknown = served.get("/api/v1/history/transitions?site=hq&space=d99&from=2026-03-02&to=2026-03-09")
    assert (unknown.status_code, unknown.headers["content-type"]) == (404, "application/problem+json")
    early = served.get("/api/v1/history/transitions?site=hq&space=d03&from=2026-03-02&to=2026-03-09").json()
    assert "from 2026-04-01" in early["errors"][0]["what"]


def test_a_missing_capacity_is_no_number_rather_than_nothing(served: Served) -> None:
    for metric in ("capacity_used_ratio", "fill_when_used"):
        answer = served.json(f"/api/v1/history/{metric}?{WINDOW}&scope=space")
        assert {row["scope"]: row["value"] is None for row in answer["rows"]} == {
            "d01": False, "d02": True, "d03": True, "r1": True,
        }, metric  # fmt: skip
        assert any("no capacity" in text for text in answer["warnings"])


SCENARIO = {"site": "hq", "from": "2026-03-02", "to": "2026-04-27", "changes": [{"remove": ["d02"]}]}


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"changes": [{"add": {"kind": "desk", "zone": "open", "count": -3}}]}, "changes[0].add.count"),
        ({"changes": [{"add": {"kind": "desk", "zone": "open", "count": 10**30}}]}, "changes[0].add.count"),
        ({"changes": [{"add": {"kind": "desk", "zone": "open", "count": 2.5}}]}, "changes[0].add.count"),
        ({"changes": [{"add": {"kind": "room", "zone": "attic", "count": 1}}]}, "changes[0].add.zone"),
        ({"changes": [{"convert": {"space": "r9", "kind": "desk", "count": 3}}]}, "changes[0].convert"),
        ({"changes": [{"remove": ["d02", "d02"]}]}, "changes[0].remove"),
        ({"changes": [{"remove": ["d02"]}, {"remove": ["d02"]}]}, "changes[1].remove"),
        ({"changes": [{"remove": []}]}, "changes[0].remove"),
        ({"from": "2025-03-02", "to": "2025-04-02"}, "to"),
        ({"from": "2126-03-02", "to": "2126-04-02"}, "from"),
        ({"from": "2026-04-27"}, "to"),
    ],
)
def test_a_scenario_that_cannot_be_is_a_problem_that_names_what_to_mend(
    served: Served, changed: dict[str, Any], where: str
) -> None:
    answer = served.client.post("/api/v1/planning/scenarios", json={**SCENARIO, **changed})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), answer.text
    assert [error["where"] for error in answer.json()["errors"]] == [where], answer.text


def test_numbers_that_are_none_are_no_json(served: Served) -> None:
    for number in ("NaN", "Infinity", "1e999"):
        body = json.dumps({**SCENARIO, "changes": [{"add": {"kind": "desk", "count": 7}}]}).replace("7", number)
        headers = {"content-type": "application/json"}
        answer = served.client.post("/api/v1/planning/scenarios", content=body, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), number


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--from", "2026-03-02", "--to", "2026-03-02"), "later than `from`"),
        (("--from", "2026-04-02", "--to", "2026-03-02"), "later than `from`"),
        (("--from", "2126-03-02", "--to", "2126-04-02"), "lies in the future"),
        (("--from", "2025-03-02", "--to", "2025-04-02"), "begins on 2026-03-02"),
        (("--from", "2025-03-02", "--to", "2025-04-02", "--what", "coverage"), "begins on 2026-03-02"),
        (("--from", "NaN", "--to", "2026-04-02"), "--from"),
        (("--from", "2026-03-02", "--to", "2026-04-02", "--zone", "attic"), "has no zone 'attic'"),
        (("--from", "2026-03-02", "--to", "2026-04-02", "--what", "joy"), "is none of"),
    ],
)
def test_an_export_that_cannot_be_ends_with_2_and_what_to_do(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    out = tmp_path / "out.csv"
    assert run(["export", "--site", "hq", *words, "--config", str(folder / "perch.toml"), "-o", str(out)]) == 2
    assert says in capsys.readouterr().err
    assert not out.exists()


def test_rows_of_a_layout_that_overlap_end_with_2_and_name_the_days(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("site.toml", "perch.toml"):
        (tmp_path / name).write_text((folder / name).read_text())
    rows = spaces_csv(SITE).replace("d03,", "d01,")
    (tmp_path / "spaces.csv").write_text(rows)
    words = ["--site", "hq", "--from", "2026-03-02", "--to", "2026-04-02", "--config", str(tmp_path / "perch.toml")]
    assert run(["export", *words, "-o", str(tmp_path / "out.csv")]) == 2
    said = capsys.readouterr().err
    assert "two rows for the days from 2026-04-01" in said
    assert "spaces.csv" in said
