"""An API that has nothing but an InfluxDB answers as the one beside the journal, and says so when it cannot."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from collector.influx.rows import Ground, all_lines
from perch.adapters.cursor import Cursor
from perch.adapters.history.store import HistoryReader, HistoryStore
from perch.adapters.influx.query import Bucket
from perch.adapters.influx.writing import InfluxWriter
from perch.commands import run
from perch.doctor.examining import examine
from perch.doctor.server import server_checks
from perch.errors import InputError
from perch.history.eras import eras
from perch.model import Site
from perch.settings import Api, HistoryFrom, Influx, load_server
from perch.venue.written import site_toml, spaces_csv
from tests import parts
from tests.parts import LOOPBACK, free_port
from tests.serving import Served, a_site, parts_of, server_settings, serving
from tests.test_api_planning import WEEKS, history

LAST = date.today() - timedelta(days=1)  # noqa: DTZ011 - a bucket that keeps so many days keeps them from today
PERIODS = "before_from=2026-03-02&before_to=2026-03-30&after_from=2026-03-30&after_to=2026-04-27"
WINDOW = "site=hq&from=2026-03-02&to=2026-04-27"
QUESTIONS = (
    f"/history/time_used_ratio?{WINDOW}&scope=space&resolution=week",
    f"/history/peak_concurrent?{WINDOW}&kind=desk&resolution=day",
    f"/history/sessions?{WINDOW}&resolution=month&scope=zone",
    f"/history/coverage?{WINDOW}&kind=desk&resolution=hour-of-week",
    f"/history/never_used?{WINDOW}",
    f"/history/transitions?{WINDOW}&space=d01",
    f"/planning/sizing?{WINDOW}&share=0.8",
    f"/planning/comparison?site=hq&metric=time_used_ratio&zone=open&{PERIODS}",
)
SCENARIO = {"site": "hq", "from": "2026-03-02", "to": "2026-04-27", "changes": [{"remove": ["d02"]}]}


@pytest.fixture(scope="module")
def place() -> Site:
    return a_site(spaces=tuple(space for space in a_site().spaces if space.id != "d03"))


@pytest.fixture
def start(place: Site) -> Iterator[Callable[..., Served]]:
    """Start an API with a folder, which reads an InfluxDB or the files there."""
    with ExitStack() as started:

        def start(folder: Path, influx: Influx | None = None) -> Served:
            settings = server_settings(free_port(), folder, place)
            if influx is not None:
                api = Api(host=LOOPBACK, port=settings.api.port, history=HistoryFrom.INFLUX)
                settings = replace(settings, influx=influx, api=api)
            return started.enter_context(serving(settings))

        yield start


def collect(folder: Path, place: Site, influx: Influx) -> None:
    """Let history be told in the collector's file and in InfluxDB."""
    with HistoryStore.open(folder / "history.db") as store:
        store.add(history(), Cursor("0" * 16, 1))
    with HistoryReader(folder / "history.db") as reader, InfluxWriter(influx) as writer:
        lines = list(all_lines(Ground.of(place), eras(place.id, reader), reader))
        assert not writer.write(Bucket.SPACES, [line for bucket, line in lines if bucket is Bucket.SPACES]).refused


def answers(served: Served) -> list[Any]:
    asked = [served.json(f"/api/v1{question}") for question in QUESTIONS]
    return [*asked, served.client.post("/api/v1/planning/scenarios", json=SCENARIO).json()]


def test_it_answers_as_the_one_beside_the_journal(
    start: Callable[..., Served], place: Site, tmp_path: Path, influxdb: parts.Influx
) -> None:
    (tmp_path / "collector").mkdir()
    (tmp_path / "elsewhere").mkdir()
    collect(tmp_path / "collector", place, influxdb.settings)
    beside, alone = start(tmp_path / "collector"), start(tmp_path / "elsewhere", influxdb.settings)
    expected = answers(beside)
    assert answers(alone) == expected
    assert expected[2]["rows"][0]["value"] > WEEKS
    assert parts_of(alone)["influxdb"]["ok"]
    assert "history up to 2026-04-27T" in parts_of(alone)["influxdb"]["detail"]
    assert set(parts_of(alone)) == {"broker", "influxdb"}
    assert not (tmp_path / "elsewhere" / "history.db").exists()


def test_what_the_bucket_keeps_no_more_is_warned_of(
    start: Callable[..., Served], tmp_path: Path, influxdb: parts.Influx
) -> None:
    influxdb.keep_days(influxdb.bucket, 30)
    alone = start(tmp_path, influxdb.settings)
    warned = "InfluxDB keeps all rows only from "
    for question in QUESTIONS[0], QUESTIONS[5], QUESTIONS[6], QUESTIONS[7]:
        assert any(warned in text for text in alone.json(f"/api/v1{question}")["warnings"]), question
    scenario = alone.client.post("/api/v1/planning/scenarios", json=SCENARIO).json()
    assert any(warned in text for text in scenario["warnings"])
    for page in (
        f"week?{WINDOW}",
        f"planning?{WINDOW}&remove=1",
        f"report?{WINDOW}",
        "spaces/hq/d01?from=2026-03-02&to=2026-03-09",
    ):
        assert warned in alone.client.get(f"/{page}", headers={"Accept": "text/html"}).text, page
    recent = f"site=hq&from={LAST - timedelta(days=20)}&to={LAST}"
    assert not any(warned in text for text in alone.json(f"/api/v1/history/coverage?{recent}")["warnings"])


def test_what_is_exported_from_it_is_what_is_exported_from_the_collectors_file(
    place: Site, tmp_path: Path, influxdb: parts.Influx, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "site.toml").write_text(site_toml(place))
    (tmp_path / "spaces.csv").write_text(spaces_csv(place))
    collect(tmp_path, place, influxdb.settings)
    written = []
    for source in ("files", "influx"):
        text = SETTINGS.replace('"influx"', f'"{source}"') + f"[influx]\n{influxdb.toml}\n"
        (tmp_path / "perch.toml").write_text(text)
        for what in ("transitions", "sessions", "time_used_ratio"):
            words = ["--site", "hq", "--from", "2026-03-02", "--to", "2026-04-27", "--what", what]
            out = tmp_path / f"{source}-{what}.csv"
            assert run(["export", *words, "--config", str(tmp_path / "perch.toml"), "-o", str(out)]) == 0
            written.append(out.read_bytes())
    assert written[:3] == written[3:]
    assert min(map(len, written)) > 100
    influxdb.keep_days(influxdb.bucket, 30)
    capsys.readouterr()
    words = ["--site", "hq", "--from", "2026-03-02", "--to", "2026-04-27", "--what", "coverage"]
    assert run(["export", *words, "--config", str(tmp_path / "perch.toml"), "-o", str(tmp_path / "again.csv")]) == 0
    assert "InfluxDB keeps all rows only from" in capsys.readouterr().err


def test_an_influxdb_that_is_away_is_an_outage_with_what_to_do(start: Callable[..., Served], tmp_path: Path) -> None:
    alone = start(tmp_path, Influx(url=f"http://{LOOPBACK}:{free_port()}", database="a", zones_database="b"))
    for question in QUESTIONS[0], QUESTIONS[5], QUESTIONS[6]:
        answer = alone.get(f"/api/v1{question}")
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        assert "does not answer" in answer.json()["detail"]
        assert "start it" in answer.json()["detail"]
    assert not parts_of(alone)["influxdb"]["ok"]


SETTINGS = """
data = "."
sites = ["site.toml"]
[broker]
host = "localhost"
[api]
history = "influx"
"""


def test_history_from_influxdb_wants_an_influxdb(tmp_path: Path) -> None:
    (tmp_path / "perch.toml").write_text(SETTINGS)
    with pytest.raises(InputError, match=r"\[api\].history: is to be read from InfluxDB, and none is named"):
        load_server(tmp_path / "perch.toml", {})


def test_the_doctor_asks_for_no_collector_where_none_is(
    place: Site, tmp_path: Path, mosquitto: parts.Broker, influxdb: parts.Influx
) -> None:
    api = Api(host=LOOPBACK, port=free_port(), history=HistoryFrom.INFLUX)
    (tmp_path / "elsewhere").mkdir()
    settings = server_settings(mosquitto.port, tmp_path / "elsewhere", place)
    settings = replace(settings, api=api, influx=influxdb.settings)

    def told() -> dict[str, list[str]]:
        findings = examine(server_checks(settings, tmp_path / "perch.toml"))
        assert {finding.part for finding in findings}.isdisjoint({"collector", "journal", "history"})
        return {of: [finding.what for finding in findings if finding.part == of] for of in ("influxdb", "api")}

    assert any("there is no history of hq" in what for what in told()["influxdb"])
    (tmp_path / "collector").mkdir()
    collect(tmp_path / "collector", place, influxdb.settings)
    assert any("it has the history of hq up to 2026-04-27" in what for what in told()["influxdb"])
