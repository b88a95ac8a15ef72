"""`perch chaos`: breaks a whole Perch on purpose, for minutes, and shows that nothing was lost, doubled or stale."""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import click

from perch.chaos import small_disks
from perch.chaos.campaign import Campaign
from perch.chaos.checker import check
from perch.chaos.reckoning import books_of, found
from perch.chaos.report import Report
from perch.chaos.stage import Plan, Programs, Stage
from perch.commands.chaos_rebuild import rebuild
from perch.commands.demo_parts import tied
from perch.commands.examples import ExampleCommand
from perch.commands.output import print_json, warn
from perch.commands.stopping import stop_on_signals
from perch.commands.supervisor import module_command, perch_command
from perch.errors import PerchError
from perch.settings import load_server

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "perch" / "bin"
AGENT = "perch.commands.chaos_agent"


@click.command(cls=ExampleCommand)
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), default=1.0, show_default=True)
@click.option("--seed", type=click.IntRange(0), help="Of the plan; left out: another one each time, and it is said.")
@click.option("--influx", metavar="URL", help="An InfluxDB 1.8 to use; left out: influxd where there is one.")
@click.option("--keep", type=click.Path(path_type=Path), help="A new folder in which everything is left behind.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--agent-module", default=AGENT, hidden=True)
@click.option("--patience", type=float, default=120.0, hidden=True)
@click.option("--faults-per-second", type=click.FloatRange(min=0.1), default=4.0, hidden=True)
def chaos(
    minutes: float,
    seed: int | None,
    influx: str | None,
    keep: Path | None,
    as_json: bool,
    agent_module: str,
    patience: float,
    faults_per_second: float,
) -> int:
    """Example: perch chaos --minutes 5 --seed 7

    Start broker, InfluxDB, agents, collector and API in a temporary folder, kill, freeze, cut, fill and confuse them
    while events flow, make all whole again, and print what became of every event. Exit code 1 where one was lost,
    stored twice or changed, or a space was shown free past its time.
    """
    how, stop = programs(agent_module, influx), stop_on_signals()
    plan = Plan(minutes, secrets.randbelow(1_000_000) if seed is None else seed, faults_per_second, patience_s=patience)
    warn(f"seed {plan.seed}, {minutes:g} minutes")
    disks = small_disks.keep_mounts_to_ourselves()
    folder = Path(tempfile.mkdtemp(prefix="perch-chaos-")) if keep is None else keep.absolute()
    folder.mkdir(parents=True, exist_ok=keep is None)
    try:
        report = run(Stage(folder, how, plan, disks), stop.wait)
    except PerchError as error:
        raise PerchError(f"{error.what} (seed {plan.seed}; everything is in {folder})", error.remedy) from error
    print_json(report.as_json()) if as_json else click.echo(report.as_text())
    if report.good and keep is None:
        shutil.rmtree(folder, ignore_errors=True)
    elif not report.good:
        warn(f"seed {plan.seed} has failed", f"everything is in {folder}")
    return 0 if report.good else 1


def run(stage: Stage, pause: Callable[[float], bool]) -> Report:
    """Run a campaign and judge it; raises PerchError where it cannot be run or does not come to an end."""
    try:
        stage.start()
        campaign = Campaign(stage, pause, warn)
        campaign.rage()
        parts = tuple(stage.parts.values())
        campaign.make_whole()
        stage.reader.stop()
        rebuilt = rebuild(load_server(stage.server_config, {}), stage.folder, stage.data / "journal.db")
        lines = check(found(stage, books_of(stage), rebuilt.named, rebuilt.projections))
        deaths = [death for part in parts for death in part.deaths]
        return Report(stage.plan.seed, stage.plan.minutes, described(stage), campaign.course, lines, deaths)
    finally:
        stage.stop()


def programs(agent_module: str, influx: str | None) -> Programs:
    """Find the programs and say how each is started."""
    mosquitto, influxd = find_mosquitto(), None if influx else find_influxd()
    return Programs(
        agent=lambda config: module_command(agent_module, "--config", str(config))[:-2],
        collector=lambda config: perch_command("collector", "--config", str(config)),
        api=lambda config: perch_command("api", "--config", str(config)),
        mosquitto=None if mosquitto is None else lambda config: tied(mosquitto, "-c", str(config)),
        amqtt=lambda port: module_command("perch.commands.demo_broker", "--port", str(port)),
        influxd=None if influxd is None else lambda config: tied(influxd, "-config", str(config)),
        lent_influx=None if influx is None else lent(influx),
    )


def lent(url: str) -> tuple[str, int]:
    """Read where a lent InfluxDB is; raises click.BadParameter."""
    try:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError
        return parts.hostname, parts.port or 8086
    except ValueError:
        raise click.BadParameter(f"{url} is not like http://127.0.0.1:8086", param_hint="--influx") from None


def described(stage: Stage) -> dict[str, str]:
    """Say what a campaign ran on."""
    kept = "keeps messages" if stage.persistent else "forgets everything when it dies"
    broker = "amqtt" if stage.programs.mosquitto is None else f"mosquitto, {kept}"
    influx = "none" if stage.influx_at is None else "InfluxDB" if "influxdb" in stage.parts else "InfluxDB, lent"
    disks = "small ones" if stage.disks else "not filled (needs root)"
    return {"broker": broker, "InfluxDB": influx, "agents": str(len(stage.agents)), "disks": disks}


def find_mosquitto() -> str | None:
    """Find the broker, in sbin too, which is not on everybody's PATH."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/local/sbin:/usr/sbin")


def find_influxd() -> str | None:
    """Find an InfluxDB 1.8, on PATH or where `scripts/get-parts` puts it."""
    for found_at in (shutil.which("influxd"), shutil.which("influxd", path=str(CACHE))):
        if found_at is not None and _is_1_8([found_at, "version"]):
            return found_at
    return None


def _is_1_8(command: Sequence[str]) -> bool:
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603  # found above
    return "InfluxDB v1.8." in told or "InfluxDB vunknown" in told  # one that was built from source does not know
