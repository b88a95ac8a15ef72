"""`perch dashboards`: Grafana's dashboards and provisioning files, made from code."""

from pathlib import Path

import click

from perch.commands.examples import ExampleCommand, ExampleGroup
from perch.errors import PerchError


@click.group("dashboards", cls=ExampleGroup)
def dashboards() -> None:
    """Example: perch dashboards build

    Make Grafana's files.
    """


@dashboards.command("build", cls=ExampleCommand)
@click.option("--check", is_flag=True, help="Write nothing; fail if a file is not what the code builds.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("deploy/grafana"),
    show_default=True,
    help="Folder to write to, or to check.",
)
def build(check: bool, out: Path) -> None:
    """Example: perch dashboards build --out /etc/perch/grafana

    Write the dashboards, data sources and provisioning of Grafana below a folder. With --check write nothing, and fail
    if a file there is not what the code builds.
    """
    from dashboards import building

    if not check:
        for path in building.write(out):
            click.echo(path)
    elif stale := building.out_of_date(out):
        raise PerchError("\n".join(f"{path} is not what the code builds" for path in stale), _remedy(out))


def _remedy(out: Path) -> str:
    return "run `perch dashboards build`" + ("" if out == Path("deploy/grafana") else f" --out {out}")
