"""However many slow questions are asked of history, what holds now is answered at once."""

import asyncio
import threading
from pathlib import Path
from typing import Never

import pytest
from fastapi.concurrency import run_in_threadpool

from api.application import with_routes
from api.history.files import HistoryFiles
from api.history.way import History
from api.turns import AT_ONCE
from perch.adapters.keys import Role
from perch.errors import UnavailableError
from tests.keyed import Keyed, asked
from tests.parts import until

ASKED = 60
PAST = "/api/v1/history/time_used_ratio?site=hq&from=2026-09-14&to=2026-09-15"


class SlowStore(HistoryFiles):
    """A store that answers nobody until it is let go."""

    def __init__(self, world: Keyed) -> None:
        super().__init__({site.id: site for site in world.sites}, world.folder)
        self.go = threading.Event()
        self.at_work = 0
        self.most = 0
        self._lock = threading.Lock()

    def source(self) -> Never:
        """Wait, then say that there is nothing to say."""
        self._count(1)
        self.go.wait(30)
        self._count(-1)
        raise UnavailableError("this store tells nothing")

    def _count(self, more: int) -> None:
        with self._lock:
            self.at_work += more
            self.most = max(self.most, self.at_work)


@pytest.mark.parametrize("past", [PAST, "/week?site=hq", "/report?site=hq"])
def test_live_answers_wait_for_no_history_and_histories_take_turns(tmp_path: Path, past: str) -> None:
    world = Keyed(tmp_path, routes=with_routes())
    store = SlowStore(world)
    world.routes.state.history = History.of({site.id: site for site in world.sites}, store)

    async def ask(address: str, role: Role) -> int:
        return (await asked(world.app, "GET", address, b"", world.by(role))).status

    async def all_at_once() -> list[int]:
        asked_for = [asyncio.create_task(ask(past, Role.FACILITIES)) for _ in range(ASKED)]
        try:
            await asyncio.to_thread(until, lambda: store.at_work >= AT_ONCE)
            return [await ask(f"/api/v1/{name}?site=hq", Role.MEMBER) for name in ("spaces", "summary", "events")]
        finally:
            store.go.set()
            statuses.extend(await asyncio.gather(*asked_for))

    statuses: list[int] = []
    assert asyncio.run(all_at_once()) == [200, 200, 200]
    assert store.most == AT_ONCE
    assert statuses == [503] * ASKED


def test_live_answers_need_no_thread(tmp_path: Path) -> None:
    world, go = Keyed(tmp_path), threading.Event()

    async def with_every_thread_at_work() -> list[int]:
        others = [asyncio.create_task(run_in_threadpool(go.wait, 30)) for _ in range(ASKED)]
        try:
            asked_for = [f"/api/v1/{name}?site=hq" for name in ("spaces", "summary", "events")] + ["/api/v1/sites"]
            return [(await asked(world.app, "GET", one, b"", world.by(Role.MEMBER))).status for one in asked_for]
        finally:
            go.set()
            await asyncio.gather(*others)

    assert asyncio.run(with_every_thread_at_work()) == [200] * 4
