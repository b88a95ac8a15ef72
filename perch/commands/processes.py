"""`perch agent`, `collector`, `api` and `up`: each starts, loops until it is told to stop, and ends in order.

Each imports what it alone needs: an agent is to fit a small machine.
"""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from perch.commands.examples import ExampleCommand
from perch.commands.log_lines import log_to_stderr
from perch.commands.stopping import stop_on_signals, stop_with_parent
from perch.settings import AgentSettings, load_agent

File = click.Path(path_type=Path)
Function = Callable[..., Any]


def _process_options(function: Function) -> Function:
    """Add what every process takes."""
    config = click.option("--config", required=True, type=File, help="Its configuration file.")
    parent = click.option("--end-with-parent", type=int, metavar="PID", hidden=True)
    return config(parent(function))


@click.command(cls=ExampleCommand)
@_process_options
@click.option("--replay", type=File, metavar="READINGS.csv", help="Move the pins by a recording, then end.")
@click.option(
    "--speed", type=click.FloatRange(min=0, min_open=True), help="Times as fast; left out: as fast as it goes."
)
@click.option("--shift-to-now", is_flag=True, help="Replay as if it happened now, at speed 1, to be seen live.")
def agent(
    config: Path, end_with_parent: int | None, replay: Path | None, speed: float | None, shift_to_now: bool
) -> None:
    """Example: perch agent --config agent.toml

    Sense the spaces of one agent and report them. With --replay the pins are mock pins that a recording moves, and
    time is the recording's own.
    """
    from sensor_agent import process

    if replay is None and (speed is not None or shift_to_now):
        raise click.UsageError("--speed and --shift-to-now go with --replay.")
    settings = load_agent(config)
    if replay is None:
        process.run(settings, _stop(end_with_parent))
    else:
        _replay(settings, replay, speed, shift_to_now, end_with_parent)


def _replay(settings: AgentSettings, path: Path, speed: float | None, shift: bool, end_with_parent: int | None) -> None:
    from perch.adapters.tables.csv_files import read_readings, survey_readings
    from perch.commands.doubtful import warn_of_strangers
    from sensor_agent import replay

    if shift and speed not in (None, 1):
        raise click.UsageError("--shift-to-now runs at speed 1: leave --speed out.")
    warn_of_strangers(survey_readings(path).sensors, {sensor.id for sensor in settings.sensing.sensors})
    readings = read_readings(path, {sensor.id for sensor in settings.sensing.sensors})
    stop = _stop(end_with_parent)
    replay.run(settings, readings, stop, speed=1 if shift else speed, shift=shift)


@click.command(cls=ExampleCommand)
@_process_options
@click.option("--sites", metavar="A,B", help="Collect these of its sites only; other collectors have the others.")
def collector(config: Path, end_with_parent: int | None, sites: str | None) -> None:
    """Example: perch collector --config perch.toml

    Store what the agents send in the journal, acknowledge it, and keep history and InfluxDB up to date. With --sites
    several collectors share a network; each has a data folder of its own (PERCH_DATA).
    """
    from collector import process
    from collector.room import await_room
    from perch.settings import load_server

    settings = load_server(config)
    if sites is not None:
        settings = settings.only(frozenset(name.strip() for name in sites.split(",")))
    stop = _stop(end_with_parent)
    await_room(settings.data, stop)
    process.run(settings, stop)


@click.command(cls=ExampleCommand)
@_process_options
@click.option("--replica", is_flag=True, help="Read InfluxDB and the broker alone, and keep nothing.")
def api(config: Path, end_with_parent: int | None, replica: bool) -> None:
    """Example: perch api --config perch.toml

    Serve live states, history and the page over HTTP. With --replica any number of them serve one network.
    """
    from api import process
    from perch.settings import load_server

    settings = load_server(config)
    process.run(settings.as_replica() if replica else settings, _stop(end_with_parent))


@click.command(cls=ExampleCommand)
@_process_options
def up(config: Path, end_with_parent: int | None) -> None:
    """Example: perch up --config perch.toml

    Run collector and API of a one-box venue as child processes, and start again whichever dies.
    """
    from perch.commands.supervisor import perch_command, supervise
    from perch.settings import load_server

    load_server(config)  # every complaint once, before two children find the same
    stop = _stop(end_with_parent)
    supervise({name: perch_command(name, "--config", str(config)) for name in ("collector", "api")}, stop)


def _stop(end_with_parent: int | None) -> threading.Event:
    """Begin to be a process: log to stderr, and stop when told to."""
    log_to_stderr()
    stop = stop_on_signals()
    if end_with_parent is not None:
        stop_with_parent(stop, end_with_parent)
    return stop
