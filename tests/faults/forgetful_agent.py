"""The negative control: an agent that lets go of events once the broker has them, as most do. It must lose some.

`python -m tests.faults.forgetful_agent` takes what `perch.commands.chaos_agent` takes.
"""

from pathlib import Path
from typing import ClassVar

import click
from paho.mqtt.client import MQTTMessageInfo

from perch import contract
from perch.adapters.mqtt.connection import Received
from perch.commands.chaos_agent import play
from perch.contract import Ack, Publication
from perch.delivery.watermark import Watermark
from sensor_agent.agent import Agent


class ForgetfulAgent(Agent):
    """Takes the broker's PUBACK of a batch for the collector's receipt, and hears nothing else."""

    _handed_over: ClassVar[list[tuple[MQTTMessageInfo, str, int, int]]] = []
    _believed: ClassVar[dict[str, Watermark]] = {}

    def deliver(self) -> None:
        """Believe what the broker has acknowledged, then go on as ever."""
        for handed_over in list(self._handed_over):
            info, epoch, first, last = handed_over
            if info.is_published():
                self._handed_over.remove(handed_over)
                mark = self._believed[epoch] = self._believed.get(epoch, Watermark()).add(first, last)
                ack = Ack(v=1, journal="f" * 16, epoch=epoch, upto=mark.upto, have=mark.have)
                super()._hear(Received("", contract.build_ack("hq", "a1", ack).payload, False))
        super().deliver()

    def _hear(self, message: Received) -> None:
        """The collector's receipts are not for this one."""

    def _publish(self, publication: Publication) -> bool:
        taken = super()._publish(publication)
        info = self._connection._last_sent
        if taken and info is not None and publication.topic.endswith("/up"):
            batch = contract.parse_up(publication.payload)
            numbers = [event.seq or 0 for event in batch.events]
            self._handed_over.append((info, batch.epoch, numbers[0], numbers[-1]))
        return taken


@click.command()
@click.option("--config", type=click.Path(path_type=Path), required=True)
@click.option("--seed", type=int, required=True)
@click.option("--load", type=float, required=True)
@click.option("--boot")
@click.option("--began-ms", type=int, default=0)
@click.option("--unsynced", is_flag=True)
def run(config: Path, seed: int, load: float, boot: str | None, began_ms: int, unsynced: bool) -> None:
    """Run until told to stop."""
    play(config, seed, load, boot, began_ms, unsynced, kind=ForgetfulAgent)


if __name__ == "__main__":
    run()
