"""What users install: the wheel, the source archive, and the locked dependencies."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import perch
from tests.laws import PACKAGES

ROOT = Path(__file__).parent.parent
LOCKS = {"demo": ROOT / "locks" / "demo.txt", "dev": ROOT / "locks" / "dev.txt"}


def committed(*folders: str) -> set[str]:
    """Give the names of the committed files in these folders, or of all."""
    command = ["git", "ls-files", "-z", "--", *folders]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {name for name in listed.split("\0") if name and (ROOT / name).exists()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive, built without network from this tree."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    build = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert build.returncode == 0, build.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Iterator[zipfile.ZipFile]:
    """The wheel, open for reading."""
    with zipfile.ZipFile(next(built.glob("*.whl"))) as archive:
        yield archive


@pytest.fixture(scope="module")
def unpacked(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as it lies in an environment that it was installed into."""
    folder = tmp_path_factory.mktemp("installed")
    shutil.unpack_archive(next(built.glob("*.whl")), folder, "zip")
    return folder


def run_installed(unpacked: Path, code: str) -> str:
    """Run Python code with the unpacked wheel before everything else, from a folder that is not the repository."""
    run = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=unpacked.parent,
        env=os.environ | {"PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def test_the_wheel_holds_every_file_of_the_product(wheel: zipfile.ZipFile) -> None:
    """Pages, floor plans, recordings and dashboards too, not only Python."""
    assert committed(*PACKAGES) - set(wheel.namelist()) == set()


def test_each_file_of_the_product_is_in_the_wheel_byte_by_byte(wheel: zipfile.ZipFile) -> None:
    names = committed(*PACKAGES)
    kinds = {Path(name).suffix for name in names}
    assert kinds >= {".py", ".html", ".css", ".js", ".json", ".svg", ".toml", ".gz"}
    assert [name for name in names if wheel.read(name) != (ROOT / name).read_bytes()] == []


def test_the_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    assert [name for name in wheel.namelist() if name.endswith((".pyc", ".db"))] == []


def test_the_source_archive_holds_every_committed_file_byte_by_byte(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        files = ((file.name.partition("/")[2], archive.extractfile(file)) for file in archive if file.isfile())
        held = {name: reader.read() for name, reader in files if reader is not None}
    assert committed() - held.keys() == set()
    assert [name for name in committed() if held[name] != (ROOT / name).read_bytes()] == []
    assert {"deploy/compose/compose.yaml", "locks/demo.txt", "docs/tutorial.md"} <= held.keys()


def test_the_licence_travels_with_the_wheel(wheel: zipfile.ZipFile) -> None:
    licences = [name for name in wheel.namelist() if name.endswith("licenses/LICENSE")]
    assert [wheel.read(name) for name in licences] == [(ROOT / "LICENSE").read_bytes()]


def test_the_version_is_the_same_everywhere(wheel: zipfile.ZipFile, unpacked: Path) -> None:
    metadata = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    told = run_installed(
        unpacked, "import sys; sys.argv = ['perch', '--version']; import perch.commands as c; c.main()"
    )
    assert f"\nVersion: {perch.__version__}\n" in wheel.read(metadata).decode()
    assert told == f"perch {perch.__version__}"


def test_every_command_is_in_the_wheel(unpacked: Path) -> None:
    code = (
        "import click, perch\nfrom perch.commands import COMMANDS, LazyGroup\n"
        "group = LazyGroup()\nprint(perch.__file__)\n"
        "for name in COMMANDS:\n"
        "    command = group.get_command(click.Context(group), name)\n"
        "    assert command is not None, name\n"
        "    command.get_help(click.Context(command, info_name=name))"
    )
    assert run_installed(unpacked, code).startswith(str(unpacked))


def _locked(lock: Path) -> dict[str, int]:
    """Give each locked requirement with its number of hashes."""
    hashes: dict[str, int] = {}
    name = ""
    for line in lock.read_text().splitlines():
        if pinned := re.match(r"([a-z0-9-]+)==[^ ]+", line):
            name = pinned.group(1)
            hashes.setdefault(name, 0)
        hashes[name] = hashes.get(name, 0) + line.count("--hash=sha256:")
    return hashes


def _wanted(*extras: str) -> set[str]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted: set[str] = set()
    for requirement in (*project["dependencies"], *(r for x in extras for r in project["optional-dependencies"][x])):
        own = re.fullmatch(r"perch-occupancy\[([\w,]+)\]", requirement)
        name = re.match(r"[\w.-]+", requirement)
        assert name, requirement
        wanted |= _wanted(*own.group(1).split(",")) if own else {re.sub(r"[-_.]+", "-", name.group()).lower()}
    return wanted


@pytest.mark.parametrize(("lock", "extras"), [("demo", ("demo", "build")), ("dev", ("dev",))])
def test_a_lock_pins_every_dependency_by_hash(lock: str, extras: tuple[str, ...]) -> None:
    locked = _locked(LOCKS[lock])
    assert _wanted(*extras) - locked.keys() == set(), "run `make lock`"
    assert [name for name, hashes in locked.items() if name and not hashes] == []


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS.keys())
def test_a_lock_names_no_host_and_no_folder_of_a_machine(lock: Path) -> None:
    """So that it works with whichever index or mirror its user has."""
    assert re.findall(r"\S*(?:://|--index|--find-links|(?:^|\s)/)\S*", lock.read_text()) == []


def test_both_locks_agree() -> None:
    def pins(lock: Path) -> set[str]:
        return set(re.findall(r"^[a-z0-9-]+==[^ ]+", lock.read_text(), re.MULTILINE))

    assert pins(LOCKS["demo"]) - pins(LOCKS["dev"]) == set()
