"""How a release is made: what is in it is listed, audited and signed, as `docs/releasing.md` says."""

import json
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from perch import __version__

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "releasing.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
CHECK = PAGE.split("## Checking a release")[1].split("```sh\n")[1].split("```")[0]
SHOWN = PAGE.split("## Checking a release")[1].split("```\n")[2]
AUDIT = runpy.run_path(str(ROOT / "scripts" / "audit-locks"), run_name="audit")
LOCK = "amqtt==0.12.1 \\\n    --hash=sha256:00\nnumpy==2.4.6 ; python_version < '3.12' \\\nnumpy==2.5.5 \\\n"


def pinned(lock: Path) -> dict[tuple[str, str], set[str]]:
    """Give the hashes of each locked package."""
    entries = re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)(.*?)(?=^[a-z]|\Z)", lock.read_text(), re.DOTALL | re.MULTILINE)
    return {(name, version): set(re.findall(r"sha256:([0-9a-f]{64})", rest)) for name, version, rest in entries}


@pytest.mark.parametrize(("lock", "file"), [("demo", "perch.cdx.json"), ("dev", "perch-dev.cdx.json")])
def test_the_list_of_a_release_has_every_locked_package_with_its_hashes(tmp_path: Path, lock: str, file: str) -> None:
    recipe = re.search(r"^sbom := \$\(bin\)/cyclonedx-py (.*)$", MAKEFILE, re.MULTILINE)
    assert recipe
    assert f"$(sbom) -o dist/{file} locks/{lock}.txt" in MAKEFILE
    words = [*shlex.split(recipe.group(1)), "--no-validate", "-o", str(tmp_path / file), f"locks/{lock}.txt"]
    subprocess.run([sys.executable, "-m", "cyclonedx_py", *words], cwd=ROOT, check=True, timeout=120)
    listed = json.loads((tmp_path / file).read_text())
    assert (listed["bomFormat"], listed["metadata"]["component"]["name"]) == ("CycloneDX", "perch-occupancy")
    found = {
        (one["name"], one["version"]): {
            hashed["content"] for there in one["externalReferences"] for hashed in there.get("hashes", ())
        }
        for one in listed["components"]
    }
    assert found == pinned(ROOT / "locks" / f"{lock}.txt")


def audited(*told: dict[str, Any]) -> tuple[list[str], list[str]]:
    missed, vulnerable = AUDIT["verdict"](LOCK, {"dependencies": list(told)})
    return missed, vulnerable


def test_an_audit_that_looked_at_every_package_counts() -> None:
    """Of a package locked once for each of several Pythons, one is looked at."""
    both = ({"name": "aMQTT", "version": "0.12.1", "vulns": []}, {"name": "numpy", "version": "2.4.6", "vulns": []})
    assert audited(*both) == ([], [])


def test_an_audit_that_passed_over_a_package_counts_as_not_run() -> None:
    numpy = {"name": "numpy", "version": "2.4.6", "vulns": []}
    assert audited(numpy) == (["amqtt 0.12.1"], [])
    assert audited(numpy, {"name": "amqtt", "skip_reason": "not found"})[0] == ["amqtt 0.12.1"]
    assert audited(numpy, {"name": "amqtt", "version": "0.12.0", "vulns": []})[0] == ["amqtt 0.12.1"]
    assert audited() == (["amqtt 0.12.1", "numpy 2.4.6", "numpy 2.5.5"], [])


def test_a_vulnerable_package_is_named_with_why() -> None:
    found = {"name": "amqtt", "version": "0.12.1", "vulns": [{"id": "PYSEC-1"}, {"id": "GHSA-2"}]}
    assert audited(found, {"name": "numpy", "version": "2.5.5", "vulns": []}) == ([], ["amqtt 0.12.1: PYSEC-1, GHSA-2"])


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    """A folder of files, signed with a key that is thrown away, and what a user has to check them with."""
    key, folder = tmp_path / "key", tmp_path / "dist"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "releases", "-f", str(key)], check=True)
    folder.mkdir()
    for line in SHOWN.splitlines()[1:]:
        (folder / line.removesuffix(": OK")).write_text(line)
    subprocess.run([ROOT / "scripts" / "sign-release", key, folder], check=True, stderr=subprocess.DEVNULL)
    public = key.with_suffix(".pub").read_text().rsplit(" ", 1)[0]
    (folder / "allowed_signers").write_text(f'releases namespaces="perch-release" {public}\n')
    return folder


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check a release as the page says."""
    return subprocess.run(["sh", "-eu", "-c", CHECK], cwd=folder, capture_output=True, text=True, check=False)


def test_a_signed_release_is_checked_as_the_page_shows(signed: Path) -> None:
    done = check(signed)
    assert done.returncode == 0, done.stderr
    assert re.sub(r"SHA256:\S+", "SHA256:…", done.stdout) == SHOWN


def test_a_changed_file_and_changed_sums_are_noticed(signed: Path) -> None:
    (signed / "perch.cdx.json").write_text("changed")
    assert check(signed).returncode != 0
    sums = subprocess.run(["sha256sum", "perch.cdx.json"], cwd=signed, capture_output=True, check=True).stdout
    (signed / "SHA256SUMS").write_bytes(sums)
    assert "Could not verify" in check(signed).stderr + check(signed).stdout


def test_a_signature_by_another_key_is_refused(signed: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
    for name in ("SHA256SUMS", "SHA256SUMS.sig"):
        (signed / name).unlink()
    (signed / "allowed_signers").rename(tmp_path / "allowed_signers")
    subprocess.run([ROOT / "scripts" / "sign-release", other, signed], check=True, stderr=subprocess.DEVNULL)
    (tmp_path / "allowed_signers").rename(signed / "allowed_signers")
    assert check(signed).returncode != 0


def test_every_target_that_the_page_names_is_there() -> None:
    named = set(map("".join, re.findall(r"^ *make ([a-z][a-z-]+)|`make ([a-z-]+)", PAGE, re.MULTILINE)))
    assert named >= {"release", "audit", "test-long", "test-pythons", "lock"}
    assert named <= set(re.findall(r"^([a-z][a-z-]+):", MAKEFILE, re.MULTILINE))


NAMED = (
    ("docs/tutorial.md", r"^perch (\d\S+)$"),
    ("docs/installers.md", r"perch_occupancy-(\d[^-]*)-py3"),
    ("docs/sensors.md", r"perch_occupancy-(\d[^-]*)-py3"),
    ("docs/releasing.md", r"perch_occupancy-(\d[^-]*)-py3"),
    ("deploy/agent/setup", r"perch_occupancy-(\d[^-]*)-py3"),
    ("deploy/compose/compose.yaml", r"PERCH_VERSION:-([^}]+)\}"),
)


@pytest.mark.parametrize(("file", "pattern"), NAMED)
def test_the_version_that_a_page_names_is_this_one(file: str, pattern: str) -> None:
    assert {*re.findall(pattern, (ROOT / file).read_text(), re.MULTILINE)} == {__version__}
