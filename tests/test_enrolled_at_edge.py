"""An agent is invited at its site's own broker, and is heard, answered and put out through the bridge to the centre."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from perch import commands
from perch.adapters.mqtt.connection import Received
from perch.contract import parse_status
from perch.contract.bridge import Centre, bridge_lines
from perch.model import Identity
from perch.settings import load_server
from sensor_agent.agent import Agent
from sensor_agent.clock import RecordedClock
from sensor_agent.inputs import use_mock_pins
from tests import parts
from tests.enrolled import Heard, Venue, comes_in, venue
from tests.parts import LOOPBACK, until
from tests.test_collector import collecting, entries
from tests.test_enroll import T0, Pi, inviting, turn

EDGE = '[[edge]]\nsite = "hq"\npassword_file = "edge"\n'


@pytest.fixture(params=[Identity.PASSWORD, Identity.CERTIFICATE], ids=["passwords", "certificates"])
def centre(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Venue]:
    """A network's broker; the site's comes in by password whatever its agents show."""
    program = parts.find_mosquitto()
    if program is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    (tmp_path / "centre").mkdir()
    with venue(program, tmp_path / "centre", request.param, EDGE) as made:
        yield made


@pytest.fixture
def edge(centre: Venue, tmp_path: Path) -> Iterator[Venue]:
    """A site's own broker, bridged over TLS."""
    program = parts.find_mosquitto() or ""
    port = centre.enrolment.password_port or centre.enrolment.port
    to = Centre(LOOPBACK, port, "the password of edge", str(centre.files.authority.certificate))
    (tmp_path / "edge").mkdir()
    with venue(program, tmp_path / "edge", centre.identity, bridge=bridge_lines("hq", to, restart_s=(1, 1))) as made:
        yield made


def says_offline(message: Received) -> bool:
    return message.topic == "perch/v1/hq/pi-1/status" and not parse_status(message.payload).online


@pytest.mark.long
def test_an_agent_enrolled_at_its_sites_broker_delivers_to_the_centre_and_is_put_out_there(
    centre: Venue, edge: Venue, tmp_path: Path
) -> None:
    (tmp_path / "pi").mkdir()
    pi = Pi(tmp_path / "pi")
    with inviting(edge, "token", "hq/pi-1") as (invitations, waiting):
        assert pi.enroll(invitations[0]) == 0
        assert waiting.wait(10) == 0
    use_mock_pins()
    sensing = pi.settings()
    server = replace(load_server(centre.config, {}), data=tmp_path / "data")
    with (
        collecting(server) as collector,
        Heard(centre.server, "onlooker", "perch/v1/hq/+/status") as onlooker,
        Agent(sensing, RecordedClock(T0), sensing.sensing.sensors) as agent,
    ):
        until(lambda: turn(agent) or (agent.connected and agent.unsettled == 0), 30)
        agent.edge("pir1", 1.0)
        until(lambda: turn(agent) or agent.unsettled == 0, 30)
        assert {(entry.site, entry.agent) for entry in entries(collector.data)} == {("hq", "pi-1")}
        assert commands.run(["agents", "revoke", "hq/pi-1", "--config", str(edge.config)]) == 0
        until(lambda: turn(agent) or not agent.connected)
        while not says_offline(onlooker.messages.get(timeout=10)):
            pass
    assert not comes_in(pi.settings().broker)
    assert not comes_in(replace(pi.settings().broker, port=centre.enrolment.port)), "nor was it ever known there"
