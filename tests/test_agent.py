"""The agent on gpiozero's mock pins and a real broker: what it senses, says, keeps and repeats."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from gpiozero import Device
from gpiozero.pins.mock import MockPin, MockTriggerPin

from perch import contract
from perch.adapters.mqtt.connection import Connection
from perch.adapters.outbox.store import Outbox
from perch.adapters.tables.csv_files import read_readings
from perch.contract import Ack, Event, LostEvent, StateEvent
from perch.errors import PerchError, UnavailableError
from perch.model import Reading, Reason, SensedSpace, Sensor, SensorHealth, SensorKind, SpaceKind, State
from perch.sensing import offline
from perch.settings import AgentSettings, Broker, SensingSettings, load_sensing
from sensor_agent import process, replay
from sensor_agent.agent import Agent
from sensor_agent.clock import RecordedClock
from sensor_agent.inputs import EdgeInput, Inputs, LatchedInput, move_pin, use_mock_pins
from tests import parts
from tests.acknowledging import Acknowledging
from tests.configurations import agent_toml
from tests.parts import until

RECORDED = Path("perch/venue/recordings/singh").resolve()
T0 = 1_760_001_200_000
KINDS = [
    SensorKind.MOTION,
    SensorKind.PRESENCE,
    SensorKind.CONTACT,
    SensorKind.PRESSURE,
    SensorKind.BEAM_IN,
    SensorKind.BEAM_OUT,
]
DESK = SensedSpace("d01", SpaceKind.DESK, 1, hold_ms=900_000)
PIR = Sensor("pir1", SensorKind.MOTION, "d01", None, pin=17)


@pytest.fixture
def pins() -> Iterator[None]:
    use_mock_pins()
    yield
    Device.pin_factory.reset()


def settings_for(
    broker: parts.Broker, data: Path, spaces: tuple[SensedSpace, ...] = (DESK,), sensors: tuple[Sensor, ...] = (PIR,)
) -> AgentSettings:
    where = Broker(host=broker.host, port=broker.port)
    return AgentSettings("hq", "pi-1", data, where, SensingSettings(spaces, sensors))


class HeldHigh(MockPin):
    """A pin that the sensor on it holds high, whichever way it is pulled."""

    def _set_pull(self, value: str) -> None:
        super()._set_pull(value)
        self.drive_high()


def turn(agent: Agent) -> None:
    """Let the agent's loop go round once."""
    agent.take(0.01)
    agent.deliver()


def sensor(kind: SensorKind, every_ms: int | None = None) -> Sensor:
    return Sensor("s1", kind, "d01", every_ms, pin=17)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("pins")
def test_every_kind_with_a_pin_reports_its_edges_whichever_way_the_pin_is_pulled(kind: SensorKind) -> None:
    edges: list[tuple[str, float]] = []
    with Inputs([sensor(kind)], lambda name, value: edges.append((name, value))) as inputs:
        assert inputs.levels() == {"s1": 0.0}
        for value in (1.0, 0.0, 1.0):
            move_pin(sensor(kind), value)
        assert edges == [("s1", 1.0), ("s1", 0.0), ("s1", 1.0)]
        assert inputs.levels() == {"s1": 1.0}


@pytest.mark.usefixtures("pins")
def test_a_polled_pin_remembers_an_edge_since_the_last_poll() -> None:
    polled = sensor(SensorKind.MOTION, 30_000)
    with Inputs([polled], lambda *_: None) as inputs:
        assert isinstance(inputs["s1"], LatchedInput)
        move_pin(polled, 1.0)
        move_pin(polled, 0.0)
        assert [inputs["s1"].read() for _ in range(2)] == [1.0, 0.0]
        move_pin(polled, 1.0)
        assert [inputs["s1"].read() for _ in range(2)] == [1.0, 1.0]


@pytest.mark.usefixtures("pins")
def test_an_ultrasonic_sensor_measures_metres() -> None:
    echo = Device.pin_factory.pin(23)
    Device.pin_factory.pin(24, pin_class=MockTriggerPin, echo_pin=echo, echo_time=0.02)
    far = Sensor("far", SensorKind.DISTANCE, "d01", 60_000, pin=23, trigger=24)
    with Inputs([far], lambda *_: None) as inputs:

        def metres() -> float:
            try:
                return inputs["far"].read()
            except OSError:
                return 0.0

        assert until(lambda: 2.5 < metres() < 8.0, 60)  # 3.4, and more where the machine is late to hear the echo


@pytest.mark.usefixtures("pins")
def test_an_ultrasonic_sensor_that_came_off_is_missed_and_not_believed() -> None:
    Device.pin_factory.pin(24)
    far = Sensor("far", SensorKind.DISTANCE, "d01", 60_000, pin=23, trigger=24)
    with Inputs([far], lambda *_: None) as inputs, pytest.raises(OSError, match="no echo"):
        inputs["far"].read()


@pytest.mark.usefixtures("pins")
def test_a_sensor_that_cannot_be_opened_is_an_error_with_what_to_do_and_frees_the_other_pins() -> None:
    without = Sensor("co2", SensorKind.CO2, "d01", 60_000, channel=0)
    with pytest.raises(PerchError, match="'co2'") as failed:
        Inputs([PIR, without], lambda *_: None)
    assert "docs/sensors.md" in failed.value.remedy
    with Inputs([PIR], lambda *_: None) as inputs:
        assert isinstance(inputs["pir1"], EdgeInput)


def test_a_level_that_is_on_at_the_start_is_published_at_once(mosquitto: parts.Broker, tmp_path: Path) -> None:
    seat = Sensor("seat", SensorKind.PRESENCE, "d01", None, pin=17)
    use_mock_pins()
    Device.pin_factory.pin(17, pin_class=HeldHigh)
    settings = settings_for(mosquitto, tmp_path, sensors=(seat,))
    with Acknowledging(settings.broker) as heard, Agent(settings, RecordedClock(T0), (seat,)) as agent:
        until(lambda: turn(agent) or heard.stated()[-1:])
        assert [event.state for event in heard.stated()] == [State.UNKNOWN, State.OCCUPIED]


def test_a_loop_that_was_stopped_while_it_waited_vouches_for_none_of_that_time(
    mosquitto: parts.Broker, tmp_path: Path
) -> None:
    settings = settings_for(mosquitto, tmp_path)
    clock, stop = RecordedClock(T0), threading.Event()
    use_mock_pins()
    with Acknowledging(settings.broker) as heard, Agent(settings, clock, (PIR,)) as agent:
        thread = threading.Thread(target=process.loop, args=(agent, clock, process.Polls((), 0), stop))
        thread.start()
        try:
            until(lambda: len(heard.stated()) == 1)
            clock.now_ms += 40 * 60_000
            agent.edge("pir1", 1.0)
            until(lambda: len(heard.stated()) == 4)
        finally:
            stop.set()
            agent.edge("pir1", 0.0)
            thread.join()
        said = [(e.wall_ms - T0, e.reason) for e in sorted(heard.stated(), key=lambda e: e.seq)]
        assert said[1:] == [
            (0, Reason.AGENT_OFFLINE),
            (40 * 60_000, Reason.STARTING),
            (40 * 60_000, Reason.MOTION),
        ]
        assert heard.marks() == []


class LgpioError(Exception):
    """Stands for lgpio.error, which is no OSError."""


class WornPin(MockPin):
    """A pin whose driver raises from some day on."""

    worn = False

    def _get_state(self) -> bool:
        if self.worn:
            raise LgpioError("bad GPIO handle")
        return bool(super()._get_state())


def test_a_sensor_whose_driver_raises_is_silent_and_the_agent_goes_on_with_the_others(
    mosquitto: parts.Broker, tmp_path: Path
) -> None:
    polled, edges = (
        Sensor(f"s{pin}", PIR.kind, f"d{pin}", every_ms, pin=pin) for pin, every_ms in ((18, 1000), (19, None))
    )
    sensors, spaces = (PIR, polled, edges), (DESK, replace(DESK, id="d18"), replace(DESK, id="d19"))
    settings, clock = settings_for(mosquitto, tmp_path, spaces, sensors), RecordedClock(T0)
    use_mock_pins()
    pins = [Device.pin_factory.pin(number, pin_class=WornPin) for number in (18, 19)]
    with Acknowledging(settings.broker) as heard, Agent(settings, clock, sensors) as agent:
        for pin in pins:
            pin.worn = True
        clock.now_ms += 40 * 60_000
        assert agent.turn(0)  # it stood still, and asks all pins anew
        for _ in range(10):
            clock.now_ms += 1000
            agent.poll("s18")
            agent.turn(0)
        move_pin(PIR, 1.0)
        until(lambda: turn(agent) or State.OCCUPIED in [event.state for event in heard.stated()])
        assert agent.author.watch.healths(agent.author.watch.now_ms)["s18"].health is SensorHealth.SILENT
        assert {event.state for event in heard.stated() if event.space != "d01"} == {State.UNKNOWN}
        for pin in pins:
            pin.worn = False


def test_an_agent_that_fails_says_that_it_is_gone(mosquitto: parts.Broker, tmp_path: Path) -> None:
    settings = settings_for(mosquitto, tmp_path)
    use_mock_pins()

    def fail() -> None:
        with Agent(settings, RecordedClock(T0), (PIR,)) as agent:
            until(lambda: turn(agent) or agent.connected)
            raise RuntimeError("the disk is worn out")

    with Acknowledging(settings.broker) as heard:
        with pytest.raises(RuntimeError):
            fail()
        until(lambda: heard.statuses and not heard.statuses[-1].online)


def test_birth_states_and_last_words_are_retained(mosquitto: parts.Broker, tmp_path: Path) -> None:
    settings = settings_for(mosquitto, tmp_path)
    with Acknowledging(settings.broker) as heard:
        replay.run(settings, [Reading(T0, "pir1", 1.0), Reading(T0 + 5_000, "pir1", 0.0)], threading.Event())
        until(lambda: heard.statuses and not heard.statuses[-1].online)
        birth = heard.statuses[0]
        assert (birth.online, birth.run, list(birth.sensors)) == (True, 1, ["pir1"])
        assert {state.epoch for _, state in heard.states} == {birth.epoch} == {heard.statuses[-1].epoch}
    with Acknowledging(settings.broker) as later:
        until(lambda: later.states and later.statuses)
        assert later.states[-1][1].state is State.OCCUPIED
        assert not later.statuses[-1].online


@pytest.mark.parametrize("block", ["dec22", "jan10"])
def test_a_recording_replayed_through_pins_gives_what_the_estimator_gives_offline(
    block: str, mosquitto: parts.Broker, tmp_path: Path
) -> None:
    sensing = load_sensing(RECORDED / "sensing-pir.toml")
    rows = list(read_readings(RECORDED / block / "readings.csv.gz", {s.id for s in sensing.sensors}))
    settings = settings_for(mosquitto, tmp_path, sensing.spaces, sensing.sensors)
    with Acknowledging(settings.broker) as heard:
        replay.run(settings, iter(rows), threading.Event())
        said = [(e.wall_ms, e.state, e.probability, e.count, e.reason) for e in heard.of() if isinstance(e, StateEvent)]
    offline_said = [
        (c.time_ms, c.occupancy.state, c.occupancy.probability, c.occupancy.count, c.occupancy.reason)
        for c in offline.changes(sensing.spaces, sensing.sensors, rows)
    ]
    assert said == offline_said
    assert {state for _, state, *_ in said} == set(State)


@pytest.mark.parametrize("hold_ms", [None, 300_000])
def test_edges_and_beams_replayed_through_pins_give_what_the_estimator_gives_offline(
    hold_ms: int | None, mosquitto: parts.Broker, tmp_path: Path
) -> None:
    spaces = (
        SensedSpace("d01", SpaceKind.DESK, 1, hold_ms=hold_ms),
        SensedSpace("r1", SpaceKind.ROOM, 4, hold_ms=hold_ms),
    )
    digital = [Sensor(kind.value, kind, "r1" if kind in KINDS[2:] else "d01", None) for kind in KINDS]
    sensors = (*digital, Sensor("far", SensorKind.DISTANCE, "d01", 60_000))
    names = [one.id for one in sensors if one.edge_driven]
    chance = random.Random(5)  # noqa: S311  a recording, no secret
    rows = [
        Reading(T0 + 20_000 * step, chance.choice(names) if step < 300 else "beam-in", chance.choice([0.0, 1.0]))
        for step in range(330)
    ]
    rows += [Reading(T0 + 60_000 * step, "far", 0.4 if step % 50 < 5 else 1.9) for step in range(200)]
    rows.sort(key=lambda row: row.time_ms)
    settings = settings_for(mosquitto, tmp_path, spaces, sensors)
    with Acknowledging(settings.broker) as heard:
        replay.run(settings, rows, threading.Event())
        said = [(e.space, e.wall_ms, e.state, e.count) for e in heard.of() if isinstance(e, StateEvent)]
    expected = [
        (c.space, c.time_ms, c.occupancy.state, c.occupancy.count) for c in offline.changes(spaces, sensors, rows)
    ]
    assert said == expected
    assert {count for *_, count in said} >= {0, 1, 2}


def test_what_was_not_acknowledged_is_sent_again_after_the_broker_came_back(
    mosquitto: parts.Broker, tmp_path: Path
) -> None:
    use_mock_pins()
    settings = settings_for(mosquitto, tmp_path)
    with Agent(settings, RecordedClock(T0), (PIR,)) as agent:
        mosquitto.kill()
        agent.edge("pir1", 1.0)
        until(lambda: turn(agent) or not agent.connected)
        assert agent.unsettled == 2
        mosquitto.start()
        with Acknowledging(settings.broker) as heard:
            until(lambda: turn(agent) or agent.unsettled == 0, 40)
            assert [event.state for event in heard.stated()] == [State.UNKNOWN, State.OCCUPIED]


def test_what_a_full_outbox_gave_up_is_told_once_a_collector_answers_and_every_space_stated_anew(
    mosquitto: parts.Broker, tmp_path: Path
) -> None:
    use_mock_pins()
    settings = replace(settings_for(mosquitto, tmp_path), outbox_events=40)
    clock = RecordedClock(T0)
    with Agent(settings, clock, (PIR,)) as agent:
        clock.now_ms += 20 * 3_600_000
        agent.advance()
        assert agent.unsettled <= 40
        with Acknowledging(settings.broker) as heard:
            until(lambda: turn(agent) or (heard.of()[-1:] and agent.unsettled == 0))
            events = heard.of()
    numbers = [event.seq for event in events]
    (place,) = (place for place, event in enumerate(events) if isinstance(event, LostEvent))
    lost, anew = events[place], events[place + 1]
    assert isinstance(lost, LostEvent)
    assert (lost.lost, lost.reason, lost.from_ms) == ((1, numbers[0] - 1), "outbox-full", T0)
    assert numbers == list(range(numbers[0], anew.seq + 1))
    assert isinstance(anew, StateEvent)
    assert (anew.space, anew.reason, anew.wall_ms) == ("d01", Reason.QUIET, clock.wall_ms())


class Confessing(Outbox):
    """An outbox that keeps count of the tombstones it was given."""

    confessions = 0

    def append(self, epoch: str, events: Sequence[Event]) -> None:
        super().append(epoch, events)
        self.confessions += sum(isinstance(event, LostEvent) for event in events)


def test_a_full_outbox_is_not_filled_with_confessions(mosquitto: parts.Broker, tmp_path: Path) -> None:
    """Each pushes out others; so however often somebody answers, they come no more often than once a minute."""
    use_mock_pins()
    settings = replace(settings_for(mosquitto, tmp_path), outbox_events=40)
    clock, opened = RecordedClock(T0), []

    def open_outbox(path: Path) -> Outbox:
        opened.append(Confessing.open(path))
        return opened[-1]

    answers = Connection(settings.broker, "answers", subscriptions=[], on_message=lambda _: None)
    with Agent(settings, clock, (PIR,), open_outbox) as agent, answers:
        clock.now_ms += 20 * 3_600_000
        agent.advance()
        until(lambda: turn(agent) or (agent.connected and answers.connected))
        nothing = contract.build_ack("hq", "pi-1", Ack(v=1, journal="a" * 16, epoch="e" * 32, upto=0))
        for _ in range(30):
            assert answers.publish(nothing)
        until(lambda: turn(agent) or opened[0].confessions)
        while agent.take(0.3):
            agent.deliver()
        assert opened[0].confessions == 1
        assert opened[0].lost


def test_events_of_an_earlier_life_are_delivered_in_their_own_epoch(mosquitto: parts.Broker, tmp_path: Path) -> None:
    use_mock_pins()
    settings = settings_for(mosquitto, tmp_path)
    clock = RecordedClock(T0)
    with Agent(settings, clock, (PIR,)) as first:
        clock.now_ms += 20_000
        first.edge("pir1", 1.0)
        until(lambda: turn(first) or first.unsettled == 2)
        clock.now_ms += 5_000
    with Acknowledging(settings.broker) as heard:
        replay.run(settings, [Reading(T0 + 600_000, "pir1", 1.0)], threading.Event())
        epochs = {epoch for epoch, _ in heard.events}
        assert len(epochs) == 2
        assert [e.reason for e in heard.stated()] == [
            Reason.STARTING,
            Reason.MOTION,
            Reason.AGENT_OFFLINE,
            Reason.STARTING,
            Reason.MOTION,
        ]


def test_a_replay_without_a_collector_says_so_and_keeps_the_events(mosquitto: parts.Broker, tmp_path: Path) -> None:
    settings = settings_for(mosquitto, tmp_path)
    with pytest.raises(UnavailableError, match="not acknowledged"):
        replay.run(settings, [Reading(T0, "pir1", 1.0)], threading.Event(), patience_s=0.2)
    with Acknowledging(settings.broker) as heard:
        replay.run(settings, [Reading(T0 + 60_000, "pir1", 1.0)], threading.Event())
        assert State.OCCUPIED in {event.state for event in heard.stated()}


def test_the_broker_tells_of_an_agent_that_was_killed(mosquitto: parts.Broker, tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(agent_toml(mosquitto.port))
    command = [sys.executable, "-m", "perch.commands", "agent", "--config", str(config)]
    environment = {**os.environ, "GPIOZERO_PIN_FACTORY": "mock"}
    with Acknowledging(Broker(host=mosquitto.host, port=mosquitto.port)) as heard:
        running = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        until(lambda: heard.statuses and heard.states and heard.stated(), 20)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        until(lambda: not heard.statuses[-1].online)
        assert contract.Status(v=1, online=False, epoch=heard.statuses[0].epoch, run=1) == heard.statuses[-1]


def test_an_agent_that_is_told_to_stop_says_goodbye_and_ends_with_0(mosquitto: parts.Broker, tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(agent_toml(mosquitto.port))
    command = [sys.executable, "-m", "perch.commands", "agent", "--config", str(config)]
    environment = {**os.environ, "GPIOZERO_PIN_FACTORY": "mock"}
    with Acknowledging(Broker(host=mosquitto.host, port=mosquitto.port)) as heard:
        running = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        until(lambda: heard.statuses and heard.stated(), 20)
        running.terminate()
        assert running.wait(20) == 0
        until(lambda: not heard.statuses[-1].online)
