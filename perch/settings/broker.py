"""The `[broker]` table of `agent.toml` and `perch.toml`."""

from enum import StrEnum
from pathlib import Path

from perch.settings.files import file_beside
from perch.settings.reading import choice, text, whole
from perch.settings.table import Table
from perch.settings.values import Broker


class Protocol(StrEnum):
    """The versions of MQTT that are spoken."""

    MQTT_5 = "5"
    MQTT_3_1_1 = "3.1.1"


_LEVELS = {Protocol.MQTT_5: 5, Protocol.MQTT_3_1_1: 4}


def read_broker(table: Table, folder: Path) -> Broker:
    """Read how the broker is reached; the files named there must be there."""
    file = file_beside(folder)
    broker = Broker(
        host=table.take("host", text, "127.0.0.1"),
        port=table.take("port", whole(1, 65_535), 1883),
        ca=table.take("ca", file, None),
        username=table.take("username", text, None),
        password_file=table.take("password_file", file, None),
        certificate=table.take("certificate", file, None),
        key=table.take("key", file, None),
        protocol=_LEVELS[table.take("protocol", choice(Protocol), Protocol.MQTT_5)],
    )
    if ("certificate" in table) != ("key" in table):
        table.complain("", "certificate and key go together", "give both of them, or neither")
    table.finish()
    return broker
