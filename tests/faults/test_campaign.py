"""Nothing is lost, doubled or stale, whatever dies: `perch chaos` on real servers; and it can fail."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import parts

ROOT = Path(__file__).parents[2]
SHORT = {31: 0.2, 5: 0.07}
"""Minutes by seed: the first is long enough for an agent to be gone for longer than its word is good, and for each kind
of fault; the broker of the second forgets everything when it dies."""

LONG = (12, *range(100, 120))


def chaos(folder: Path, seed: int, minutes: float, *more: str) -> tuple[int, dict[str, Any]]:
    """Run a campaign that keeps its files in a folder; gives its exit code and its report."""
    words = ["chaos", "--minutes", str(minutes), "--seed", str(seed), "--keep", str(folder / "chaos"), "--json", *more]
    command = [sys.executable, "-m", "perch.commands", *words]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert run.stdout, run.stderr
    report: dict[str, Any] = json.loads(run.stdout)
    return run.returncode, report


def counts(report: dict[str, Any]) -> dict[str, float]:
    """Give the conservation table."""
    assert "table" in report, report
    return {line["what"]: line["count"] for line in report["table"]}


def assert_was_no_idle_one(report: dict[str, Any]) -> None:
    """Events were accepted, and it was looked at what is shown."""
    table = counts(report)
    assert table["accepted by agents"] > 100
    assert table["looks at what is shown"] > 50


@pytest.fixture(autouse=True)
def _real_servers() -> None:
    if parts.find_mosquitto() is None or parts.find_influxdb() is None:
        pytest.skip("needs mosquitto and InfluxDB 1.8: scripts/get-parts")


@pytest.mark.parametrize(("seed", "minutes"), SHORT.items())
def test_a_short_campaign_conserves_everything(seed: int, minutes: float, tmp_path: Path) -> None:
    code, report = chaos(tmp_path, seed, minutes, "--faults-per-second", "5")
    assert (code, report["ok"]) == (0, True), report
    assert report["faults"]["total"] > minutes * 60
    assert_was_no_idle_one(report)


@pytest.mark.long
@pytest.mark.parametrize("seed", LONG)
def test_a_campaign_conserves_everything(seed: int, tmp_path: Path) -> None:
    code, report = chaos(tmp_path, seed, 0.6)
    assert (code, report["ok"]) == (0, True), report
    assert report["faults"]["total"] > 36
    assert_was_no_idle_one(report)


def test_an_agent_that_takes_the_brokers_word_loses_events(tmp_path: Path) -> None:
    """The negative control: were this one to lose nothing, the campaign would prove nothing."""
    code, report = chaos(tmp_path, 14, 0.1, "--agent-module", "tests.faults.forgetful_agent")
    assert code == 1
    assert counts(report)["accepted − stored − told lost"] > 0
