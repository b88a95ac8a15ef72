"""`perch erase`, while the collector runs and while it does not: gone from all that a server keeps, backups too."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from perch import contract
from perch.adapters.audit_file import AuditFile, Tapped
from perch.adapters.history.store import HistoryReader
from perch.adapters.journal.codec import ErasedEvent
from perch.adapters.journal.store import Journal, JournalReader, Run, Stream
from perch.adapters.quarantine.store import Quarantine, QuarantineReader, Suspect
from perch.contract import AliveEvent, Batch, StateEvent
from perch.delivery.erasing import Erasure
from perch.delivery.watermark import Watermark
from perch.history.looks import Look
from perch.history.source import Stretch
from perch.model import Clock, Reason, State
from tests import parts
from tests.parts import free_port, until
from tests.test_collector import EPOCH, Agent
from tests.test_commands_errands import Server, told

DAY_MS = 86_400_000
FROM, TO = "2026-05-02", "2026-05-04"
BEGUN_MS = 1_777_593_600_000
"""2026-05-01, midnight UTC: where the site is, it is an hour or two later."""
COUNT = 99_991
CANARIES = (b"\xce\x00\x01\x86\x97", b"\x97\x86\x01\x00", b"99991")
STREAM = Stream("hq", "pi-1", EPOCH)
PERIOD = ("--site", "hq", "--space", "d01", "--from", FROM, "--to", TO)


def stated(seq: int, space: str, hours: int, count: int | None = None) -> StateEvent:
    said = State.FREE if count is None else State.OCCUPIED
    at_ms = BEGUN_MS + hours * 3_600_000
    return StateEvent(seq, space, said, 0.5, count, Reason.COUNT, at_ms, hours * 3_600_000, Clock.OK)


EVENTS = (
    stated(1, "d01", 8),
    stated(2, "d02", 9),
    stated(3, "d01", 40, COUNT),
    stated(4, "d02", 41),
    stated(5, "d01", 90),
    AliveEvent(6, BEGUN_MS + 100 * 3_600_000, 100 * 3_600_000, Clock.OK),
)
MARK = Watermark(6)
RECEIVED_MS = BEGUN_MS + 101 * 3_600_000


def up(*events: StateEvent) -> bytes:
    batch = Batch(v=1, epoch=EPOCH, boot="c" * 16, sent_mono_ms=RECEIVED_MS - BEGUN_MS, events=events)
    return contract.build_up("hq", "pi-1", batch).payload


def lived(server: Server) -> None:
    """Let a server have a past."""
    with Journal.open(server.data / "journal.db") as journal:
        journal.append([Run(STREAM, "c" * 16, None, RECEIVED_MS, EVENTS)], {STREAM: MARK})
    with Quarantine.open(server.data / "quarantine.db") as quarantine:
        topic = "perch/v1/hq/pi-1/up"
        payloads = (up(stated(7, "d01", 42, COUNT)), up(stated(7, "d02", 42)))
        quarantine.add([Suspect(BEGUN_MS + 2 * DAY_MS, "conflict", "", topic, payload) for payload in payloads])
    seen_ms = BEGUN_MS + 40 * 3_600_000
    looks = [Tapped(str(n) * 22, "hq", Look(space, seen_ms, 3)) for n, space in enumerate(("d01", "d02"))]
    AuditFile(server.data, 0).add(looks, RECEIVED_MS)


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def is_anywhere(folder: Path) -> bool:
    return any(canary in bytes_of(folder) for canary in CANARIES)


def erased(server: Server) -> list[int]:
    with JournalReader(server.data / "journal.db") as journal:
        return [entry.event.seq for entry in journal.read(0, 100) if isinstance(entry.event, ErasedEvent)]


def shown(server: Server, space: str) -> list[int]:
    """Give the hours at which history knows something of a space."""
    with HistoryReader(server.data / "history.db") as history:
        [rows] = history.read("hq", [Stretch(space, "pi-1", 0, 2**50)])
        return [(ms - BEGUN_MS) // 3_600_000 for ms in rows.time_ms.tolist()]


@pytest.fixture
def server(tmp_path: Path) -> Server:
    server = Server(tmp_path, free_port())
    server.data.mkdir()
    lived(server)
    return server


def test_it_is_said_first_and_done_with_yes(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert is_anywhere(server.data)
    assert server.perch("erase", "space", *PERIOD) == 0
    assert "1 events would lose their content" in capsys.readouterr().out
    assert (erased(server), is_anywhere(server.data)) == ([], True)
    assert server.perch("erase", "space", *PERIOD, "--yes", "--json") == 0
    said = told(capsys)
    assert (said["space"], said["events"], said["looks"]) == ("d01", 1, 1)
    assert erased(server) == [3]
    assert not is_anywhere(server.data)
    assert (shown(server, "d01"), shown(server, "d02")) == ([8, 90], [9, 41])
    assert [look.space for look in AuditFile(server.data).looks("hq")] == ["d02"]
    with QuarantineReader(server.data / "quarantine.db") as quarantine:
        assert len(quarantine.ids()) == 1
    assert server.perch("erase", "list", "--json") == 0
    [one] = told(capsys)["erased"]
    assert (one["site"], one["space"], one["done"]) == ("hq", "d01", True)
    assert one["from"] == "2026-05-01T22:00:00Z" or one["from"].startswith("2026-05-0")
    assert server.perch("erase", "list") == 0
    assert "d01" in capsys.readouterr().out
    assert server.perch("erase", "space", *PERIOD, "--yes", "--json") == 0
    assert told(capsys)["events"] == 0, "twice does no harm"


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        (("--site", "moon"), "there is no site moon"),
        (("--space", "d99"), "neither the layout of hq nor the journal knows a space d99"),
        (("--from", "yesterday"), "is no time"),
        (("--to", "2999-01-01"), "is not over yet"),
        (("--to", "2026-05-02"), "is not before --to"),
    ],
)
def test_what_makes_no_sense_is_refused(
    server: Server, capsys: pytest.CaptureFixture[str], changed: tuple[str, str], what: str
) -> None:
    assert server.perch("erase", "space", *PERIOD, *changed, "--yes") == 2
    assert what in capsys.readouterr().err
    assert erased(server) == []


def test_killed_in_the_midst_of_it_the_next_one_ends_it(server: Server) -> None:
    """Once when it is written down and nothing is done, and once when rows have lost their content uncommitted."""
    line = [sys.executable, "-m", "perch.commands", "erase", "space", *PERIOD, "--yes", "--config"]
    for point in ("journal.db/committed:3", "journal.db/written:3"):
        died = subprocess.run(
            [*line, str(server.folder / "perch.toml")],
            env={**os.environ, "PERCH_CRASH_AT": point},
            capture_output=True,
            check=False,
        )
        assert died.returncode == -signal.SIGKILL, point
        assert erased(server) == []
    with JournalReader(server.data / "journal.db") as journal:
        assert [journal.is_erased(position) for position, _ in journal.erasures()] == [False]
    assert server.perch("erase", "space", *PERIOD, "--yes") == 0
    assert erased(server) == [3]
    assert not is_anywhere(server.data)
    assert shown(server, "d01") == [8, 90]


def test_a_running_collector_does_it_and_what_agents_kept_back_comes_in_without_its_content(
    tmp_path: Path, mosquitto: parts.Broker, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server(tmp_path, mosquitto.port)
    server.data.mkdir()
    lived(server)
    with server.collecting() as collector, Agent(mosquitto) as agent:
        until(collector.hears)
        assert server.perch("erase", "space", *PERIOD, "--yes", "--json") == 0
        assert told(capsys)["events"] == 1
        assert not is_anywhere(server.data)
        agent.send(EVENTS[2])
        agent.send(stated(7, "d01", 43, COUNT), stated(8, "d01", 120))
        until(lambda: agent.heard() == Watermark(8))
        until(lambda: shown(server, "d01") == [8, 90, 120])
    assert collector.failure is None
    assert erased(server) == [3, 7]
    assert not is_anywhere(server.data)


def test_a_collector_that_was_killed_half_way_ends_it_unasked(tmp_path: Path, mosquitto: parts.Broker) -> None:
    server = Server(tmp_path, mosquitto.port)
    server.data.mkdir()
    lived(server)
    with Journal.open(server.data / "journal.db") as journal:
        journal.erase(Erasure("hq", "d01", BEGUN_MS + DAY_MS, BEGUN_MS + 3 * DAY_MS, RECEIVED_MS))
    with server.collecting() as collector:
        until(lambda: erased(server) == [3])
        until(lambda: shown(server, "d01") == [8, 90])
    assert collector.failure is None
    with Journal.open(server.data / "journal.db") as journal:
        assert journal.pending is None


def test_backups_forget_as_well_and_one_that_is_restored_is_told(
    server: Server, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    kept = tmp_path / "backups"
    kept.mkdir()
    assert server.perch("projection", "rebuild", "history") == 0
    assert server.perch("backup", str(kept / "old")) == 0
    assert server.perch("backup", str(kept / "older")) == 0
    assert server.perch("erase", "space", *PERIOD, "--yes") == 0
    assert server.perch("erase", "backups", str(kept)) == 0
    assert "1 events lost their content" in capsys.readouterr().out
    assert not is_anywhere(kept)
    server.data.rename(tmp_path / "gone")
    assert server.perch("restore", str(kept / "old")) == 0
    assert (erased(server), shown(server, "d01"), shown(server, "d02")) == ([3], [8, 90], [9, 41])


def test_a_backup_from_before_is_erased_when_it_is_restored(
    server: Server, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """By the word of a younger backup beside it, or of a list that was kept."""
    kept, elsewhere = tmp_path / "backups", tmp_path / "elsewhere"
    kept.mkdir()
    assert server.perch("projection", "rebuild", "history") == 0
    assert server.perch("backup", str(kept / "before")) == 0
    assert server.perch("backup", str(elsewhere)) == 0
    assert server.perch("erase", "space", *PERIOD, "--yes") == 0
    capsys.readouterr()
    assert server.perch("erase", "list", "--json") == 0
    listed = tmp_path / "erased.json"
    listed.write_text(capsys.readouterr().out)
    assert server.perch("backup", str(kept / "after")) == 0
    for number, words in enumerate(
        ((str(kept / "before"),), (str(elsewhere), "--erased", str(listed)), (str(elsewhere),))
    ):
        server.data.rename(tmp_path / f"gone-{number}")
        assert server.perch("restore", *words) == 0
        said = capsys.readouterr()
        knows = number < 2
        assert ("1 erasure" in said.out) is knows
        assert "erased after" in said.err
        assert is_anywhere(server.data) is not knows
        assert erased(server) == ([3] if knows else [])


@pytest.mark.long
def test_it_is_in_no_row_of_an_influxdb_either(
    tmp_path: Path, mosquitto: parts.Broker, influxdb: parts.Influx, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server(tmp_path, mosquitto.port, f"[influx]\n{influxdb.toml}")
    server.data.mkdir()
    lived(server)

    def rows(name: str = "occupancy") -> list[dict[str, object]]:
        bucket = influxdb.zones_bucket if name == "zone_15min" else influxdb.bucket
        return influxdb.query(f'SELECT * FROM "{name}"', bucket)  # noqa: S608 - names of our own

    def people() -> set[object]:
        return {row["people_ms"] for row in rows("zone_15min")}

    with server.collecting() as collector, Agent(mosquitto) as agent:
        until(collector.hears)
        until(lambda: collector.health().projections["influx"].position == 6, 60)
        assert COUNT in {row.get("people") for row in rows()}
        assert people() > {0}
        known = [row["time"] for row in rows("zone_15min")]
        assert server.perch("erase", "space", *PERIOD, "--yes", "--json") == 0
        assert told(capsys)["events"] == 1
        assert COUNT not in {row.get("people") for row in (*rows(), *rows("statement"))}
        assert people() == {0}
        assert [row["time"] for row in rows("zone_15min")] == known
        states = {row["state"] for row in rows() if int(str(row["time"])) >= (BEGUN_MS + 40 * 3_600_000) * 10**6}
        assert states == {"unknown", "free"}
        agent.send(EVENTS[2])
        agent.send(stated(7, "d01", 43, COUNT), stated(8, "d01", 120))
        until(lambda: agent.heard() == Watermark(8))
        until(lambda: collector.health().projections["influx"].position == 9)
        assert server.perch("projection", "rebuild", "influx") == 0
        assert COUNT not in {row.get("people") for row in (*rows(), *rows("statement"))}
    assert not is_anywhere(server.data)
