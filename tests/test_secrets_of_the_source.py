"""No secret comes with Perch: none in its source, none that two installations share."""

import re
import subprocess
from pathlib import Path

from perch import commands

ROOT = Path(__file__).parents[1]
SECRET = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\n[A-Za-z0-9+/=\n]{80}"
    rb"|(?:ghp_|github_pat_|glpat-|xox[bp]-|AKIA)[A-Za-z0-9_-]{16}"
    rb"|eyJ[A-Za-z0-9_-]{20,}\.eyJ[A-Za-z0-9_-]{20,}\."
)
NAMED = re.compile(r"(?i)\b(?:password|passwd|secret|token|api_?key)\b\s*[:=]\s*[\"']?([A-Za-z0-9+/_-]{12,})")


def committed(*kinds: str) -> list[Path]:
    """Give the files of the source, of some kinds alone."""
    told = subprocess.run(["git", "ls-files", "-z", *kinds], cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for name in told.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def test_no_key_and_no_token_is_in_the_source() -> None:
    files = committed()
    assert len(files) > 500
    assert [path.name for path in files if SECRET.search(path.read_bytes())] == []


def test_no_password_is_in_what_is_deployed() -> None:
    """Configurations name files in which passwords are, or variables."""
    found = {
        (path.name, word)
        for path in committed("deploy", "examples")
        if path.suffix != ".json"
        for word in NAMED.findall(path.read_text("utf-8", errors="replace"))
    }
    assert {one for one in found if not one[1].isupper()} == set()


def test_no_two_installations_share_a_secret(tmp_path: Path) -> None:
    words = ("--site", "hq", "--name", "HQ", "--time-zone", "UTC", "--host", "b.hq.example", "--program", "/bin/true")
    secrets = []
    for name in ("one", "two"):
        assert commands.run(["install", "server", *words, "--root", str(tmp_path / name)]) == 0
        secrets.append((tmp_path / name / "etc" / "perch" / "server.password").read_text().strip())
    assert secrets[0] != secrets[1]
    assert all(len(secret) >= 43 for secret in secrets), "256 random bits"
