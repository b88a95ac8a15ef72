"""Other versions of Perch: their files are brought up to date whatever happens meanwhile, their messages are read.

`tests/golden` has a file of each form that was ever written, and what version 1 of the wire said.
"""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from perch import contract
from perch.adapters import api_file, audit_file, upgrade
from perch.adapters.audit_file import AuditFile
from perch.adapters.journal import reader as journal_reader
from perch.adapters.journal.ageing import Bound
from perch.adapters.journal.store import Journal, JournalReader, Run, Stream
from perch.adapters.keys import KeysFile, Role
from perch.adapters.outbox import file as outbox_file
from perch.adapters.outbox.store import Outbox
from perch.adapters.quarantine import reader as quarantine_reader
from perch.adapters.quarantine import store as quarantine
from perch.adapters.quarantine.store import Quarantine, QuarantineReader
from perch.adapters.upgrade import Step, copy_of
from perch.contract import AliveEvent, ClockEvent, LostEvent, StateEvent
from perch.delivery.watermark import Watermark
from perch.errors import ContractError, StorageError
from perch.model import Clock, Reason, SensorHealth, SensorKind, State

GOLDEN = Path(__file__).parent / "golden"
WIRE = GOLDEN / "wire-1"
DAY_S = 86_400
W = 1_795_348_800_000
EPOCH, LOST_EPOCH, BOOT = "a" * 32, "c" * 32, "0123456789abcdef"
EVENTS = (
    StateEvent(1, "d01", State.UNKNOWN, 0.5, None, Reason.STARTING, W, 1000, Clock.UNSYNCED),
    StateEvent(2, "r1", State.OCCUPIED, 0.97, 3, Reason.COUNT, W + 1, 1001, Clock.OK),
    StateEvent(3, "d01", State.FREE, 1 / 3, None, Reason.QUIET, W + 2, 1002, Clock.OK),
    AliveEvent(4, W + 60_000, 61_000, Clock.OK),
    ClockEvent(5, BOOT, W - 1000),
    LostEvent(6, LOST_EPOCH, (7, 9), W - 9000, W - 8000, -1, -1, Clock.OK, "outbox-full"),
)


def laid(folder: Path, golden: str) -> Path:
    """Lay down a file of a former form."""
    path = folder / f"{golden.partition('-')[0]}.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript((GOLDEN / f"{golden}.sql").read_text())
    return path


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def holds_its_events(path: Path) -> None:
    with Journal.open(path) as journal, JournalReader(path) as reader:
        assert tuple(entry.event for entry in reader.read(0, 10)) == EVENTS
        assert [entry.sent_mono_ms for entry in reader.read(0, 10)] == [61_500] * 5 + [None]
        assert journal.watermark(Stream("hq", "pi-1", EPOCH)) == Watermark(6)
        assert journal.watermark(Stream("hq", "pi-1", LOST_EPOCH)) == Watermark(0, ((7, 9),))


def holds_its_messages(path: Path) -> None:
    with Quarantine.open(path), QuarantineReader(path) as reader:
        assert [(one.received_ms, one.agent, one.times) for one in reader.read()] == [(1, "hq/pi-1", 1), (2, "", 1)]


def holds_its_key(path: Path) -> None:
    [key] = KeysFile(path.parent).read().keys.values()
    assert (key.name, key.role, key.sites) == ("Lobby", Role.MEMBER, frozenset({"hq"}))


def holds_its_look(path: Path) -> None:
    assert [(look.space, look.people) for look in AuditFile(path.parent).looks("hq")] == [("d01", 1)]


def holds_what_waits(path: Path) -> None:
    was_first = version_of(path) == 1 or copy_of(path, 1).exists()
    with Outbox.open(path) as outbox:
        assert outbox.read(EPOCH, 1, 9) == EVENTS
        [lane] = outbox.lanes()
        assert tuple(lane.settled.missing(1, lane.last)) == (((3, 3), (5, 6)) if was_first else ((1, 6),))
        outbox.purge(0)
        assert outbox.read(EPOCH, 1, 9) == EVENTS


HELD: dict[str, tuple[int, Callable[[Path], None]]] = {
    "journal": (journal_reader.SCHEMA_VERSION, holds_its_events),
    "quarantine": (quarantine_reader.SCHEMA_VERSION, holds_its_messages),
    "api": (api_file.SCHEMA_VERSION, holds_its_key),
    "audit": (audit_file.SCHEMA_VERSION, holds_its_look),
    "outbox": (outbox_file.SCHEMA_VERSION, holds_what_waits),
}
GOLDENS = sorted(path.stem for path in GOLDEN.glob("*.sql"))


@pytest.mark.parametrize("golden", GOLDENS)
def test_a_file_of_any_form_that_was_ever_written_is_read_on(golden: str, tmp_path: Path) -> None:
    kind, _, version = golden.partition("-")
    newest, holds = HELD[kind]
    path = laid(tmp_path, golden)
    holds(path)
    assert version_of(path) == newest
    assert copy_of(path, int(version)).exists() is (int(version) < newest)


def test_names_in_a_journal_of_before_are_let_go_of_when_all_its_events_are(tmp_path: Path) -> None:
    path = laid(tmp_path, "journal-1")
    with Journal.open(path) as journal:
        assert journal.let_go(Bound(W + DAY_S * 1000, W + 3 * DAY_S * 1000, 5), 0).events == 5
        assert journal.knows("d01"), "some event of before may still name it"
        later = StateEvent(7, "r1", State.FREE, 0.5, None, Reason.QUIET, W, 1, Clock.OK)
        stream = Stream("hq", "pi-1", EPOCH)
        journal.append([Run(stream, BOOT, None, W + 2 * DAY_S * 1000, (later,))], {stream: Watermark(7)})
        assert journal.let_go(Bound(W + DAY_S * 1000, W + 3 * DAY_S * 1000, 7), 0).events == 1
        assert [journal.knows(word) for word in ("d01", "r1", BOOT)] == [False, True, True]
        journal.scrub()
    assert b"d01" not in path.read_bytes()


def test_every_form_has_its_golden_file() -> None:
    """Who changes a schema adds a step from the last one, and a file as the new one has it."""
    forms = [f"{kind}-{version}" for kind, (newest, _) in HELD.items() for version in range(1, newest + 1)]
    assert sorted(forms) == GOLDENS


KILLED_AT = [
    (golden, f"{golden.partition('-')[0]}.db/{moment}")
    for golden in ("quarantine-1", "outbox-1", "journal-1")
    for moment in ("copied:1", "written:1", "committed:1")
] + [("quarantine-1", "quarantine.db/written:2")]
OPENERS = {
    "journal": "from perch.adapters.journal.store import Journal as File",
    "quarantine": "from perch.adapters.quarantine.store import Quarantine as File",
    "outbox": "from perch.adapters.outbox.store import Outbox as File",
}


@pytest.mark.parametrize(("golden", "point"), KILLED_AT)
def test_an_upgrade_that_is_killed_anywhere_goes_on_at_the_next_start(golden: str, point: str, tmp_path: Path) -> None:
    path, kind = laid(tmp_path, golden), golden.partition("-")[0]
    program = f"{OPENERS[kind]}\nfrom pathlib import Path\nFile.open(Path({str(path)!r}))"
    environment = {**os.environ, "PERCH_CRASH_AT": point}
    done = subprocess.run([sys.executable, "-c", program], env=environment, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert version_of(path) <= HELD[kind][0]
    HELD[kind][1](path)
    assert version_of(copy_of(path, 1)) == 1


def opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def test_a_disk_that_is_full_in_the_middle_costs_nothing(tmp_path: Path) -> None:
    path = laid(tmp_path, "outbox-1")
    with closing(opened(path)) as db:
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StorageError, match="the disk is full") as refusal:
            upgrade.upgrade(db, path, outbox_file.STEPS)
        assert "free some space" in refusal.value.remedy
    assert version_of(path) == 1
    holds_what_waits(path)


def test_without_room_for_a_copy_a_file_is_brought_up_to_date_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = laid(tmp_path, "quarantine-1")
    with closing(opened(path)) as db:
        upgrade.upgrade(db, path, quarantine.STEPS, room=lambda _: 0)
    assert version_of(path) == 3
    assert "has no room for one" in caplog.text
    assert [one.name for one in tmp_path.iterdir()] == ["quarantine.db"]


def test_of_two_programs_that_bring_a_file_up_to_date_at_once_each_step_is_taken_by_one(tmp_path: Path) -> None:
    path = laid(tmp_path, "quarantine-1")

    def the_other_is_quicker(_: Path) -> int:
        with closing(opened(path)) as other:
            upgrade.upgrade(other, path, quarantine.STEPS)
        return 0

    with closing(opened(path)) as db:
        upgrade.upgrade(db, path, quarantine.STEPS, room=the_other_is_quicker)
    assert version_of(path) == quarantine_reader.SCHEMA_VERSION
    holds_its_messages(path)


def test_a_step_that_fails_leaves_the_file_as_the_step_before_left_it(tmp_path: Path) -> None:
    path = laid(tmp_path, "quarantine-1")

    def fail(db: sqlite3.Connection) -> None:
        db.execute("DROP TABLE tally")
        db.execute("SELECT * FROM nowhere")

    with closing(opened(path)) as db, pytest.raises(StorageError, match="nowhere"):
        upgrade.upgrade(db, path, (quarantine.STEPS[0], Step(2, fail)))
    assert version_of(path) == 2
    holds_its_messages(path)


def test_the_copy_is_what_the_older_version_goes_back_to_and_is_gone_after_a_month(tmp_path: Path) -> None:
    path = laid(tmp_path, "quarantine-2")
    holds_its_messages(path)
    copy = copy_of(path, 2)
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("SELECT agent FROM message ORDER BY id").fetchall() == [("hq/pi-1",), ("",)]
    holds_its_messages(path)
    assert copy.exists()
    old_s = copy.stat().st_mtime - 31 * DAY_S
    os.utime(copy, (old_s, old_s))
    holds_its_messages(path)
    assert not copy.exists()


@pytest.mark.parametrize("kind", HELD)
def test_a_newer_file_is_refused_with_where_it_is_and_what_to_do(kind: str, tmp_path: Path) -> None:
    newest, holds = HELD[kind]
    path = laid(tmp_path, f"{kind}-{newest}")
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StorageError) as refusal:
        holds(path)
    assert re.search(rf"{kind}\.db was written by a newer version of Perch", refusal.value.what)
    assert "upgrade Perch, or restore the backup" in refusal.value.remedy
    assert version_of(path) == 99


def test_who_only_reads_an_older_file_is_told_to_wait_for_its_owner(tmp_path: Path) -> None:
    path = laid(tmp_path, "quarantine-2")
    with pytest.raises(StorageError, match="older version") as refusal:
        QuarantineReader(path)
    assert "start that one first" in refusal.value.remedy


def said(name: str, **more: object) -> bytes:
    """Give a recorded message, with fields that a later 1.x may add."""
    return json.dumps(json.loads((WIRE / f"{name}.json").read_text()) | more).encode()


@pytest.mark.parametrize("more", [{}, {"made_by": "perch 1.9", "deep": {"er": [1]}}])
def test_what_version_1_says_is_understood_with_fields_of_tomorrow_as_well(more: dict[str, object]) -> None:
    batch = contract.parse_up(said("up", **more))
    assert (batch.epoch, batch.boot, batch.sent_mono_ms, batch.events) == (EPOCH, BOOT, 61_500, EVENTS)
    ack = contract.parse_ack(said("ack", **more))
    assert (ack.journal, ack.epoch, ack.upto, ack.have) == (BOOT, EPOCH, 4, ((6, 6), (9, 12)))
    live = contract.parse_state(said("state", **more))
    assert (live.state, live.reason, live.valid_for_ms, live.clock) == (State.FREE, Reason.QUIET, 90_000, Clock.OK)
    will = contract.parse_status(said("will", **more))
    assert (will.online, will.epoch, will.run, will.trouble) == (False, EPOCH, 7, None)


def test_the_first_agents_said_less_of_their_sensors() -> None:
    first = contract.parse_status(said("status-first")).sensors["pir1"]
    assert (first.health, first.kind, first.sign_ms, first.drift_a_day) == (SensorHealth.OK, None, None, None)
    later = contract.parse_status(said("status"))
    assert (later.sensors["door1"].kind, later.sensors["door1"].drift_a_day) == (SensorKind.BEAM_IN, 0.4)
    assert later.trouble == "the disk is full"


def test_what_is_said_today_has_the_words_of_the_record() -> None:
    """An older collector reads what this agent sends, and an older agent what this collector answers."""
    batch = contract.Batch(v=1, epoch=EPOCH, boot=BOOT, sent_mono_ms=61_500, events=EVENTS)
    assert json.loads(contract.build_up("hq", "pi-1", batch).payload) == json.loads(said("up"))
    ack = contract.Ack(v=1, journal=BOOT, epoch=EPOCH, upto=4, have=((6, 6), (9, 12)))
    assert json.loads(contract.build_ack("hq", "pi-1", ack).payload) == json.loads(said("ack"))
    state = contract.build_state("hq", "pi-1", "d01", contract.parse_state(said("state")))
    assert json.loads(state.payload) == json.loads(said("state"))
    known = json.loads(contract.build_status("hq", "pi-1", contract.parse_status(said("status"))).payload)
    assert known == json.loads(said("status"))


@pytest.mark.parametrize("name", ["up", "ack", "state", "status"])
def test_another_major_version_is_refused_by_name_and_never_guessed_at(name: str) -> None:
    parse = getattr(contract, f"parse_{name}")
    with pytest.raises(ContractError) as refusal:
        parse(said(name, v=2))
    assert refusal.value.code == "unsupported-version"


def test_an_event_with_a_reason_of_tomorrow_harms_none_of_its_neighbours() -> None:
    """It goes into quarantine, from where the next version takes it in."""
    batch = json.loads(said("up"))
    batch["events"][1]["reason"] = "telepathy"
    parsed = contract.parse_up(json.dumps(batch).encode())
    assert [type(event) for event in parsed.events][1] is contract.Unreadable
    assert (parsed.events[0], *parsed.events[2:]) == (EVENTS[0], *EVENTS[2:])
