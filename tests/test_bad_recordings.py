"""Whatever is wrong with a recording or its labels has one answer, which is said: the table in docs/fitting.md."""

import contextlib
import io
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.commands import run
from perch.commands.doubtful import complaints
from perch.model import Reading, SensedSpace, Sensor, SensorKind, SpaceKind
from perch.sensing.doubts import Doubts, Hole
from tests.examples import usually

CONFIG = """
[[space]]
id = "d01"
kind = "desk"
[[space]]
id = "r1"
kind = "room"
[[sensor]]
id = "pir1"
kind = "motion"
space = "d01"
[[sensor]]
id = "air"
kind = "co2"
space = "r1"
every_seconds = 60
"""
DAY_S = 86_400
HEADER = "time,sensor,value\n"
TABLE = Path(__file__).parents[1] / "docs" / "fitting.md"


def rows(minutes: int = 180, from_s: int = 0) -> list[str]:
    """A desk at which somebody moves in every other half hour, and the air of a room: two rows and more a minute."""
    written = []
    for minute in range(minutes):
        at_s = from_s + 60 * minute
        written.append(f"{at_s},air,{500 + 10 * (minute % 3)}")
        if minute // 30 % 2 or minute == 0:
            written += [f"{at_s},pir1,1", f"{at_s + 3},pir1,0"]
    return written


class Bench:
    """A folder in which recordings are tried."""

    def __init__(self, path: Path) -> None:
        self.path, self.config = path, path / "sensing.toml"
        self.config.write_text(CONFIG)

    def write(self, name: str, lines: list[str], header: str = HEADER) -> Path:
        (self.path / name).write_text(header + "".join(f"{line}\n" for line in lines))
        return self.path / name

    def sense(self, lines: list[str], *options: str) -> tuple[int, list[str], str]:
        """Give exit code, rows and what was said."""
        path = self.write("r.csv", lines)
        code, out, err = self.run("sense", path, "--config", self.config, *options)
        return code, out.splitlines()[1:], err

    def fit(self, lines: list[str], *truths: list[str]) -> tuple[int, str, str]:
        readings = self.write("r.csv", lines)
        named = [self.write(f"t{n}.csv", truth, "time,space,count\n") for n, truth in enumerate(truths)]
        return self.run("fit", *(each for truth in named for each in (readings, truth)), "--config", self.config)

    def run(self, *words: object) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run([str(word) for word in words])
        return code, out.getvalue(), err.getvalue()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def labels(space: str = "d01", from_minute: int = 0, until_minute: int = 180) -> list[str]:
    return [f"{60 * minute},{space},{minute // 30 % 2}" for minute in range(from_minute, until_minute)]


PROVED: set[str] = set()
Test = Callable[[Bench], None]


def proves(row: str) -> Callable[[Test], Test]:
    """Say which row of the table a test proves."""
    PROVED.add(row)
    return lambda test: test


def test_every_row_of_the_table_is_proved_here_and_nothing_else_is() -> None:
    _, _, section = TABLE.read_text(encoding="utf-8").partition("## What is wrong with a recording")
    told = re.findall(r"^\| (.*?) \|", section.partition("\n## ")[0], re.MULTILINE)
    assert set(told[1:]) == PROVED


@proves("a time before the one above it")
def test_times_that_go_back_are_refused_row_by_row(bench: Bench) -> None:
    code, out, err = bench.sense(["100,pir1,1", "90,pir1,0", "95,pir1,1", "101,pir1,0"])
    assert (code, out) == (2, [])
    assert "r.csv:3: 90 lies before 100" in err
    assert "r.csv:4: 95 lies before 100" in err
    assert "sort the rows by time" in err


@proves("a clock that was a year ahead for some rows")
def test_a_clock_that_came_back_from_next_year_is_refused_where_it_came_back(bench: Bench) -> None:
    ahead = 365 * DAY_S
    code, out, err = bench.sense(["100,pir1,1", f"{ahead},pir1,0", "160,pir1,1"])
    assert (code, out) == (2, [])
    assert f"r.csv:4: 160 lies before {ahead}" in err
    assert "a wrong clock" in err


@proves("a jump ahead, or a hole: no sensor says anything for a day, or for `quiet_limit_hours` where none is sampled")
def test_a_year_without_a_word_is_unknown_and_said(bench: Bench) -> None:
    code, out, err = bench.sense([*rows(60), *rows(60, 365 * DAY_S)])
    assert code == 0
    for space, silent in (("r1", "1970-01-01T01:02:30Z"), ("d01", "1970-01-08T00:59:03Z")):
        before = [row for row in out if f",{space}," in row and row < "1970-12"]
        assert before[-1].startswith(f"{silent},{space},unknown,")
    assert "no sensor says anything for 365.0 days, 1970-01-01T00:59:03Z to 1971-01-01T00:00:00Z" in err
    assert "clock" in err
    assert bench.sense([*rows(60), *rows(60, DAY_S)])[2] == ""


@proves("the same row twice")
def test_a_row_that_is_repeated_counts_once(bench: Bench) -> None:
    once, twice = rows(), [row for row in rows() for _ in range(2)]
    assert bench.sense(twice) == bench.sense(once)
    assert bench.fit(twice, labels(), labels("r1")) == bench.fit(once, labels(), labels("r1"))


@proves("several values of one sensor at one moment")
def test_a_sample_that_says_two_things_is_said_to(bench: Bench) -> None:
    code, _, err = bench.sense(["0,air,500", "0,air,900", "60,air,500", "60,air,500", "61,pir1,1", "61,pir1,0"])
    assert code == 0
    assert err.splitlines()[0] == "perch: air has several values at one moment, 1 times"
    assert len(err.splitlines()) == 2


@proves("NaN, infinite, text, a number too large to be one")
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "on", "1e999", "1,5"])
def test_what_is_no_number_is_refused_by_its_line(bench: Bench, value: str) -> None:
    code, out, err = bench.sense(["0,air,500", f"60,air,{value}"])
    assert (code, out) == (2, [])
    assert "r.csv:3: " in err


@proves("no value")
def test_a_row_without_a_value_is_a_missed_sample(bench: Bench) -> None:
    """Three in a row are silence, as if the rows were not there."""
    heard = [f"{60 * minute},air,{500 + minute % 3}" for minute in range(60)]
    missed = [f"{60 * minute},air," for minute in range(60, 70)]
    code, out, err = bench.sense([*heard, *missed, "4200,air,500", "4201,pir1,0"])
    assert (code, err) == (0, "")
    assert any(row.startswith("1970-01-01T01:02:30Z,r1,unknown") for row in out)


@proves("a value that such a sensor cannot measure")
def test_what_cannot_be_true_is_left_out_and_said_to_be(bench: Bench) -> None:
    """Three in a row, and the sensor is no longer believed at all until one can be true again."""
    wrong = [row.replace(",air,", ",air,-") if ",air," in row and n % 5 == 1 else row for n, row in enumerate(rows())]
    code, out, err = bench.sense(wrong)
    left_out = [row for row in rows() if row not in wrong]
    assert code == 0
    assert f"perch: {len(left_out)} of 180 readings of air cannot be true and are left out: -520 to -500" in err
    assert "a co2 sensor measures 200 to 40000" in err
    without = [row for row in wrong if ",air,-" not in row]
    assert out == bench.sense(without)[1]
    assert bench.fit(wrong, labels("r1"))[1] == bench.fit(without, labels("r1"))[1]
    assert "cannot be true" in bench.fit(wrong, labels("r1"))[2]


@proves("a sensor that the configuration does not list")
def test_strangers_are_named_once(bench: Bench) -> None:
    code, out, err = bench.sense([*rows(), "20000,gas,1", "20001,gas,1"])
    assert (code, out) == (0, bench.sense(rows())[1])
    assert err == "perch: rows of sensors that the configuration does not list are ignored: gas\n"


@proves("no row of a sensor that the configuration lists")
def test_sensors_that_were_not_heard_are_named(bench: Bench) -> None:
    code, _, err = bench.sense([row for row in rows() if ",air," not in row])
    assert code == 0
    assert "no row of sensors that the configuration lists: air" in err


@proves("no reading at all")
@pytest.mark.parametrize("lines", [[], ["0,gas,1"], ["0,pir1,"]])
def test_nothing_to_say_is_said(bench: Bench, lines: list[str]) -> None:
    code, out, err = bench.sense(lines)
    assert (code, out) == (0, [])
    assert "there is no reading of any sensor of the configuration" in err


@proves("files that overlap")
def test_files_that_overlap_are_refused(bench: Bench) -> None:
    one, two = bench.write("one.csv", rows(60)), bench.write("two.csv", rows(60, 1800))
    code, _, err = bench.run("sense", one, two, "--config", bench.config)
    assert code == 2
    assert f"begins before {one} ends" in err


@proves("labels of one moment that say both")
def test_labels_that_contradict_each_other_are_refused(bench: Bench) -> None:
    code, out, err = bench.fit(rows(), [*labels(), "0,d01,1"])
    assert (code, out) == (2, "")
    assert "labels of d01 say both at 1970-01-01T00:00:00Z" in err


@proves("labels of the same time in two files")
def test_labels_that_overlap_are_refused(bench: Bench) -> None:
    code, out, err = bench.fit(rows(), labels(until_minute=90), labels(from_minute=80))
    assert (code, out) == (2, "")
    assert "overlap with those in" in err


@proves("labels in another order, or twice")
def test_the_order_of_labels_does_not_matter(bench: Bench) -> None:
    assert bench.fit(rows(), labels()[::-1] + labels()) == bench.fit(rows(), labels())


@proves("labels before the first reading of the space, or after the last")
def test_labels_outside_of_the_readings_are_ignored_and_counted(bench: Bench) -> None:
    after = [f"{60 * minute},d01,1" for minute in range(400, 410)]
    (code, out, err), within = bench.fit(rows(), [*labels(), *after]), bench.fit(rows(), labels())
    assert (code, out) == (0, within[1])
    assert "labels of d01 outside of its readings are ignored: 10 in" in err
    code, _, err = bench.fit(rows(), after)
    assert code == 2
    assert "no label of d01 lies within the readings" in err


@proves("labels of a space that the configuration does not have")
def test_labels_of_strange_spaces_are_refused(bench: Bench) -> None:
    code, _, err = bench.fit(rows(), labels("d99"))
    assert code == 2
    assert "the configuration has no space d99" in err


@proves("a label that is no number of people")
@pytest.mark.parametrize("count", ["-1", "0.5", "nan", "somebody", ""])
def test_labels_count_people(bench: Bench, count: str) -> None:
    code, _, err = bench.fit(rows(), [*labels(), f"99,d01,{count}"])
    assert code == 2
    assert "t0.csv:182: " in err


PIR = Sensor("pir1", SensorKind.MOTION, "d01", None)
AIR = Sensor("air", SensorKind.CO2, "r1", 60_000)
SPACES = [SensedSpace("d01", SpaceKind.DESK), SensedSpace("r1", SpaceKind.ROOM)]
readings = st.lists(
    st.builds(Reading, st.integers(0, 20 * DAY_S * 1000), st.sampled_from(["pir1", "air"]), st.floats(width=32))
)


@usually(60)
@given(readings)
def test_whatever_passes_is_passed_on_and_counted(recorded: list[Reading]) -> None:
    recorded = sorted(recorded, key=lambda one: one.time_ms)
    doubts, again = Doubts(SPACES, [PIR, AIR]), Doubts(SPACES, [PIR, AIR])
    assert all(a is b for a, b in zip(recorded, doubts.passing(recorded), strict=True))
    credible = [one for one in recorded if again.hear(one)]
    assert sum(one.readings - one.implausible for one in doubts.heard.values()) == len(credible)
    gaps = [b.time_ms - a.time_ms for a, b in pairwise(recorded)]
    assert doubts.holes == sum(gap > DAY_S * 1000 for gap in gaps)
    assert doubts.longest is None or doubts.longest.lasts_ms == max(gaps)


def test_where_nothing_is_sampled_only_the_quiet_limit_makes_a_hole() -> None:
    doubts = Doubts(SPACES, [PIR])
    week_ms = SPACES[0].quiet_limit_ms
    for time_ms in (0, week_ms, 2 * week_ms + 1):
        doubts.hear(Reading(time_ms, "pir1", 1.0))
    assert (doubts.holes, doubts.longest) == (1, Hole(week_ms, 2 * week_ms + 1))


@pytest.mark.parametrize(("came", "went", "said"), [(8, 5, "3.0 more in than out"), (5, 7, "2.0 more out than in")])
def test_doors_that_drift_are_named_with_how_far_a_day(came: int, went: int, said: str) -> None:
    beams = [Sensor("in", SensorKind.BEAM_IN, "r1", None), Sensor("out", SensorKind.BEAM_OUT, "r1", None)]
    doubts = Doubts([SensedSpace("r1", SpaceKind.ROOM, 8)], beams)
    for day in range(4):
        for sensor, crossings in (("in", came), ("out", went)):
            for n in range(crossings):
                at_ms = day * DAY_S * 1000 + (sensor == "out") * 36_000_000 + n * 1000
                doubts.hear(Reading(at_ms, sensor, 1.0))
                doubts.hear(Reading(at_ms + 400, sensor, 0.0))
    doubts.hear(Reading(4 * DAY_S * 1000, "in", 0.0))
    assert any(f"door of r1 (in, out): counted {said} a day" in what for what, _ in complaints(doubts))


def test_doors_whose_count_comes_out_even_are_not_complained_of() -> None:
    beams = [Sensor("in", SensorKind.BEAM_IN, "r1", None), Sensor("out", SensorKind.BEAM_OUT, "r1", None)]
    doubts = Doubts([SensedSpace("r1", SpaceKind.ROOM, 8)], beams)
    for step in range(20):
        doubts.hear(Reading(step * 20_000_000, "in" if step % 2 else "out", 1.0))
    assert not any("door of" in what for what, _ in complaints(doubts))
