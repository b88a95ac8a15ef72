"""`perch fit` as its users meet it: what it writes and says, and what it refuses."""

import contextlib
import io
import json
import random
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from perch.adapters.tables.csv_times import format_time
from perch.commands import run
from perch.model import Reading
from perch.sensing import offline
from perch.sensing.fit import fit
from perch.sensing.labels import Label, Lesson, cut, spans_of
from perch.settings import load_agent, load_sensing

START_MS = 1_780_000_000_000
MINUTE_MS = 60_000
DESK = """# a comment
[[space]]
id = "d01"
kind = "desk"
prefer = "balanced"

[[sensor]]
id = "pir1"
kind = "motion"
space = "d01"
pin = 17
"""


def readings(minutes: int, seed: int = 1) -> Iterator[Reading]:
    """A desk at a busy aisle: somebody is there in every other hour."""
    chance = random.Random(seed)  # noqa: S311  no secret
    time_s = 0.0
    while time_s < minutes * 60:
        there = int(time_s // 3600) % 2 == 1
        yield Reading(START_MS + round(time_s * 1000), "pir1", 1.0)
        yield Reading(START_MS + round(time_s * 1000) + 2000, "pir1", 0.0)
        time_s += 3 + chance.expovariate(1 / (40 if there else 330))


def labels(from_minute: int, until_minute: int) -> list[Label]:
    return [
        Label(START_MS + minute * MINUTE_MS, occupied=minute // 60 % 2 == 1)
        for minute in range(from_minute, until_minute)
    ]


class Folder:
    """The files of a fit."""

    def __init__(self, path: Path) -> None:
        self.path, self.config = path, path / "sensing.toml"
        self.config.write_text(DESK)

    def readings(self, minutes: int, name: str = "readings.csv") -> Path:
        rows = (f"{format_time(one.time_ms)},{one.sensor},{one.value}\n" for one in readings(minutes))
        (self.path / name).write_text("time,sensor,value\n" + "".join(rows))
        return self.path / name

    def truth(self, rows: list[Label], name: str = "truth.csv", space: str = "d01") -> Path:
        text = "".join(f"{format_time(one.time_ms)},{space},{int(one.occupied)}\n" for one in rows)
        (self.path / name).write_text("time,space,count\n" + text)
        return self.path / name

    def run(self, *arguments: object) -> tuple[int, str, str]:
        """Run `perch fit` within this process."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(["fit", *map(str, arguments), "--config", str(self.config)])
        return code, out.getvalue(), err.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_a_day_of_labels_gives_a_configuration_that_senses_as_what_was_learned_does(folder: Folder) -> None:
    readings_path, truth_path = folder.readings(480), folder.truth(labels(0, 480))
    code, out, err = folder.run(readings_path, truth_path)
    fitted_path = folder.path / "fitted.toml"
    fitted_path.write_text(out)
    assert code == 0
    assert "the fitted numbers are written" in err
    written = load_sensing(fitted_path)
    heard = list(readings(480))
    own = cut(spans_of(labels(0, 480)), heard[0].time_ms, heard[-1].time_ms)
    before = load_sensing(folder.config)
    model = fit(before.spaces[0], before.sensors, [Lesson(heard, own)]).model
    assert written.sensors[0].learned == model.sensors[0].learned
    assert written.spaces[0].learned == model.space.learned
    assert written.sensors[0].pin == 17
    by_file = list(offline.changes(written.spaces, written.sensors, heard))
    assert by_file == list(offline.changes([model.space], model.sensors, heard))
    assert by_file != list(offline.changes(before.spaces, before.sensors, heard))


def test_a_fitted_configuration_may_be_fitted_again(folder: Folder) -> None:
    pair = folder.readings(480), folder.truth(labels(0, 480))
    once = folder.run(*pair)[1]
    assert "[sensor.learned]" in once
    folder.config.write_text(once)
    assert folder.run(*pair)[1] == once


AGENT = """# the Pi under the stairs
site = "hq"      # Harbour House
agent = "pi-3"
data = "data"
keep_readings_mib = 50

[broker]
host = "broker.hq.example"
# nothing but this below

[[space]]
id = "d01"   # at the aisle
kind = "desk"
quiet_limit_hours = 72
  [[space]]
  id = "r1"
  kind = "room"
  capacity = 6
  prefer = "never-false-free"

  [space.learned]   # in March
  vacant_minutes = 90
# sensors

[[sensor]]
id = "pir1"
kind = "motion"
space = "d01"
pin = 17
inverted = true

# the door; do not touch
[[sensor]]
id = "in"
kind = "beam-in"
space = "r1"
pin = 6
paired = true
[[sensor]]
id = "out"
kind = "beam-out"
space = "r1"
pin = 5
paired = true
[[sensor]]
id = "air"
kind = "co2"
space = "r1"
pin = 25
range_ppm = 2000
every_seconds = 30
[sensor.learned]
ventilation_per_hour = 2.5
[[sensor]]
id = "far"
kind = "distance"
space = "r1"
pin = 23
trigger = 24
# the end
"""


def without_learned(values: dict[str, Any]) -> dict[str, Any]:
    """Give a configuration as it was before anything was learned."""
    tables = {
        name: [{key: value for key, value in row.items() if key != "learned"} for row in values[name]]
        for name in ("space", "sensor")
    }
    return {**values, **tables}


def test_every_key_and_comment_of_an_agents_configuration_stays_and_what_others_learned(folder: Folder) -> None:
    folder.config.write_text(AGENT)
    pair = folder.readings(120), folder.truth(labels(55, 65))
    code, out, _ = folder.run(*pair)
    before, after = tomllib.loads(AGENT), tomllib.loads(out)
    assert code == 0
    assert without_learned(after) == without_learned(before)
    d01, r1 = after["space"]
    assert d01["learned"]["vacant_minutes"] > 90
    assert r1["learned"] == {"vacant_minutes": 90}
    assert {row["id"] for row in after["sensor"] if "learned" in row} == {"pir1", "air"}
    assert after["sensor"][3]["learned"] == {"ventilation_per_hour": 2.5}
    old, new = AGENT.splitlines(), out.splitlines()
    added = [line for line in new if line not in old]
    assert not any("#" in line for line in added)
    head = "[sensor.learned]"  # stands in both, and once more in the new one
    assert [line for line in new if line not in {"", head, *added}] == [line for line in old if line not in {"", head}]
    folder.config.write_text(out)
    assert load_agent(folder.config).sensing.sensors[3].range_ppm == 2000
    assert folder.run(*pair)[1] == out


@pytest.mark.parametrize(
    "config",
    [
        'space = [{id = "d01", kind = "desk"}]\nsensor = [{id = "pir1", kind = "motion", space = "d01", pin = 17}]\n',
        DESK.replace("# a comment", 'site = """\n[[space]]\n"""'),
        DESK.replace("pin = 17", "pin = 17\n[sensor.learned]\npresent_factor = 2\n"),
        DESK.replace("pin = 17", "pin = 17\nlearned.present_factor = 2"),
        DESK.replace("\n", "\r\n"),
        DESK.rstrip(),
        DESK + "# the end",
        '[ broker ]\nhost = "b"\n[[ space ]] # one\n' + DESK.partition("[[space]]\n")[2],
    ],
)
def test_however_a_configuration_is_written_what_was_learned_gets_into_it(folder: Folder, config: str) -> None:
    pair = folder.readings(120), folder.truth(labels(55, 65))
    plain = tomllib.loads(folder.run(*pair)[1])
    folder.config.write_bytes(config.encode())
    fitted = tomllib.loads(folder.run(*pair)[1])
    assert [row["learned"] for row in fitted["space"] + fitted["sensor"]] == [
        row["learned"] for row in plain["space"] + plain["sensor"]
    ]
    assert without_learned(fitted) == without_learned(tomllib.loads(config.replace("\r", "")))


def test_a_number_that_goes_beyond_what_is_believed_is_not_said_to_be_sure(folder: Folder) -> None:
    """A door contact that speaks forty times as often as doors do."""
    folder.config.write_text(DESK.replace('"motion"', '"contact"'))
    code, _, err = folder.run(folder.readings(480), folder.truth(labels(0, 480)))
    assert code == 0
    (line,) = [line for line in err.splitlines() if "while somebody is there" in line]
    assert " ".join(line.split()) == "pir1 while somebody is there 5 times as often as usual at its limit 1"


def test_a_comment_above_what_was_learned_before_stays(folder: Folder) -> None:
    folder.config.write_text(DESK + "\n# in March, by Ada\n[sensor.learned]\npresent_factor = 2\n")
    code, out, _ = folder.run(folder.readings(120), folder.truth(labels(55, 65)))
    assert code == 0
    assert "# in March, by Ada\n" in out
    assert "present_factor = 2\n" not in out


def test_a_configuration_that_is_not_worth_changing_comes_out_as_it_was(folder: Folder) -> None:
    wrong = [one._replace(occupied=one.occupied is (n < 240)) for n, one in enumerate(labels(0, 480))]
    assert folder.run(folder.readings(480), folder.truth(wrong))[1] == DESK


def test_ten_minutes_are_enough_to_begin_with_and_said_to_be_few(folder: Folder) -> None:
    code, out, err = folder.run(folder.readings(120), folder.truth(labels(55, 65)))
    assert code == 0
    assert "too few labels" in err
    assert "[sensor.learned]" in out


def test_where_labels_make_no_sense_the_factorys_numbers_stay(folder: Folder) -> None:
    """Of half of the time somebody told the opposite of what was so."""
    wrong = [one._replace(occupied=one.occupied is (n < 240)) for n, one in enumerate(labels(0, 480))]
    code, out, err = folder.run(folder.readings(480), folder.truth(wrong))
    assert code == 0
    assert "the factory's numbers stay" in err
    assert "learned" not in out


def test_as_json_it_says_the_same_and_writes_no_configuration(folder: Folder) -> None:
    code, out, _ = folder.run(folder.readings(480), folder.truth(labels(0, 480)), "--json")
    (space,) = json.loads(out)["spaces"]
    assert (code, space["space"], space["compared"]["blocks"]) == (0, "d01", 4)
    assert {"of", "what", "unit", "factory", "value", "low", "high"} == set(space["learned"][0])


def test_a_truth_that_tells_changes_only_needs_to_be_said_to(folder: Folder) -> None:
    rows = [one for before, one in pairwise(labels(0, 480)) if before.occupied != one.occupied]
    readings_path, truth_path = folder.readings(480), folder.truth(rows)
    assert "0.2 h vacant" in folder.run(readings_path, truth_path)[2]
    assert "3.0 h vacant" in folder.run(readings_path, truth_path, "--label-minutes", 1440)[2]


def test_labels_outside_the_readings_are_ignored_and_counted(folder: Folder) -> None:
    code, _, err = folder.run(folder.readings(120), folder.truth(labels(40, 190)))
    assert code == 0
    assert "labels of d01 outside of its readings are ignored: " in err


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "there is no label"),
        (labels(118, 119), "minutes of labels for d01 teach nothing"),
        (labels(0, 30), "all 34 labelled minutes of d01 are vacant"),
        (labels(5_000, 6_000), "no label of d01 lies within the readings"),
        ([*labels(0, 120), Label(START_MS, occupied=True)], "labels of d01 say both at"),
        (labels(0, 57) + [one._replace(occupied=True) for one in labels(0, 7)], "and 2 more"),
    ],
)
def test_nonsense_is_refused_with_what_to_do(folder: Folder, rows: list[Label], said: str) -> None:
    code, out, err = folder.run(folder.readings(120), folder.truth(rows))
    assert (code, out) == (2, "")
    assert said in err


def test_everything_that_is_wrong_is_said_at_once(folder: Folder) -> None:
    readings_path = folder.readings(120)
    first, second = folder.truth(labels(0, 60), "one.csv"), folder.truth(labels(30, 120), "two.csv")
    stranger = folder.truth(labels(0, 60), "three.csv", space="d99")
    code, out, err = folder.run(readings_path, first, readings_path, second, readings_path, stranger)
    assert (code, out) == (2, "")
    assert "overlap with those in" in err
    assert "the configuration has no space d99" in err


def test_a_space_with_a_hold_time_is_not_fitted(folder: Folder) -> None:
    folder.config.write_text(DESK.replace('prefer = "balanced"', "hold_seconds = 600"))
    code, _, err = folder.run(folder.readings(120), folder.truth(labels(0, 120)))
    assert code == 2
    assert "hold_seconds" in err


def test_files_come_in_pairs(folder: Folder) -> None:
    code, _, err = folder.run(folder.readings(120))
    assert code == 2
    assert "one after the other" in err
