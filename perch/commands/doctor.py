"""`perch doctor`: what is wrong with this agent or this server, and what to do about it."""

import tomllib
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import click

from perch.commands.examples import ExampleCommand
from perch.commands.output import one_line, print_json, shortened
from perch.doctor.examining import Check, examine
from perch.doctor.findings import Finding, Verdict, any_fault
from perch.errors import Complaint, InputError
from perch.model import Sensor
from perch.settings import load_agent, load_server

SYSTEM = Path("/etc/perch")
AGENT, SERVER = "agent.toml", "perch.toml"
_COLOURS = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAULT: "red"}


@click.command(cls=ExampleCommand)
@click.option("--config", type=click.Path(path_type=Path), help="An agent.toml or a perch.toml.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")
def doctor(config: Path | None, as_json: bool) -> int:
    """Example: perch doctor --config agent.toml

    Look at every part that an agent or a server needs, and say how each is and what to do about it. Without --config,
    agent.toml and perch.toml are looked for in this folder, then in /etc/perch. It changes nothing and disturbs
    nobody. Exit code 1 if anything is at fault, 2 if the configuration is wrong.
    """
    paths = [config] if config is not None else found_here(Path(), SYSTEM)
    examined = [(path, examine(checks_of(path))) for path in paths]
    if as_json:
        print_json([_as_dict(finding, path, len(paths)) for path, findings in examined for finding in findings])
    else:
        for path, findings in examined:
            if len(paths) > 1:
                click.echo(f"{path}:")
            show(findings)
    return int(any(any_fault(findings) for _, findings in examined))


def found_here(*folders: Path) -> list[Path]:
    """Give the configuration files of the first folder that has any; raises InputError where none has."""
    for folder in folders:
        found = [path for name in (AGENT, SERVER) if (path := folder / name).is_file()]
        if found:
            return found
    places = " nor in ".join(str(folder.absolute()) for folder in folders)
    what = f"there is neither {AGENT} nor {SERVER} in {places}"
    raise InputError((Complaint("command line", what, "name it with --config"),))


def checks_of(path: Path) -> Sequence[Check]:
    """Make the checks that a configuration file asks for; raises InputError with all that is wrong with it."""
    if is_server(path):
        from perch.doctor.server import server_checks

        return server_checks(load_server(path), path)
    from perch.doctor.agent import agent_checks

    settings = load_agent(path)
    return [*agent_checks(settings, path), Check("pins", lambda: _pins(settings.sensing.sensors))]


def is_server(path: Path) -> bool:
    """Tell a server's configuration from an agent's: only the one names sites, only the other an agent."""
    try:
        values = tomllib.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        values = {}  # whoever loads it says what is wrong
    if "agent" in values or "sites" in values:
        return "agent" not in values
    return path.name != AGENT


def show(findings: Sequence[Finding]) -> None:
    """Print a line per finding, and below it what to do."""
    width = max(len(finding.part) for finding in findings)
    for finding in findings:
        verdict = click.style(f"{finding.verdict:5}", fg=_COLOURS[finding.verdict])
        click.echo(f"{verdict}  {finding.part:{width}}  {shortened(one_line(finding.what))}")
        if finding.remedy:
            click.echo(f"{'':{width + 9}}→ {shortened(one_line(finding.remedy))}")


def _as_dict(finding: Finding, path: Path, files: int) -> dict[str, str]:
    named = finding if files == 1 else replace(finding, part=f"{path.stem} {finding.part}")
    return asdict(named)


def _pins(sensors: Sequence[Sensor]) -> Sequence[Finding]:
    from sensor_agent.pin_check import look_at_pins

    return list(look_at_pins(sensors))
