"""`perch privacy`: what this server knows of people, in words, and as a sheet to hang up."""

import sys
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import msgspec

from perch.commands.examples import ExampleCommand, ExampleGroup
from perch.commands.server_config import ServerConfig, config_option
from perch.errors import Complaint, InputError
from perch.model import SensorKind, Site
from perch.settings import ServerSettings, load_sensing, load_server

_site = click.option("--site", help="One site; all of this server otherwise.")
_agents = click.option(
    "--agent", "agents", multiple=True, type=click.Path(path_type=Path), help="An agent.toml, for its sensors."
)
_language = click.option("--lang", "language", type=click.Choice(["en", "de"]), default="en", show_default=True)


@click.group(cls=ExampleGroup)
def privacy() -> None:
    """Example: perch privacy notice --config perch.toml --site hq -o notice.html

    Say what this server knows of people: what is sensed, what is kept for how long, and who may read it.
    """


@privacy.command("show", cls=ExampleCommand)
@config_option
@_site
@_agents
@_language
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")
def show(config: ServerConfig, site: str | None, agents: Sequence[Path], language: str, as_json: bool) -> None:
    """Example: perch privacy show --config perch.toml

    Print what the page /privacy says, by this configuration. A running server also knows which sensors report.
    """
    from api.pages.languages import Language
    from api.privacy.privacy import privacy_of
    from api.privacy.words import plain, privacy_words

    settings = load_server(config.found())
    one = _chosen(settings, site)
    told = privacy_of(settings, one, _kinds(agents), _today(one))
    lines = list(
        plain(told, _titled(one, privacy_words(Language(language))), Language(language), _email(settings, one))
    )
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(msgspec.structs.replace(told, text=tuple(lines))) + b"\n")
        return
    click.echo("\n".join(lines))


@privacy.command("notice", cls=ExampleCommand)
@config_option
@_site
@_agents
@_language
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The file to write.")
def notice(config: ServerConfig, site: str | None, agents: Sequence[Path], language: str, output: Path) -> None:
    """Example: perch privacy notice --config perch.toml --site hq -o notice.html

    Write one A4 page to print and hang up, with a code that leads to the page /privacy of this server.
    """
    from api.pages.languages import Language
    from api.privacy.notice import address_of, sheet
    from api.privacy.privacy import privacy_of

    settings = load_server(config.found())
    one = _chosen(settings, site)
    if settings.api.url is None:
        remedy = 'add url = "https://perch.hq.example", the address at which readers reach the page'
        raise InputError(
            (Complaint(f"{config.found()}: [api] url", "is missing, so the code would lead nowhere", remedy),)
        )
    told = privacy_of(settings, one, _kinds(agents), _today(one))
    written = sheet(told, one, settings.api.url, Language(language), _email(settings, one), alone=True)
    output.write_text(written, encoding="utf-8")
    click.echo(f"Written: {output}. Its code leads to {address_of(settings.api.url, one)}")


def _chosen(settings: ServerSettings, site: str | None) -> Site | None:
    if site is None:
        return None
    known = {one.id: one for one in settings.sites}
    if site not in known:
        raise InputError((Complaint("--site", f"there is no site {site}", f"name one of {', '.join(known)}"),))
    return known[site]


def _kinds(agents: Sequence[Path]) -> frozenset[SensorKind] | None:
    if not agents:
        return None
    return frozenset(sensor.kind for path in agents for sensor in load_sensing(path).sensors)


def _today(site: Site | None) -> date:
    return datetime.now(ZoneInfo("UTC" if site is None else site.time_zone)).date()


def _email(settings: ServerSettings, site: Site | None) -> str | None:
    return next((face.email for face in settings.faces if site is not None and face.site == site.id), None)


def _titled(site: Site | None, words: dict[str, str]) -> str:
    return words["network"] if site is None else words["site"].replace("{name}", site.name)
