"""`perch audit` as its users meet it: what it refuses to import, and what it reports."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from perch import commands
from perch.adapters.audit_file import AuditFile, Tapped
from perch.adapters.cursor import Cursor
from perch.adapters.history.store import HistoryStore
from perch.adapters.instants import wall_ms
from perch.adapters.tables.csv_times import format_time
from perch.history.looks import Look
from perch.history.told import Stated
from perch.model import DAY_MS, Dating, Reason, State
from tests.configurations import site_toml
from tests.parts import Broker, free_port
from tests.serving import EPOCH, Speaker

NOW_MS = wall_ms() // 1000 * 1000
HOUR_MS = 3_600_000
SPACES = """[[space]]
id = "d01"
floor = "f1"
zone = "open"
kind = "desk"
agent = "pi-1"
[[space]]
id = "r1"
floor = "f1"
zone = "open"
kind = "room"
agent = "pi-1"
valid_from = "{opened}"
"""


class Venue:
    """A server's folder, and its command line."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], port: int, *sites: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self._capsys = capsys
        opened = datetime.fromtimestamp(NOW_MS / 1000 - 100 * 86_400, UTC).date()
        names = [f"{site}.toml" for site in sites]
        for site, name in zip(sites, names, strict=True):
            (folder / name).write_text(site_toml(SPACES.format(opened=opened), site))
        text = f"data = 'data'\nsites = {json.dumps(names)}\n[broker]\nport = {port}\n"
        (folder / "perch.toml").write_text(text)

    def run(self, *words: str, code: int = 0) -> tuple[str, str]:
        """Run `perch audit`; gives what it says on both streams."""
        self._capsys.readouterr()
        assert commands.run(["audit", *words, "--config", str(self.folder / "perch.toml")]) == code
        told = self._capsys.readouterr()
        return told.out, told.err

    def truth(self, *rows: str, name: str = "truth.csv") -> str:
        """Write a TRUTH file."""
        path = self.folder / name
        path.write_text("\n".join(("time,space,count", *rows)) + "\n")
        return str(path)

    def looks(self) -> list[Look]:
        """Give what is stored."""
        return AuditFile(self.data).looks("hq")


@pytest.fixture
def venue(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Venue:
    """A venue of one site without a broker."""
    return Venue(tmp_path, capsys, free_port(), "hq")


def at(ago_ms: int) -> str:
    """Write a past moment."""
    return format_time(NOW_MS - ago_ms)


def test_the_same_file_twice_adds_nothing(venue: Venue) -> None:
    truth = venue.truth(f"{at(HOUR_MS)},d01,1", f"{at(HOUR_MS)},r1,0", f"{at(2 * HOUR_MS)},d01,0")
    assert venue.run("import", truth)[0] == "3 looks at 2 spaces of hq were added; 0 were there already.\n"
    assert venue.run("import", truth)[0] == "0 looks at 2 spaces of hq were added; 3 were there already.\n"
    assert len(venue.looks()) == 3
    longer = venue.truth(f"{at(HOUR_MS)},d01,1", f"{at(3 * HOUR_MS)},d01,1")
    assert json.loads(venue.run("import", longer, "--json")[0]) == {"site": "hq", "added": 1, "known": 1, "spaces": 1}


def test_what_was_exported_adds_nothing_either(venue: Venue) -> None:
    tapped = [
        Tapped(str(n), "hq", Look(space, NOW_MS - n * HOUR_MS, n)) for n, space in enumerate(("d01", "r1", "d01"))
    ]
    AuditFile(venue.data).add(tapped, NOW_MS)
    out, _ = venue.run("export")
    assert out.splitlines() == [
        "time,space,count",
        *(f"{at(n * HOUR_MS)},{space},{n}" for n, space in ((2, "d01"), (1, "r1"), (0, "d01"))),
    ]
    (venue.folder / "again.csv").write_text(out)
    assert "0 looks at 2 spaces" in venue.run("import", str(venue.folder / "again.csv"))[0]
    assert venue.run("export", "--space", "r1")[0].count("\n") == 2


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["{past},d1,1"], ["row 1: hq has no space 'd1'", "did you mean d01?"]),
        (["{past},sofa,1"], ["hq has no space 'sofa'", "see the layout"]),
        (["{past},d01,1", "{ahead},d01,1"], ["row 2:", "lies ahead"]),
        (["{past},d01,1", "{past},d01,0"], ["row 2: row 1 is a look at d01", "keep one of them"]),
        (["{past},d01,1", "{past},d01,1"], ["row 2: row 1 is a look at d01"]),
        (["{early},r1,1"], ["by the layout r1 did not stand there"]),
        (["{old},d01,1"], ["older than the 400 days for which looks are kept"]),
        (["{past},d01,20000"], ["20000 people are more than a space holds"]),
        (["{past},d01,-1"], ["truth.csv:2", "is no number of people"]),
        (["2026-05-04T09:00:00,d01,1"], ["is no time of any zone", "add Z"]),
        (["{past},d01"], ["2 cells under 3 columns"]),
        ([f"{{past}},x{n},1" for n in range(50)], ["row 20:", "30 more rows cannot be looks"]),
        (["{stored},d01,0"], ["d01 had 1 people", "stored already"]),
    ],
)
def test_a_file_with_a_row_that_cannot_be_right_is_refused_whole(
    venue: Venue, rows: list[str], said: list[str]
) -> None:
    AuditFile(venue.data).add([Tapped("a", "hq", Look("d01", NOW_MS - 5 * HOUR_MS, 1))], NOW_MS)
    moments = {"past": at(HOUR_MS), "ahead": at(-HOUR_MS), "early": at(110 * DAY_MS), "old": at(401 * DAY_MS)}
    moments["stored"] = at(5 * HOUR_MS)
    truth = venue.truth(*(row.format(**moments) for row in rows))
    out, err = venue.run("import", truth, code=2)
    assert out == ""
    text = " ".join(err.split())
    assert [word for word in said if word not in text] == []
    assert len(venue.looks()) == 1


def test_where_there_are_several_sites_one_must_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    venue = Venue(tmp_path, capsys, free_port(), "hq", "annex")
    truth = venue.truth(f"{at(HOUR_MS)},d01,1")
    assert "name one of hq, annex" in venue.run("import", truth, code=2)[1]
    assert "name one of hq, annex" in venue.run("export", "--site", "nowhere", code=2)[1]
    assert "of annex were added" in venue.run("import", truth, "--site", "annex")[0]
    assert venue.run("export", "--site", "annex")[0].count("\n") == 2


def history_of(venue: Venue) -> None:
    """Let history say for 30 days that `d01` is free; what was seen there were people, each noon but every tenth."""
    begin = NOW_MS - 30 * DAY_MS
    words = [
        Stated("hq", "pi-1", EPOCH, n + 1, ms, "d01", ms, State.FREE, 0.1, None, Reason.QUIET, Dating.OK)
        for n, ms in enumerate(range(begin, NOW_MS + 1, DAY_MS))
    ]
    with HistoryStore.open(venue.data / "history.db") as store:
        store.add(words, Cursor("0" * 16, 1))
    looks = [Look("d01", begin + n * DAY_MS + HOUR_MS, int(n % 10 > 0)) for n in range(30)]
    AuditFile(venue.data).add([Tapped(str(n), "hq", look) for n, look in enumerate(looks)], NOW_MS)


def test_the_report_names_what_is_wrong_and_how_to_mend_it(
    mosquitto: Broker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    venue = Venue(tmp_path, capsys, mosquitto.port, "hq")
    history_of(venue)
    with Speaker(mosquitto) as speaker:
        speaker.beat()
        out, err = venue.run("report")
        told: Any = json.loads(venue.run("report", "--json", "--site", "hq", "--kind", "desk")[0])
    assert err == ""
    text = " ".join(out.split())
    assert "hq/d01 30 0" in text
    assert "0 (0–0.125)" in text
    assert "60 (52.5–60)" in text
    assert "0 of 20 looks" in text
    assert "hq/pi-1/pir1 motion d01 its own" in text
    assert "hq/d01 is worse than it should be: recall is 0.0" in text
    assert f"perch audit export --config {tmp_path}/perch.toml --site hq --space d01 > truth.csv" in text
    assert "# READINGS.csv: what the agent keeps from when keep_readings_mib is set" in text
    assert "perch fit READINGS.csv truth.csv --config sensing.toml > fitted.toml" in text
    assert "import truth that is dense" in text
    assert told["overall"]["false_vacant_minutes"]["value"] == 60
    assert [item["space"] for item in told["items"]] == ["d01"]
    assert [(sensor["id"], sensor["alone"]) for sensor in told["sensors"]] == [("pir1", True)]
    assert (told["needed"], told["overall"]["looks"]) == (20, 30)


def test_the_report_does_without_a_broker_and_without_looks(venue: Venue) -> None:
    out, err = venue.run("report")
    assert "Nobody has looked yet." in out
    assert "does without sensors" in err
    venue.run("import", venue.truth(f"{at(HOUR_MS)},d01,1"))
    assert "start the collector" in venue.run("report", code=1)[1]
    history_of(venue)
    out, _ = venue.run("report", "--space", "d01")
    assert "No agent told of its sensors" in out
    assert "Nobody has looked yet." in venue.run("report", "--space", "r1")[0]
