"""Alerts for Prometheus: checked and played through by its own promtool, and each asks for numbers that exist."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from perch.adapters import age
from perch.adapters.health.collector import CollectorHealth, ProjectionHealth
from perch.adapters.health.collector_metrics import families_of
from perch.adapters.health.exposition import Family, Kind, Sample, text_of
from tests.parts import CACHE

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "deploy/prometheus"
RULES: list[dict[str, Any]] = yaml.safe_load((FOLDER / "perch.rules.yml").read_text("utf-8"))["groups"][0]["rules"]
FUNCTIONS = {"abs", "max", "without", "instance", "job", "increase", "delta", "min_over_time", "and", "m", "h", "up"}


def promtool(*arguments: str, folder: Path = FOLDER, said: str = "") -> subprocess.CompletedProcess[str]:
    program = shutil.which("promtool") or shutil.which("promtool", path=str(CACHE))
    if program is None:
        pytest.skip("promtool is not here: scripts/get-parts gets it")
    return subprocess.run([program, *arguments], cwd=folder, input=said, capture_output=True, text=True, check=False)


def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    told = promtool("check", "rules", "perch.rules.yml")
    assert told.returncode == 0, told.stderr
    assert f"{len(RULES)} rules found" in told.stdout


def test_each_alert_comes_when_it_is_to_come() -> None:
    told = promtool("test", "rules", "perch.rules.test.yml")
    assert told.returncode == 0, told.stdout + told.stderr


def test_no_alert_is_left_out_of_the_play_through() -> None:
    played = yaml.safe_load((FOLDER / "perch.rules.test.yml").read_text("utf-8"))["tests"]
    told = {look["alertname"] for scene in played for look in scene["alert_rule_test"] if look["exp_alerts"]}
    assert told == {rule["alert"] for rule in RULES}


def test_the_play_through_can_fail(tmp_path: Path) -> None:
    for name in ("perch.rules.yml", "perch.rules.test.yml"):
        text = (FOLDER / name).read_text("utf-8")
        (tmp_path / name).write_text(text.replace("perch_agent_online == 0", "perch_agent_online == 2"), "utf-8")
    assert promtool("test", "rules", "perch.rules.test.yml", folder=tmp_path).returncode == 1


def test_promtool_reads_the_example_of_what_to_ask(tmp_path: Path) -> None:
    for name in ("prometheus.yml", "perch.rules.yml"):
        shutil.copy(FOLDER / name, tmp_path)
    told = promtool("check", "config", "--syntax-only", "prometheus.yml", folder=tmp_path)
    assert told.returncode == 0, told.stdout + told.stderr


def test_promtool_finds_nothing_wrong_with_names_and_texts() -> None:
    told = promtool("check", "metrics", said=text_of(of_collector()).decode())
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")
    wrong = Family("perch_waitMilliseconds", Kind.COUNTER, "Wrong.", (Sample({}, 1.0),))
    assert promtool("check", "metrics", said=text_of([wrong]).decode()).returncode != 0


def of_collector() -> list[Family]:
    health = CollectorHealth(
        version="1", written=age.mark(), written_ms=0, started_ms=0, running=True, journal="j", end=7, broker=None,
        waiting=0, overflowed=0, messages=9, events=8, stored=7, repeats=1, quarantined={}, strangers=4,
        stranger_spaces={}, projections={"influx": ProjectionHealth(position=5, lag=2)},
    )  # fmt: skip
    return list(families_of(health, ["hq/pi-1"]))


def shown() -> set[str]:
    """Name all that is shown: by the collector as it runs, by agent and API as their sources name it."""
    sources = [(ROOT / name).read_text("utf-8") for name in ("api/metrics.py", "sensor_agent/metrics.py")]
    named = {name for source in sources for name in re.findall(r'"(perch_[a-z_]+)"', source)}
    return named | {family.name for family in of_collector()}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_an_alert_asks_for_what_is_shown_and_says_what_to_do(rule: dict[str, Any]) -> None:
    asked = set(re.findall(r"[a-z_]+", re.sub(r"\{[^}]*\}|\[[^]]*\]", "", rule["expr"]))) - FUNCTIONS
    assert asked <= shown(), asked
    assert re.fullmatch(r"Perch[A-Za-z]+", rule["alert"])
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert rule["annotations"]["summary"] != rule["annotations"]["description"] != ""


def test_the_page_names_every_alert_and_every_number() -> None:
    page = (ROOT / "docs/prometheus.md").read_text("utf-8")
    for rule in RULES:
        assert rule["alert"] in page
    for name in shown():
        assert name in page, name
