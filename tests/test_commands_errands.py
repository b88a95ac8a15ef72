"""`perch quarantine` and `perch projection`, while the collector runs and while it does not."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from collector.influx.rows import MEASUREMENTS
from collector.replay import DISCARDED_AT_ONCE
from perch import commands, contract
from perch.adapters.errands import Answer, Errands, Rebuild, Replay
from perch.adapters.history.store import HistoryReader
from perch.adapters.influx.query import Bucket
from perch.adapters.influx.writing import LATEST_MS, InfluxWriter, Written
from perch.adapters.journal.store import Journal, Run, Stream
from perch.adapters.quarantine.store import Quarantine, QuarantineReader, Suspect
from perch.adapters.sqlite import claim
from perch.commands.errands import have_done, show_progress
from perch.contract import AliveEvent, Event, StateEvent
from perch.delivery.watermark import Watermark
from perch.errors import UnavailableError
from perch.model import Clock, Reason, State
from perch.settings import Influx, load_server
from tests import parts
from tests.parts import free_port, until
from tests.test_collector import CONFIG, SITE, Agent, Running, entries, state
from tests.test_intake import up

UP = "perch/v1/hq/pi-1/up"


class Server:
    """A server's folder, and its command line; a collector runs there or not."""

    def __init__(self, folder: Path, port: int, influx: str = "") -> None:
        self.folder = folder
        (folder / "site.toml").write_text(SITE)
        (folder / "perch.toml").write_text(CONFIG.format(port=port) + influx)
        self.data = folder / "data"

    def perch(self, *arguments: str) -> int:
        return commands.run([*arguments, "--config", str(self.folder / "perch.toml")])

    def collecting(self) -> Running:
        return Running(load_server(self.folder / "perch.toml"))

    def keep(self, *suspects: Suspect) -> None:
        """Put messages into quarantine while no collector runs."""
        with Quarantine.open(self.data / "quarantine.db") as quarantine, Journal.open(self.data / "journal.db"):
            quarantine.add(suspects)

    def quarantined(self) -> list[int]:
        with QuarantineReader(self.data / "quarantine.db") as reader:
            return reader.ids()

    def waiting(self) -> list[int]:
        """Give the numbers of good events in quarantine."""
        with QuarantineReader(self.data / "quarantine.db") as reader:
            kept = [message.payload for message in reader.read(limit=1_000) if message.payload.startswith(b"{")]
        return [event.seq or 0 for payload in kept for event in contract.parse_up(payload).events]


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path, free_port())


@pytest.fixture
def running(tmp_path: Path, mosquitto: parts.Broker) -> Iterator[Server]:
    """A server whose collector runs."""
    server = Server(tmp_path, mosquitto.port)
    server.keep(Suspect(1_790_000_000_123, "undecodable", "it could not be read", UP, up(state(1)).payload))
    server.keep(Suspect(1_790_000_000_456, "undecodable", "no JSON", UP, b"\xffnonsense\n"))
    with server.collecting() as collector:
        until(collector.hears)
        yield server
    assert collector.failure is None


def out(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def told(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(out(capsys))


def test_the_quarantine_is_listed_with_why_and_how_each_message_begins(
    running: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert running.perch("quarantine", "list") == 0
    head, newest, older = out(capsys).splitlines()
    assert head.split() == ["id", "received", "(UTC)", "code", "agent", "bytes", "why", "payload"]
    assert newest.split() == [
        "2",
        "2026-09-21",
        "14:13:20",
        "undecodable",
        "hq/pi-1",
        "10",
        "no",
        "JSON",
        r"\xffnonsense·",
    ]
    assert older.endswith("…")
    assert running.perch("quarantine", "list", "--json", "--limit", "1", "--agent", "hq/pi-1") == 0
    listed = told(capsys)
    assert (listed["count"], len(listed["items"])) == (2, 1)
    assert listed["items"][0]["received"] == "2026-09-21T14:13:20.456Z"
    assert running.perch("quarantine", "list", "--code", "conflict") == 0
    assert out(capsys) == "No such message is there.\n"


def test_a_running_collector_takes_messages_in_once_more(running: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert running.perch("quarantine", "replay", "--all", "--json") == 0
    outcome = told(capsys)
    assert outcome == {
        "messages": 2,
        "taken_in": 1,
        "stored": 1,
        "known": 0,
        "stay": [{"id": 2, "code": "undecodable", "why": outcome["stay"][0]["why"]}],
    }
    assert [entry.event for entry in entries(running.data)] == [state(1)]
    assert running.quarantined() == [2]
    assert list((running.data / "errands").iterdir()) == []


def test_without_a_collector_the_same_is_done_in_its_stead(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.keep(
        Suspect(1, "undecodable", "?", UP, up(state(1)).payload), Suspect(2, "undecodable", "?", UP, b"no JSON")
    )
    assert server.perch("quarantine", "replay", "1", "2") == 0
    said = capsys.readouterr()
    assert said.out == "1 of 2 messages were taken in: 1 events stored, 0 were known already.\n"
    assert "message 2 stays, undecodable" in said.err
    assert [entry.event for entry in entries(server.data)] == [state(1)]


def test_messages_that_are_of_no_use_are_discarded_for_good(
    running: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert running.perch("quarantine", "discard", "2") == 0
    assert out(capsys) == "1 of 1 message left the quarantine for good.\n"
    assert running.quarantined() == [1]
    assert running.perch("quarantine", "discard", "--code", "undecodable", "--json") == 0
    assert told(capsys) == {"messages": 1, "discarded": 1}
    assert running.quarantined() == []
    assert running.perch("quarantine", "discard", "--all") == 0
    assert entries(running.data) == []


def test_without_a_collector_they_are_discarded_in_its_stead_however_many(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    many = 2 * DISCARDED_AT_ONCE + 1
    server.keep(
        *(Suspect(number, "undecodable", "?", UP, b"") for number in range(many)), Suspect(1, "x", "?", UP, b"")
    )
    assert server.perch("quarantine", "discard", "--code", "undecodable") == 0
    assert out(capsys) == f"{many} of {many} messages left the quarantine for good.\n"
    assert server.quarantined() == [many + 1]


CRASHES = [
    ("journal.db/written", 3),
    ("journal.db/committed", 3),
    ("quarantine.db/written", 3),
    ("quarantine.db/committed", 4),
]


def test_killed_while_it_takes_messages_in_once_more_it_takes_each_in_once_and_loses_none(server: Server) -> None:
    """Beside good ones there are messages that stay; a collector that is killed amidst them goes on at its start."""
    bad = [f"no JSON {number}".encode() for number in range(10)]
    good = [up(state(seq)).payload for seq in range(1, 200)]
    server.keep(*(Suspect(1, "undecodable", "?", UP, payload) for payload in (*good[:90], *bad, *good[90:])))
    for point, times in CRASHES:
        line = [sys.executable, "-m", "perch.commands", "quarantine", "replay", "--all", "--config"]
        died = subprocess.run(
            [*line, str(server.folder / "perch.toml")],
            env={**os.environ, "PERCH_CRASH_AT": f"{point}:{times}"},
            stdout=subprocess.DEVNULL,
            check=False,
        )
        assert died.returncode == -signal.SIGKILL, point
        stored = [entry.event.seq for entry in entries(server.data)]
        assert len(stored) == len(set(stored))
        assert {*stored, *server.waiting()} == {*range(1, 200)}
    Errands(server.data).prepare()
    Errands(server.data).leave(Replay(tuple(server.quarantined())))
    with server.collecting():
        until(lambda: len(server.quarantined()) == len(bad))
    assert [entry.event for entry in entries(server.data)] == [state(seq) for seq in range(1, 200)]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["quarantine", "replay"], 2, "Name messages by their ids"),
        (["quarantine", "discard"], 2, "Name messages by their ids"),
        (["quarantine", "discard", "7"], 2, "message 7: is not in the quarantine"),
        (["quarantine", "discard", "--code", "undecided"], 2, "code undecided: no message of the quarantine is of it"),
        (["quarantine", "replay", "1", "--all"], 2, "Name messages by their ids"),
        (["quarantine", "replay", "7", "8"], 2, "message 8: is not in the quarantine"),
        (["projection", "rebuild", "influx"], 2, "there is no InfluxDB"),
        (["projection", "rebuild", "zones"], 2, "zones"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(
    server: Server, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    server.keep(Suspect(1, "undecodable", "?", UP, b""))
    assert server.perch(*arguments) == code
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["quarantine", "list"], ["quarantine", "replay", "--all"], ["projection", "rebuild"]]
)
def test_a_folder_in_which_no_collector_ever_wrote_is_told(
    server: Server, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert server.perch(*arguments) == 1
    assert "no collector has ever written" in capsys.readouterr().err


def history_of(data: Path) -> list[Any]:
    with HistoryReader(data / "history.db") as reader:
        return [reader.cursor(), reader.epochs("hq"), reader.horizon("hq")]


def test_history_is_made_anew_while_the_collector_runs_and_after(
    running: Server, mosquitto: parts.Broker, capsys: pytest.CaptureFixture[str]
) -> None:
    with Agent(mosquitto) as agent:
        agent.send(*map(state, range(1, 60)))
        agent.heard()
    until(lambda: history_of(running.data)[0].position == 59)
    before = history_of(running.data)
    assert running.perch("projection", "rebuild", "history", "--json") == 0
    assert told(capsys) == {"rebuilt": [{"projection": "history", "events": 59, "rows": 0}]}
    assert history_of(running.data) == before


@pytest.mark.parametrize("runs", [True, False])
def test_a_rebuild_that_waits_for_an_influxdb_that_is_away_ends_with_what_to_do(
    mosquitto: parts.Broker, tmp_path: Path, runs: bool
) -> None:
    influx = f'[influx]\nurl = "http://127.0.0.1:{free_port()}"\ndatabase = "p"\nzones_database = "z"\n'
    server = Server(tmp_path, mosquitto.port, influx)
    server.keep()
    with server.collecting() if runs else nullcontext():
        if runs:
            until((server.data / "collector.json").exists)
        with pytest.raises(UnavailableError) as told:
            have_done(load_server(tmp_path / "perch.toml"), Rebuild("influx"), lambda _: None, waits_s=1)
    assert told.value.what.startswith("nothing has moved for 1 s: InfluxDB at http://127.0.0.1:")
    assert "see to that, then run this again" in told.value.remedy
    assert Errands(server.data).names() == [] if runs else True


def test_a_collector_that_ends_for_good_while_it_is_asked_is_stood_in_for(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.keep(Suspect(1, "undecodable", "?", UP, up(state(1)).payload))
    codes: list[int] = []
    with claim(server.data / "journal.db"):
        Errands(server.data).prepare()
        asking = threading.Thread(target=lambda: codes.append(server.perch("quarantine", "replay", "--all")))
        asking.start()
        until(Errands(server.data).names)
    asking.join(20)
    assert codes == [0]
    assert "1 of 1 messages were taken in" in out(capsys)
    assert Errands(server.data).names() == []


def test_a_collector_that_is_started_again_while_it_is_asked_answers_all_the_same(
    server: Server, mosquitto: parts.Broker, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever asks while it is away for a moment is not told to end it, or to choose another folder."""
    server = Server(server.folder, mosquitto.port)
    server.keep(Suspect(1, "undecodable", "?", UP, up(state(1)).payload))
    codes: list[int] = []
    asking = threading.Thread(target=lambda: codes.append(server.perch("quarantine", "replay", "--all")))
    with claim(server.data / "journal.db"):
        Errands(server.data).prepare()
        asking.start()
        until(Errands(server.data).names)
    with server.collecting():
        asking.join(20)
    assert codes == [0]
    assert "1 of 1 messages were taken in" in out(capsys)


QUARTER_MS = 900_000
MORNING_MS = 1_989_000 * QUARTER_MS


def a_morning(data: Path) -> None:
    """Sixteen quarter hours of a desk, in the journal."""
    with Journal.open(data / "journal.db") as journal:
        stream = Stream("hq", "pi-1", "e" * 32)
        events: list[Event] = []
        for quarter in range(16):
            ms = MORNING_MS + quarter * QUARTER_MS
            taken = State.OCCUPIED if quarter % 3 else State.FREE
            reason = Reason.MOTION if quarter % 3 else Reason.QUIET
            events.append(StateEvent(len(events) + 1, "d01", taken, 0.5, None, reason, ms + 60_000, 1, Clock.OK))
            events.append(AliveEvent(len(events) + 1, ms + QUARTER_MS, 1, Clock.OK))
        run = Run(stream, "b" * 16, None, MORNING_MS + 17 * QUARTER_MS, tuple(events))
        journal.append([run], {stream: Watermark(len(events))})


def rows(influxdb: parts.Influx) -> dict[str, list[dict[str, Any]]]:
    """All that comes from the journal, by measurement."""
    where = {Bucket.SPACES: influxdb.bucket, Bucket.ZONES: influxdb.zones_bucket}
    return {name: influxdb.query(f"SELECT * FROM {name}", where[bucket]) for name, bucket in MEASUREMENTS}  # noqa: S608


def damage(influxdb: parts.Influx) -> None:
    """Take rows away, write nonsense over others, and put some there that are nobody's."""
    ms = MORNING_MS + 5 * QUARTER_MS
    strays = [
        f"occupancy,site=hq,floor=f1,zone=open,kind=desk,space=d01 free=9i {MORNING_MS}000001",
        f"occupancy,site=elsewhere,space=x free=1i {ms}000000",
        f"alive,site=hq,agent=ghost mark=1i {ms}000000",
    ]
    with InfluxWriter(influxdb.settings) as writer:
        writer.delete(Bucket.SPACES, "occupancy", ms, LATEST_MS, {})
        writer.delete(Bucket.ZONES, "zone_15min", 0, ms, {})
        assert writer.write(Bucket.SPACES, strays) == Written()


def in_toml(influx: Influx) -> str:
    """Write the settings of an InfluxDB of either version as a table of perch.toml."""
    told = {name: value for name, value in asdict(influx).items() if value is not None}
    if influx.database is not None:
        del told["bucket"], told["zones_bucket"]
    return "".join(["\n[influx]\n", *(f'{name} = "{value}"\n' for name, value in told.items())])


def test_rows_of_influxdb_are_made_anew_over_whatever_is_there(
    mosquitto: parts.Broker, influxdb: parts.Influx, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows are missing, wrong, or nobody's: afterwards they are what they were, while the collector runs and after."""
    server = Server(tmp_path, mosquitto.port, in_toml(influxdb.settings))
    a_morning(server.data)
    with server.collecting() as collector:
        until(lambda: collector.hears() and collector.health().projections["influx"].lag == 0)
        right = rows(influxdb)
        assert {name: len(found) > 10 for name, found in right.items()} == dict.fromkeys(right, True)
        damage(influxdb)
        assert rows(influxdb) != right
        assert server.perch("projection", "rebuild", "influx") == 0
        assert "influx holds all 32 events of the journal, " in out(capsys)
        assert rows(influxdb) == right
    damage(influxdb)
    assert server.perch("projection", "rebuild") == 0
    assert out(capsys).splitlines()[0] == "history holds all 32 events of the journal."
    assert rows(influxdb) == right


def test_an_errand_waits_for_its_turn_and_over_a_restart_and_is_answered_once(tmp_path: Path) -> None:
    errands = Errands(tmp_path)
    errands.prepare()
    first, second = errands.leave(Replay((1, 2))), errands.leave(Rebuild("history"))
    left = Errands(tmp_path)
    assert [(name, left.read(name)) for name in left.names()] == [(first, Replay((1, 2))), (second, Rebuild("history"))]
    assert (errands.is_next(first), errands.is_next(second)) == (True, False)
    errands.tell(first, Answer(done=False, taken=1, total=2))
    assert errands.answer(first) == Answer(done=False, taken=1, total=2)
    errands.tell(first, Answer(done=True, taken=2, total=2))
    assert errands.names() == [second]
    errands.withdraw(first)
    assert errands.answer(first) is None
    errands.withdraw(second)
    assert errands.names() == []


def test_what_an_errand_waits_for_is_told_once_also_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show = show_progress("events")
    for taken in range(3):
        show(Answer(done=False, taken=taken, total=9, waits="InfluxDB does not answer"))
    assert capsys.readouterr().err == "perch: it waits: InfluxDB does not answer\n"
