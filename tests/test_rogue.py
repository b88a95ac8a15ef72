"""An agent that floods the collector is slowed down, and its neighbour loses nothing; processes of their own."""

import queue
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from collector.queues import TRAFFIC_OF_AN_AGENT
from perch.adapters.health.collector import CollectorHealth, read_health
from perch.adapters.quarantine.store import QuarantineReader
from tests import parts, rogue
from tests.parts import until
from tests.test_collector import Agent, command, entries, state

RATE = 3_000
RESEND_S = 2.0


@contextmanager
def running(line: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(line, cwd=Path(__file__).parent.parent, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(20) is not None


class Neighbour:
    """Sends one event after the other, each again and again until it is acknowledged, as agents do."""

    def __init__(self, agent: Agent) -> None:
        self.seq = 0
        self._agent = agent

    def tell(self) -> None:
        self.seq += 1
        until(self._is_acknowledged, 60)

    def _is_acknowledged(self) -> bool:
        self._agent.send(state(self.seq))
        try:
            return self.seq in self._agent.heard(timeout_s=RESEND_S)
        except queue.Empty:
            return False


def health(data: Path) -> CollectorHealth:
    found = read_health(data)
    assert found is not None
    return found


@pytest.mark.parametrize("kind", rogue.KINDS)
def test_a_rogue_is_throttled_and_its_neighbour_loses_nothing(
    mosquitto: parts.Broker, tmp_path: Path, kind: str
) -> None:
    """3,000 messages of 12 KB a second, good ones or nonsense: what is taken of them is bounded, on the disk too."""
    data = tmp_path / "data"
    flood = [sys.executable, "-m", "tests.rogue", str(mosquitto.port), kind, str(RATE)]
    with running(command(tmp_path, mosquitto)) as collector, Agent(mosquitto) as agent:
        neighbour = Neighbour(agent)
        neighbour.tell()
        with running(flood):
            until(lambda: (neighbour.tell(), "hq/rogue" in health(data).throttled)[1], 60)
            for _ in range(10):
                neighbour.tell()
        assert health(data).throttled.keys() == {"hq/rogue"}
        assert health(data).messages * rogue.PAYLOAD_BYTES < TRAFFIC_OF_AN_AGENT.burst + 60 * TRAFFIC_OF_AN_AGENT.per_s
    assert collector.returncode == 0
    stored = [entry.event for entry in entries(data) if entry.agent == "pi-1"]
    assert stored == [state(number) for number in range(1, neighbour.seq + 1)]
    on_disk = sum(path.stat().st_size for path in data.iterdir())
    assert on_disk < 3 * TRAFFIC_OF_AN_AGENT.burst
    with QuarantineReader(data / "quarantine.db") as reader:
        assert (reader.count() > 0) == (kind == "junk")
        assert reader.count() == reader.count(agent="hq/rogue")
