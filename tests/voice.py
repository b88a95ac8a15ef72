"""An agent's voice, as a process to be killed and frozen: `python -m tests.voice PORT AGENT SPACE VALID_MS`."""

import sys
import threading
import time

from perch import contract
from perch.adapters.mqtt.connection import Connection
from perch.contract import LiveState, Status
from perch.model import Clock, Reason, State
from perch.settings import Broker

BEAT_S = 0.25


def speak(port: int, agent: str, space: str, valid_for_ms: int, stop: threading.Event) -> None:
    """Say that the agent lives and its space is free, four times a second, with a will."""
    epoch = (agent.encode().hex() + "0" * 32)[:32]
    will = contract.build_status("hq", agent, contract.will(epoch, 1))
    with Connection(Broker(port=port), f"hq_{agent}", will=will, subscriptions=(), on_message=lambda _: None) as wire:
        while not stop.wait(BEAT_S):
            now = time.time_ns() // 1_000_000
            said = LiveState(
                v=1,
                epoch=epoch,
                state=State.FREE,
                probability=0.1,
                count=None,
                reason=Reason.QUIET,
                since_ms=now,
                sent_ms=now,
                clock=Clock.OK,
                valid_for_ms=valid_for_ms,
            )
            wire.publish(contract.build_status("hq", agent, Status(v=1, online=True, epoch=epoch, run=1)))
            wire.publish(contract.build_state("hq", agent, space, said))


if __name__ == "__main__":
    speak(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), threading.Event())
