"""Live states from outside: whatever happens to agents, broker and API, nothing is shown free past its time.

Times of validity are on the wire, so these agents ask to be believed for a second instead of a minute and a half.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from perch.chaos.listener import Listener
from perch.chaos.proxy import Link, Weather
from perch.model import Clock, State
from perch.settings import Broker as BrokerSettings
from tests.onlooker import Onlooker
from tests.parts import LOOPBACK, Broker, free_port, until
from tests.serving import (
    OTHER_EPOCH,
    WEEK_MS,
    Served,
    Speaker,
    a_site,
    a_space,
    server_settings,
    serving_connected,
    wall_ms,
)
from tests.voice import speak

GRACE_MS = 700
"""The contract grants five seconds; so much is plenty on a busy machine."""

VALID_MS = 1_500
LONG_MS = 60_000

FATES = ("killed", "frozen", "unplugged", "cut-off", "restarted", "late-will", "unsynced", "ahead")
NETWORK = a_site(spaces=tuple(a_space(fate, agent=f"pi-{fate}") for fate in FATES))


def shown_by(served: Served) -> Callable[[], dict[str, str]]:
    """Make a question to an API: the states of all its spaces."""
    return lambda: {item["id"]: item["state"] for item in served.json("/api/v1/spaces")["items"]}


def listening(broker: Broker) -> Listener:
    return Listener(BrokerSettings(port=broker.port), "hq", "reference-reader")


@contextmanager
def link_to(port: int) -> Iterator[Link]:
    link = Link(free_port(), port)
    link.start()
    try:
        yield link
    finally:
        link.stop()


@contextmanager
def voice(port: int, fate: str, valid_for_ms: int) -> Iterator["subprocess.Popen[bytes]"]:
    """Run an agent's voice as a process of its own."""
    line = [sys.executable, "-m", "tests.voice", str(port), f"pi-{fate}", fate, str(valid_for_ms)]
    process = subprocess.Popen(line, cwd=Path(__file__).parent.parent)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def voice_over(link: Link, fate: str, valid_for_ms: int) -> Iterator[None]:
    """Run an agent's voice in this process."""
    stop = threading.Event()
    thread = threading.Thread(target=speak, args=(link.port, f"pi-{fate}", fate, valid_for_ms, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)


def test_nothing_is_shown_free_past_its_time_whatever_happens_to_its_agent(mosquitto: Broker, tmp_path: Path) -> None:
    with (
        serving_connected(server_settings(mosquitto.port, tmp_path, NETWORK)) as served,
        listening(mosquitto) as listener,
        Onlooker(shown_by(served)) as onlooker,
        link_to(mosquitto.port) as plug,
        link_to(mosquitto.port) as wire,
        voice(mosquitto.port, "killed", LONG_MS) as killed,
        voice(mosquitto.port, "frozen", VALID_MS) as frozen,
        voice_over(plug, "unplugged", VALID_MS),
        voice_over(wire, "cut-off", LONG_MS),
        Speaker(mosquitto, agent="pi-restarted") as before,
        Speaker(mosquitto, agent="pi-restarted", epoch=OTHER_EPOCH) as after,
        Speaker(mosquitto, agent="pi-late-will") as late,
        Speaker(mosquitto, agent="pi-unsynced") as unsynced,
        Speaker(mosquitto, agent="pi-ahead") as ahead,
    ):
        before.say("restarted", State.FREE, valid_for_ms=LONG_MS)
        late.say("late-will", State.FREE, valid_for_ms=LONG_MS)
        for fate in FATES[:-2]:
            served.wait_for(fate, State.FREE)
        unsynced.say("unsynced", State.FREE, valid_for_ms=VALID_MS, clock=Clock.UNSYNCED, sent_ms=1_000)
        served.wait_for("unsynced", State.FREE)
        ahead.say("ahead", State.FREE, valid_for_ms=VALID_MS, sent_ms=wall_ms() + WEEK_MS)
        served.wait_for("ahead", State.FREE)

        killed.kill()
        frozen.send_signal(signal.SIGSTOP)
        plug.turn(Weather(silent=True))
        wire.turn(Weather(refuses=True))
        wire.reset()
        after.beat()
        after.say("restarted", State.FREE, valid_for_ms=LONG_MS)
        before.die()
        late.die()
        for fate in FATES:
            if fate != "restarted":
                served.wait_for(fate, State.UNKNOWN)
        assert served.space("restarted")["state"] == "free", "the will of an earlier epoch says nothing of this one"

        frozen.send_signal(signal.SIGCONT)
        wire.turn(Weather())
        late.beat()
        for fate in ("frozen", "cut-off", "late-will"):
            served.wait_for(fate, State.FREE)
    assert len(onlooker.seen) > 50
    assert onlooker.overdue_s(listener, GRACE_MS / 1000) == {}


def test_a_broker_restored_from_an_old_copy_brings_nothing_back(
    start_mosquitto: Callable[..., Broker], tmp_path: Path
) -> None:
    """Its retained states are of another time, and its retained statuses of agents that may be long gone."""
    broker = start_mosquitto(persistence=True)
    with Speaker(broker) as speaker:
        speaker.beat()
        speaker.say("d01", State.FREE, valid_for_ms=VALID_MS)
        speaker.say("d02", State.FREE, sent_ms=wall_ms() - WEEK_MS)
        speaker.say("r1", State.FREE, clock=Clock.UNSYNCED)
    broker.stop()
    broker.start()
    with (
        listening(broker) as listener,
        serving_connected(server_settings(broker.port, tmp_path)) as served,
        Onlooker(shown_by(served)) as onlooker,
    ):
        until(lambda: listener.state_at("d01", 1e18) == "unknown" and len(onlooker.seen) > 20)
        served.wait_for("d01", State.UNKNOWN)
        with Speaker(broker, epoch=OTHER_EPOCH) as again:
            again.beat()
            again.say("d02", State.FREE)
            served.wait_for("d02", State.FREE)
    assert onlooker.overdue_s(listener, GRACE_MS / 1000) == {}
    assert all(shown["r1"] == "unknown" for _, shown in onlooker.seen)


def test_states_that_lie_ahead_are_believed_when_heard_and_not_when_kept(mosquitto: Broker, tmp_path: Path) -> None:
    with listening(mosquitto) as listener, Speaker(mosquitto) as speaker:
        speaker.say("d01", State.FREE, sent_ms=wall_ms() + WEEK_MS)
        until(lambda: listener.state_at("d01", time.monotonic()) == "free")
        with serving_connected(server_settings(mosquitto.port, tmp_path)) as served:
            speaker.say("d02", State.FREE, sent_ms=wall_ms() + WEEK_MS)
            served.wait_for("d02", State.FREE)
            assert served.space("d01")["state"] == "unknown"


def test_an_api_whose_link_falls_silent_lets_its_states_age(mosquitto: Broker, tmp_path: Path) -> None:
    """Its MQTT client needs half a minute to notice; its answers must not wait for that."""
    with (
        link_to(mosquitto.port) as link,
        serving_connected(server_settings(link.port, tmp_path)) as served,
        Onlooker(shown_by(served)) as onlooker,
        Speaker(mosquitto) as speaker,
    ):
        speaker.say("d01", State.FREE, valid_for_ms=VALID_MS)
        said_s = time.monotonic()
        served.wait_for("d01", State.FREE)
        link.turn(Weather(silent=True))
        speaker.say("d01", State.OCCUPIED, valid_for_ms=LONG_MS)
        served.wait_for("d01", State.UNKNOWN)
        until(lambda: onlooker.seen[-1][0] > said_s + (VALID_MS + 2 * GRACE_MS) / 1000)
    late = [shown["d01"] for at, shown in onlooker.seen if at > said_s + (VALID_MS + GRACE_MS) / 1000]
    assert set(late) == {"unknown"}


def test_a_broker_that_dies_takes_no_state_beyond_its_time(mosquitto: Broker, tmp_path: Path) -> None:
    with (
        serving_connected(server_settings(mosquitto.port, tmp_path)) as served,
        listening(mosquitto) as listener,
        Onlooker(shown_by(served)) as onlooker,
    ):
        with Speaker(mosquitto) as speaker:
            speaker.say("d01", State.FREE, valid_for_ms=VALID_MS)
            served.wait_for("d01", State.FREE)
            mosquitto.kill()
        served.wait_for("d01", State.UNKNOWN)
    assert onlooker.overdue_s(listener, GRACE_MS / 1000) == {}


def test_an_api_that_was_frozen_wakes_up_with_nothing_old_to_say(mosquitto: Broker, tmp_path: Path) -> None:
    """What was told to it while it slept waits in its connection; what it was about to tell waits in its streams."""
    port = free_port()
    example = Path(__file__).parent.parent / "examples" / "lab"
    for name in ("site.toml", "f1.svg"):
        (tmp_path / name).write_text((example / name).read_text())
    config = tmp_path / "perch.toml"
    config.write_text(
        f'data = "data"\nsites = ["site.toml"]\n[broker]\nport = {mosquitto.port}\n[api]\nport = {port}\n'
    )
    line = [sys.executable, "-m", "perch.commands", "api", "--config", config]
    api = subprocess.Popen(line, stderr=subprocess.DEVNULL)
    try:
        until(lambda: parts_ready(port), 30)
        with Speaker(mosquitto, site="lab") as speaker:
            speaker.say("room", State.FREE, valid_for_ms=VALID_MS)
            until(lambda: state_at(port) == "free")
            os.kill(api.pid, signal.SIGSTOP)
            begun = wall_ms()
            speaker.say("room", State.FREE, valid_for_ms=VALID_MS, clock=Clock.UNSYNCED)
            until(lambda: wall_ms() - begun > 3_500)
            os.kill(api.pid, signal.SIGCONT)
            seen = {state_at(port) for _ in range(20)}
    finally:
        api.kill()
        api.wait()
    assert seen == {"unknown"}


def parts_ready(port: int) -> bool:
    try:
        told = ask(port, "/readyz")
    except OSError:
        return False
    return any(part["part"] == "broker" and part["ok"] for part in told["parts"])


def state_at(port: int) -> str:
    return str(ask(port, "/api/v1/spaces/lab/room")["state"])


def ask(port: int, address: str) -> dict[str, object]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Tolerant())
    with opener.open(f"http://{LOOPBACK}:{port}{address}", timeout=10) as answer:
        told: dict[str, object] = json.load(answer)
        return told


class _Tolerant(urllib.request.HTTPErrorProcessor):
    """Gives answers whatever their status."""

    def http_response(self, request: object, response: object) -> object:  # noqa: ARG002  # the library's signature
        return response
