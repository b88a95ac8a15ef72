"""A backup is whole or not there, is made beside a working collector, and an empty server goes on from it."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from perch import commands
from perch.adapters.audit_file import AuditFile
from perch.adapters.backup import database_copy
from perch.adapters.backup.making import BROKER_FILES
from perch.adapters.history.store import HistoryReader
from perch.adapters.journal.store import Entry, Journal, JournalReader
from perch.adapters.keys import KeysFile, Role
from perch.adapters.quarantine.store import Quarantine, QuarantineReader, Suspect
from tests.configurations import site_toml
from tests.test_projection_history import append, event

SPACE = '[[space]]\nid = "s0"\nfloor = "f1"\nzone = "open"\nkind = "desk"\nagent = "pi-1"\n'
CANARY = "canary-7f3a9e"
DAY = datetime(2026, 11, 23, 2, tzinfo=UTC)


class Server:
    """A server's folders and its command line."""

    def __init__(self, folder: Path, site: str = "hq") -> None:
        self.folder = folder
        (folder / site).mkdir(parents=True)
        (folder / site / "site.toml").write_text(
            site_toml(SPACE, site).replace('name = "F', 'plan = "f1.svg"\nname = "F')
        )
        (folder / site / "f1.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"><g id="space-s0"/></svg>')
        (folder / "broker.password").write_text(CANARY)
        self.config = folder / "perch.toml"
        broker = '[broker]\nusername = "server"\npassword_file = "broker.password"\n'
        broker += '[enrolment]\nfolder = "broker"\nhost = "broker.hq.example"\n'
        self.config.write_text(f'data = "data"\nsites = ["{site}/site.toml"]\n{broker}')
        self.data = folder / "data"

    def perch(self, *words: str, code: int = 0) -> None:
        assert commands.run([*words, "--config", str(self.config)]) == code

    def entries(self) -> list[Entry]:
        with JournalReader(self.data / "journal.db") as reader:
            return reader.read(0, 10_000)

    @property
    def journal(self) -> str:
        with JournalReader(self.data / "journal.db") as reader:
            return reader.id


def fill(server: Server, events: int = 40) -> None:
    """Let a server have lived: events and their history, a key, a look, a message in quarantine."""
    with Journal.open(server.data / "journal.db") as journal:
        append(journal, [event(number) for number in range(1, events + 1)])
    KeysFile(server.data).create("Lobby", Role.MEMBER, None, 1)
    AuditFile(server.data).purge(0)
    with Quarantine.open(server.data / "quarantine.db") as quarantine:
        quarantine.add([Suspect(1, "undecodable", "no JSON", "perch/v1/hq/pi-1/up", b"x")])
    server.perch("projection", "rebuild", "history")
    (server.folder / "broker").mkdir()
    for name in (*BROKER_FILES, "agents.passwords"):
        (server.folder / "broker" / name).write_text(f"{name} of {server.folder}")


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Server:
    server = Server(tmp_path_factory.mktemp("server"))
    fill(server)
    return server


@pytest.fixture(scope="module")
def kept(lived: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of it."""
    path = tmp_path_factory.mktemp("backups") / "monday"
    lived.perch("backup", str(path))
    return path


@pytest.fixture
def copied(kept: Path, tmp_path: Path) -> Path:
    """A copy of the backup that a test may spoil."""
    return Path(shutil.copytree(kept, tmp_path / "copied"))


@pytest.fixture
def empty(tmp_path: Path) -> Server:
    """The same server, without data."""
    return Server(tmp_path / "new")


def test_an_empty_server_goes_on_from_a_backup_under_a_new_journal_id(
    lived: Server, kept: Path, empty: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    empty.perch("restore", str(kept))
    assert "holds the 40 events of 20" in capsys.readouterr().out
    assert empty.entries() == lived.entries()
    assert empty.journal != lived.journal
    assert list(KeysFile(empty.data).read().keys) == list(KeysFile(lived.data).read().keys)
    with QuarantineReader(empty.data / "quarantine.db") as reader:
        assert len(reader.ids()) == 1
    assert sorted(path.name for path in empty.data.iterdir()) == [
        *("api.db", "history.db", "journal.db", "quarantine.db"),
    ]


def test_history_is_not_made_anew_but_goes_on_where_the_backup_ends(kept: Path, empty: Server) -> None:
    empty.perch("restore", str(kept))
    with closing(HistoryReader(empty.data / "history.db")) as history:
        cursor = history.cursor()
    assert cursor is not None
    assert cursor == (empty.journal, 40)
    assert not cursor.is_void(empty.journal, 40)


def test_a_copy_is_of_one_moment_though_events_are_stored_after_each_page_of_it(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "journal.db") as journal:
        append(journal, [event(number) for number in range(1, 3_001)])
        shown: list[tuple[int, int]] = []

        def store_one_more(done: int, total: int) -> None:
            append(journal, [event(journal.end + 1)])
            shown.append((done, total))
            assert len(shown) < 10_000, "it begins anew whenever something is stored"

        database_copy.copy_database(tmp_path / "journal.db", tmp_path / "copy.db", store_one_more, pages=1)
        assert journal.end == 3_000 + len(shown)
    assert len(shown) > 10
    assert shown[-1][0] == shown[-1][1] == (tmp_path / "copy.db").stat().st_size
    with JournalReader(tmp_path / "copy.db") as reader:
        assert [entry.position for entry in reader.read(0, 10_000)] == list(range(1, 3_001))


def test_copying_leaves_the_log_of_a_journal_to_its_writer(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "journal.db") as journal:
        append(journal, [event(1)])
        before = (tmp_path / "journal.db").read_bytes(), (tmp_path / "journal.db-wal").read_bytes()
        database_copy.copy_database(tmp_path / "journal.db", tmp_path / "copy.db")
        assert before == ((tmp_path / "journal.db").read_bytes(), (tmp_path / "journal.db-wal").read_bytes())
    with JournalReader(tmp_path / "copy.db") as reader:
        assert reader.end() == 1


def test_no_secret_of_the_configuration_is_in_a_backup_and_it_says_so(
    kept: Path, lived: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lived.perch("backup", str(tmp_path / "again"))
    assert f"{lived.folder / 'broker.password'} is not in it" in capsys.readouterr().err
    files = [path for path in kept.rglob("*") if path.is_file()]
    assert {str(path.relative_to(kept)) for path in files} == {
        *("manifest.json", "config/perch.toml", "config/hq/site.toml", "config/hq/f1.svg"),
        *("data/journal.db", "data/history.db", "data/api.db", "data/quarantine.db"),
        *(f"broker/{name}" for name in BROKER_FILES),
    }
    assert not [path for path in files if CANARY.encode() in path.read_bytes()]
    assert {path.stat().st_mode & 0o077 for path in (kept, *kept.rglob("*")) if path.name != "manifest.json"} == {0}


def test_a_new_machine_gets_the_configuration_as_well(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "etc" / "perch.toml"
    config.parent.mkdir()
    assert commands.run(["restore", str(kept), "--config", str(config)]) == 0
    assert "broker.password was not in the backup" in capsys.readouterr().err
    assert (config.parent / "hq" / "f1.svg").exists()
    assert (config.parent / "data" / "journal.db").exists()
    (config.parent / "broker.password").write_text("another")
    assert commands.run(["projection", "rebuild", "history", "--config", str(config)]) == 0


def test_agents_find_the_broker_that_they_know_and_who_was_revoked_since_is_a_warning(
    kept: Path, lived: Server, empty: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    empty.perch("restore", str(kept))
    said = capsys.readouterr()
    assert "run perch agents prepare" in said.out
    assert "revoked after 20" in said.err
    for name in BROKER_FILES:
        path = empty.folder / "broker" / name
        assert path.read_bytes() == (lived.folder / "broker" / name).read_bytes()
        assert path.stat().st_mode & 0o777 == 0o600
    assert not (empty.folder / "broker" / "agents.passwords").exists()


def test_who_may_come_in_now_is_never_replaced_by_who_might_then(kept: Path, empty: Server) -> None:
    (empty.folder / "broker").mkdir()
    (empty.folder / "broker" / "roster.json").write_text("newer")
    empty.perch("restore", str(kept))
    assert [path.name for path in (empty.folder / "broker").iterdir()] == ["roster.json"]
    assert (empty.folder / "broker" / "roster.json").read_text() == "newer"


def test_a_backup_may_be_one_file(
    lived: Server, empty: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "night.tar"
    lived.perch("backup", str(archive))
    assert archive.stat().st_mode & 0o777 == 0o600
    lived.perch("backup", str(archive), code=1)
    assert "is there already" in capsys.readouterr().err
    empty.perch("restore", str(archive))
    assert empty.entries() == lived.entries()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "night.tar"]


@pytest.mark.parametrize("length", [0, 700, 20_000])
def test_an_archive_that_was_cut_is_refused(
    length: int, lived: Server, empty: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "night.tar"
    lived.perch("backup", str(archive))
    archive.write_bytes(archive.read_bytes()[:length])
    empty.perch("restore", str(archive), code=1)
    assert len(capsys.readouterr().err.splitlines()[-1].split()) > 2
    assert not (empty.data / "journal.db").exists()


def test_an_archive_puts_nothing_outside_of_its_folder(empty: Server, tmp_path: Path) -> None:
    archive = tmp_path / "evil.tar"
    with tarfile.open(archive, "w") as packed:
        for name in ("../evil", "/evil", "backup/../../evil", "backup/config/../../../evil"):
            entry = tarfile.TarInfo(name)
            entry.size = 4
            packed.addfile(entry, io.BytesIO(b"evil"))
        link = tarfile.TarInfo("backup/config/link")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        packed.addfile(link)
    empty.perch("restore", str(archive), code=1)
    assert not list(tmp_path.rglob("evil"))


def spoil_manifest(backup: Path, **changed: Any) -> None:
    path = backup / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def bump_schema(backup: Path) -> None:
    files = json.loads((backup / "manifest.json").read_text())["files"]
    spoil_manifest(backup, files=[one | ({"schema": 99} if "journal" in one["path"] else {}) for one in files])


def name_a_file_outside(backup: Path) -> None:
    files = json.loads((backup / "manifest.json").read_text())["files"]
    spoil_manifest(backup, files=[*files, files[0] | {"path": "config/../../evil"}])


def flip_a_bit(backup: Path) -> None:
    path = backup / "data" / "journal.db"
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)


SPOILED: dict[str, tuple[Callable[[Path], object], str]] = {
    "form": (lambda path: spoil_manifest(path, format=2), "was made by a newer Perch"),
    "schema": (bump_schema, "was made by a newer Perch"),
    "sites": (lambda path: spoil_manifest(path, sites=["port"]), "is of the site port"),
    "bit": (flip_a_bit, "journal.db is damaged"),
    "cut": (lambda path: (path / "data" / "journal.db").write_bytes(b"short"), "not as long as it was"),
    "gone": (lambda path: (path / "data" / "journal.db").unlink(), "is missing"),
    "manifest": (lambda path: (path / "manifest.json").unlink(), "is no backup of Perch"),
    "half a manifest": (lambda path: (path / "manifest.json").write_bytes(b'{"format": 1,'), "is damaged"),
    "outside": (name_a_file_outside, "names files that no backup has"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_backup_that_will_not_do_is_refused_with_what_to_do(
    name: str, copied: Path, empty: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, said = SPOILED[name]
    spoil(copied)
    empty.perch("restore", str(copied), code=1)
    [what, remedy] = capsys.readouterr().err.splitlines()
    assert said in what
    assert len(remedy.split()) > 2
    assert not (empty.data / "journal.db").exists()
    assert not (empty.folder.parent / "evil").exists()


def test_what_is_in_a_data_folder_is_never_overwritten(
    lived: Server, kept: Path, empty: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    empty.data.mkdir()
    (empty.data / "journal.db").write_bytes(b"newer")
    empty.perch("restore", str(kept), code=1)
    assert "is not empty: journal.db" in capsys.readouterr().err
    assert (empty.data / "journal.db").read_bytes() == b"newer"
    with Journal.open(lived.data / "journal.db"):
        lived.perch("restore", str(kept), code=1)
    assert "a collector is running" in capsys.readouterr().err


def crashing(point: str, *words: str) -> None:
    """Run a command that is killed at a point."""
    done = subprocess.run(
        [sys.executable, "-m", "perch.commands", *words],
        env={**os.environ, "PERCH_CRASH_AT": point},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_a_restore_that_was_killed_half_way_is_simply_run_again(kept: Path, empty: Server) -> None:
    crashing("restore/moved:2", "restore", str(kept), "--config", str(empty.config))
    assert not (empty.data / "journal.db").exists()
    empty.perch("restore", str(kept))
    assert len(empty.entries()) == 40
    assert not (empty.data / ".restoring").exists()


def test_a_backup_that_was_killed_is_none_and_the_next_one_clears_it_away(lived: Server, tmp_path: Path) -> None:
    target = tmp_path / "night"
    crashing("backup/whole:1", "backup", str(target), "--config", str(lived.config))
    assert [path.name for path in tmp_path.iterdir()] == [".night.part"]
    lived.perch("backup", str(target))
    assert [path.name for path in tmp_path.iterdir()] == ["night"]


def test_a_folder_of_backups_keeps_the_newest(lived: Server, tmp_path: Path) -> None:
    for day in (20, 21, 22):
        (tmp_path / f"perch-2025-11-{day}T02-00-00Z").mkdir()
        (tmp_path / f"perch-2025-11-{day}T02-00-00Z" / "manifest.json").write_text("{}")
    (tmp_path / "perch-notes").mkdir()
    lived.perch("backup", str(tmp_path), "--keep", "2")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names[0] == "perch-2025-11-22T02-00-00Z"
    assert names[1].startswith("perch-20")
    assert names[2:] == ["perch-notes"]
    lived.perch("backup", str(tmp_path / "new"), "--keep", "2", code=2)


def test_a_backup_stands_though_an_older_one_cannot_be_let_go(
    lived: Server, kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stuck, older = (tmp_path / f"perch-2025-11-{day}T02-00-00Z" for day in (20, 21))
    stuck.symlink_to(kept)  # what root made may not be removed by the service's user either
    shutil.copytree(kept, older)
    capsys.readouterr()
    lived.perch("backup", str(tmp_path), "--keep", "1", code=1)
    said = capsys.readouterr()
    (made,) = set(tmp_path.iterdir()) - {stuck}
    assert f"{made} holds 40 events and was read back" in said.out
    assert f"{made} is made and whole; 1 that should go cannot be removed: {stuck}" in said.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder that another user cannot remove")
def test_what_root_backs_up_among_the_services_backups_is_the_services(tmp_path: Path) -> None:
    server, backups, elsewhere = Server(tmp_path / "server"), tmp_path / "backups", tmp_path / "usb"
    fill(server, 1)
    for folder in (backups, elsewhere):
        folder.mkdir()
    for path in (server.data, backups):
        os.chown(path, 4711, 4712)
    server.perch("backup", str(backups))
    server.perch("backup", str(elsewhere / "monday"))
    (made,) = backups.iterdir()
    assert {(one.stat().st_uid, one.stat().st_gid) for one in (made, *made.rglob("*"))} == {(4711, 4712)}
    assert (elsewhere / "monday").stat().st_uid == 0


def test_a_damaged_journal_makes_no_backup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = Server(tmp_path / "server")
    fill(server)
    path = server.data / "journal.db"
    body = bytearray(path.read_bytes())
    body[4096:8192] = bytes(4096)
    path.write_bytes(body)
    server.perch("backup", str(tmp_path / "bad"), code=1)
    assert "is damaged" in capsys.readouterr().err
    assert not [one for one in tmp_path.iterdir() if "bad" in one.name]


def test_a_backup_needs_room_and_a_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = Server(tmp_path / "server")
    server.perch("backup", str(tmp_path / "none"), code=1)
    assert "no collector has ever written" in capsys.readouterr().err
    fill(server)
    server.perch("backup", str(tmp_path / "missing" / "one"), code=1)
    assert "cannot be written: No such file or directory" in capsys.readouterr().err
    server.perch("backup", str(server.folder / "hq" / "site.toml"), code=1)
    assert "is there already" in capsys.readouterr().err
