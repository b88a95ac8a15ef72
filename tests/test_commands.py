"""The `perch` command as its users meet it: help, errors with what to do, exit codes, never a traceback."""

import contextlib
import gzip
import io
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import click
import pytest

from perch import __version__, commands
from perch.adapters.tables.csv_files import read_states
from perch.commands.output import print_table
from perch.errors import Complaint, InputError, PerchError, StorageError

PERCH = [sys.executable, "-m", "perch.commands"]


def run(*arguments: str | Path, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run perch to its end; nothing that it says may be a traceback."""
    command = [*PERCH, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert "--debug" in arguments or "Traceback" not in done.stderr
    return done


def every_command() -> list[str]:
    """Name every command and group: `site` and `site check`."""
    names = [""]
    for name in commands.COMMANDS:
        command = commands.perch.get_command(click.Context(commands.perch), name)
        assert command is not None
        names.append(name)
        names += [f"{name} {sub}" for sub in command.commands] if isinstance(command, click.Group) else []
    return names


def test_the_help_of_every_command_opens_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for name in every_command():
        assert commands.run([*name.split(), "--help"]) == 0
        assert capsys.readouterr().out.startswith(f"Example: perch {name}"), name


def test_help_lists_every_command_without_importing_any() -> None:
    script = "import sys; from perch.commands import run; run(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    listed, _, modules = done.stdout.rpartition("\n  dashboards")
    assert all(f"\n  {name} " in listed for name in commands.COMMANDS if name != "dashboards")
    heavy = {"paho", "fastapi", "numpy", "gpiozero", "influxdb_client", "msgspec", "perch.settings"}
    assert heavy.isdisjoint(modules.split())


def test_the_version_is_told() -> None:
    assert run("--version").stdout == f"perch {__version__}\n"


@pytest.mark.parametrize(
    "line", ["", "fly", "sense", "sense x.csv", "sense --config x.toml", "agent --config x --speed 2", "site check a b"]
)
def test_wrong_usage_ends_with_code_2_and_points_to_the_help(line: str) -> None:
    done = run(*line.split())
    assert done.returncode == 2
    assert "Usage: perch" in done.stdout + done.stderr


def test_wrong_usage_is_told_in_json_where_that_is_asked_for() -> None:
    done = run("site", "check", "--json")
    assert done.returncode == 2
    (error,) = json.loads(done.stdout)["errors"]
    assert error["where"] == "command line"


# What goes wrong.


def failing(error: BaseException, *options: str) -> int:
    """Run a command that raises this error, and give the exit code."""

    @click.group()
    @click.option("--json", is_flag=True)
    def group(json: bool) -> None:
        del json

    @group.command()
    def fail() -> None:
        raise error

    return commands.run([*options, "fail"], group)


def test_an_error_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert failing(StorageError("the disk is full", "make room on it")) == 1
    assert capsys.readouterr().err == "perch: the disk is full\n  make room on it\n"


def test_every_complaint_about_an_input_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    error = InputError((Complaint("a.toml: x", "is wrong", "mend it"), Complaint("b.csv:7", "is worse")))
    assert failing(error) == 2
    assert capsys.readouterr().err == "perch: a.toml: x: is wrong\n  mend it\nperch: b.csv:7: is worse\n"


def test_errors_are_told_in_json_where_that_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert failing(PerchError("no luck", "try again"), "--json") == 1
    told = capsys.readouterr()
    assert json.loads(told.out) == {"ok": False, "errors": [{"where": "", "what": "no luck", "remedy": "try again"}]}
    assert told.err == ""


def test_what_nobody_foresaw_is_one_line_and_a_way_to_see_more(capsys: pytest.CaptureFixture[str]) -> None:
    assert failing(ZeroDivisionError("division by zero")) == 1
    told = capsys.readouterr().err
    assert told == "perch: unexpected ZeroDivisionError: division by zero\n  run again with --debug to see where\n"


def test_debug_shows_the_traceback_and_keeps_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert failing(InputError((Complaint("a", "b"),)), "--debug") == 2
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert told.endswith("perch: a: b\n")


def test_what_the_system_refuses_is_told_in_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert failing(PermissionError(13, "Permission denied", "/x")) == 1
    assert capsys.readouterr().err.startswith("perch: Permission denied: /x\n")


def test_an_interrupt_and_a_reader_that_is_gone_are_no_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert failing(KeyboardInterrupt()) == 130
    assert "perch" not in capsys.readouterr().err


def test_a_missing_package_is_named_with_the_extra_that_has_it() -> None:
    script = (
        "import sys; sys.modules['paho'] = None; sys.modules['gpiozero'] = None\n"
        "from perch.commands import main; main()"
    )
    command = [sys.executable, "-c", script, "agent", "--config", "agent.toml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "is not installed\n  install it with: pip install 'perch-occupancy[agent]'" in done.stderr


def test_what_only_the_demos_processes_import_is_missed_before_they_start() -> None:
    script = (
        "import sys\nclass Gone:\n def find_spec(self, name, *_):\n"
        "  if name == 'gpiozero': raise ModuleNotFoundError(name=name)\n"
        "sys.meta_path.insert(0, Gone())\nfrom perch.commands import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", script, "demo"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "gpiozero, which is not installed\n  install it with: pip install 'perch-occupancy[demo]'" in done.stderr


def test_tables_line_up(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("space", "people"), [("d01", 12), ("meeting", None), ("x", 3)])
    assert capsys.readouterr().out == "space    people\nd01          12\nmeeting  –\nx             3\n"


# `perch site check`.

SITE = """
[site]
id = "hq"
time_zone = "Europe/Lisbon"
[hours]
mon = "08:00-20:00"
[[floor]]
id = "f1"
[[zone]]
id = "quiet"
floor = "f1"
"""
SPACES = "id,zone,kind\nd01,quiet,desk\nd02,quiet,desk\nr1,quiet,room\n"


def test_a_site_in_order_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(SITE)
    (tmp_path / "spaces.csv").write_text(SPACES)
    done = run("site", "check", "site.toml", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[0].startswith("site.toml is in order: hq")
    assert lines[1:] == ["1 floors", "1 zones", "0 agents", "2 desk spaces", "1 room spaces"]
    told = json.loads(run("site", "check", "site.toml", "--json", folder=tmp_path).stdout)
    assert (told["ok"], told["site"], told["spaces"]) == (True, "hq", {"desk": 2, "room": 1})


def test_a_site_that_is_wrong_says_everything_that_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(SITE.replace("Lisbon", "Atlantis"))
    (tmp_path / "spaces.csv").write_text(SPACES + "d03,loud,desk\n")
    done = run("site", "check", "site.toml", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "site.toml: [site].time_zone: " in done.stderr
    assert "perch: spaces.csv:5: zone: there is no zone loud\n  add a [[zone]]" in done.stderr
    told = json.loads(run("site", "check", "site.toml", "--json", folder=tmp_path).stdout)
    assert [error["where"] for error in told["errors"]] == ["site.toml: [site].time_zone", "spaces.csv:5: zone"]


# `perch sense`.

SENSING = """
[[space]]
id = "d01"
kind = "desk"
hold_seconds = 60
[[sensor]]
id = "pir1"
kind = "motion"
space = "d01"
"""
READINGS = "time,sensor,value\n100,pir1,1\n110.5,pir1,0\n111,gas,1\n500,pir1,1\n"
HEADER = "time,space,state,probability,count\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a `sensing.toml` and a `readings.csv`."""
    (tmp_path / "sensing.toml").write_text(SENSING)
    (tmp_path / "readings.csv").write_text(READINGS)
    return tmp_path


def sense(folder: Path, *arguments: str, readings: str = "readings.csv") -> subprocess.CompletedProcess[str]:
    """Run `perch sense` in a folder."""
    return run("sense", readings, "--config", "sensing.toml", *arguments, folder=folder)


def test_sense_writes_a_row_for_each_transition_at_the_moment_that_caused_it(folder: Path) -> None:
    done = sense(folder)
    assert done.returncode == 0
    assert [row.rsplit(",", 2)[0] for row in done.stdout.splitlines()] == [
        "time,space,state",
        "1970-01-01T00:01:40Z,d01,unknown",
        "1970-01-01T00:01:40Z,d01,occupied",
        "1970-01-01T00:02:50.500Z,d01,free",
        "1970-01-01T00:08:20Z,d01,occupied",
    ]


def test_sense_warns_once_of_sensors_that_are_not_configured(folder: Path) -> None:
    done = sense(folder)
    assert done.stderr == "perch: rows of sensors that the configuration does not list are ignored: gas\n"


def test_sense_with_a_step_says_how_every_space_stands_at_each_step(folder: Path) -> None:
    rows = [row.split(",") for row in sense(folder, "--step", "50").stdout.splitlines()[1:]]
    assert [row[0][-6:] for row in rows] == [f"0{s // 60}:{s % 60:02}Z" for s in range(100, 501, 50)]
    assert [row[2] for row in rows] == ["occupied", "occupied", *["free"] * 6, "occupied"]


def test_sense_reads_a_gzipped_recording_and_what_it_wrote_is_a_states_file(folder: Path) -> None:
    (folder / "readings.csv.gz").write_bytes(gzip.compress(READINGS.encode()))
    states = sense(folder, readings="readings.csv.gz").stdout
    assert states == sense(folder).stdout
    (folder / "states.csv").write_text(states)
    assert [row.count for row in read_states(folder / "states.csv")] == [None] * 4


def test_a_broken_row_anywhere_leaves_no_output_that_looks_complete(folder: Path) -> None:
    (folder / "readings.csv").write_text(READINGS + "600,pir1,often\n")
    done = sense(folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "perch: readings.csv:6: 'often' is no number\n  write a number, or nothing where there is no value\n"
    )


def test_sense_says_which_of_its_files_is_missing(folder: Path) -> None:
    for name in ("readings.csv", "sensing.toml"):
        (folder / name).unlink()
        done = sense(folder)
        assert (done.returncode, done.stdout) == (2, "")
        assert name in done.stderr


def test_an_output_that_cannot_be_written_is_a_failure(folder: Path) -> None:
    command = [*PERCH, "sense", "readings.csv", "--config", "sensing.toml"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, cwd=folder, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith("perch: No space left on device\n  make room there, then run it again\n")


def test_a_reader_that_has_seen_enough_is_no_error(folder: Path) -> None:
    (folder / "readings.csv").write_text(READINGS + "".join(f"{second},pir1,1\n" for second in range(501, 3000)))
    command = [*PERCH, "sense", "readings.csv", "--config", "sensing.toml", "--step", "0.1"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == HEADER
        process.stdout.close()
        assert process.stderr.read().splitlines()[1:] == []
        assert process.wait(30) == 1


class Scales(io.StringIO):
    """A stdout that keeps nothing, and knows how much memory there was in use at most when something was written."""

    most_bytes = 0

    def write(self, text: str) -> int:
        self.most_bytes = max(self.most_bytes, tracemalloc.get_traced_memory()[0])
        return len(text)


def test_sense_takes_no_more_memory_for_a_longer_recording(folder: Path) -> None:
    def most_bytes(minutes: int) -> int:
        rows = (f"{60 * minute},pir1,{minute // 7 % 2}\n" for minute in range(minutes))
        (folder / "readings.csv").write_text("time,sensor,value\n" + "".join(rows))
        scales = Scales()
        tracemalloc.start()
        try:
            with contextlib.redirect_stdout(scales):
                command = ["sense", str(folder / "readings.csv"), "--config", str(folder / "sensing.toml")]
                assert commands.run(command) == 0
        finally:
            tracemalloc.stop()
        return scales.most_bytes

    most_bytes(1)  # what is imported once
    assert most_bytes(5_000) < most_bytes(500) + 50_000  # 4,500 readings are half a million
