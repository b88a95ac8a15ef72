"""Fixtures that give tests real servers and a real browser; what cannot be had is a skip with its name."""

import os
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from tests import influx2, parts
from tests.examples import EACH_RUN

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# A busy machine is not a failure.
settings.register_profile("perch", max_examples=EACH_RUN, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", parent=settings.get_profile("perch"), max_examples=250)
settings.load_profile("perch")

HOW_TO_GET = "run `make test` or `make test-long`, which gets it, or scripts/get-parts or scripts/get-influxd2"


def _part(name: str, program: str | None) -> str:
    if program is None:
        pytest.skip(f"{name} is not installed: {HOW_TO_GET}")
    return program


def _folder(tmp_path_factory: pytest.TempPathFactory, name: str) -> Path:
    return tmp_path_factory.mktemp(name)


@pytest.fixture
def start_mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., parts.Broker]]:
    """A function `(extra="", persistence=False)` that starts one more mosquitto with extra lines of configuration."""
    program = _part("mosquitto", parts.find_mosquitto())
    started: list[parts.Broker] = []

    def start(extra: str = "", persistence: bool = False) -> parts.Broker:
        broker = parts.Broker(program, _folder(tmp_path_factory, "mosquitto"), extra=extra, persistence=persistence)
        started.append(broker)
        broker.start()
        return broker

    yield start
    for broker in started:
        broker.kill()  # at once; in order it takes a tenth of a second, in hundreds of tests


@pytest.fixture
def mosquitto(start_mosquitto: Callable[..., parts.Broker]) -> parts.Broker:
    """A fresh mosquitto that anybody may use and that forgets everything when it ends."""
    return start_mosquitto()


INFLUXDB_VERSIONS = ["1.8", pytest.param("2.7", marks=pytest.mark.long)]


def _influxdb(version: str, tmp_path_factory: pytest.TempPathFactory) -> parts.InfluxServer:
    folder = _folder(tmp_path_factory, "influxdb")
    if version == "1.8":
        return parts.InfluxServer(_part("InfluxDB 1.8", parts.find_influxdb()), folder)
    return influx2.InfluxServer2(_part("InfluxDB 2.7", influx2.find_influxdb2()), folder)


def _buckets(server: parts.InfluxServer, bucket: str, zones_bucket: str) -> parts.Influx:
    if isinstance(server, influx2.InfluxServer2):
        return influx2.Influx2(server, bucket, zones_bucket)
    return parts.Influx(server, bucket, zones_bucket)


@pytest.fixture(params=INFLUXDB_VERSIONS)
def start_influxdb(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], parts.Influx]]:
    """A function that starts an InfluxDB of the test's own, whose `.server` it may stop, kill and start again."""
    started: list[parts.InfluxServer] = []

    def start() -> parts.Influx:
        server = _influxdb(request.param, tmp_path_factory)
        started.append(server)
        server.start()
        return _buckets(server, "perch", "perch_zones")

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="session", params=INFLUXDB_VERSIONS)
def influxdb_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[parts.InfluxServer]:
    """The InfluxDB that tests share; use `influxdb`, which has databases of its own in it."""
    server = _influxdb(request.param, tmp_path_factory)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def influxdb(influxdb_server: parts.InfluxServer) -> Iterator[parts.Influx]:
    """Two fresh databases in the InfluxDB that tests share (never stop that: see `start_influxdb`)."""
    name = f"perch_{uuid.uuid4().hex[:8]}"
    influx = _buckets(influxdb_server, name, f"{name}_zones")
    yield influx
    influx.drop()


@pytest.fixture(scope="module")
def influxdb_of_module(influxdb_server: parts.InfluxServer) -> Iterator[parts.Influx]:
    """Two databases for all tests of a file, which seed them once and only read them."""
    name = f"perch_{uuid.uuid4().hex[:8]}"
    influx = _buckets(influxdb_server, name, f"{name}_zones")
    yield influx
    influx.drop()


@pytest.fixture(scope="session")
def chromium() -> Iterator["Browser"]:
    """A headless Chromium, driven by Playwright; open a `new_context` in it for each test."""
    program = _part("Chromium", parts.find_chromium())
    from playwright.sync_api import sync_playwright

    flags = [*parts.CHROMIUM_FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()


LONG_FILES = (
    "test_campaign.py",
    "test_demo.py",
    "test_demo_ends.py",
    "test_whole_way.py",
    "test_watches.py",
    "test_collector.py",
    "test_api_schemathesis.py",
    "test_commands_up.py",
    "test_clocks_whole_way.py",
    "test_drill.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files in order, each of which one worker runs: long ones first, then most, the browser's last.

    Nobody waits in the end for what has begun late; and Playwright leaves an event loop running, which `asyncio.run`
    does not bear.
    """
    in_browser = Counter(str(item.path) for item in items if _is_in_browser(item))

    def turn(item: pytest.Item) -> tuple[object, ...]:
        many, short = in_browser[str(item.path)], item.path.name not in LONG_FILES
        return (True, short, -many, str(item.path), _is_in_browser(item)) if many else (False, short)

    items.sort(key=turn)


def _is_in_browser(item: pytest.Item) -> bool:
    return "chromium" in getattr(item, "fixturenames", ())


def _skipped(config: pytest.Config) -> list[Any]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return list(reporter.stats.get("skipped", [])) if reporter else []


def _skips_are_forbidden() -> bool:
    return os.environ.get("PERCH_FORBID_SKIPS") == "1"


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run when something was skipped although PERCH_FORBID_SKIPS=1 says that nothing may be."""
    if _skips_are_forbidden() and _skipped(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say why a run without a failed test has failed; what was skipped and why is in pytest's own summary."""
    skipped = len(_skipped(config))
    if skipped and _skips_are_forbidden():
        terminalreporter.section("Skips are forbidden (PERCH_FORBID_SKIPS=1)", red=True)
        terminalreporter.line(f"{skipped} skipped: this run has failed. Get the missing parts: scripts/get-parts")
