"""Who may do what in an InfluxDB, by the logins that Perch makes there: each its own, and nothing else."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from perch.adapters.influx.history import InfluxHistory
from perch.adapters.influx.probe import kept_hours
from perch.adapters.influx.query import Bucket, InfluxQuery, QueryError
from perch.adapters.influx.writing import LATEST_MS, InfluxWriter, Written, quoted
from perch.errors import PerchError
from perch.settings.values import Influx
from tests import influx2, parts
from tests.parts import LOOPBACK, free_port

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "influxdb.md").read_text("utf-8")
LINE = "m,a=x value=4i 1700000000000000000"
ADMIN = "p\"w\\ %&'ö"


class Server(NamedTuple):
    """An InfluxDB that asks for a login: how its administrator comes in, and how others do by a file's secret."""

    command: list[str]
    ending: str
    as_: Callable[[Path], Influx]


def commands(url: str, secret: Path) -> list[list[str]]:
    """Give the page's two commands, for 2.x and for 1.8, as they are for a server of the tests."""
    block = PAGE.partition("## A login for each")[2].partition("```sh\n")[2].partition("```")[0]
    meant = {"http://localhost:8086": url, "operator.token": str(secret), "admin.password": str(secret)}
    two = [[meant.get(word, word) for word in line.split()] for line in block.splitlines()]
    assert len(two) == 2
    return two


def version_1(folder: Path) -> Iterator[Server]:
    program = parts.find_influxdb()
    if program is None:
        pytest.skip("InfluxDB 1.8 is not installed")
    port, config = free_port(), folder / "influxdb.conf"
    text = parts.INFLUXDB_CONFIG.format(port=port, backup_port=free_port(), folder=folder)
    config.write_text(text.replace("[http]", "[http]\n  auth-enabled = true"))
    server = parts.Server([program, "-config", str(config)], port, folder / "log")
    server.start()
    nobody = Influx(f"http://{LOOPBACK}:{port}", database="perch", zones_database="perch_zones")
    InfluxQuery(nobody).run(f"CREATE USER admin WITH PASSWORD {quoted(ADMIN)} WITH ALL PRIVILEGES", Bucket.SPACES)
    (folder / "admin").write_text(ADMIN + "\n")
    yield Server(
        commands(nobody.url, folder / "admin")[1],
        "password",
        lambda file: replace(nobody, username=file.stem, password_file=file),
    )
    server.stop()


def version_2(folder: Path) -> Iterator[Server]:
    program = influx2.find_influxdb2()
    if program is None:
        pytest.skip("InfluxDB 2.7 is not installed: scripts/get-influxd2 builds it")
    server = influx2.InfluxServer2(program, folder)
    server.start()
    yield Server(
        commands(server.url, server.token_file())[0],
        "token",
        lambda file: Influx(server.url, token_file=file, org=influx2.ORG),
    )
    server.stop()


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    program = [str(ROOT / command[0]), *command[1:]]
    return subprocess.run(program, cwd=folder, capture_output=True, text=True, timeout=60)


class Logins(NamedTuple):
    """How each of the three is to log in."""

    collector: Influx
    api: Influx
    grafana: Influx


@pytest.fixture(scope="module", params=[version_1, pytest.param(version_2, marks=pytest.mark.long)])
def logins(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logins]:
    """What the script makes at a fresh InfluxDB, run a second time as well."""
    folder, out = tmp_path_factory.mktemp("influxdb"), tmp_path_factory.mktemp("logins")
    for server in request.param(folder):
        files = [out / f"perch-{who}.{server.ending}" for who in ("collector", "api", "zones")]
        secrets = []
        for _ in range(2):
            done = run(server.command, out)
            assert done.returncode == 0, done.stdout + done.stderr
            secrets.append([file.read_text() for file in files])
        assert secrets[0] == secrets[1], "what is there stays"
        assert [file.stat().st_mode & 0o777 for file in files] == [0o600] * 3
        with InfluxWriter(server.as_(files[0])) as collector:
            collector.prepare()
            assert collector.health() is None
            for bucket in Bucket:
                assert collector.write(bucket, [LINE]) == Written()
        yield Logins(*map(server.as_, files))


def values(login: Influx, bucket: Bucket) -> list[object]:
    return [row["value"] for row in InfluxQuery(login).rows("SELECT value FROM m", bucket)]


def refuses_to_write(login: Influx, bucket: Bucket) -> bool:
    """Whether rows are neither taken nor deleted; what is there is looked at with another login."""
    with InfluxWriter(login) as writer:
        with pytest.raises(PerchError):
            writer.write(bucket, ["m,a=x value=5i 1700000000000000001"])
        with pytest.raises(PerchError):
            writer.delete(bucket, "m", 0, LATEST_MS, {})
    return True


def test_the_collector_writes_reads_and_deletes_in_both(logins: Logins) -> None:
    with InfluxWriter(logins.collector) as writer:
        for bucket in Bucket:
            assert writer.write(bucket, ["other,a=x value=4i 1700000000000000000"]) == Written()
            assert [row["value"] for row in writer.query("SELECT value FROM other", bucket)] == [4]
            writer.delete(bucket, "other", 0, LATEST_MS, {})
            assert writer.query("SELECT value FROM other", bucket) == []


def test_the_api_reads_both_and_writes_nothing(logins: Logins) -> None:
    assert InfluxHistory(logins.api).horizon("hq") is None
    for bucket in Bucket:
        assert values(logins.api, bucket) == [4]
        assert kept_hours(logins.api, bucket, 5) == 0
        assert refuses_to_write(logins.api, bucket)
        assert values(logins.collector, bucket) == [4]


def test_grafana_reads_the_zones_and_no_single_space_and_writes_nothing(logins: Logins) -> None:
    assert values(logins.grafana, Bucket.ZONES) == [4]
    with pytest.raises(PerchError):
        values(logins.grafana, Bucket.SPACES)
    for bucket in Bucket:
        assert refuses_to_write(logins.grafana, bucket)
        assert values(logins.collector, bucket) == [4]


@pytest.mark.parametrize("who", Logins._fields)
def test_nobody_makes_logins_or_databases(logins: Logins, who: str) -> None:
    login: Influx = getattr(logins, who)
    for statement in ("CREATE DATABASE mine", "CREATE USER mine WITH PASSWORD 'x'", "DROP DATABASE perch"):
        with pytest.raises((QueryError, PerchError)):
            InfluxQuery(login).run(statement, Bucket.ZONES)


def test_a_wrong_administrators_secret_is_named_and_nothing_is_left(logins: Logins, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("wrong")
    done = run(commands(logins.collector.url, tmp_path / "wrong")[logins.collector.org is None], tmp_path)
    assert done.returncode == 1
    assert "roles: InfluxDB says:" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["wrong"]
