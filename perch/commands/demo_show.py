"""What the demo does: start everything, keep it running, let one agent die now and then, end everything in time."""

import getpass
import http.client
import socket
import threading
import time
import webbrowser
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click

from perch.commands.demo_folder import Place, write_configuration
from perch.commands.demo_history import DAYS, seed_history
from perch.commands.demo_parts import part, tied
from perch.commands.demo_ports import free_port, is_free
from perch.commands.output import warn
from perch.commands.supervisor import Child, FailedToStartError, end_all, module_command, perch_command
from perch.errors import PerchError
from perch.settings import load_server
from perch.venue import network

LOOK_S = 0.1
START_S = 60.0
BROKER_TRIES = 5
STOP_KEPT_S, STOP_S, STOP_BROKER_S = 1.0, 0.4, 0.2
"""What is still there after this is killed, so that all is over within two seconds, on a busy machine too."""

FIRST_DEATH_S, DEATH_EVERY_S, DEAD_S = 75.0, 210.0, 100.0
"""When the unlucky agent dies first, how often it does, and for how long it is gone."""

MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
user {user}
set_tcp_nodelay true
"""


class Show:
    """All processes of one demo."""

    def __init__(
        self,
        folder: Path,
        place: Place,
        mosquitto: str | None,
        seed: int,
        stop: threading.Event,
        *,
        kept: bool,
        days: int = DAYS,
        first_death_s: float = FIRST_DEATH_S,
    ) -> None:
        self._folder, self._place, self._mosquitto, self._seed, self._stop = folder, place, mosquitto, seed, stop
        self._kept, self._days, self._next_death_s = kept, days, first_death_s
        self._agents: dict[tuple[str, str], Path] = {}
        self._parts: dict[str, Child] = {}

    def start_up(self) -> bool:
        """Start everything; True once the page answers, False where told to stop before. Raises PerchError."""
        if not self._broker_listens():
            return False
        self._add("api", perch_command("api", "--config", str(self._folder / "perch.toml")))
        for _ in seed_history(load_server(self._folder / "perch.toml", {}), self._seed, self._days):
            if self._stop.is_set():
                return False
        self._add("collector", perch_command("collector", "--config", str(self._folder / "perch.toml")))
        for site, agent in self._agents:
            self._add(f"{site}/{agent}", self._agent(site, agent))
        return self._wait_for("the page", self._page_answers)

    def announce(self, *, open_page: bool) -> None:
        """Say where everything is."""
        port, address = self._place.broker_port, f"http://localhost:{self._place.api_port}"
        words = "" if self._mosquitto else " -V mqttv311 -u you"
        click.echo(f"Perch is at {address}")
        name = "mosquitto" if self._mosquitto else "amqtt"
        click.echo(f"Broker is {name} at mqtt://127.0.0.1:{port}, watch it: ", nl=False)
        click.echo(f"mosquitto_sub -h 127.0.0.1 -p {port}{words} -v -t 'perch/v1/#'")
        click.echo(
            f"Data is in {self._folder}{'' if self._kept else ', which is removed in the end'}. Ctrl-C ends the demo."
        )
        if open_page:
            webbrowser.open(address)

    def loop(self) -> None:
        """Keep everything running until told to stop."""
        self._next_death_s += time.monotonic()
        while not self._stop.wait(LOOK_S):
            self._let_die(time.monotonic())
            self._see_to_parts()

    def shut_down(self) -> None:
        """End everything, the stubborn by force; the broker last, so that goodbyes are heard."""
        broker = self._parts.pop("broker", None)
        end_all([*self._parts.values()], STOP_KEPT_S if self._kept else STOP_S)
        end_all([broker] if broker else [], STOP_BROKER_S)

    def _see_to_parts(self) -> None:
        for child in self._parts.values():
            if death := child.see_to(time.monotonic()):
                warn(death)

    def _let_die(self, now_s: float) -> None:
        """Kill the unlucky agent when its time has come, and let it come back later."""
        if now_s >= self._next_death_s:
            self._next_death_s += DEATH_EVERY_S
            self._parts["/".join(network.FLAKY)].kill(due_s=now_s + DEAD_S)

    def _add(self, name: str, command: list[str]) -> None:
        self._parts[name] = part(name, command, self._folder / "logs")
        self._parts[name].see_to(time.monotonic())

    def _broker_listens(self) -> bool:
        """Start the broker on a free port, another one where somebody else was quicker; False where told to stop."""
        for tries_left in reversed(range(BROKER_TRIES)):
            self._place = replace(self._place, broker_port=free_port(self._place.broker_port))
            self._agents = write_configuration(self._folder, self._place)
            try:
                self._add("broker", self._broker())
                return self._wait_for("the broker", self._broker_answers)
            except FailedToStartError:
                if not tries_left or is_free(self._place.broker_port):
                    raise
        return False

    def _broker(self) -> list[str]:
        port = self._place.broker_port
        if self._mosquitto is None:
            return module_command("perch.commands.demo_broker", "--port", str(port))
        config = self._folder / "mosquitto.conf"
        config.write_text(MOSQUITTO.format(port=port, user=getpass.getuser()), "utf-8")
        return tied(self._mosquitto, "-c", str(config))

    def _agent(self, site: str, agent: str) -> list[str]:
        layout = self._folder / site / "site.toml"
        words = ("--config", str(self._agents[site, agent]), "--site", str(layout), "--seed", str(self._seed))
        return module_command("perch.commands.demo_agent", *words)

    def _wait_for(self, what: str, answers: Callable[[], bool]) -> bool:
        """Wait until a part answers; False where told to stop before. Raises PerchError where it never will."""
        deadline_s = time.monotonic() + START_S
        while not self._stop.is_set():
            if answers():
                return True
            self._see_to_parts()
            if time.monotonic() > deadline_s:
                raise PerchError(f"{what} did not answer within {START_S:.0f} s", "see whether the machine is busy")
            self._stop.wait(LOOK_S)
        return False

    def _broker_answers(self) -> bool:
        """Tell whether the broker listens, and it is ours: one that finds its port taken ends at once."""
        try:
            socket.create_connection(("127.0.0.1", self._place.broker_port), timeout=2).close()
        except OSError:
            return False
        return not self._stop.wait(LOOK_S) and self._parts["broker"].runs()

    def _page_answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._place.api_port, timeout=2)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()
