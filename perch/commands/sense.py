"""`perch sense`: the estimator over a recording, or two configurations over the same one."""

import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import click

from perch.adapters.tables.csv_files import STATES, Survey, both_line, read_readings, state_line, survey_readings
from perch.commands.doubtful import warn_of, warn_of_deaf, warn_of_strangers
from perch.commands.examples import ExampleCommand
from perch.commands.progress import Progress
from perch.errors import Complaint, InputError
from perch.model import Reading, State
from perch.sensing import offline
from perch.sensing.beside import Comparison, beside
from perch.sensing.doubts import Doubts
from perch.settings import SensingSettings, load_sensing

LARGE_BYTES = 5_000_000
BESIDE = (*STATES, "state_beside", "probability_beside", "count_beside")

Span = click.FloatRange(min=0, min_open=True, max=366 * 86_400)
File = click.Path(path_type=Path)


@click.command(cls=ExampleCommand)
@click.argument("readings", metavar="READINGS.csv…", nargs=-1, required=True, type=File)
@click.option("--config", required=True, type=File, help="A sensing.toml, or an agent.toml.")
@click.option("--step", type=Span, metavar="SECONDS", help="A row for every space each so many seconds.")
@click.option("--beside", "other", type=File, metavar="OTHER.toml", help="Show what another configuration makes of it.")
def sense(readings: tuple[Path, ...], config: Path, step: float | None, other: Path | None) -> None:
    """Example: perch sense READINGS.csv --config sensing.toml > STATES.csv

    Turn recorded readings (time,sensor,value; may be gzipped; several files follow one another) into states
    (time,space,state,probability,count), with the estimator that the agents run. Without --step there is a row for each
    transition. With --beside there is a row whenever either of two configurations changes its mind, and at the end a
    summary of how far they differ.
    """
    if other is not None and step is not None:
        raise click.UsageError("--step and --beside cannot be used together")
    sensing = load_sensing(config)
    second = None if other is None else load_sensing(other)
    recording = Recording(readings)
    known = {sensor.id for one in (sensing, second) if one is not None for sensor in one.sensors}
    warn_of_strangers(recording.sensors, known)
    warn_of_deaf(sensing.spaces, sensing.sensors)
    sys.stdout.write(",".join(STATES if second is None else BESIDE) + "\n")
    if second is not None:
        _beside(recording, sensing, second)
        return
    doubts, passing = _doubted(recording, sensing)
    with _progress() as progress:
        counted = progress.counted(passing, recording.rows, "readings")
        sys.stdout.writelines(_lines(sensing, counted, step))
    warn_of(doubts)


def _progress() -> Progress:
    """Show how far it is, but not on a terminal that the rows are written to: they show that it goes on."""
    return Progress(io.StringIO() if sys.stdout.isatty() else None)


class Recording:
    """Files of readings that follow one another, looked through before they are used."""

    def __init__(self, paths: Sequence[Path]) -> None:
        surveys = [(path, self._survey(path)) for path in paths]
        self._paths = [path for path, survey in sorted(surveys, key=lambda pair: pair[1].first_ms or 0)]
        found = dict(surveys)
        for path, after in pairwise(path for path in self._paths if found[path].rows):
            if (found[after].first_ms or 0) < (found[path].last_ms or 0):
                what = f"it begins before {path} ends"
                raise InputError((Complaint(str(after), what, "give files that follow one another"),))
        self.rows = sum(survey.rows for survey in found.values())
        self.last_ms = max((survey.last_ms for survey in found.values() if survey.last_ms is not None), default=0)
        self.sensors = frozenset().union(*(survey.sensors for survey in found.values()))

    def readings(self, sensors: set[str]) -> Iterator[Reading]:
        """Give the readings of these sensors in order of time."""
        for path in self._paths:
            yield from read_readings(path, sensors)

    def _survey(self, path: Path) -> Survey:
        with Progress() as progress:
            if path.is_file() and path.stat().st_size > LARGE_BYTES:
                progress.say(f"looking through {path} first")
            return survey_readings(path)


def _doubted(recording: Recording, sensing: SensingSettings) -> tuple[Doubts, Iterator[Reading]]:
    """Give the readings of a configuration's sensors, and what will be wrong with them once they have passed."""
    doubts = Doubts(sensing.spaces, sensing.sensors)
    return doubts, doubts.passing(recording.readings(set(doubts.heard)))


def _lines(sensing: SensingSettings, readings: Iterable[Reading], step: float | None) -> Iterator[str]:
    if step is None:
        for change in offline.changes(sensing.spaces, sensing.sensors, readings):
            if change.row:
                yield state_line(change.time_ms, change.space, change.occupancy)
        return
    step_ms = max(1, round(step * 1000))
    for time_ms, space, said in offline.steps(sensing.spaces, sensing.sensors, readings, step_ms):
        yield state_line(time_ms, space, said)


def _beside(recording: Recording, sensing: SensingSettings, other: SensingSettings) -> None:
    (doubts, readings), (others, same) = (_doubted(recording, each) for each in (sensing, other))
    compared: dict[str, Comparison] = {}
    with _progress() as progress:
        counted = progress.counted(readings, recording.rows, "readings")
        one = offline.changes(sensing.spaces, sensing.sensors, counted)
        two = offline.changes(other.spaces, other.sensors, same)
        for both in beside(one, two):
            sys.stdout.write(both_line(both.time_ms, both.space, both.one, both.other))
            compared.setdefault(both.space, Comparison()).add(both)
    for space, comparison in compared.items():
        comparison.let_pass(recording.last_ms)
        click.echo(_summary(space, comparison), err=True)
    warn_of(doubts, others)


def _summary(space: str, comparison: Comparison) -> str:
    sides = []
    for sums in (comparison.one, comparison.other):
        whole = sum(sums.in_state_ms.values()) or 1
        shares = (f"{100 * sums.in_state_ms.get(state, 0) / whole:.1f} % {state}" for state in State)
        sides.append(f"{', '.join(shares)}, changes: {sums.changes}")
    return f"{space}: {sides[0]}; beside: {sides[1]}; {comparison.differ_ms / 60_000:.1f} min differ"
