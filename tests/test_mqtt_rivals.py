"""Two clients with one name: each says so, and gives the other more and more room."""

from pathlib import Path

import pytest

from perch.adapters.health.agent import read_agent_health
from perch.adapters.mqtt.again import LONGEST_WAIT_S, SOON_S, SUSPICIOUS, Again, after
from perch.adapters.mqtt.connection import Connection
from perch.model import SensedSpace, SpaceKind
from perch.settings import AgentSettings, Broker, SensingSettings
from sensor_agent.agent import Agent
from sensor_agent.clock import SystemClock
from sensor_agent.inputs import use_mock_pins
from sensor_agent.reporter import Reporter
from tests import parts
from tests.parts import until


def ended(*lasted_s: float | None, taken: bool = False) -> Again:
    again = Again()
    for one in lasted_s:
        again = after(again, one, taken=taken)
    return again


def test_a_broker_that_is_away_is_asked_ever_less_often() -> None:
    assert [ended(*[None] * count).wait_s for count in range(8)] == [1, 2, 4, 8, 16, 30, 30, 30]
    assert ended(*[None] * 20).told("x") is None


def test_a_connection_that_is_lost_is_tried_again_at_once() -> None:
    assert ended(None, None, SOON_S).wait_s == 1
    assert ended(5.0).wait_s == ended(5.0, 5.0).wait_s == 1


def test_connections_that_are_lost_soon_again_and_again_give_the_other_one_room() -> None:
    waits = [ended(*[1.0] * count).wait_s for count in range(SUSPICIOUS, SUSPICIOUS + 6)]
    assert waits == sorted(waits)
    assert waits[0] > 1
    assert waits[-1] == LONGEST_WAIT_S
    assert "may connect as 'hq_a1'" in (ended(*[1.0] * SUSPICIOUS).told("hq_a1") or "")
    assert ended(*[LONGEST_WAIT_S + 5] * SUSPICIOUS).is_contested, "it lasts as long as the other one waits"


def test_a_broker_that_goes_away_in_between_is_no_rival() -> None:
    assert not ended(*[1.0, None] * 10).is_contested


def test_a_broker_that_says_who_took_over_is_believed_at_once() -> None:
    again = ended(100.0, taken=True)
    assert "another client connects as 'hq_a1'" in (again.told("hq_a1") or "")
    assert again.wait_s == 2


def test_one_that_lasts_ends_the_suspicion() -> None:
    assert after(ended(*[1.0] * 9), SOON_S, taken=False) == Again()


def test_two_agents_with_one_name_each_say_so(mosquitto: parts.Broker, tmp_path: Path) -> None:
    """In their own logs and files: what they tell the broker is the other's word, too."""
    use_mock_pins()
    sensing = SensingSettings((SensedSpace("d01", SpaceKind.DESK),), ())
    folders = [tmp_path / "one", tmp_path / "other"]
    of = [AgentSettings("hq", "a1", folder, Broker(port=mosquitto.port), sensing) for folder in folders]
    clock = SystemClock()
    with Agent(of[0], clock, ()) as one, Agent(of[1], clock, ()) as other:
        reporters = [Reporter(folder, agent, clock) for folder, agent in zip(folders, (one, other), strict=True)]

        def told() -> bool:
            for agent, reporter in zip((one, other), reporters, strict=True):
                agent.turn(0.01)
                reporter.settle()
            kept = [read_agent_health(folder) for folder in folders]
            return all(health is not None and "'hq_a1'" in (health.trouble or "") for health in kept)

        assert until(told, timeout_s=30)
        assert until(lambda: told() and any("'hq_a1'" in (agent.problem or "") for agent in (one, other)), timeout_s=30)


@pytest.mark.parametrize("times", [1, 2])
def test_a_broker_that_is_killed_now_and_then_raises_no_suspicion(mosquitto: parts.Broker, times: int) -> None:
    broker = Broker(port=mosquitto.port)
    with Connection(broker, "hq_a1", subscriptions=["a"], on_message=lambda _: None) as one:
        for _ in range(times):
            until(lambda: one.connected, timeout_s=20)
            mosquitto.kill()
            until(lambda: not one.connected)
            mosquitto.start()
        until(lambda: one.connected, timeout_s=20)
        assert one.rivalry is None
