"""What an operator gets wrong between machines: each is refused or survived, with one clear message."""

import os
import shutil
import socket
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from collector.room import await_room
from perch.adapters.journal.store import Journal, Run, Stream
from perch.adapters.mqtt.connection import Connection
from perch.chaos import small_disks
from perch.commands import run
from perch.commands.doctor import show
from perch.commands.output import print_table, warn
from perch.contract import Publication
from perch.delivery.watermark import Watermark
from perch.doctor.findings import fault
from perch.errors import InputError
from perch.settings import Broker, load_agent, load_server, load_site
from tests import parts
from tests.configurations import agent_toml, site_toml
from tests.parts import LOOPBACK, until
from tests.test_collector import Agent, Running, collecting, settings, state

SERVER = 'data = "data"\nsites = ["hq.toml"]\n[broker]\nport = {port}\nusername = "server"\npassword_file = "server"\n'

# Half-written configuration.


@pytest.mark.parametrize("name", ["agent.toml", "perch.toml", "hq.toml"])
def test_a_configuration_that_was_cut_anywhere_is_read_or_refused_by_its_name(name: str, tmp_path: Path) -> None:
    """As a full disk or a power cut leaves what an editor wrote."""
    (tmp_path / "server").write_text("secret")
    texts = {"agent.toml": agent_toml(1883), "perch.toml": SERVER.format(port=1), "hq.toml": site_toml("", "hq")}
    for other, text in texts.items():
        (tmp_path / other).write_text(text)
    loads = {"agent.toml": load_agent, "perch.toml": load_server, "hq.toml": load_site}
    load: Callable[[Path], object] = loads[name]  # type: ignore[assignment]  # who takes more needs no more
    load(tmp_path / name)
    refusals = [refusal(load, tmp_path / name, texts[name][:end]) for end in range(0, len(texts[name]), 7)]
    told = [error for error in refusals if error is not None]
    assert len(told) > len(refusals) / 3
    assert all(name in one.where and one.what and one.remedy for error in told for one in error.complaints)


def refusal(load: Callable[[Path], object], path: Path, text: str) -> InputError | None:
    path.write_text(text)
    try:
        load(path)
    except InputError as error:
        return error
    return None


def test_a_process_that_is_started_with_half_a_configuration_ends_with_2_and_says_which(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With 2 nobody starts it again and again."""
    (tmp_path / "half.toml").write_text('site = "hq"\nagent = "pi-')
    for process in ("agent", "collector", "api", "up"):
        assert run([process, "--config", str(tmp_path / "half.toml")]) == 2
        assert "half.toml" in capsys.readouterr().err


# The wrong broker.


@contextmanager
def answering(*words: bytes, stays: bool) -> Iterator[int]:
    """Something that listens and is no broker: says a word to each who comes and speaks, and hangs up, or stays."""
    with socket.create_server((LOOPBACK, 0)) as server:
        held: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    wire, _ = server.accept()
                except OSError:
                    return
                wire.recv(1_000)
                for word in words:
                    wire.sendall(word)
                held.append(wire)
                if not stays:
                    wire.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for wire in held:
                wire.close()


@pytest.mark.parametrize(
    "words", [(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",), (b"SSH-2.0-x\r\n",), ()]
)
def test_what_is_no_broker_is_named_with_where_it_is(words: tuple[bytes, ...]) -> None:
    with answering(*words, stays=False) as port:
        with Connection(Broker(port=port), "x", subscriptions=["a"], on_message=lambda _: None) as connection:
            told = until(lambda: connection.problem)
        assert told is not None
        assert told.what == f"what answers at {LOOPBACK}:{port} ends the connection before it says a word of MQTT"
        assert "host and port under [broker]" in told.remedy


# Two servers with one identity.


@pytest.mark.long
def test_two_collectors_from_copies_of_one_data_folder_each_say_so(
    mosquitto: parts.Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They have one journal's id, and so one name at the broker, which lets one of them in at a time."""
    (tmp_path / "one").mkdir()
    first, second = (settings(tmp_path / name, mosquitto) for name in ("one", "two"))
    with collecting(first):
        pass
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    with Running(first), Running(second):
        until(lambda: len(said(caplog)) == 2, 30)
        assert all("with a copy of its data folder" in one for one in said(caplog))
    assert len(said(caplog)) == 2, "once each, however often they put each other out"


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged of a rival."""
    told = (record.getMessage() for record in caplog.records if record.name.startswith("collector"))
    return [one for one in told if "another client" in one]


# Another one's journal.


@pytest.mark.parametrize(
    "spoilt",
    [
        "UPDATE stream SET have = x'ff'",
        "UPDATE stream SET upto = 'many'",
        "UPDATE run SET body = 'words'",
        "UPDATE run SET stream = 99",
        "UPDATE run SET position = 9223372036854775807",
        "UPDATE word SET word = word + 100",
    ],
)
def test_a_journal_that_no_collector_wrote_is_refused_with_what_to_do(
    spoilt: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = Stream("hq", "pi-1", "e" * 32)
    with Journal.open(tmp_path / "old.db") as source:
        source.append([Run(stream, "b" * 16, None, 0, (state(1),))], {stream: Watermark(1)})
    with closing(sqlite3.connect(tmp_path / "old.db")) as db, db:
        db.execute(spoilt)
    (tmp_path / "hq.toml").write_text(site_toml("", "hq"))
    (tmp_path / "perch.toml").write_text('data = "data"\nsites = ["hq.toml"]\n')
    words = ["journal", "take-over", str(tmp_path / "old.db"), "--site", "hq"]
    assert run([*words, "--config", str(tmp_path / "perch.toml")]) == 1
    [what, remedy] = capsys.readouterr().err.splitlines()
    assert "old.db holds what no collector stores" in what
    assert "perch restore" in remedy


# A full disk.


def test_a_collector_waits_for_room_and_says_so_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Instead of being started again every few seconds, for as long as it is full."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    caplog.set_level("INFO", "collector.room")
    small_disks.mount(tmp_path, 4_096)
    stop = threading.Event()
    try:
        await_room(tmp_path / "data", stop)
        assert caplog.records == []
        small_disks.fill(tmp_path)
        waiting = threading.Thread(target=await_room, args=(tmp_path / "data", stop))
        waiting.start()
        until(lambda: caplog.records)
        small_disks.release(tmp_path)
        waiting.join(10)
        assert not waiting.is_alive()
        assert [one.levelname for one in caplog.records] == ["ERROR", "INFO"]
    finally:
        stop.set()
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


# What others write, on the operator's terminal.


@pytest.mark.parametrize(
    "evil", ["\x1b]0;owned\x07", "\x9b31m", "\rok     broker", "\nok     broker", "\u202edesrever", "\x00"]
)
def test_what_an_agent_says_of_itself_commands_nobodys_terminal(evil: str, capsys: pytest.CaptureFixture[str]) -> None:
    show([fault("agents", f"hq/pi-1: trouble{evil}", f"mend it{evil}")])
    print_table(("agent", "why"), [("hq/pi-1", f"why{evil}")])
    warn(f"message 7 stays: {evil}", "see it")
    told = "".join(capsys.readouterr())
    assert evil not in told
    assert len(told.splitlines()) <= 6 + evil.count("\n")
    assert all(letter == "\n" or letter.isprintable() for letter in told)


# How much is said of it.


def test_hundreds_of_bad_messages_are_one_line_in_the_log(
    mosquitto: parts.Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with collecting(settings(tmp_path, mosquitto)) as collector, Agent(mosquitto) as agent:
        for number in range(300):
            agent.publish(Publication("perch/v1/hq/pi-1/up", b"no json %d" % number))
        until(lambda: collector.health().quarantined.get("undecodable") == 300)
    assert len([one for one in caplog.records if "quarantine" in one.getMessage()]) == 1
