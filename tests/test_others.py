"""Two collectors at one broker: agents cannot tell what is stored, so each says that it is not alone."""

from pathlib import Path

import pytest

from collector.others import AGAIN_MS, FORGET_MS, REMEMBERED, Others
from perch import contract
from perch.adapters import age
from perch.adapters.mqtt import Connection
from perch.contract import Ack, Address
from perch.doctor.findings import Verdict
from perch.doctor.stores import look_at_collector
from perch.settings import Broker
from tests import parts
from tests.parts import until
from tests.test_collector import Agent, collecting, settings, state

OURS, THEIRS = "a" * 16, "b" * 16
OURS_TO_ANSWER = Address("hq", "pi-1", "ack")


def ack(journal: str) -> bytes:
    return contract.build_ack("hq", "pi-1", Ack(v=1, journal=journal, epoch="e" * 32, upto=1)).payload


@pytest.fixture
def others() -> Others:
    return Others(OURS, {("hq", "pi-1")})


def test_a_collector_that_answers_again_and_again_is_named(others: Others) -> None:
    others.hear(OURS_TO_ANSWER, ack(THEIRS), 0)
    assert others.at_work(0) == ()
    others.hear(OURS_TO_ANSWER, ack(THEIRS), AGAIN_MS)
    assert others.at_work(AGAIN_MS) == (THEIRS,)


def test_it_is_forgotten_once_it_is_silent(others: Others) -> None:
    for ms in (0, AGAIN_MS):
        others.hear(OURS_TO_ANSWER, ack(THEIRS), ms)
    assert others.at_work(AGAIN_MS + FORGET_MS) == (THEIRS,)
    assert others.at_work(AGAIN_MS + FORGET_MS + 1) == ()


def test_late_words_of_a_journal_that_was_restored_since_do_not_count(others: Others) -> None:
    """All that the broker still had of it comes at once, and never again."""
    for _ in range(100):
        others.hear(OURS_TO_ANSWER, ack(THEIRS), 5)
    assert others.at_work(5) == ()
    others.hear(OURS_TO_ANSWER, ack(THEIRS), 5 + FORGET_MS + 1)
    assert others.at_work(5 + FORGET_MS + 1) == ()


def test_its_own_words_those_to_strangers_and_nonsense_do_not_count(others: Others) -> None:
    for ms in (0, AGAIN_MS):
        others.hear(OURS_TO_ANSWER, ack(OURS), ms)
        others.hear(Address("hq", "perch-doctor-1", "ack"), ack(THEIRS), ms)
        others.hear(OURS_TO_ANSWER, b"\xff", ms)
    assert others.at_work(AGAIN_MS) == ()


def test_invented_journals_cost_no_memory(others: Others) -> None:
    for number in range(10 * REMEMBERED):
        others.hear(OURS_TO_ANSWER, ack(f"{number:016x}"), number)
    assert repr(others) == f"<Others beside {OURS}, {REMEMBERED} heard>"


@pytest.mark.parametrize("protocol", [5, 4], ids=["MQTT 5", "MQTT 3.1.1"])
def test_a_collector_beside_another_says_so_and_one_alone_does_not(
    mosquitto: parts.Broker, tmp_path: Path, protocol: int
) -> None:
    """The other one is played by hand, at the times that it would need."""
    served = settings(tmp_path, mosquitto, protocol=protocol)
    with collecting(served) as collector, Agent(mosquitto) as agent:
        agent.send(state(1))
        agent.heard()
        other = Connection(Broker(port=mosquitto.port), "other", subscriptions=[], on_message=lambda _: None)
        with other:
            other.ready(10)

            def is_told() -> bool:
                other.publish(contract.build_ack("hq", "pi-1", Ack(v=1, journal=THEIRS, epoch="e" * 32, upto=1)))
                return bool(collector.health().others)

            assert collector.health().others == ()
            until(is_told, timeout_s=2 * AGAIN_MS / 1000)
        assert collector.health().others == (THEIRS,)
        faults = [found.what for found in look_at_collector(served.data, age.mark()) if found.verdict is Verdict.FAULT]
        assert faults == [f"another collector with journal {THEIRS} answers agents at this broker"]
