"""`perch demo`: the whole system on one machine, in separate processes, with simulated people."""

import shutil
import signal
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import click

from perch.commands.demo_folder import Place, demo_folder
from perch.commands.demo_history import DAYS
from perch.commands.demo_ports import free_port, is_free
from perch.commands.demo_show import FIRST_DEATH_S, Show
from perch.commands.examples import ExampleCommand
from perch.commands.stopping import stop_on_signals
from perch.errors import PerchError

HTTP_PORT, MQTT_PORT = 8080, 18830


@click.command(cls=ExampleCommand)
@click.option("--port", type=click.IntRange(1, 65_535), help="Where the page is to be (8080, or a free port).")
@click.option("--data", type=click.Path(path_type=Path), help="A folder to keep everything in; else all is gone after.")
@click.option("--open", "open_page", is_flag=True, help="Open the page in a browser.")
@click.option("--seed", type=int, default=2026, hidden=True)
@click.option("--first-death", type=float, default=FIRST_DEATH_S, hidden=True)
@click.option("--days", type=click.IntRange(1), default=DAYS, hidden=True)
def demo(port: int | None, data: Path | None, open_page: bool, seed: int, first_death: float, days: int) -> None:
    """Example: perch demo

    Run a network of three small places with simulated people on this machine: agents with mock pins, broker, collector,
    API and page, and eight weeks of history. Needs no database, no network and no rights. Ctrl-C ends all of it.
    """
    api_port = free_port(HTTP_PORT) if port is None else untaken(port)
    mosquitto = shutil.which("mosquitto")
    require(("gpiozero", "paho", "fastapi") if mosquitto else ("gpiozero", "paho", "fastapi", "amqtt"))
    place = Place(api_port, MQTT_PORT, "5" if mosquitto else "3.1.1", "perch-server")
    stop = stop_on_signals()
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # a closed terminal ends it too, unless nohup was asked for
        signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM))
    with demo_folder(data) as folder:
        show = Show(folder, place, mosquitto, seed, stop, kept=data is not None, days=days, first_death_s=first_death)
        click.echo("perch: starting; eight weeks of history are written first", err=True)
        try:
            if show.start_up():
                show.announce(open_page=open_page)
            show.loop()
        finally:
            show.shut_down()


def require(packages: Iterable[str]) -> None:
    """Raise ModuleNotFoundError for a package that is not there and that only the demo's processes would miss."""
    for package in packages:
        if find_spec(package) is None:
            raise ModuleNotFoundError(name=package)


def untaken(port: int) -> int:
    """Give a port back; raises PerchError where another program has it."""
    if not is_free(port):
        raise PerchError(f"port {port} is taken by another program", "name another with --port, or leave it out")
    return port
