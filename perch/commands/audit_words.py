"""The audit's report in words and columns."""

from collections.abc import Iterator

import click

from perch.adapters.tables.csv_times import format_time
from perch.commands.output import print_table
from perch.history.accuracy import NOT_ENOUGH, Estimate, Figures
from perch.history.audit import Report, SensorAudit

SPACES = ("space", "looks", "unknown", "precision", "recall", "false-vacant min/h", "false-occupied", "Brier")
SENSORS = ("sensor", "kind", "space", "figures are", "precision", "recall")


def print_report(report: Report) -> None:
    """Print a report for people."""
    if report.first_ms is None or report.last_ms is None:
        click.echo("Nobody has looked yet. Tap what you see at /audit, or import truth with `perch audit import`.")
    else:
        first, last = format_time(report.first_ms), format_time(report.last_ms)
        click.echo(
            f"{report.overall.looks} looks from {first} to {last}; intervals hold the truth in 95 of 100 cases\n"
        )
        rows = [_row(f"{of.site}/{of.space}", of.figures) for of in report.spaces]
        print_table(SPACES, [*rows, _row("all", report.overall)])
        if _lacks_looks(report):
            click.echo("\nWhere it says how many looks of how many there are, there are not enough yet for a figure.")
    if report.sensors:
        click.echo()
        print_table(SENSORS, map(_sensor, report.sensors))
    for line in _advice(report):
        click.echo(line)
    for warning in report.warnings:
        click.echo(f"\n{warning}.")


def _lacks_looks(report: Report) -> bool:
    every = (report.overall, *(space.figures for space in report.spaces))
    return any(figure.value is None for of in every for figure in _figures(of))


def _row(name: str, of: Figures) -> tuple[object, ...]:
    return name, of.looks, of.unknown, *map(_figure, _figures(of))


def _figures(of: Figures) -> tuple[Estimate, ...]:
    return of.precision, of.recall, of.false_vacant_minutes, of.false_occupied, of.brier


def _figure(of: Estimate) -> str:
    if of.value is None:
        return (of.why or "").removeprefix(f"{NOT_ENOUGH}: ")
    return f"{of.value:.3g} ({of.low:.3g}–{of.high:.3g})"


def _sensor(of: SensorAudit) -> tuple[object, ...]:
    whose = "its own" if of.alone else f"of it and {', '.join(of.beside)} together"
    name = f"{of.site}/{of.agent}/{of.id}"
    return name, of.kind, of.space, whose, _figure(of.precision), _figure(of.recall)


def _advice(report: Report) -> Iterator[str]:
    for of in report.spaces:
        if of.advice:
            yield f"\n{of.site}/{of.space} is worse than it should be: {'; '.join(of.advice)}"
            yield "Look at its sensors first; then fit them, with readings that the agent kept:"
            yield from (f"  {command}" for command in of.fit)
