"""An API as it runs, and agents that speak to it through a real broker."""

import datetime
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx

from api import process
from perch import contract
from perch.adapters.mqtt.connection import Connection
from perch.contract import LiveState, Publication, SensorStatus, Status
from perch.model import (
    Clock,
    Floor,
    OpenSpan,
    Purpose,
    Reason,
    SensorHealth,
    SensorKind,
    Site,
    Space,
    SpaceKind,
    State,
    Zone,
)
from perch.settings import Api, ServerSettings
from perch.settings import Broker as BrokerSettings
from tests.parts import LOOPBACK, Broker, free_port, until

EPOCH = "a" * 32
OTHER_EPOCH = "b" * 32
WEEK_MS = 7 * 24 * 3_600_000

PLAN = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 200">
<g id="space-d01"><rect x="10" y="10" width="80" height="60"/><text x="20" y="30">Desk 1</text></g>
<g id="space-d02"><rect x="110" y="10" width="80" height="60"/></g>
<rect id="space-r1" x="210" y="10" width="180" height="160"/>
</svg>"""


def a_space(space: str, kind: SpaceKind = SpaceKind.DESK, **changed: Any) -> Space:
    """Make a space of today, in the zone `open` of floor `f1`, served by `pi-1`."""
    usual: dict[str, Any] = {
        "id": space,
        "name": space.upper(),
        "floor": "f1",
        "zone": "open",
        "kind": kind,
        "capacity": 1,
        "purpose": Purpose.SHARED,
        "features": frozenset(),
        "agent": "pi-1",
    }
    return Space(**{**usual, **changed})


USUAL_SPACES = (
    a_space("d01", features=frozenset({"window", "monitor"})),
    a_space("d02"),
    a_space("d03", agent="pi-2", purpose=Purpose.ASSIGNED),
    a_space("r1", SpaceKind.ROOM, capacity=6, zone="rooms"),
)


def a_site(
    site: str = "hq",
    *,
    time_zone: str = "Europe/Lisbon",
    spaces: tuple[Space, ...] = USUAL_SPACES,
    plan: str | None = PLAN,
    name: str = "Harbour House",
) -> Site:
    """Make a site of one floor and two zones, open on weekdays from eight to eight."""
    weekday = (OpenSpan(datetime.time(8), datetime.time(20)),)
    return Site(
        site,
        name,
        time_zone,
        None,
        (),
        (weekday,) * 5 + ((), ()),
        (Floor("f1", "First floor", plan),),
        (Zone("open", "f1", "Open space"), Zone("rooms", "f1", "Rooms")),
        ("pi-1", "pi-2"),
        spaces,
    )


def wall_ms() -> int:
    """Read the wall clock."""
    return time.time_ns() // 1_000_000


@dataclass
class Speaker:
    """The voice of an agent; a context manager that is connected while it lasts."""

    broker: Broker
    site: str = "hq"
    agent: str = "pi-1"
    epoch: str = EPOCH
    _connection: Connection = field(init=False)

    def __post_init__(self) -> None:
        settings = BrokerSettings(port=self.broker.port)
        name = f"speaker-{self.site}-{self.agent}-{self.epoch[:2]}"
        self._connection = Connection(settings, name, subscriptions=(), on_message=lambda _: None)

    def __enter__(self) -> Self:
        self._connection.start()
        self._connection.ready(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.stop(5)

    def publish(self, publication: Publication) -> None:
        """Hand something over to the broker."""
        until(lambda: self._connection.publish(publication))

    def say(self, space: str, state: State, **changed: Any) -> None:
        """Publish the state of a space, sent now unless `changed` says otherwise."""
        now = wall_ms()
        usual: dict[str, Any] = {
            "v": 1,
            "epoch": self.epoch,
            "state": state,
            "probability": {State.FREE: 0.031, State.OCCUPIED: 0.97, State.UNKNOWN: 0.5}[state],
            "count": None,
            "reason": {State.FREE: Reason.QUIET, State.OCCUPIED: Reason.MOTION, State.UNKNOWN: Reason.STARTING}[state],
            "since_ms": now,
            "sent_ms": now,
            "clock": Clock.OK,
        }
        self.publish(contract.build_state(self.site, self.agent, space, LiveState(**{**usual, **changed})))

    def beat(self, **changed: Any) -> None:
        """Publish a status."""
        now = wall_ms()
        sensor = SensorStatus(SensorHealth.OK, now, now, SensorKind.MOTION, "d01")
        usual: dict[str, Any] = {
            "v": 1,
            "online": True,
            "epoch": self.epoch,
            "run": 7,
            "version": "1.2.3",
            "outbox": 12,
            "sensors": {"pir1": sensor},
        }
        self.publish(contract.build_status(self.site, self.agent, Status(**{**usual, **changed})))

    def die(self) -> None:
        """Publish what the broker publishes when an agent is gone."""
        self.publish(contract.build_status(self.site, self.agent, contract.will(self.epoch, 7)))

    def say_raw(self, topic: str, payload: bytes) -> None:
        """Publish anything."""
        self.publish(Publication(topic, payload))


class Served:
    """A running API with a client to it."""

    def __init__(self, url: str, thread: threading.Thread, stop: threading.Event) -> None:
        self.url = url
        self._thread = thread
        self._stop = stop
        self.client = httpx.Client(base_url=url, timeout=10, trust_env=False)

    def end(self) -> bool:
        """Ask it to end; tells whether it did."""
        self._stop.set()
        self._thread.join(10)
        return not self._thread.is_alive()

    def get(self, address: str, **headers: str) -> httpx.Response:
        """Ask for an address; underscores in names of headers stand for hyphens."""
        return self.client.get(address, headers={name.replace("_", "-"): text for name, text in headers.items()})

    def json(self, address: str) -> Any:
        """Give the answer at an address, which must be good."""
        answer = self.get(address)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def space(self, name: str, site: str = "hq") -> Any:
        """Give the item of one space."""
        return self.json(f"/api/v1/spaces/{site}/{name}")

    def wait_for(self, name: str, state: State, *, site: str = "hq", timeout_s: float = 10) -> Any:
        """Wait until a space is shown in a state; gives its item."""
        return until(lambda: (item := self.space(name, site))["state"] == state and item, timeout_s)


def server_settings(broker_port: int, data: Path, *sites: Site) -> ServerSettings:
    """Make settings for an API on a free port."""
    api = Api(LOOPBACK, free_port(), requests_per_minute=0)
    return ServerSettings(data, sites or (a_site(),), (), BrokerSettings(port=broker_port), None, api)


@contextmanager
def serving(settings: ServerSettings) -> Iterator[Served]:
    """Run the real process function in a thread, until the block ends; it must end within its own deadline."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            process.run(settings, stop)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run, name="api")
    thread.start()
    served = Served(f"http://{settings.api.host}:{settings.api.port}", thread, stop)
    try:
        until(lambda: failures or _is_up(served), 30)
        if not failures:
            yield served
    finally:
        served.client.close()
        served.end()
    assert not thread.is_alive(), "the API did not end"
    if failures:
        raise failures[0]


def _is_up(served: Served) -> bool:
    try:
        return served.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def serving_connected(settings: ServerSettings) -> Iterator[Served]:
    """The same, once the API hears the broker."""
    with serving(settings) as served:
        until(lambda: parts_of(served)["broker"]["ok"])
        yield served


def parts_of(served: Served) -> dict[str, Any]:
    """Give what readiness says of each part."""
    return {part["part"]: part for part in served.get("/readyz").json()["parts"]}
