"""A broker written in Python for the demo, where there is no mosquitto: `python -m perch.commands.demo_broker`.

It speaks MQTT 3.1.1. Clients must give a user name, any will do: amqtt drops what is on its way to nameless ones.
"""

import asyncio
import logging
import os
import threading

import click
from amqtt.broker import Broker

from perch.commands.stopping import stop_on_signals, stop_with_parent

LOOK_S = 0.1


@click.command()
@click.option("--port", type=int, required=True)
@click.option("--end-with-parent", type=int, required=True)
def serve(port: int, end_with_parent: int) -> None:
    """Serve MQTT on 127.0.0.1 until told to stop."""
    logging.basicConfig(level=logging.WARNING)
    stop = stop_on_signals()
    stop_with_parent(stop, end_with_parent)
    asyncio.run(_serve(port, stop))
    os._exit(0)  # amqtt leaves tasks and threads behind that would be waited for


async def _serve(port: int, stop: threading.Event) -> None:
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": False}},
        }
    )
    await broker.start()
    while not stop.is_set():
        await asyncio.sleep(LOOK_S)
    await broker.shutdown()


if __name__ == "__main__":
    serve()
