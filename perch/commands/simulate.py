"""`perch simulate`: a venue's readings, what Perch makes of them, and who really was there."""

import gzip
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, time, timedelta
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO
from zoneinfo import ZoneInfo

import click

from perch.adapters.tables.csv_files import READINGS, STATES, TRUTH, state_line
from perch.adapters.tables.csv_times import format_time
from perch.commands.examples import ExampleCommand
from perch.errors import PerchError
from perch.model import Reading, is_id
from perch.sensing import offline
from perch.settings.holidays import closed_days
from perch.venue.changes import lived_in
from perch.venue.faults import DeadSensor
from perch.venue.made import made_site
from perch.venue.simulation import Simulation
from perch.venue.written import sensing_toml, site_toml, spaces_csv

LARGE = ("readings.csv.gz", "transitions.csv.gz", "truth.csv.gz")
SMALL = ("site.toml", "spaces.csv", "sensing.toml", "faults.csv", "perch.toml", "agents")
_BROKER = '[broker]\nhost = "127.0.0.1"\n'
DAY_MS = 86_400_000
Day = click.DateTime(["%Y-%m-%d"])


@click.command(cls=ExampleCommand)
@click.option("--spaces", type=click.IntRange(1, 100_000), default=60, show_default=True, help="How many spaces.")
@click.option("--days", type=click.IntRange(1, 3660), default=28, show_default=True, help="How many days.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same venue and people.")
@click.option("--start", type=Day, default="2026-01-05", show_default=True, help="The first day.")
@click.option(
    "--site", "name", default="venue", show_default=True, help="The site's id: another for each of a network."
)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="A folder for the files, new or without them."
)
def simulate(spaces: int, days: int, seed: int, start: datetime, name: str, out: Path) -> None:
    """Example: perch simulate --spaces 60 --days 28 --seed 1 --out venue

    Make up a venue and let people live in it: its configuration (site.toml, spaces.csv, sensing.toml), what its sensors
    read (readings.csv.gz), the transitions that Perch states from that (transitions.csv.gz), who really was there
    (truth.csv.gz) and which sensors were dead or stuck (faults.csv). With perch.toml and agents/ a server and its
    agents can live through it, beside a broker on this machine. People stay away on the country's holidays and between
    Christmas and New Year; from two weeks on the layout changes on the way, with dated rows.
    """
    if not is_id(name):
        raise click.UsageError(
            f"--site {name!r} is no id: a letter or digit, then up to 31 of them or hyphens, lower case"
        )
    site = lived_in(made_site(spaces, seed, name), start.date(), days, seed)
    zone = ZoneInfo(site.time_zone)
    days_after = (datetime.combine(start.date() + timedelta(days=number), time(), zone) for number in (0, days))
    from_ms, until_ms = (int(moment.timestamp()) * 1000 for moment in days_after)
    _prepare(out)
    _write(Simulation(site, from_ms, until_ms, seed, closed_days(site)), out)
    click.echo(f"{out} holds {spaces} spaces over {days} days. Sense it again with:")
    click.echo(f"  perch sense {out / 'readings.csv.gz'} --config {out / 'sensing.toml'}")


def _prepare(folder: Path) -> None:
    """Make the folder; raises PerchError where it holds such files already."""
    folder.mkdir(parents=True, exist_ok=True)
    there = [name for name in (*SMALL, *LARGE) if (folder / name).exists()]
    if there:
        raise PerchError(f"{folder} holds {there[0]} already", "name another folder with --out, or empty this one")


def _write(simulation: Simulation, folder: Path) -> None:
    (folder / "site.toml").write_text(site_toml(simulation.site), "utf-8")
    (folder / "spaces.csv").write_text(spaces_csv(simulation.site), "utf-8")
    (folder / "sensing.toml").write_text(sensing_toml(simulation.spaces, simulation.sensors), "utf-8")
    (folder / "faults.csv").write_text("".join(_fault_lines(simulation)), "utf-8")
    _write_server(simulation, folder)
    with _gzipped(folder / "truth.csv.gz", TRUTH) as truth:
        truth.writelines(f"{format_time(one.time_ms)},{one.space},{one.count}\n" for one in simulation.truth())
    with (
        _gzipped(folder / "readings.csv.gz", READINGS) as readings,
        _gzipped(folder / "transitions.csv.gz", STATES) as states,
    ):
        told = _passing(_counted(simulation), readings)
        for change in offline.changes(simulation.spaces, simulation.sensors, told):
            if change.row:
                states.write(state_line(change.time_ms, change.space, change.occupancy))


def _write_server(simulation: Simulation, folder: Path) -> None:
    """Write what a server and the venue's agents need to live through it."""
    site = simulation.site
    (folder / "perch.toml").write_text(f'data = "server"\nsites = ["site.toml"]\n\n{_BROKER}', "utf-8")
    (folder / "agents").mkdir()
    for agent in site.agents:
        served = {space.id for space in site.spaces if space.agent == agent}
        spaces = [space for space in simulation.spaces if space.id in served]
        sensors = [sensor for sensor in simulation.sensors if sensor.space in served]
        head = f'site = "{site.id}"\nagent = "{agent}"\ndata = "{agent}"\n\n{_BROKER}\n'
        (folder / "agents" / f"{agent}.toml").write_text(head + sensing_toml(spaces, sensors), "utf-8")


def _counted(simulation: Simulation) -> Iterator[Reading]:
    """Show on a terminal how many days are done."""
    days = -(-(simulation.until_ms - simulation.from_ms) // DAY_MS)
    terminal = sys.stderr
    with click.progressbar(length=days, label="Days", file=terminal, hidden=not terminal.isatty()) as bar:
        done = 0
        for reading in simulation.readings():
            yield reading
            if reading.time_ms >= simulation.from_ms + (done + 1) * DAY_MS:
                day = (reading.time_ms - simulation.from_ms) // DAY_MS
                bar.update(day - done)
                done = day
        bar.update(days - done)


def _passing(readings: Iterable[Reading], file: TextIO) -> Iterator[Reading]:
    """Write each reading down as it passes."""
    for reading in readings:
        file.write(f"{format_time(reading.time_ms)},{reading.sensor},{reading.value:g}\n")
        yield reading


def _fault_lines(simulation: Simulation) -> Iterator[str]:
    yield "sensor,fault,from,until\n"
    for fault in simulation.faults:
        what = "dead" if isinstance(fault, DeadSensor) else "stuck"
        yield f"{fault.sensor},{what},{format_time(fault.from_ms)},{format_time(fault.until_ms)}\n"


@contextmanager
def _gzipped(path: Path, header: Sequence[str]) -> Iterator[TextIO]:
    """Open a gzipped CSV file whose bytes depend on nothing but its rows."""
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0) as packed,
        TextIOWrapper(packed, "utf-8", newline="\n") as text,
    ):
        text.write(",".join(header) + "\n")
        yield text
