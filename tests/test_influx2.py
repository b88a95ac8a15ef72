"""What only InfluxDB 2.x has: tokens that may do little, organisations, buckets and the mappings that InfluxQL needs.

Everything that both versions have is tested on both: see the `influxdb` fixture.
"""

import json
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from perch.adapters.influx.query import Bucket
from perch.adapters.influx.writing import LATEST_MS, InfluxWriter, Written
from perch.errors import UnavailableError
from perch.settings.values import Influx as InfluxSettings
from tests.influx2 import Influx2
from tests.parts import Influx, without_proxy

pytestmark = [pytest.mark.long, pytest.mark.parametrize("influxdb_server", ["2.7"], indirect=True)]

DATA_SOURCE = Path(__file__).parents[1] / "deploy" / "grafana" / "datasources" / "influxdb-2.yaml"
LINE = "m,a=x value=4i 1700000000000000000"


@pytest.fixture
def influx2(influxdb: Influx) -> Influx2:
    assert isinstance(influxdb, Influx2)
    return influxdb


def rights(influx2: Influx2, *wanted: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((action, influx2.bucket_id(bucket)) for action, bucket in wanted)


def settings_with(influx2: Influx2, token: str) -> InfluxSettings:
    return replace(influx2.settings, token_file=influx2.server.token_file(token))


@pytest.fixture
def least(influx2: Influx2) -> Iterator[InfluxWriter]:
    """A writer whose token may read and write the two buckets and nothing else."""
    both = [(action, name) for action in ("read", "write") for name in (influx2.bucket, influx2.zones_bucket)]
    token = influx2.server.token(*rights(influx2, *both))
    with InfluxWriter(settings_with(influx2, token)) as writer:
        yield writer


def test_a_token_for_the_two_buckets_is_enough_to_write_read_and_delete(least: InfluxWriter) -> None:
    least.prepare()
    assert least.health() is None
    for bucket in Bucket:
        assert least.write(bucket, [LINE]) == Written()
        assert [row["value"] for row in least.query("SELECT value FROM m", bucket)] == [4]
        least.delete(bucket, "m", 0, LATEST_MS, {"a": "x"})
        assert least.query("SELECT value FROM m", bucket) == []


def test_a_token_that_may_only_read_is_told_from_silence_when_it_writes(influx2: Influx2) -> None:
    reads = rights(influx2, ("read", influx2.bucket), ("read", influx2.zones_bucket))
    with InfluxWriter(settings_with(influx2, influx2.server.token(*reads))) as writer:
        assert writer.health() is None
        with pytest.raises(UnavailableError, match=r"40[134]") as refused:
            writer.write(Bucket.SPACES, [LINE])
        assert "rights" in refused.value.remedy
        with pytest.raises(UnavailableError, match=r"40[134]"):
            writer.delete(Bucket.SPACES, "m", 0, LATEST_MS, {})


def test_a_token_that_influxdb_does_not_know_is_said_to_be_refused(influx2: Influx2) -> None:
    with InfluxWriter(settings_with(influx2, "a-strangers")) as writer:
        health = writer.health()
        assert isinstance(health, UnavailableError)
        assert "login refused" in health.what
        with pytest.raises(UnavailableError, match="401"):
            writer.write(Bucket.ZONES, [LINE])


def test_a_bucket_that_is_missing_is_named_and_never_made(influx2: Influx2) -> None:
    with InfluxWriter(replace(influx2.settings, zones_bucket="nowhere")) as writer:
        writer.prepare()
        health = writer.health()
        assert isinstance(health, UnavailableError)
        assert "nowhere" in health.what + health.remedy
        with pytest.raises(UnavailableError, match="nowhere"):
            writer.write(Bucket.ZONES, [LINE])


def test_a_bucket_that_a_token_may_not_read_is_said_to_be_missing_or_withheld(influx2: Influx2) -> None:
    """InfluxDB answers as if it were not there."""
    token = influx2.server.token(*rights(influx2, ("read", influx2.zones_bucket)))
    with InfluxWriter(settings_with(influx2, token)) as writer:
        health = writer.health()
    assert isinstance(health, UnavailableError)
    assert f"create {influx2.bucket!r} in InfluxDB, or let this login read it" in health.remedy


def test_an_organisation_that_is_not_there_is_named(influx2: Influx2) -> None:
    with (
        InfluxWriter(replace(influx2.settings, org="elsewhere")) as writer,
        pytest.raises(UnavailableError, match="elsewhere"),
    ):
        writer.write(Bucket.SPACES, [LINE])


def test_a_bucket_that_an_operator_mapped_by_hand_is_found_too(influx2: Influx2) -> None:
    mapping = {"bucketID": influx2.bucket_id(influx2.bucket), "database": influx2.bucket, "default": True}
    owner = {"orgID": influx2.server.org_id, "retention_policy": "autogen"}
    made = influx2.server.call("POST", "/api/v2/dbrps", {**mapping, **owner})
    with InfluxWriter(influx2.settings) as writer:
        assert writer.write(Bucket.SPACES, [LINE]) == Written()
        assert writer.health() is None
        assert [row["value"] for row in writer.query("SELECT value FROM m", Bucket.SPACES)] == [4]
    influx2.server.call("DELETE", f"/api/v2/dbrps/{made['id']}?orgID={influx2.server.org_id}")


def as_grafana(influx2: Influx2, token: str, influxql: str, database: str) -> dict[str, Any]:
    """Ask as Grafana's InfluxQL data source does, with the header that the provisioned file gives it."""
    told = dict(re.findall(r"^ +(\w+): (.+)$", DATA_SOURCE.read_text("utf-8"), re.MULTILINE))
    assert (told["httpMode"], told["access"]) == ("GET", "proxy")
    header = {told["httpHeaderName1"]: told["httpHeaderValue1"].replace("$PERCH_ZONES_TOKEN", token)}
    question = urllib.parse.urlencode({"db": database, "epoch": "ms", "q": influxql})
    with without_proxy.open(urllib.request.Request(f"{influx2.url}/query?{question}", headers=header)) as answer:
        result: dict[str, Any] = json.load(answer)["results"][0]
    return result


def test_grafanas_data_source_reads_the_zones_and_nothing_else(influx2: Influx2) -> None:
    token = influx2.server.token(*rights(influx2, ("read", influx2.zones_bucket)))
    with InfluxWriter(influx2.settings) as writer:
        for bucket in Bucket:
            writer.write(bucket, [LINE])
    [zones] = as_grafana(influx2, token, "SELECT value FROM m", influx2.zones_bucket)["series"]
    assert zones["values"] == [[1_700_000_000_000, 4]]
    spaces = as_grafana(influx2, token, "SELECT value FROM m", influx2.bucket)
    assert "series" not in spaces
    assert "not found" in spaces["error"]
