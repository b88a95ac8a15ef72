"""What the page on InfluxDB says can be done there: each question is asked, and each setting is understood."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from perch.commands.dashboards import dashboards
from perch.settings import load_server
from tests.grafana_server import TOKEN, grafana_server
from tests.test_influx_followed import Collected, a_day, collected, dice

__all__ = ["collected", "dice"]

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "influxdb.md").read_text("utf-8")
SITE = """\
[site]
id = "hq"
name = "HQ"
time_zone = "UTC"
country = "PT"
[hours]
mon = "08:00-20:00"
"""


def blocks(language: str, page: str = PAGE) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def test_each_question_on_the_page_has_an_answer(collected: Collected, dice: object) -> None:
    a_day(collected, dice)  # type: ignore[arg-type]
    collected.follow()
    databases = {"zone_15min": collected.influxdb.zones_bucket}
    asked = blocks("sql")
    assert len(asked) == 3
    for question in asked:
        [measurement] = re.findall(r"FROM (\w+)", question)
        database = databases.get(measurement, collected.influxdb.bucket)
        assert collected.influxdb.query(question.replace("\n", " "), database), question


@pytest.mark.parametrize("settings", blocks("toml"))
def test_each_setting_on_the_page_is_understood(tmp_path: Path, settings: str) -> None:
    (tmp_path / "site.toml").write_text(SITE)
    for name in ("influx.token", "influx.password"):
        (tmp_path / name).write_text("secret\n")
    config = tmp_path / "perch.toml"
    told = settings.replace("/etc/perch", str(tmp_path))
    config.write_text(f'data = "{tmp_path}"\nsites = ["site.toml"]\n{told}')
    influx = load_server(config).influx
    assert influx is not None
    assert influx.url == "http://localhost:8086"
    assert (influx.database is None) == ("token_file" in settings)


def test_each_command_on_the_page_about_grafana_does_what_it_says(tmp_path: Path) -> None:
    [commands] = [block for block in blocks("sh", (DOCS / "grafana.md").read_text("utf-8")) if "build" in block]
    for command in commands.splitlines():
        arguments = command.removeprefix("perch dashboards ").split()
        result = CliRunner().invoke(dashboards, [*arguments, "--out", str(tmp_path)])
        assert result.exit_code == 0, result.output


def test_the_command_on_the_page_puts_dashboards_into_a_running_grafana(tmp_path: Path) -> None:
    [block] = [block for block in blocks("sh", (DOCS / "grafana.md").read_text("utf-8")) if "push" in block]
    install, push = block.splitlines()
    assert shlex.split(install, comments=True) == ["pip", "install", ".[grafana]"]
    (tmp_path / "grafana.token").write_text(f"{TOKEN}\n")
    with grafana_server() as grafana:
        told = push.replace("https://grafana.example", grafana.url).replace(
            "grafana.token", f"{tmp_path}/grafana.token"
        )
        result = CliRunner(env={"NO_PROXY": "*"}).invoke(dashboards, shlex.split(told)[2:])
        assert result.exit_code == 0, result.output
        assert len(grafana.dashboards) == 4


def test_every_field_on_the_page_is_in_influxdb_and_the_other_way_round(collected: Collected, dice: object) -> None:
    a_day(collected, dice, hours=2)  # type: ignore[arg-type]
    collected.follow()
    for measurement, database in (
        ("occupancy", collected.influxdb.bucket),
        ("alive", collected.influxdb.bucket),
        ("zone_15min", collected.influxdb.zones_bucket),
    ):
        [line] = [line for line in PAGE.splitlines() if line.startswith("|") and f"`{measurement}`" in line]
        _, _, tags, fields, _, _ = line.split("|")
        said = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`…]+)`", fields))))
        said |= {f"open_{name}" for name in said} if "open_" in fields else set()
        there = collected.influxdb.query(f"SHOW FIELD KEYS FROM {measurement}", database)
        assert {row["fieldKey"] for row in there} == said
        keys = collected.influxdb.query(f"SHOW TAG KEYS FROM {measurement}", database)
        assert {row["tagKey"] for row in keys} == set(re.findall(r"\w+", tags.replace("`", " ")))
