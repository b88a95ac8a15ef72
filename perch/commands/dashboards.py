"""`perch dashboards`: Grafana's dashboards and provisioning files, made from code."""

from pathlib import Path
from urllib.parse import urlsplit

import click

from perch.commands.examples import ExampleCommand, ExampleGroup
from perch.errors import Complaint, InputError, PerchError


@click.group("dashboards", cls=ExampleGroup)
def dashboards() -> None:
    """Example: perch dashboards build

    Make Grafana's files, or put the dashboards into a running Grafana.
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


@dashboards.command("push", cls=ExampleCommand)
@click.option("--url", required=True, metavar="URL", help="Where Grafana is, as in https://grafana.example/.")
@click.option(
    "--token-file",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="File with the token of a service account that may write dashboards and folders.",
)
@click.option("--ca", type=click.Path(exists=True, dir_okay=False), help="Certificates to trust, for a network's own.")
@click.option("--overwrite", is_flag=True, help="Change dashboards that differ from what the code builds.")
@click.option("--spaces", is_flag=True, help="Push the dashboard of single spaces too, into a folder of its own.")
def push(url: str, token_file: Path, ca: str | None, overwrite: bool, spaces: bool) -> None:
    """Example: perch dashboards push --url https://grafana.example --token-file grafana.token

    Put the dashboards into a running Grafana, into its folder "Perch". What differs there is left as it is and fails
    the command, unless --overwrite is given. Data sources and alert rules are for files: see docs/grafana.md.
    """
    from dashboards.pushing import GrafanaByApi, kept
    from dashboards.pushing import push as push_all

    pushed = []
    for one in push_all(GrafanaByApi(_address(url), _token(token_file), ca), overwrite=overwrite, spaces=spaces):
        click.echo(f"{one.title}: {one.outcome}")
        pushed.append(one)
    if left := kept(pushed):
        raise PerchError(f"{', '.join(left)}: not what the code builds", "look at them, then push with --overwrite")


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise InputError(
            (Complaint("--url", f"{url!r} is no address of Grafana", "write it as https://grafana.example"),)
        )
    if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        click.echo("perch: the token travels unencrypted; write https:// where Grafana has it", err=True)
    return url


def _token(path: Path) -> str:
    try:
        token = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError((Complaint(str(path), f"cannot be read: {error}", "put Grafana's token into it"),)) from error
    if not token or len(token.split()) != 1 or not token.isascii():
        raise InputError((Complaint(str(path), "holds no token", "put the token into it, and nothing else"),))
    return token


def _remedy(out: Path) -> str:
    return "run `perch dashboards build`" + ("" if out == Path("deploy/grafana") else f" --out {out}")
