"""Small files that programs leave for each other: whole at any moment, and as old as they are whatever a clock says."""

import os
from pathlib import Path

import pytest

from perch.adapters import age
from perch.adapters.age import Mark, age_seconds
from perch.adapters.health.agent import AgentHealth
from perch.adapters.whole_file import write_whole
from perch.errors import StorageError
from perch.model import Clock


def test_an_age_is_exact_within_a_boot_and_unknown_beyond_it() -> None:
    now = Mark("b" * 16, 50_000)
    assert age_seconds(Mark("b" * 16, 47_500), now) == 2.5
    assert age_seconds(Mark("a" * 16, 47_500), now) is None
    assert age_seconds(Mark("", 47_500), Mark("", 50_000)) is None


def test_a_mark_that_was_just_made_is_young() -> None:
    mark = age.mark()
    assert 0 <= (age_seconds(mark) or 0) < 10


def told(written: Mark) -> AgentHealth:
    return AgentHealth(
        version="1",
        written=written,
        written_ms=946_684_800_000,  # as a clock says it that was never set
        started_ms=0,
        running=True,
        broker=None,
        waiting=0,
        waiting_since=None,
        clock=Clock.UNSYNCED,
    )


def test_whether_an_agent_fell_silent_does_not_hang_on_its_wall_clock() -> None:
    now = Mark("b" * 16, 1_000_000)
    assert not told(Mark("b" * 16, 990_000)).is_stale(now)
    assert told(Mark("b" * 16, 800_000)).is_stale(now)
    assert told(Mark("a" * 16, 999_000)).is_stale(now)


def test_a_file_is_replaced_as_a_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_whole(path, b"first")
    with path.open("rb") as read_meanwhile:
        write_whole(path, b"second, which is longer")
        assert read_meanwhile.read() == b"first"
    assert path.read_bytes() == b"second, which is longer"
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match="cannot be written") as told_of:
        write_whole(tmp_path / "folder", b"x", "do this")
    assert told_of.value.remedy == "do this"
    assert os.listdir(tmp_path) == ["folder"]
    with pytest.raises(StorageError):
        write_whole(tmp_path / "gone" / "a.json", b"x")
