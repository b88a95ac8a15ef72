"""The file of the audit: looks are stored once, as long as is said, and nothing of those who looked is in its bytes."""

import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.adapters.audit_file import NAME, AuditFile, Outcome, Tapped
from perch.errors import DamagedError, StorageError
from perch.history.looks import Look
from perch.model import DAY_MS
from tests.examples import usually

NOW_MS = 1_793_620_800_000


def tapped(id_: str, space: str = "d01", *, ms: int = NOW_MS, people: int = 1, site: str = "hq") -> Tapped:
    """Make a look."""
    return Tapped(id_, site, Look(space, ms, people))


@pytest.fixture
def audit(tmp_path: Path) -> AuditFile:
    """An audit in a folder that is not there yet."""
    return AuditFile(tmp_path / "data")


def test_before_the_first_look_there_is_no_file(audit: AuditFile, tmp_path: Path) -> None:
    assert audit.looks("hq") == []
    assert not audit.holds("a")
    assert not audit.remove("a")
    audit.purge(NOW_MS)
    assert not (tmp_path / "data").exists()


def test_a_look_is_kept_to_the_second_and_a_repeat_of_it_once(audit: AuditFile) -> None:
    assert audit.add([tapped("a", ms=NOW_MS + 999)], NOW_MS) == [Outcome.NEW]
    assert audit.add([tapped("a", ms=NOW_MS + 999), tapped("b", "r1", people=4)], NOW_MS) == [
        Outcome.KNOWN,
        Outcome.NEW,
    ]
    assert audit.looks("hq") == [Look("d01", NOW_MS, 1), Look("r1", NOW_MS, 4)]
    assert audit.looks("hq", "r1") == [Look("r1", NOW_MS, 4)]
    assert audit.looks("far") == []


def test_an_id_that_comes_again_with_another_look_changes_nothing(audit: AuditFile) -> None:
    audit.add([tapped("a")], NOW_MS)
    assert audit.add([tapped("a", people=0)], NOW_MS) == [Outcome.OTHER]
    assert audit.looks("hq") == [Look("d01", NOW_MS, 1)]


def test_what_is_taken_back_or_too_old_is_gone_from_the_bytes(audit: AuditFile, tmp_path: Path) -> None:
    audit.add([tapped("a", "space-taken-back"), tapped("b", "space-that-stays")], NOW_MS)
    assert (audit.holds("a"), audit.remove("a"), audit.remove("a"), audit.holds("a")) == (True, True, False, False)
    audit.add([tapped("c", "space-of-long-ago", ms=NOW_MS - 300 * DAY_MS)], NOW_MS)
    assert len(audit.looks("hq")) == 2
    audit.purge(NOW_MS + 101 * DAY_MS)
    assert audit.looks("hq") == [Look("space-that-stays", NOW_MS, 1)]
    kept = b"".join(file.read_bytes() for file in (tmp_path / "data").iterdir())
    assert b"space-that-stays" in kept
    assert b"space-taken-back" not in kept
    assert b"space-of-long-ago" not in kept


def test_looks_may_be_kept_for_ever(tmp_path: Path) -> None:
    audit = AuditFile(tmp_path, kept_days=0)
    audit.add([tapped("a", ms=NOW_MS - 4_000 * DAY_MS)], NOW_MS)
    assert len(audit.looks("hq")) == 1


def test_the_oldest_make_room(tmp_path: Path) -> None:
    audit = AuditFile(tmp_path, most=3)
    audit.add([tapped(str(number), ms=NOW_MS + number * 1000) for number in (4, 1, 3, 0, 2)], NOW_MS)
    assert [look.time_ms - NOW_MS for look in audit.looks("hq")] == [2000, 3000, 4000]


def test_neither_ids_nor_their_order_are_written_down(audit: AuditFile, tmp_path: Path) -> None:
    ids = [f"the phone of Ada Lovelace {number}" for number in range(20)]
    for number, id_ in enumerate(ids):
        audit.add([tapped(id_, ms=NOW_MS - number)], NOW_MS)
    assert b"Lovelace" not in (tmp_path / "data" / NAME).read_bytes()
    (table,) = sqlite3.connect(tmp_path / "data" / NAME).execute("SELECT sql FROM sqlite_schema WHERE type = 'table'")
    assert "WITHOUT ROWID" in table[0]
    columns = sqlite3.connect(tmp_path / "data" / NAME).execute("SELECT name FROM pragma_table_info('look')").fetchall()
    assert [name for (name,) in columns] == ["key", "site", "space", "seen_s", "people"]


@usually(20)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2)), max_size=8))
def test_stored_twice_is_stored_once_whatever_came_between(looks: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        audit, first = AuditFile(Path(folder)), dict[str, int]()
        for id_, people in looks:
            audit.add([tapped(id_, people=people)], NOW_MS)
            first.setdefault(id_, people)
        assert sorted(look.people for look in audit.looks("hq")) == sorted(first.values())


def test_a_file_that_is_none_of_ours_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("these are no looks" * 100)
    with pytest.raises(DamagedError, match="is no database"):
        AuditFile(tmp_path).looks("hq")
    (tmp_path / NAME).unlink()
    other = sqlite3.connect(tmp_path / NAME)
    other.execute("PRAGMA user_version = 9")
    other.execute("CREATE TABLE look (key)")
    other.close()
    with pytest.raises(StorageError, match="newer version of Perch"):
        AuditFile(tmp_path).add([tapped("a")], NOW_MS)


BRING = """
import sys
from pathlib import Path
from perch.adapters.audit_file import AuditFile, Tapped
from perch.history.looks import Look
audit = AuditFile(Path(sys.argv[1]))
for number in range(15):
    audit.add([Tapped(f"{sys.argv[2]} {number}", "hq", Look("d01", number * 1000, 1))], 0)
    audit.looks("hq")
"""


def test_two_programs_may_bring_looks_at_once(tmp_path: Path) -> None:
    both = [subprocess.Popen([sys.executable, "-c", BRING, tmp_path, name]) for name in ("one", "other")]
    assert [program.wait(60) for program in both] == [0, 0]
    assert len(AuditFile(tmp_path).looks("hq")) == 30
