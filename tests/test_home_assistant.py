"""Home Assistant is told of an agent's spaces, and never sees a space `off` of which nobody knows."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perch import contract
from perch.adapters.mqtt.connection import Connection, Received
from perch.contract.home_assistant import build_discovery, build_no_discovery, discovery_topic
from perch.errors import InputError
from perch.model import Clock, State
from perch.settings import Broker, load_agent, load_sensing
from tests import parts, wire
from tests.home_assistant import TOPIC, HomeAssistant, complaints
from tests.parts import until

AT_S = 1_760_000_000.0
DESK = "perch_hq_pi-3_d01"
STATE, STATUS = contract.topic("hq", "pi-3", "state", "d01"), contract.topic("hq", "pi-3", "status")


def config_of(publication: contract.Publication) -> Any:
    return json.loads(publication.payload)


def said(state: str, sent_s: float = AT_S, clock: Clock = Clock.OK, **other: Any) -> bytes:
    words = {"v": 1, "epoch": wire.EPOCH, "state": state, "probability": 0.5, "count": None, "reason": "quiet"}
    words |= {"since_ms": 0, "sent_ms": int(sent_s * 1000), "valid_for_ms": 90_000, "clock": clock.value}
    payload = json.dumps(words | other).encode()
    contract.parse_state(payload)
    return payload


class Listening:
    """A Home Assistant with a clock that the test sets, which was told of one desk."""

    def __init__(self) -> None:
        self.now_s = AT_S
        self.home = HomeAssistant(lambda: self.now_s)
        self.hear(build_discovery("hq", "pi-3", ["d01"], [], "0.1.0"))
        self.hear(contract.build_status("hq", "pi-3", contract.Status(v=1, online=True, epoch=wire.EPOCH, run=1)))

    def hear(self, publication: contract.Publication) -> None:
        self.home.hear(publication.topic, publication.payload)

    def after(self, payload: bytes) -> str:
        self.home.hear(STATE, payload)
        return self.home.state(DESK)


def test_a_discovery_message_has_the_fields_that_home_assistant_takes() -> None:
    told = build_discovery("hq", "pi-3", ["d01", "r1"], ["d02"], "0.1.0")
    config = config_of(told)
    assert complaints(config) == []
    assert TOPIC.fullmatch(told.topic) is not None
    assert (told.topic, told.retain, told.expiry_s) == ("homeassistant/device/perch_hq_pi-3/config", True, None)
    assert list(config["components"]) == ["d02", "d01", "r1"]
    assert config["components"]["d02"] == {"platform": "binary_sensor"}
    desk = config["components"]["d01"]
    assert (desk["device_class"], desk["expire_after"], desk["unique_id"]) == ("occupancy", 90, DESK)


def test_a_wrong_discovery_message_is_seen_to_be_wrong() -> None:
    config = config_of(build_discovery("hq", "pi-3", ["d01"], [], "0.1.0"))
    config["components"]["d01"] |= {"expire_after": "90", "state": "perch", "value_template": "{{ oops"}
    with pytest.raises(Exception, match="expected"):
        complaints(config)
    del config["components"]["d01"]["value_template"], config["origin"]
    config["origin"] = {"url": "https://example"}
    assert [complaint.partition(":")[0] for complaint in complaints(config)] == [
        "origin.url",
        "d01.expire_after",
        "d01.state",
    ]


def test_a_space_is_on_off_or_unknown_as_its_agent_says() -> None:
    heard = Listening()
    assert heard.home.state(DESK) == "unavailable"
    assert [heard.after(said(state)) for state in State] == ["off", "on", "unknown"]


def test_a_space_is_unavailable_and_not_off_when_its_agent_is_gone() -> None:
    heard = Listening()
    assert heard.after(said("free")) == "off"
    heard.hear(contract.build_status("hq", "pi-3", contract.will(wire.EPOCH, 1)))
    assert heard.home.state(DESK) == "unavailable"


def test_a_space_is_unavailable_when_even_the_will_got_lost() -> None:
    heard = Listening()
    assert heard.after(said("free")) == "off"
    heard.now_s += 89
    assert heard.home.state(DESK) == "off"
    heard.now_s += 1
    assert heard.home.state(DESK) == "unavailable"


def test_what_a_broker_had_kept_for_too_long_says_nothing() -> None:
    """After a restart of Home Assistant a broker that lost the will delivers old words as if they were new."""
    heard = Listening()
    assert heard.after(said("free", AT_S - 91)) == "unknown"
    assert heard.after(said("free", AT_S - 89)) == "off"
    assert heard.after(said("free", AT_S - 3600, Clock.UNSYNCED)) == "off"  # its age cannot be told; it expires


def test_the_reason_and_the_number_of_people_are_attributes() -> None:
    heard = Listening()
    heard.after(said("occupied", count=3, reason="count"))
    assert heard.home.entities[DESK].attributes == {"reason": "count", "people": 3}


def test_a_removed_space_is_gone_and_so_is_a_removed_device() -> None:
    heard = Listening()
    heard.hear(build_discovery("hq", "pi-3", ["d02"], ["d01"], "0.1.0"))
    assert list(heard.home.entities) == ["perch_hq_pi-3_d02"]
    heard.hear(build_no_discovery("hq", "pi-3"))
    assert heard.home.entities == {}


AGENT_TOML = """
site = "hq"
agent = "pi-3"
data = "data"
[broker]
port = {port}
username = "hq_pi-3"
password_file = "password"
[homeassistant]
discovery = {discovery}
"""
SPACE = '[[space]]\nid = "{id}"\nkind = "desk"\n[[sensor]]\nid = "{id}"\nkind = "motion"\nspace = "{id}"\npin = {pin}\n'


def write_config(folder: Path, port: int, *spaces: str, discovery: bool = True) -> Path:
    config = folder / "agent.toml"
    listed = "".join(SPACE.format(id=space, pin=17 + place) for place, space in enumerate(spaces))
    config.write_text(AGENT_TOML.format(port=port, discovery=str(discovery).lower()) + listed)
    (folder / "password").write_text("secret")
    return config


def test_home_assistant_is_told_nothing_unless_the_agent_is_asked_to(tmp_path: Path) -> None:
    config = write_config(tmp_path, 1883, "d01")
    assert load_agent(config, {}).home_assistant
    assert not load_agent(config, {"PERCH_HOMEASSISTANT_DISCOVERY": "false"}).home_assistant
    config.write_text(config.read_text().replace("[homeassistant]\ndiscovery = true", ""))
    assert not load_agent(config, {}).home_assistant
    assert load_sensing(config).spaces


def test_a_wrong_switch_is_refused_with_its_place(tmp_path: Path) -> None:
    config = write_config(tmp_path, 1883, "d01")
    config.write_text(config.read_text().replace("discovery = true", 'discovery = "yes"\nprefix = "ha"'))
    with pytest.raises(InputError) as refused:
        load_agent(config, {})
    assert [complaint.where for complaint in refused.value.complaints] == [
        f"{config}: [homeassistant].discovery",
        f"{config}: [homeassistant].prefix",
    ]


ACCESS = """
user hq_pi-3
topic write perch/v1/hq/pi-3/#
topic read perch/v1/hq/pi-3/ack
topic write homeassistant/device/perch_hq_pi-3/config
user home
topic read perch/v1/#
topic read homeassistant/#
"""


@pytest.fixture
def broker(start_mosquitto: Callable[..., parts.Broker], tmp_path: Path) -> parts.Broker:
    """A broker with the access list of the operators' page."""
    (tmp_path / "acl").write_text(ACCESS)
    return start_mosquitto(f"acl_file {tmp_path}/acl")


@contextmanager
def running(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "perch.commands", "agent", "--config", str(config)]
    environment = {**os.environ, "GPIOZERO_PIN_FACTORY": "mock"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def home_assistant(port: int, name: str = "home") -> Iterator[HomeAssistant]:
    """A Home Assistant of its own at the broker; the broker gives it what it has kept."""
    home = HomeAssistant(time.time)
    where = Broker(port=port, username="home")
    topics = ["homeassistant/device/+/config", "perch/v1/+/+/status", "perch/v1/+/+/state/+"]

    def hear(message: Received) -> None:
        home.hear(message.topic, message.payload)

    with Connection(where, name, subscriptions=topics, on_message=hear) as connection:
        connection.ready(10)
        yield home
        connection.check()


def states(home: HomeAssistant) -> dict[str, str]:
    return {name.removeprefix("perch_hq_pi-3_"): home.state(name) for name in list(home.entities)}


def test_a_killed_agent_makes_its_spaces_unavailable_and_a_removed_space_goes(
    broker: parts.Broker, tmp_path: Path
) -> None:
    config = write_config(tmp_path, broker.port, "d01", "d02")
    with home_assistant(broker.port) as home:
        with running(config) as agent:
            until(lambda: states(home) == {"d01": "unknown", "d02": "unknown"}, 20)  # starting is unknown, not off
            os.kill(agent.pid, signal.SIGKILL)
            until(lambda: states(home) == {"d01": "unavailable", "d02": "unavailable"})
        write_config(tmp_path, broker.port, "d02")
        with running(config):
            until(lambda: states(home) == {"d02": "unknown"}, 20)
        with home_assistant(broker.port, "later") as later:
            until(lambda: states(later) == {"d02": "unavailable"})
        write_config(tmp_path, broker.port, "d02", discovery=False)
        with running(config):
            until(lambda: states(home) == {}, 20)
    assert not (tmp_path / "data" / "homeassistant.json").exists()


def test_nothing_in_the_discovery_message_needs_another_topic_than_those_of_the_agent() -> None:
    config = config_of(build_discovery("hq", "pi-3", ["d01"], [], "0.1.0"))
    desk = config["components"]["d01"]
    topics = {desk["state_topic"], desk["json_attributes_topic"], config["availability"][0]["topic"]}
    assert topics == {STATE, STATUS}
    assert discovery_topic("hq", "pi-3").startswith("homeassistant/")
    assert msgspec.json.decode(build_discovery("hq", "pi-3", ["d01"], [], "0.1.0").payload) == config
