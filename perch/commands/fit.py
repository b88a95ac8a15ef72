"""`perch fit`: sensor models from labels."""

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import click

from perch.adapters.tables.csv_files import read_readings, read_truth, survey_readings
from perch.adapters.tables.csv_times import format_time
from perch.commands.doubtful import warn_of, warn_of_strangers
from perch.commands.examples import ExampleCommand
from perch.commands.fit_account import account_values, print_account
from perch.commands.output import print_json, warn
from perch.commands.progress import Progress
from perch.errors import Complaint, InputError
from perch.model import Reading
from perch.sensing.doubts import Doubts
from perch.sensing.fit import Fit, fit
from perch.sensing.labels import HOLDS_MS, Label, Lesson, Span, contradictions, cut, spans_of
from perch.settings import SensingSettings, load_sensing
from perch.settings.amended import amended
from perch.settings.files import read_text, toml_values
from perch.settings.learned import learned_sensor_values, learned_space_values

MINUTE_MS = 60_000
LEAST_MINUTES = 5
LEAST_OF_ONE_KIND_MINUTES = 60
MOST_READINGS = 10_000_000
MOST_NAMED = 5

Minutes = click.FloatRange(min=0.5, max=7 * 1440)


@click.command("fit", cls=ExampleCommand)
@click.argument("pairs", metavar="READINGS.csv TRUTH.csv ...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--config", required=True, type=click.Path(path_type=Path), help="A sensing.toml, or an agent.toml.")
@click.option(
    "--label-minutes",
    type=Minutes,
    default=HOLDS_MS / MINUTE_MS,
    show_default=True,
    help="A label holds until the next one, but for so many minutes at most. Give 1440 for a TRUTH that has a row for "
    "each change only.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="What was learned as JSON on stdout, instead of the configuration."
)
def fit_command(pairs: tuple[Path, ...], config: Path, label_minutes: float, as_json: bool) -> None:
    """Example: perch fit READINGS.csv TRUTH.csv --config sensing.toml > fitted.toml

    Learn from people who looked: TRUTH has time,space,count, in any amount from ten minutes on; more READINGS and TRUTH
    may follow as pairs. On stdout is the configuration with what was learned, which `perch sense` and `perch agent`
    take; on stderr, what was learned, how sure it is, and whether it is better on labels that were kept back. Where it
    is not, the factory's numbers stay.
    """
    sensing = load_sensing(config)
    files = _paired(pairs)
    with Progress() as progress:
        progress.say("reading")
        recordings = _recordings(files, sensing, round(label_minutes * MINUTE_MS))
        fits = {
            space.id: fit(space, sensing.sensors, recordings[space.id], _teller(progress, space.id))
            for space in sensing.spaces
            if recordings.get(space.id)
        }
    if as_json:
        print_json({"ok": True, "spaces": [account_values(one) for one in fits.values()]})
        return
    print_account(fits.values())
    sys.stdout.write(fitted_toml(config, fits))


def _teller(progress: Progress, space: str) -> Callable[[str], None]:
    return lambda what: progress.say(f"{space}: learning from {what}")


def fitted_toml(config: Path, fits: Mapping[str, Fit]) -> str:
    """Write a configuration again, with what was learned in it; spaces without labels keep what they had learned."""
    values = toml_values(config)
    kept = {name: one.model for name, one in fits.items() if one.is_kept}
    sensors = {sensor.id: sensor for model in kept.values() for sensor in model.sensors}
    for table in values["space"]:
        if table["id"] in fits:
            model = kept.get(table["id"])
            _put(table, learned_space_values(model.space.learned) if model and model.space.learned else {})
    for table in values.get("sensor", []):
        if table["space"] in fits:
            sensor = sensors.get(table["id"])
            _put(table, learned_sensor_values(sensor.learned) if sensor and sensor.learned else {})
    return amended(read_text(config), values)


def _put(table: dict[str, object], learned: dict[str, object]) -> None:
    table.pop("learned", None)
    if learned:
        table["learned"] = learned


def _paired(paths: Sequence[Path]) -> list[tuple[Path, Path]]:
    if not paths or len(paths) % 2:
        raise click.UsageError("give READINGS.csv and TRUTH.csv, one after the other, once or several times")
    return list(zip(paths[::2], paths[1::2], strict=True))


def _recordings(files: Sequence[tuple[Path, Path]], sensing: SensingSettings, holds_ms: int) -> dict[str, list[Lesson]]:
    """Read all pairs; raises InputError with everything that makes no sense."""
    complaints: list[Complaint] = []
    lessons: dict[str, list[Lesson]] = defaultdict(list)
    seen: dict[str, list[tuple[Span, Path]]] = defaultdict(list)
    for readings_path, truth_path in files:
        for space, lesson in _pair(readings_path, truth_path, sensing, holds_ms, complaints):
            lessons[space].append(lesson)
            _refuse_twice(space, lesson.spans, truth_path, seen[space], complaints)
    for space, own in lessons.items():
        _refuse_little(space, own, complaints)
    if complaints:
        raise InputError(tuple(complaints))
    return lessons


def _pair(
    readings_path: Path, truth_path: Path, sensing: SensingSettings, holds_ms: int, complaints: list[Complaint]
) -> Iterator[tuple[str, Lesson]]:
    survey = survey_readings(readings_path)
    warn_of_strangers(survey.sensors, {sensor.id for sensor in sensing.sensors})
    if survey.rows > MOST_READINGS:
        what = f"{survey.rows:,} readings are more than {MOST_READINGS:,}, which are kept in memory"
        raise InputError((Complaint(str(readings_path), what, "cut out the days that are labelled"),))
    labels = _labels(truth_path, sensing, complaints)
    space_of = {sensor.id: sensor.space for sensor in sensing.sensors}
    readings: dict[str, list[Reading]] = defaultdict(list)
    doubts = Doubts(sensing.spaces, sensing.sensors)
    for reading in filter(doubts.hear, read_readings(readings_path, set(space_of))):
        readings[space_of[reading.sensor]].append(reading)
    warn_of(doubts, where=str(readings_path))
    for space, own in labels.items():
        spans = spans_of(own, holds_ms)
        inside = cut(spans, readings[space][0].time_ms, readings[space][-1].time_ms) if readings[space] else ()
        if not inside:
            what = f"no label of {space} lies within the readings of its sensors in {readings_path}"
            complaints.append(Complaint(str(truth_path), what, "see that both are of the same days and time zone"))
            continue
        first_ms, last_ms = readings[space][0].time_ms, readings[space][-1].time_ms
        outside = sum(not first_ms <= label.time_ms <= last_ms for label in own)
        if outside:
            warn(f"labels of {space} outside of its readings are ignored: {outside} in {truth_path}")
        yield space, Lesson(readings[space], inside)


def _labels(path: Path, sensing: SensingSettings, complaints: list[Complaint]) -> dict[str, list[Label]]:
    labels: dict[str, list[Label]] = defaultdict(list)
    for row in read_truth(path):
        labels[row.space].append(Label(row.time_ms, row.count > 0))
    known = {space.id: space for space in sensing.spaces}
    for space in sorted(set(labels) - set(known)):
        what = f"the configuration has no space {space}"
        complaints.append(Complaint(str(path), what, "add it to the configuration, or take its rows out"))
    for space, own in labels.items():
        if wrong := contradictions(own):
            when = ", ".join(map(format_time, wrong[:MOST_NAMED]))
            more = f" and {len(wrong) - MOST_NAMED} more" if len(wrong) > MOST_NAMED else ""
            what = f"labels of {space} say both at {when}{more}"
            complaints.append(Complaint(str(path), what, "keep the one that was true"))
        if space in known and known[space].hold_ms is not None:
            what = f"{space} has hold_seconds: nothing that is learned would be used"
            complaints.append(Complaint(str(path), what, "take hold_seconds out of the configuration"))
    if not labels:
        complaints.append(Complaint(str(path), "there is no label in it", "write time,space,count rows"))
    return {space: own for space, own in labels.items() if space in known}


def _refuse_twice(
    space: str, spans: Sequence[Span], path: Path, seen: list[tuple[Span, Path]], complaints: list[Complaint]
) -> None:
    """Refuse labels of the same time in two files: one of them would be kept back while the other is learned from."""
    for span in spans:
        for other, where in seen:
            if span.from_ms < other.until_ms and other.from_ms < span.until_ms:
                at = format_time(max(span.from_ms, other.from_ms))
                what = f"labels of {space} overlap with those in {where}, from {at} on"
                complaints.append(Complaint(str(path), what, "give each time once"))
                return
    seen += [(span, path) for span in spans]


def _refuse_little(space: str, lessons: Sequence[Lesson], complaints: list[Complaint]) -> None:
    vacant, occupied = (sum(lesson.seconds[kind] for lesson in lessons) / 60 for kind in (False, True))
    if vacant + occupied < LEAST_MINUTES:
        what = f"{vacant + occupied:.1f} minutes of labels for {space} teach nothing"
        complaints.append(Complaint(space, what, f"label at least {LEAST_MINUTES} minutes, better a day"))
    elif not (vacant and occupied) and vacant + occupied < LEAST_OF_ONE_KIND_MINUTES:
        kind = "occupied" if occupied else "vacant"
        what = f"all {vacant + occupied:.0f} labelled minutes of {space} are {kind}"
        remedy = f"label some of the other kind too, or at least {LEAST_OF_ONE_KIND_MINUTES} minutes of this one"
        complaints.append(Complaint(space, what, remedy))
