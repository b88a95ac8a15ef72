"""Errands: whatever lies in their folder, a collector goes on, and whoever asked is told."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.chores import LOOK_MS, Chores, Means
from collector.forgetting import Forgetting
from perch.adapters.errands import MAX_BYTES, Answer, Errands, Rebuild, Replay
from perch.delivery.liveness import Instant
from perch.errors import StorageError
from perch.settings import Retention
from tests.placing_history import StoredInMemory
from tests.test_intake import state, up
from tests.test_replay import Desk


class Office:
    """The chores of a collector, and the folder where errands are left."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk(folder)
        self.errands = Errands(folder)
        self.errands.prepare()
        self.folder = folder / "errands"
        desk, history = self.desk, StoredInMemory()
        forgetting = Forgetting(desk.journal, history, (), Retention())
        means = Means(desk.journal, desk.intake, desk.quarantine, (), forgetting, folder)
        self.chores = Chores(self.errands, means)
        self._mono_ms = 0

    def work(self) -> None:
        for _ in range(10):
            self._mono_ms += LOOK_MS
            self.chores.settle(Instant(0, self._mono_ms))

    def answered(self, name: str) -> Answer:
        answer = self.errands.answer(name)
        assert answer is not None
        return answer


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    yield office
    office.desk.close()


@pytest.mark.parametrize(
    ("errand", "why"),
    [
        (b'{"type":"replay","ids":[%d]}' % 2**100, "is no errand"),
        (b'{"type":"replay","ids":[%d]}' % 2**63, "is no errand"),
        (b'{"type":"replay","ids":[-1]}', "is no errand"),
        (b'{"type":"replay","ids":%s}' % (b"[" * 100_000), "is no errand"),
        (b"\xff\x00garbage", "is no errand"),
        (b'{"type":"rebuild","projection":"\\ud800"}', "is no errand"),
        (b'{"type":"rebuild","projection":"moon"}', "keeps no projection 'moon'"),
        (b" " * (MAX_BYTES + 1), "not a file of at most"),
    ],
)
def test_what_is_no_errand_is_answered_as_one_that_failed_and_asked_for_no_more(
    office: Office, errand: bytes, why: str
) -> None:
    (office.folder / "000001-x.errand").write_bytes(errand)
    office.work()
    assert why in (office.answered("000001-x").failed or "")
    assert office.errands.names() == []


def test_a_folder_a_pipe_and_a_link_named_as_errands_are_left_alone_and_the_next_one_is_done(office: Office) -> None:
    (office.folder / "000001-folder.errand").mkdir()
    os.mkfifo(office.folder / "000002-pipe.errand")
    (office.folder / "000003-link.errand").symlink_to("/dev/zero")
    name = office.errands.leave(Replay((office.desk.keep(up(state(1)).payload),)))
    assert office.errands.is_next(name)
    office.work()
    assert office.answered(name).stored == 1


def test_a_file_with_any_name_is_answered(office: Office) -> None:
    (office.folder / os.fsdecode(b"\xff.errand")).write_bytes(b"?")
    office.work()
    assert office.errands.names() == []


def test_an_errand_that_cannot_be_read_is_given_as_its_answer_and_not_removed_unanswered(office: Office) -> None:
    (office.folder / "000001-x.errand").symlink_to("/etc/shadow")
    answer = office.errands.read("000001-x")
    assert isinstance(answer, Answer)
    assert "cannot be read" in (answer.failed or "")
    assert (office.folder / "000001-x.errand").is_symlink()


def test_an_errand_that_raises_ends_nothing_but_itself(office: Office) -> None:
    number = office.desk.keep(up(state(1)).payload)
    name = office.errands.leave(Replay((number,)))
    office.desk.quarantine.close()
    office.work()
    assert "Cannot operate on a closed database" in (office.answered(name).failed or "")
    assert office.errands.names() == []
    assert not office.chores.is_busy


def test_an_errand_that_cannot_be_answered_is_tried_once(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    name = office.errands.leave(Rebuild("moon"))
    (office.folder / f"{name}.answer" / "in the way").mkdir(parents=True)
    office.work()
    said = [record.getMessage() for record in caplog.records]
    assert len([line for line in said if "cannot be done" in line]) == 1
    assert len([line for line in said if "cannot be written" in line]) == 1


def test_a_file_in_the_place_of_the_folder_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "errands").write_text("?")
    with pytest.raises(StorageError) as refused:
        Errands(tmp_path).prepare()
    assert refused.value.remedy == "move away what is there instead"
