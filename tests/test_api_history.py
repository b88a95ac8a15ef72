"""History over HTTP: the numbers of the store, in the site's own time, and refusals that say what to ask instead."""

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest

from perch.adapters.cursor import Cursor
from perch.adapters.history.store import HistoryStore
from perch.history.told import Marked, Stated, Told
from perch.model import QUARTER_MS, Dating, Reason, State
from tests.parts import free_port
from tests.serving import EPOCH, OTHER_EPOCH, Served, a_site, parts_of, server_settings, serving

KATHMANDU = ZoneInfo("Asia/Kathmandu")
JOURNAL = "0" * 16


def ms(clock: str) -> int:
    """Give a local time of Monday, 2 November 2026 in Kathmandu as ms UTC."""
    return int(datetime.fromisoformat(f"2026-11-02T{clock}").replace(tzinfo=KATHMANDU).timestamp() * 1000)


def stated(seq: int, clock: str, state: State, *, space: str = "d01", epoch: str = EPOCH) -> Stated:
    """Make a statement of `pi-1`."""
    reason = {State.FREE: Reason.QUIET, State.OCCUPIED: Reason.MOTION, State.UNKNOWN: Reason.AGENT_OFFLINE}[state]
    return Stated("hq", "pi-1", epoch, seq, ms(clock), space, ms(clock), state, 0.25, None, reason, Dating.OK)


def marks(first: str, last: str, epoch: str = EPOCH) -> Iterator[Marked]:
    """Make the marks of every quarter hour."""
    for number, time_ms in enumerate(range(ms(first), ms(last) + 1, QUARTER_MS)):
        yield Marked("hq", "pi-1", epoch, 100 + number, time_ms, time_ms)


def day() -> Iterator[Told]:
    """Tell of a desk: free from 8, taken from 10 to 11:30, and from 12 to 13 nobody was there to tell."""
    yield stated(1, "08:00", State.FREE)
    yield stated(2, "10:00:00.250", State.OCCUPIED)
    yield stated(3, "11:30:00.250", State.FREE)
    yield from marks("08:00", "12:00")
    yield stated(1, "12:00:00.001", State.UNKNOWN, epoch=OTHER_EPOCH)
    yield stated(2, "13:00", State.FREE, epoch=OTHER_EPOCH)
    yield from marks("13:00", "16:00", OTHER_EPOCH)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An API in Kathmandu with one told day; it has no broker, which history does not need."""
    folder = tmp_path_factory.mktemp("data")
    with HistoryStore.open(folder / "history.db") as store:
        store.add(day(), Cursor(JOURNAL, 1))
    site = a_site(time_zone="Asia/Kathmandu")
    with serving(server_settings(free_port(), folder, site)) as served:
        yield served


def ask(served: Served, what: str, **parameters: str) -> Any:
    """Ask for history of the site."""
    names = {"from_": "from"}
    query = {"site": "hq", **{names.get(name, name): value for name, value in parameters.items()}}
    answer = served.client.get(f"/api/v1/history/{what}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_metric_is_answered_with_its_definition_in_the_sites_time(served: Served) -> None:
    answer = ask(served, "time_used_ratio", from_="2026-11-02T08:00", to="2026-11-02T12:00", scope="space")
    assert answer == {
        "metric": "time_used_ratio",
        "definition": answer["definition"],
        "site": "hq",
        "time_zone": "Asia/Kathmandu",
        "from": "2026-11-02T08:00:00.000+05:45",
        "to": "2026-11-02T12:00:00.000+05:45",
        "resolution": "total",
        "scope": "space",
        "hours": "open",
        "rows": answer["rows"],
        "warnings": answer["warnings"],
    }
    assert set(answer["definition"]) == {"id", "version", "unit", "text"}
    row = next(row for row in answer["rows"] if row["scope"] == "d01")
    assert (row["value"], row["coverage"]) == (1.5 / 4, 1)
    assert row["start"] == answer["from"]
    assert row["end"] == answer["to"]


def test_time_that_nobody_observed_lowers_coverage_and_is_warned_of(served: Served) -> None:
    window = {"from_": "2026-11-02T08:00", "to": "2026-11-02T16:00", "scope": "space", "kind": "desk"}
    answer = ask(served, "coverage", **window)
    coverage = {row["scope"]: row["value"] for row in answer["rows"]}
    assert coverage["d01"] == pytest.approx(7 / 8, abs=1e-6)
    assert answer["warnings"]
    used = next(row for row in ask(served, "time_used_ratio", **window)["rows"] if row["scope"] == "d01")
    assert used["low"] < used["value"] < used["high"]


def test_rows_are_cut_by_the_sites_own_hours(served: Served) -> None:
    answer = ask(
        served, "time_used_ratio", from_="2026-11-02T09:00", to="2026-11-02T12:00", resolution="hour", scope="space"
    )
    rows = [row for row in answer["rows"] if row["scope"] == "d01"]
    assert [row["start"] for row in rows] == [f"2026-11-02T{hour}:00:00.000+05:45" for hour in ("09", "10", "11")]
    assert [row["value"] for row in rows] == pytest.approx([0, 1, 0.5], abs=1e-4)


def test_transitions_are_exact_to_the_millisecond(served: Served) -> None:
    answer = ask(served, "transitions", space="d01", from_="2026-11-02T09:00", to="2026-11-02T12:00")
    assert answer["time_zone"] == "Asia/Kathmandu"
    assert answer["rows"] == [
        {
            "time": f"2026-11-02T{clock}+05:45",
            "state": state,
            "probability": 0.25,
            "count": None,
            "reason": reason,
            "clock": "ok",
        }
        for clock, state, reason in (("10:00:00.250", "occupied", "motion"), ("11:30:00.250", "free", "quiet"))
    ]


def test_an_unquoted_plus_in_an_offset_is_understood(served: Served) -> None:
    quoted = served.get("/api/v1/history/coverage?site=hq&from=2026-11-02T08:00:00%2B05:45&to=2026-11-02T12:00")
    unquoted = served.get("/api/v1/history/coverage?site=hq&from=2026-11-02T08:00:00+05:45&to=2026-11-02T12:00")
    assert quoted.status_code == unquoted.status_code == 200
    assert quoted.content == unquoted.content


def test_answers_are_as_the_document_describes(served: Served) -> None:
    from jsonschema import Draft202012Validator  # takes seconds

    document = served.json("/api/v1/openapi.json")
    window = {"from_": "2026-11-02", "to": "2026-11-03"}
    for name, body in (
        ("HistoryAnswer", ask(served, "time_used_ratio", **window, resolution="15min", hours="all", scope="zone")),
        ("TransitionAnswer", ask(served, "transitions", **window, space="d01")),
    ):
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        Draft202012Validator(schema).validate(body)
        assert body["rows"]


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("from=2026-11-02&to=2026-11-03", ["site"]),
        ("site=hq", ["from", "to"]),
        ("site=nowhere&from=2026-11-02&to=2026-11-03", ["site"]),
        ("site=hq&from=yesterday&to=tomorrow", ["from", "to"]),
        ("site=hq&from=2026-11-03&to=2026-11-02", ["to"]),
        ("site=hq&from=2026-11-02&to=2026-11-02", ["to"]),
        ("site=hq&from=2026-11-02&to=2026-11-03&resolution=minute", ["resolution"]),
        ("site=hq&from=2026-11-02&to=2026-11-03&scope=desk", ["scope"]),
        ("site=hq&from=2026-11-02&to=2026-11-03&hours=some", ["hours"]),
        ("site=hq&from=2026-11-02&to=2026-11-03&kind=sofa", ["kind"]),
        ("site=hq&from=2026-11-02&to=2026-11-03&zone=attic", ["zone"]),
        ("site=hq&from=2199-01-01&to=2199-01-02", ["from"]),
        ("site=hq&from=1926-01-01&to=2026-01-01", ["from"]),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused_by_name(served: Served, query: str, where: list[str]) -> None:
    answer = served.get(f"/api/v1/history/coverage?{query}")
    assert answer.status_code == 422, answer.text
    assert [error["where"] for error in answer.json()["errors"]] == where


def test_unknown_metrics_and_spaces_are_not_found(served: Served) -> None:
    window = "site=hq&from=2026-11-02&to=2026-11-03"
    metric = served.get(f"/api/v1/history/happiness?{window}")
    assert metric.status_code == 404
    assert "coverage" in metric.json()["detail"]
    assert served.get(f"/api/v1/history/transitions?{window}&space=d99").status_code == 404
    assert served.get(f"/api/v1/history/transitions?{window}").status_code == 422


def test_answers_are_to_be_had_as_files(served: Served) -> None:
    window = "site=hq&from=2026-11-02T08:00&to=2026-11-02T16:00"
    told = served.json(f"/api/v1/history/transitions?{window}&space=d01")["rows"]
    file = served.get(f"/api/v1/history/transitions?{window}&space=d01&format=csv")
    assert file.headers["content-type"] == "text/csv; charset=utf-8"
    assert file.headers["content-disposition"] == 'attachment; filename="hq-transitions-d01-2026-11-02.csv"'
    rows = list(csv.DictReader(io.StringIO(file.text)))
    assert [(row["time"], row["state"], row["reason"]) for row in rows] == [
        (row["time"], row["state"], row["reason"]) for row in told
    ]
    answer = served.json(f"/api/v1/history/time_used_ratio?{window}&resolution=hour&scope=space")["rows"]
    used = f"/api/v1/history/time_used_ratio?{window}&resolution=hour&scope=space&format="
    values = [row["value"] for row in csv.DictReader(io.StringIO(served.get(f"{used}csv").text))]
    assert values == ["" if row["value"] is None else str(row["value"]) for row in answer]
    parquet = served.get(f"{used}parquet")
    assert parquet.headers["content-type"] == "application/vnd.apache.parquet"
    assert pq.read_table(io.BytesIO(parquet.content))["value"].to_pylist() == [row["value"] for row in answer]
    (wrong,) = served.get(f"{used}xlsx").json()["errors"]
    assert wrong["where"] == "format"
    assert served.get(f"/api/v1/history/transitions?{window}&space=d99&format=csv").status_code == 404


def test_every_metric_is_defined(served: Served) -> None:
    listed = served.json("/api/v1/definitions")["items"]
    assert {"coverage", "time_used_ratio"} <= {item["id"] for item in listed}
    assert all(item["text"] and item["is_not"] and item["unit"] and item["version"] >= 1 for item in listed)


def test_history_that_is_not_there_yet_is_said_so_and_found_later(tmp_path: Path) -> None:
    question = "/api/v1/history/coverage?site=hq&from=2026-11-02&to=2026-11-03&hours=all"
    site = a_site(time_zone="Asia/Kathmandu")
    with serving(server_settings(free_port(), tmp_path, site)) as served:
        answer = served.get(question)
        assert answer.status_code == 503
        assert "start the collector" in answer.json()["detail"]
        assert not parts_of(served)["history"]["ok"]
        with HistoryStore.open(tmp_path / "history.db") as store:
            store.add(day(), Cursor(JOURNAL, 1))
            assert served.get(question).status_code == 200


def test_a_history_that_takes_the_place_of_another_is_read(tmp_path: Path) -> None:
    question = "/api/v1/history/transitions?site=hq&space=d01&from=2026-11-02&to=2026-11-03"
    site = a_site(time_zone="Asia/Kathmandu")
    HistoryStore.open(tmp_path / "history.db").close()
    with HistoryStore.open(tmp_path / "other.db") as store:
        store.add(day(), Cursor(JOURNAL, 1))
    with serving(server_settings(free_port(), tmp_path, site)) as served:
        assert served.json(question)["rows"] == []
        for suffix in ("-wal", "-shm"):
            (tmp_path / f"history.db{suffix}").unlink(missing_ok=True)
        (tmp_path / "other.db").rename(tmp_path / "history.db")
        assert len(served.json(question)["rows"]) == 5


def test_a_file_that_is_no_history_is_refused_clearly(tmp_path: Path) -> None:
    (tmp_path / "history.db").write_bytes(b"not a database" * 1000)
    with serving(server_settings(free_port(), tmp_path)) as served:
        answer = served.get("/api/v1/history/coverage?site=hq&from=2026-11-02&to=2026-11-03")
        assert answer.status_code == 503
        assert "history.db" in answer.json()["detail"]
