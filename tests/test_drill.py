"""The drill: the server is lost, last night's copy restored; agents fill the gap, and every number is what it was."""

import gzip
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from perch import commands
from perch.adapters.health.collector import read_health
from perch.adapters.journal.store import JournalReader
from perch.adapters.mqtt.connection import Connection
from tests import parts
from tests.parts import until
from tests.test_whole_way import RECORDED, House, assert_numbers_agree, milliseconds, perch, process, settled


def divided(folder: Path, *ends: float) -> list[Path]:
    """Cut a recording into parts that end after such shares of its rows."""
    header, *rows = gzip.decompress((RECORDED / "dec22" / "readings.csv.gz").read_bytes()).decode().splitlines()
    rows.sort(key=lambda row: milliseconds(row.split(",")[0].replace("Z", "+00:00")))
    edges = [0, *(round(len(rows) * end) for end in ends)]
    paths = []
    for number, (first, last) in enumerate(pairwise(edges)):
        paths.append(folder / f"part-{number}.csv")
        paths[-1].write_text("\n".join([header, *rows[first:last]]) + "\n")
    return paths


def journal_of(house: House) -> tuple[str, int]:
    with JournalReader(house.folder / "server" / "journal.db") as reader:
        return reader.id, reader.end()


def in_influxdb(house: House) -> list[dict[str, object]]:
    """Give all rows that come from the journal, in order."""
    buckets = (
        ("occupancy", house.influxdb.bucket),
        ("alive", house.influxdb.bucket),
        ("zone_15min", house.influxdb.zones_bucket),
    )
    return [row for name, bucket in buckets for row in house.influxdb.query(f'SELECT * FROM "{name}"', bucket)]  # noqa: S608


@pytest.fixture
def house(tmp_path: Path, mosquitto: parts.Broker, influxdb: parts.Influx) -> House:
    return House(tmp_path, mosquitto, influxdb)


@contextmanager
def collecting(house: House) -> Iterator[None]:
    """A collector alone, which is killed in the end, and an ear on the wire."""
    ear = Connection(house.broker, "ear", subscriptions=["perch/v1/+/+/up"], on_message=house._hear)
    with ear, process(perch("collector", "--config", str(house.config))) as collector:
        until(lambda: ear.connected and (health := read_health(house.folder / "server")) and not health.broker, 60)
        yield
        collector.kill()


def test_last_nights_copy_and_the_agents_make_a_lost_server_whole(house: House, tmp_path: Path) -> None:
    monday, tuesday, wednesday = divided(house.folder, 0.5, 0.8, 1.0)
    copy = tmp_path / "last-night"
    with collecting(house):
        house.replay(monday)
        settled(house)
        assert commands.run(["backup", str(copy), "--config", str(house.config)]) == 0
        id_before, backed_up = journal_of(house)
        house.replay(tuesday)
        settled(house)
        assert journal_of(house)[1] > backed_up
        rows_before = in_influxdb(house)

    shutil.rmtree(house.folder / "server")
    house.influxdb.lose()
    assert commands.run(["restore", str(copy), "--config", str(house.config)]) == 0
    id_after, restored = journal_of(house)
    assert restored == backed_up
    assert id_after != id_before

    with house.running():
        house.replay(wednesday)
        settled(house)
        until(lambda: (health := read_health(house.folder / "server")) and health.journal == id_after)
        assert house.transitions() == house.rows_in_influxdb() == house.stated()
        assert_numbers_agree(house)
        there = in_influxdb(house)
        assert [row for row in rows_before if row not in there and row["measurement"] != "zone_15min"] == []
