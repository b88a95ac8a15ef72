"""The scripts behind `make`: which Python is taken, and what is said where a part cannot be had."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BROKEN_SHIM = "#!/bin/sh\nexit 127\n"


def run_script(name: str, path: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script of `scripts/` with this PATH and little else around it."""
    command = [str(ROOT / "scripts" / name)]
    return subprocess.run(
        command, env={"PATH": path, **environment}, cwd=ROOT, capture_output=True, text=True, check=False
    )


def program(folder: Path, name: str, text: str) -> Path:
    """Write a program into a folder."""
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def real_python() -> str:
    """The Python below the environment that runs the tests."""
    return os.path.realpath(sys.executable)


def test_a_python_that_does_not_run_is_passed_over(tmp_path: Path, real_python: str) -> None:
    program(tmp_path, "python3.13", BROKEN_SHIM)
    (tmp_path / "python3").symlink_to(real_python)
    for name in ("python3.12", "python3.11"):
        program(tmp_path, name, BROKEN_SHIM)
    found = run_script("find-python", str(tmp_path))
    assert found.returncode == 0, found.stderr
    assert os.path.realpath(found.stdout.strip()) == real_python


def test_the_python_asked_for_is_taken_or_refused(tmp_path: Path, real_python: str) -> None:
    found = run_script("find-python", str(tmp_path), PYTHON=real_python)
    assert os.path.realpath(found.stdout.strip()) == real_python
    refused = run_script("find-python", os.defpath, PYTHON=str(program(tmp_path, "python2", BROKEN_SHIM)))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "python2 does not run, or is not Python 3.11, 3.12 or 3.13" in refused.stderr


def test_without_any_python_it_is_said_what_to_install(tmp_path: Path) -> None:
    refused = run_script("find-python", str(tmp_path))
    assert refused.returncode == 1
    assert "apt-get install python3" in refused.stderr


def test_a_part_that_cannot_be_had_is_named_and_fails_nothing(tmp_path: Path) -> None:
    told = run_script("get-parts", str(tmp_path), HOME=str(tmp_path))
    assert told.returncode == 0
    assert "missing: influxd 1.8. With Go installed: GOBIN=" in told.stderr
    assert "chromium" in told.stderr
    assert "package manager" in told.stderr


def test_influxdb_2_that_cannot_be_built_is_named_and_fails_nothing(tmp_path: Path) -> None:
    told = run_script("get-influxd2", str(tmp_path), HOME=str(tmp_path))
    assert told.returncode == 0
    assert "missing for influxd 2.7: gcc libc6-dev pkg-config golang-go cargo" in told.stderr
    program(tmp_path, "go", BROKEN_SHIM)
    for name in ("cc", "pkg-config", "cargo"):
        program(tmp_path, name, BROKEN_SHIM)
    failed = run_script("get-influxd2", f"{tmp_path}:{os.defpath}", HOME=str(tmp_path))
    assert failed.returncode == 0
    assert "that failed" in failed.stderr
    assert not (tmp_path / ".cache").exists()


def test_an_influxdb_2_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    program(tmp_path, "influxd", "#!/bin/sh\necho InfluxDB v1.8.10\n")
    here = tmp_path / ".cache" / "perch" / "bin"
    here.mkdir(parents=True)
    program(here, "influxd2", "#!/bin/sh\necho InfluxDB v2.7.12 '(git: module)'\n")
    told = run_script("get-influxd2", f"{tmp_path}:{os.defpath}", HOME=str(tmp_path))
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")


def test_parts_that_are_there_are_left_as_they_are(tmp_path: Path) -> None:
    for name in ("mosquitto", "chromium-headless-shell", "promtool"):
        program(tmp_path, name, "#!/bin/sh\n")
    program(tmp_path, "influxd", "#!/bin/sh\necho InfluxDB v1.8.10\n")
    told = run_script("get-parts", f"{tmp_path}:{os.defpath}", HOME=str(tmp_path))
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")


def test_a_whole_chromium_does_where_its_headless_shell_cannot_be_had(tmp_path: Path) -> None:
    program(tmp_path, "chromium", "#!/bin/sh\n")
    told = run_script("get-parts", str(tmp_path), HOME=str(tmp_path))
    assert told.returncode == 0
    assert "chromium" not in told.stderr.partition("package manager")[0]


@pytest.mark.parametrize(
    ("known", "asked_for"), [("echo Package: $2", "chromium-headless-shell"), ("true", "chromium")]
)
def test_the_headless_shell_is_installed_where_it_is_known_else_a_whole_chromium(
    tmp_path: Path, known: str, asked_for: str
) -> None:
    for name, does in (("id", "echo 0"), ("apt-cache", known), ("apt-get", 'echo "$@" >>"$HOME/asked"')):
        program(tmp_path, name, f"#!/bin/sh\n{does}\n")
    told = run_script("get-parts", str(tmp_path), HOME=str(tmp_path))
    assert told.returncode == 0
    installed = (tmp_path / "asked").read_text().splitlines()[-1]
    assert installed.startswith("install ")
    assert [word for word in installed.split() if "chromium" in word] == [asked_for]
