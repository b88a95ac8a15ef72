"""`perch sense`: the estimator over a recording."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from perch.adapters.csv_files import STATES, Survey, read_readings, state_line, survey_readings
from perch.commands.examples import ExampleCommand
from perch.commands.output import warn
from perch.commands.progress import Progress
from perch.model import Reading
from perch.sensing import offline
from perch.settings import SensingSettings, load_sensing

LARGE_BYTES = 5_000_000

Span = click.FloatRange(min=0, min_open=True, max=366 * 86_400)


@click.command(cls=ExampleCommand)
@click.argument("readings", metavar="READINGS.csv", type=click.Path(path_type=Path))
@click.option("--config", required=True, type=click.Path(path_type=Path), help="A sensing.toml, or an agent.toml.")
@click.option("--step", type=Span, metavar="SECONDS", help="A row for every space each so many seconds.")
def sense(readings: Path, config: Path, step: float | None) -> None:
    """Example: perch sense READINGS.csv --config sensing.toml > STATES.csv

    Turn recorded readings (time,sensor,value; may be gzipped) into states (time,space,state,probability,count), with
    the estimator that the agents run. Without --step there is a row for each transition.
    """
    sensing = load_sensing(config)
    with Progress() as progress:
        if readings.is_file() and readings.stat().st_size > LARGE_BYTES:
            progress.say(f"looking through {readings} first")
        survey = survey_readings(readings)
    warn_of_strangers(survey, sensing)
    known = read_readings(readings, {sensor.id for sensor in sensing.sensors})
    sys.stdout.write(",".join(STATES) + "\n")
    if sys.stdout.isatty():  # the rows themselves show that it goes on
        sys.stdout.writelines(_lines(sensing, known, step))
        return
    with Progress() as progress:
        sys.stdout.writelines(_lines(sensing, progress.counted(known, survey.rows, "readings"), step))


def warn_of_strangers(survey: Survey, sensing: SensingSettings) -> None:
    """Say once which sensors of a recording are ignored because the configuration does not list them."""
    strangers = sorted(survey.sensors - {sensor.id for sensor in sensing.sensors})
    if strangers:
        names = ", ".join(strangers[:5]) + (f" and {len(strangers) - 5} more" if len(strangers) > 5 else "")
        warn(f"rows of sensors that the configuration does not list are ignored: {names}")


def _lines(sensing: SensingSettings, readings: Iterable[Reading], step: float | None) -> Iterator[str]:
    if step is None:
        for change in offline.changes(sensing.spaces, sensing.sensors, readings):
            if change.row:
                yield state_line(change.time_ms, change.space, change.occupancy)
        return
    step_ms = max(1, round(step * 1000))
    for time_ms, space, said in offline.steps(sensing.spaces, sensing.sensors, readings, step_ms):
        yield state_line(time_ms, space, said)
