"""Faults of a campaign do what they say, and are counted as what they were."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from perch.adapters.journal import backup as journal_backup
from perch.adapters.journal.store import Journal, Run
from perch.adapters.outbox.store import Outbox
from perch.chaos.campaign import FAULTS
from perch.chaos.corpus import visitors
from perch.chaos.faults import Fault
from perch.chaos.faults_of_messages import is_stored_for_good
from perch.chaos.part import Part
from perch.chaos.stage import Plan, Programs, Stage
from perch.contract import AliveEvent, parse_up
from perch.delivery.watermark import Watermark
from perch.model import Clock

EPOCH, BOOT = "e" * 32, "b" * 16


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A stage on which nothing but an agent that does nothing runs, with an outbox and a journal."""
    nothing = Programs(lambda _: (), lambda _: (), lambda _: (), None, lambda _: (), None)
    stage = Stage(tmp_path, nothing, Plan(minutes=1.0, seed=1, agents=1), disks=False)
    stage.data.mkdir()
    Journal.open(stage.data / "journal.db").close()
    stage.agent_data("a1").mkdir()
    part = stage.parts["a1"] = Part("a1", ["sleep", "60"], tmp_path / "log", {"PATH": "/usr/bin:/bin"})
    part.start()
    yield stage
    part.kill(None)


def fault(name: str) -> Fault:
    return next(fault for fault in FAULTS if fault.name == name)


class TestDeeds:
    """What is counted is what happened."""

    def test_an_outbox_that_could_not_be_put_back_counts_as_the_kill_that_it_was(self, stage: Stage) -> None:
        with Outbox.open(stage.agent_data("a1") / "outbox.db") as outbox:
            outbox.begin(EPOCH, BOOT)
            outbox.append(EPOCH, [AliveEvent(1, 1_790_000_000_000, 1, Clock.OK)])
        restore = fault("outbox restored from a copy").deed
        assert (first := restore(stage)) is not None
        assert first.became == "agent killed, its outbox copied"
        stage.parts["a1"].start()
        assert (again := restore(stage)) is not None
        assert again.became == "agent killed"  # an event waits that only this outbox has
        assert not stage.parts["a1"].running

    def test_no_event_is_altered_that_a_copy_of_the_journal_lacks_while_it_may_be_put_back(self, stage: Stage) -> None:
        """To a collector that goes on from the copy the altered one would come first, and be the true one."""
        stream, topic, payload = next(visitors("hq"))
        journal, copy = stage.data / "journal.db", stage.folder / "backup-000001.db"
        journal_backup.back_up(journal, copy)
        with Journal.open(journal) as writer:
            events = tuple(event for event in parse_up(payload).events if event.seq)
            writer.append([Run(stream, BOOT, None, 1, events)], {stream: Watermark(len(events))})  # type: ignore[arg-type]
        assert not is_stored_for_good(stage, topic, payload)
        stage.whole_at_s = 0.0  # the first third is over
        assert is_stored_for_good(stage, topic, payload)
        stage.whole_at_s = float("inf")
        copy.unlink()
        journal_backup.back_up(journal, copy)
        assert is_stored_for_good(stage, topic, payload)

    def test_a_journal_is_removed_only_while_outboxes_have_all_that_it_has(self, stage: Stage) -> None:
        journal, remove = stage.data / "journal.db", fault("journal removed while in use").deed
        stage.parts["collector"] = stage.parts["a1"]
        stage.journal_knows_alone = True
        assert remove(stage) is None
        assert journal.exists()
        stage.journal_knows_alone = False
        assert remove(stage) is not None
        assert not journal.exists()
