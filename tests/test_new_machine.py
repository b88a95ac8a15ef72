"""New machines: from the wheel to a desk on the page, and back after everything was lost, by what the pages say."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.parts import find_program

ROOT = Path(__file__).parent.parent
NEEDED = ("unshare", "mount", "runuser", "mosquitto", "systemd-sysusers", "openssl")


@pytest.mark.long
def test_a_server_and_two_agents_are_installed_enrolled_seen_revoked_lost_and_restored(tmp_path: Path) -> None:
    missing = [name for name in NEEDED if find_program(name) is None]
    if missing or os.geteuid():
        pytest.skip(f"as root, with {', '.join(NEEDED)}; missing here: {', '.join(missing) or 'root'}")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path)], cwd=ROOT, check=True, capture_output=True
    )
    wheel = next(tmp_path.glob("*.whl"))
    folder = tmp_path / "machine"
    folder.mkdir()
    apart = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    done = subprocess.run(
        [*apart, sys.executable, "-m", "tests.new_machine", str(wheel), str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert len(done.stdout.splitlines()) == 3
