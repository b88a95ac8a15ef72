"""`perch doctor` on what people saw: whether `audit.db` can be read and written, and how full it is."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from perch.adapters.audit_file import NAME, AuditFile, Tapped
from perch.doctor.audit import look_at_audit
from perch.doctor.examining import Check, examine
from perch.doctor.findings import Verdict
from perch.doctor.server import server_checks
from perch.history.looks import Look
from tests.serving import server_settings

NOW_MS = 1_793_620_800_000


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with 500 looks."""
    looks = [Tapped(f"{n:032x}", "hq", Look("d01", NOW_MS - n * 60_000, n % 2)) for n in range(500)]
    AuditFile(tmp_path).add(looks, NOW_MS)
    return tmp_path


def told(data: Path, most: int = 1_000) -> list[tuple[Verdict, str]]:
    """Give what is said, as the doctor says it; whatever is not ok says what to do."""
    found = examine([Check("audit", lambda: look_at_audit(data, 400, most))])
    assert all(finding.remedy for finding in found if finding.verdict is not Verdict.OK)
    return [(finding.verdict, finding.what) for finding in found]


def test_before_the_first_look_all_is_well_and_no_file_is_made(tmp_path: Path) -> None:
    assert told(tmp_path) == [(Verdict.OK, "nobody has looked yet")]
    assert list(tmp_path.iterdir()) == []


def test_a_whole_file_says_how_much_is_in_it(data: Path) -> None:
    assert told(data) == [(Verdict.OK, "500 looks, kept for 400 days, 0.1 MiB; whole")]


def test_a_full_file_is_said_to_drop_the_oldest(data: Path) -> None:
    assert told(data, most=500)[1] == (Verdict.WARN, "it holds 500 looks, no more: each new one drops the oldest")


def test_a_file_that_is_damaged_or_no_database_is_a_fault(data: Path) -> None:
    whole = (data / NAME).read_bytes()
    (data / NAME).write_bytes(whole[:8192] + b"\x07" * 4096 + whole[12288:])
    ((verdict, what),) = told(data)
    assert (verdict, "is damaged" in what) == (Verdict.FAULT, True)
    (data / NAME).write_bytes(b"looks" * 1000)
    assert told(data) == [(Verdict.FAULT, f"{data / NAME} is no database")]


def test_a_file_of_another_version_is_a_fault(data: Path) -> None:
    with closing(sqlite3.connect(data / NAME)) as db:
        db.execute("PRAGMA user_version = 99")
    ((verdict, what),) = told(data)
    assert (verdict, NAME in what) == (Verdict.FAULT, True)


@pytest.mark.parametrize("place", ["", NAME])
def test_a_file_that_cannot_be_written_is_worth_a_look(data: Path, place: str) -> None:
    """The folder matters too: a change begins with a journal beside the file."""
    found = list(look_at_audit(data, 400, may_write=lambda path: path != data / place))
    assert [finding.verdict for finding in found] == [Verdict.OK, Verdict.WARN]
    assert f"may not write {data / NAME}" in found[1].what
    assert "audit.db" in found[1].remedy


def test_the_doctor_of_a_server_looks_at_it(data: Path) -> None:
    checks = server_checks(server_settings(1883, data), data / "perch.toml")
    (check,) = [check for check in checks if check.part == "audit"]
    assert [finding.what for finding in check.look()] == ["500 looks, kept for 400 days, 0.1 MiB; whole"]
