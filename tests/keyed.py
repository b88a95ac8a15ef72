"""An API with keys, asked directly: two sites, readers of every role, and a clock that moves when it is told to."""

import asyncio
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from fastapi import FastAPI
from starlette.types import ASGIApp, Message

from api.application import serving, with_routes
from api.audit.taps import Taps
from api.entrance.entrance import Entrance
from api.entrance.keys import Keys
from api.entrance.origins import Names
from api.history.files import history_in_files
from api.live.live import Live
from api.watches.watches import Watches
from perch import contract
from perch.adapters.cursor import Cursor
from perch.adapters.history.store import HistoryStore
from perch.adapters.keys import KeysFile, Role
from perch.adapters.mqtt.connection import Received
from perch.adapters.readings_log import ReadingsLog
from perch.adapters.watches_file import WatchesFile
from perch.adapters.webhooks import Destinations
from perch.contract import LiveState, SensorStatus, Status
from perch.delivery.liveness import Instant
from perch.history.told import Told
from perch.model import Clock, Purpose, Reason, SensorHealth, SensorKind, Site, SpaceKind, State
from perch.settings import Api
from tests.serving import EPOCH, a_site, a_space

SPACES = (
    *(a_space(f"d0{number}") for number in range(1, 7)),
    a_space("d90", purpose=Purpose.ASSIGNED),
    a_space("p1", SpaceKind.ROOM, purpose=Purpose.PRIVATE, capacity=4, zone="rooms"),
    a_space("r1", SpaceKind.ROOM, capacity=6, zone="rooms"),
)
HIDDEN = ("d90", "p1")
INSIDE = "http://127.0.0.1:9"
"""Where watches may send to; nothing is sent here."""


ROUTES = with_routes()  # its first answer costs a hundred times as much as any other


@cache
def history_of(told: tuple[Told, ...] = ()) -> bytes:
    """Make the file of a history; nothing ever was by default."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "history.db"
        with HistoryStore.open(path) as store:
            store.add(told, Cursor("0" * 16, 1))
        return path.read_bytes()


class Answer(NamedTuple):
    """What came back; of a stream of events the beginning, `ended` tells whether it ended by itself."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    ended: bool

    @property
    def json(self) -> Any:
        """Read the body."""
        return json.loads(self.body)


@dataclass
class Hands:
    """A clock that moves only when it is told to."""

    wall_ms: int = 1_790_000_000_000
    mono_ms: int = 5_000_000

    def __call__(self) -> Instant:
        return Instant(self.wall_ms, self.mono_ms)

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.wall_ms += round(seconds * 1000)
        self.mono_ms += round(seconds * 1000)


@dataclass
class Keyed:
    """The application with its keys: `keys` by role, each limited to site hq."""

    folder: Path
    public_summary: bool = False
    url: str | None = "https://perch.example"
    limited: bool = True
    roles: tuple[Role, ...] = tuple(Role)
    hands: Hands = field(default_factory=Hands)
    told: tuple[Told, ...] = ()
    routes: FastAPI = ROUTES
    """Of two that answer in turns, each needs its own."""
    sites: tuple[Site, ...] = (a_site(spaces=SPACES), a_site("lab", spaces=SPACES, name="Laboratory"))

    def __post_init__(self) -> None:
        (self.folder / "history.db").write_bytes(history_of(self.told))
        self.file = KeysFile(self.folder)
        limits = frozenset({"hq"}) if self.limited else None
        made = {role: self.file.create(f"{role} key", role, limits, self.now_s) for role in self.roles}
        self.keys = {role: text for role, (text, _) in made.items()}
        self.ids = {role: key.id for role, (_, key) in made.items()}
        self.live = Live(self.sites, self.hands)
        self.ring = Keys(self.folder, lambda: self.hands.wall_ms / 1000, lambda: self.hands.mono_ms / 1000)
        self.ring.look()
        self.entrance = Entrance(
            self.ring, Names(self.url), lambda: self.hands.mono_ms, public_summary=self.public_summary
        )
        self.log = ReadingsLog(self.folder)
        self.app = self._application()

    def _application(self) -> ASGIApp:
        state = self.routes.state
        state.checks = [("broker", lambda: "connected")]
        state.health = lambda: None
        state.demo = False
        state.taps = Taps(self.folder, 0, lambda: self.hands.mono_ms)
        state.readings = self.log
        inside = Destinations((), (INSIDE,))
        state.watches = Watches(WatchesFile(self.folder), inside, self.live, self.entrance.reader_by)
        history = history_in_files({site.id: site for site in self.sites}, self.folder)
        return serving(self.routes, self.live, history, Api(requests_per_minute=0), self.entrance)

    @property
    def now_s(self) -> int:
        """The present second."""
        return self.hands.wall_ms // 1000

    def hear(self, space: str, state: State, site: str = "hq", **changed: Any) -> None:
        """Let the agent of a space state something."""
        now_ms = self.hands.wall_ms
        said: dict[str, Any] = {
            "v": 1,
            "epoch": EPOCH,
            "state": state,
            "probability": 0.97 if state is State.OCCUPIED else 0.031,
            "count": None,
            "reason": Reason.MOTION if state is State.OCCUPIED else Reason.QUIET,
            "since_ms": now_ms,
            "sent_ms": now_ms,
            "clock": Clock.OK,
        }
        self._deliver(contract.build_state(site, "pi-1", space, LiveState(**{**said, **changed})))

    def beat(self, site: str = "hq", *, fired: Mapping[str, int]) -> None:
        """Let an agent tell how it does, and when the sensor of each space last fired."""
        ok = SensorHealth.OK
        sensors = {
            f"pir-{space}": SensorStatus(ok, self.hands.wall_ms - 3_600_000, last_ms, SensorKind.MOTION, space)
            for space, last_ms in fired.items()
        }
        status = Status(v=1, online=True, epoch=EPOCH, run=1, version="1", outbox=0, sensors=sensors)
        self._deliver(contract.build_status(site, "pi-1", status))

    def _deliver(self, said: contract.Publication) -> None:
        self.live.hear(Received(said.topic, said.payload, retained=False))

    def by(self, role: Role | None) -> dict[str, str]:
        """Give the header that a role asks with."""
        return {} if role is None else {"authorization": f"Bearer {self.keys[role]}"}

    def get(self, address: str, role: Role | None = None, **headers: str) -> Answer:
        """Ask for an address."""
        return self.ask("GET", address, headers={**self.by(role), **headers})

    def ask(
        self,
        method: str,
        address: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        then: Callable[[], object] | None = None,
    ) -> Answer:
        """Ask the application; a stream of events is left after its snapshot, unless something happens `then`.

        It has a thread of its own: a browser that is open keeps this one's event loop.
        """
        with ThreadPoolExecutor(1) as elsewhere:
            return elsewhere.submit(asyncio.run, asked(self.app, method, address, body, headers or {}, then)).result()


def scope_of(method: str, address: str, headers: Mapping[str, str], http_version: str) -> dict[str, Any]:
    """Put a question as a server hands it to an application."""
    path, _, query = address.partition("?")
    given = {"host": "perch.example", "accept": "application/json", **headers}
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": http_version,
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.replace("_", "-").encode(), text.encode("latin-1")) for name, text in given.items()],
        "client": ("127.0.0.1", 5),
        "server": ("127.0.0.1", 80),
    }


async def asked(
    app: ASGIApp,
    method: str,
    address: str,
    body: bytes,
    headers: Mapping[str, str],
    then: Callable[[], object] | None = None,
    http_version: str = "1.1",
) -> Answer:
    """Ask an application directly."""
    scope = scope_of(method, address, headers, http_version)
    seen: list[Message] = []
    enough = asyncio.Event()
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if waiting:
            return waiting.pop()
        await enough.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        seen.append(message)
        if b"event: snapshot" in message.get("body", b""):
            (then or enough.set)()

    await asyncio.wait_for(app(scope, receive, send), 10)
    start = seen[0]
    told = {name.decode(): text.decode("latin-1") for name, text in start["headers"]}
    content = b"".join(message.get("body", b"") for message in seen[1:])
    return Answer(start["status"], told, content, not enough.is_set())
