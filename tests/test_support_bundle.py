"""A support bundle holds what somebody who helps needs, and no secret, no event and no state of a space."""

import json
import re
import tarfile
from pathlib import Path

import pytest

from perch import commands
from perch.adapters.journal.reader import SCHEMA_VERSION
from perch.adapters.keys import KeysFile, Role
from perch.adapters.scrubbing import Scrubber
from tests.configurations import agent_toml
from tests.test_backup import CANARY, Server, fill

BOOKED = '\n[[bookings]]\nspace = "s0"\nurl = "https://ann:hunter22@calendar.example/secret-canary.ics?token=1"\n'
NAMED = 'id = "s0"\nname = "Ann Example"\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Server:
    """A server that has lived, with secrets wherever they may be."""
    server = Server(tmp_path_factory.mktemp("server"))
    fill(server)
    key, _ = KeysFile(server.data).create("Facilities", Role.FACILITIES, None, 1)
    site = server.folder / "hq" / "site.toml"
    site.write_text(f"# {CANARY}\n" + site.read_text().replace('id = "s0"\n', NAMED) + BOOKED)
    logs = server.folder / "logs"
    logs.mkdir()
    (logs / "api.log").write_text(
        f"INFO ready\nERROR refused {key}\nERROR login with {CANARY}\nAuthorization: Bearer {'x' * 40}\n"
    )
    return server


def bundle(config: Path, to: Path) -> dict[str, bytes]:
    """Give what is in a bundle."""
    assert commands.run(["support-bundle", "--config", str(config), "-o", str(to)]) == 0
    with tarfile.open(to) as archive:
        return {
            entry.name.removeprefix("perch-support/"): archive.extractfile(entry).read()  # type: ignore[union-attr]
            for entry in archive
        }


@pytest.fixture(scope="module")
def parts(server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return bundle(server.config, tmp_path_factory.mktemp("bundle") / "one.tar.gz")


def test_it_says_what_runs_how_it_is_and_how_large(parts: dict[str, bytes]) -> None:
    assert json.loads(parts["versions.json"])["packages"]["msgspec"]
    findings = {one["part"]: one for one in json.loads(parts["perch/doctor.json"])}
    assert findings["journal"]["what"] == "40 events; whole"
    sizes = json.loads(parts["perch/sizes.json"])
    assert sizes["schemas"]["journal.db"] == SCHEMA_VERSION
    assert sizes["files"]["journal.db"]["bytes"] > 0
    assert b"INFO ready" in parts["logs/api.log"]
    assert b'id = "s0"' in parts["perch/site-1.toml"]
    assert b"password_file" in parts["perch/perch.toml"]


def test_no_secret_no_name_and_no_state_is_in_it(parts: dict[str, bytes]) -> None:
    everything = b"\n".join(parts.values())
    for secret in (CANARY.encode(), b"hunter22", b"secret-canary", b"token=1", b"Ann Example", b"x" * 40):
        assert secret not in everything
    assert not re.search(rb"perch_[0-9a-f]{12}_", everything)
    assert not re.search(rb'occupied|motion|"free"|"held"|quiet', everything)
    assert b"https://calendar.example/(taken out)" in everything
    assert b"ERROR refused (taken out)" in everything


def test_the_file_is_for_its_owner_alone(server: Server, tmp_path: Path) -> None:
    bundle(server.config, tmp_path / "two.tar.gz")
    assert (tmp_path / "two.tar.gz").stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_looked_at_is_named_and_the_rest_is_there(tmp_path: Path) -> None:
    server = Server(tmp_path / "server")
    (server.folder / "hq" / "site.toml").unlink()
    parts = bundle(server.config, tmp_path / "one.tar.gz")
    assert b"no such file" in parts["perch/site-1.toml.missing"]
    assert b"InputError" in parts["perch/doctor.json.missing"]
    assert "versions.json" in parts


def test_an_agent_has_one_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")
    (tmp_path / "agent.toml").write_text(agent_toml(9))
    (tmp_path / "data").mkdir()
    parts = bundle(tmp_path / "agent.toml", tmp_path / "one.tar.gz")
    assert {"versions.json", "agent/doctor.json", "agent/agent.toml", "agent/sizes.json"} <= parts.keys()


@pytest.mark.parametrize(
    ("said", "left"),
    [
        (b"mqtt://ann:secret@b", b"mqtt://(taken out)@b"),
        (b"perch://hq_pi-3:abc@b:8884/x y", b"(taken out) y"),
        (b"whsec_AAAA= x", b"(taken out) x"),
        (b"-----BEGIN PRIVATE KEY-----\nAA\n-----END PRIVATE KEY-----", b"(taken out)"),
        (b"pass-word-1 and pass-word-12", b"(taken out) and (taken out)"),
        (b"on port 8883", b"on port 8883"),
    ],
)
def test_what_looks_like_a_secret_is_taken_out(said: bytes, left: bytes) -> None:
    assert Scrubber([b"pass-word-1", b"pass-word-12", b"on"]).clean(said) == left
