"""The containers: a compose file that compose understands, in which nobody is root and no secret stands.

No container is started here: that takes an engine, which a machine that tests need not have.
"""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from perch.settings import load_server
from tests.parts import find_program

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "deploy" / "compose"
HOST = "perch.hq.example"
SCHEMA = Path("/usr/lib/python3/dist-packages/compose/config/compose_spec.json")
"""As Debian's docker-compose has it."""


@pytest.fixture(scope="module")
def composed() -> dict[str, Any]:
    """The file as it stands, anchors resolved."""
    found: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    return found


def services(composed: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found = sorted(composed["services"].items())
    assert [name for name, _ in found] == ["api", "collector", "grafana", "influxdb", "mosquitto", "perch", "proxy"]
    return found


def test_the_file_keeps_to_the_compose_specification(composed: dict[str, Any]) -> None:
    from jsonschema import Draft7Validator  # takes seconds

    if not SCHEMA.exists():
        pytest.skip("docker-compose, which brings the schema, is not installed: scripts/get-parts gets it")
    schema = json.loads(SCHEMA.read_text())
    assert [error.message for error in Draft7Validator(schema).iter_errors(composed)] == []
    wrong = {**composed, "services": {"one": {"imagge": "x"}}}
    assert list(Draft7Validator(schema).iter_errors(wrong))


@pytest.mark.long
def test_compose_understands_the_file(composed: dict[str, Any]) -> None:
    program = find_program("docker-compose")
    if program is None:
        pytest.skip("docker-compose is not installed: scripts/get-parts gets it")
    done = subprocess.run(
        [program, "-f", str(FOLDER / "compose.yaml"), "config"],
        env={**os.environ, "PERCH_HOST": HOST},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout)["services"].keys() == composed["services"].keys()


def test_every_container_is_confined_watched_and_of_a_named_version(composed: dict[str, Any]) -> None:
    for name, one in services(composed):
        assert one["user"] == "10001:10001", name
        assert one["read_only"] is True, name
        assert one["cap_drop"] == ["ALL"], name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert one.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else []), name
        assert "test" in one["healthcheck"] or name == "perch", name
        assert "privileged" not in one, name
        assert re.search(r":[0-9]+\.|:\$\{PERCH_VERSION:-[0-9]", one["image"]), name


def test_secrets_are_files_and_nothing_but_the_broker_and_the_proxy_listens(composed: dict[str, Any]) -> None:
    for name, one in services(composed):
        told = " ".join(map(str, one.get("environment", {}).items())).lower()
        assert not re.search(r"password'?, '(?!/run/secrets/)", told.replace("password__file", "password")), name
        assert ("ports" in one) is (name in {"mosquitto", "proxy"}), name
    assert composed["networks"]["inside"] == {"internal": True}
    assert all(Path(one["file"]).parent == Path("secrets") for one in composed["secrets"].values())


def test_all_that_is_mounted_or_copied_is_in_the_repository(composed: dict[str, Any]) -> None:
    made = {"data", "secrets"}
    for name, one in services(composed):
        for volume in one.get("volumes", ()):
            mounted = Path(volume.partition(":")[0])
            assert mounted.parts[0] in made or (FOLDER / mounted).exists(), (name, volume)
    for line in (FOLDER / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists(), line
                assert f"!{source.partition('/')[0]}" in (ROOT / ".dockerignore").read_text().splitlines()


def test_the_configuration_in_the_containers_is_a_whole_one(tmp_path: Path) -> None:
    text = (FOLDER / "config" / "perch.toml").read_text()
    for place in ("/run/secrets", "/var/lib/perch", "/etc/mosquitto/perch"):
        text = text.replace(place, str(tmp_path))
    for name in ("server_password", "influx_password"):
        (tmp_path / name).write_text("x")
    folder = tmp_path / "hq"
    folder.mkdir()
    (folder / "site.toml").write_text((FOLDER / "config" / "hq" / "site.toml").read_text())
    (tmp_path / "perch.toml").write_text(text)
    settings = load_server(tmp_path / "perch.toml", {})
    assert settings.api.url == f"https://{HOST}"
