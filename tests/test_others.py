"""Two collectors at one broker: agents cannot tell what is stored, so each says that it is not alone."""

import time
from pathlib import Path

import pytest

from collector.others import AGAIN_MS, CALL_MS, FORGET_CALLER_MS, FORGET_MS, REMEMBERED, Calls, Others
from perch import contract
from perch.adapters import age
from perch.adapters.mqtt.connection import Connection, Received
from perch.contract import Ack, Address, Publication
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


def call(journal: str, site: str = "hq") -> tuple[Address, bytes]:
    publication = contract.build_call(site, journal)
    return contract.parse_topic(publication.topic), publication.payload


def test_a_collector_that_calls_is_named_though_no_agent_speaks_and_soon_forgotten(others: Others) -> None:
    for ms in (0, CALL_MS):
        others.hear(*call(THEIRS), ms)
        others.hear(*call(OURS), ms)
    assert others.at_work(CALL_MS) == (THEIRS,)
    assert others.at_work(CALL_MS + FORGET_CALLER_MS + 1) == ()


def test_a_collector_of_other_sites_is_no_rival(others: Others) -> None:
    for ms in (0, CALL_MS):
        others.hear(*call(THEIRS, "elsewhere"), ms)
    assert others.at_work(CALL_MS) == ()


def test_a_collector_calls_in_each_of_its_sites_now_and_then_and_once_the_broker_is_back() -> None:
    there = False
    sent: list[str] = []

    def publish(publication: Publication) -> bool:
        sent.append(publication.topic)
        return there

    calls = Calls(OURS, ["hq", "lab"], publish)
    calls.settle(1)
    there = True
    sent.clear()
    for ms in range(2, 2 * CALL_MS, 200):
        calls.settle(ms)
    assert sent == 2 * [f"perch/v1/hq/collector-{OURS}/ack", f"perch/v1/lab/collector-{OURS}/ack"]


def test_a_collector_alone_with_a_broker_calls(mosquitto: parts.Broker, tmp_path: Path) -> None:
    heard: list[Received] = []
    with Connection(
        Broker(port=mosquitto.port), "x", subscriptions=["perch/v1/#"], on_message=heard.append
    ) as onlooker:
        onlooker.ready(10)
        with collecting(settings(tmp_path, mosquitto)) as collector:
            until(lambda: heard)
            journal = collector.health().journal
    assert (heard[0].topic, heard[0].retained) == (f"perch/v1/hq/collector-{journal}/ack", False)


@pytest.mark.parametrize("protocol", [5, 4], ids=["MQTT 5", "MQTT 3.1.1"])
def test_a_collector_beside_another_says_so_and_one_alone_does_not(
    mosquitto: parts.Broker, tmp_path: Path, protocol: int
) -> None:
    """The other one is played by hand; what counts as again is a second here, AGAIN_MS in service."""
    served = settings(tmp_path, mosquitto, protocol=protocol)
    with collecting(served, again_ms=1_000) as collector, Agent(mosquitto) as agent:
        agent.send(state(1))
        agent.heard()
        other = Connection(Broker(port=mosquitto.port), "other", subscriptions=[], on_message=lambda _: None)
        with other:
            other.ready(10)

            answer = contract.build_ack("hq", "pi-1", Ack(v=1, journal=THEIRS, epoch="e" * 32, upto=1))

            def is_told() -> bool:
                other.publish(contract.build_call("hq", THEIRS) if protocol == 5 else answer)
                return bool(collector.health().others)

            assert collector.health().others == ()
            began_s = time.monotonic()
            until(is_told)
            assert time.monotonic() - began_s >= 1  # one word alone was not enough
        assert collector.health().others == (THEIRS,)
        faults = [
            found.what
            for found in look_at_collector(served.data, age.mark(), served.sites)
            if found.verdict is Verdict.FAULT
        ]
        assert faults == [f"another collector with journal {THEIRS} answers agents at this broker"]
