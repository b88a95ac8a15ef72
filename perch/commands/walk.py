"""`perch walk`: walk past each sensor, see it named and tick it off."""

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from perch.adapters.sensor_map import FILE_NAME, MappedSensor, SensorMap, write_sensor_map
from perch.adapters.sqlite import is_in_use
from perch.commands.doctor import is_server
from perch.commands.examples import ExampleCommand
from perch.commands.output import print_json
from perch.commands.stopping import stop_on_signals
from perch.errors import Complaint, InputError, PerchError
from perch.model import Sensor
from perch.sensing.commissioning import Verdict, Walk, findings
from perch.sensing.commissioning_words import DEEDS, place, words
from perch.settings import AgentSettings, load_agent, load_server

MINUTES, REST_S = 10.0, 20.0
_MARKS = {Verdict.OK: ("✓", "green"), Verdict.WAITING: ("·", None)}
_WRONG = ("✗", "red")

Teller = Callable[[Walk, Mapping[str, Verdict]], None]


@click.command(cls=ExampleCommand)
@click.option("--config", required=True, type=click.Path(path_type=Path), help="An agent.toml; or a perch.toml.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True, max=1440), default=MINUTES, show_default=True)
@click.option("--rest", type=click.FloatRange(min=0, max=600), default=REST_S, metavar="SECONDS", show_default=True)
@click.option("--network", is_flag=True, help="Listen to a running agent over the broker.")
@click.option("--agent", metavar="SITE/AGENT", help="Which one, with --network and a perch.toml.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The sensor map; else sensor-map.json in data.")
@click.option("--json", "as_json", is_flag=True, help="Print the sensor map instead of words.")
def walk(
    config: Path, minutes: float, rest: float, network: bool, agent: str | None, output: Path | None, as_json: bool
) -> int:
    """Example: perch walk --config agent.toml

    Keep still for the first seconds (--rest), then walk past each sensor, cover it or sit down on it, and through doors
    inwards first: each is named and ticked off, and wiring mistakes are told apart. What was found is written to a
    file. The agent must not run meanwhile; with --network it must, and only tells which sensors speak. Exit code 1
    if anything is not as it should be by the end.
    """
    if agent is not None and not network:
        raise click.UsageError("--agent goes with --network.")
    stop, most_ms = stop_on_signals(), round(minutes * 60_000)
    tell = (lambda _walk, _verdicts: None) if as_json else Lines()
    if network:
        found, path = _over_network(config, agent, stop, tell, most_ms)
    else:
        found, path = _over_pins(config, stop, tell, round(rest * 1000), most_ms)
    path = output or path
    write_sensor_map(path, found)
    if as_json:
        print_json(msgspec.to_builtins(found))
    else:
        _conclude(found, path)
    return int(not found.complete)


class Lines:
    """Tells on the terminal: what to do, then a line for each sensor whenever something else is known of it."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[Verdict, str]] = {}
        self._rests: bool | None = None

    def __call__(self, walk: Walk, verdicts: Mapping[str, Verdict]) -> None:
        """Tell what is new."""
        if not walk.sensors:
            return
        rests = walk.now_ms < walk.rest_until_ms
        if rests != self._rests:
            self._rests = rests
            click.echo(_rest(walk) if rests else _go(walk))
        for name, verdict in verdicts.items():
            news = (verdict, walk.traces[name].why)
            if self._told.get(name, (Verdict.WAITING, "")) != news:
                self._told[name] = news
                click.echo(_line(walk.sensors[name], verdict, news[1]))


def _over_pins(config: Path, stop: threading.Event, tell: Teller, rest_ms: int, most_ms: int) -> tuple[SensorMap, Path]:
    from sensor_agent import walk as walking
    from sensor_agent.agent import outbox_path

    settings = load_agent(config)
    _refuse_none(settings, config)
    outbox = outbox_path(settings)
    if outbox.exists() and is_in_use(outbox):
        remedy = "stop it (systemctl stop perch-agent), or add --network, which only tells which sensors speak"
        raise PerchError(f"the agent {settings.site}/{settings.agent} runs here and holds the pins", remedy)
    walked = walking.run(settings.sensing.sensors, stop, tell, rest_ms=rest_ms, most_ms=most_ms)
    return sensor_map(walked, settings.site, settings.agent, "pins"), _kept_at(settings.data)


def _over_network(
    config: Path, agent: str | None, stop: threading.Event, tell: Teller, most_ms: int
) -> tuple[SensorMap, Path]:
    from perch.commands import walk_network

    if is_server(config):
        server = load_server(config)
        site, name = walk_network.which(agent, {one.id: one.agents for one in server.sites})
        broker, data = server.broker, server.data
    else:
        settings = load_agent(config)
        site, name, broker, data = settings.site, settings.agent, settings.broker, settings.data
        if agent not in (None, name, f"{site}/{name}"):
            raise click.UsageError(f"{config} is of the agent {site}/{name}: leave --agent out.")
    walked = walk_network.run(broker, site, name, stop, tell, most_ms)
    return sensor_map(walked, site, name, "network"), _kept_at(data)


def _refuse_none(settings: AgentSettings, config: Path) -> None:
    if not settings.sensing.sensors:
        raise InputError((Complaint(f"{config}: [[sensor]]", "there is none", "add at least one"),))


def _kept_at(data: Path) -> Path:
    data.mkdir(parents=True, exist_ok=True)
    return data / FILE_NAME


def sensor_map(walked: Walk, site: str, agent: str, over: str) -> SensorMap:
    """Give what a walk has found by its end."""
    verdicts = findings(walked, ended=True)
    fired = sorted((trace.fired_ms, name) for name, trace in walked.traces.items() if trace.fired_ms is not None)
    order = {name: (number, at_ms) for number, (at_ms, name) in enumerate(fired, 1)}
    return SensorMap(
        v=1,
        site=site,
        agent=agent,
        walked=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        over=over,
        complete=bool(verdicts) and all(verdict is Verdict.OK for verdict in verdicts.values()),
        sensors=[_mapped(walked, name, verdict, order.get(name)) for name, verdict in verdicts.items()],
    )


def _mapped(walked: Walk, name: str, verdict: Verdict, heard: tuple[int, int] | None) -> MappedSensor:
    sensor = walked.sensors[name]
    said = words(sensor, verdict, walked.traces[name].why)
    return MappedSensor(
        id=name,
        kind=sensor.kind,
        space=sensor.space,
        place=place(sensor),
        verdict=verdict,
        what=said.what,
        remedy=said.remedy,
        order=None if heard is None else heard[0],
        heard_after_s=None if heard is None else round((heard[1] - walked.began_ms) / 1000, 1),
    )


def _rest(walk: Walk) -> str:
    seconds = round((walk.rest_until_ms - walk.now_ms) / 1000)
    return f"{len(walk.sensors)} sensors. Step back and keep still for {seconds} s: this is how they are at rest."


def _go(walk: Walk) -> str:
    deeds = dict.fromkeys(f"{sensor.kind}: {DEEDS[sensor.kind]}" for sensor in walk.sensors.values())
    return "Now go to each of them (Ctrl-C ends the walk):\n  " + "\n  ".join(deeds)


def _line(sensor: Sensor, verdict: Verdict, why: str) -> str:
    mark, colour = _MARKS.get(verdict, _WRONG)
    said = words(sensor, verdict, why)
    line = f"{click.style(mark, fg=colour)} {sensor.id}  {sensor.kind} of {sensor.space}, {place(sensor)}: {said.what}"
    return f"{line}\n    → {said.remedy}" if said.remedy else line


def _conclude(found: SensorMap, path: Path) -> None:
    good = sum(one.verdict is Verdict.OK for one in found.sensors)
    click.echo(f"{good} of {len(found.sensors)} sensors are as they should be; the map is {path}")
    for one in found.sensors:
        if one.verdict is not Verdict.OK:
            click.echo(f"{click.style('✗', fg='red')} {one.id}  {one.kind} of {one.space}, {one.place}: {one.what}")
            click.echo(f"    → {one.remedy}")
