"""Watches: what was asked for, what turned, and the word of it on its way to whoever asked.

A message is kept before it is sent, together with what holds now: whatever dies in between, it is sent, and sent with
the same id if it is sent twice.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from random import Random
from secrets import token_hex
from typing import Any

import msgspec

from api.entrance.access import Reader
from api.live.live import Live
from api.moments import rfc3339
from api.watches.watching import Sight, Sights, is_log
from perch.adapters.watches_file import TOLD, Made, Post, Watch, WatchesFile
from perch.adapters.webhooks import Destinations, Message, origin_of
from perch.errors import StorageError
from perch.watching.conditions import About
from perch.watching.posting import Standing, is_hopeless, tried
from perch.watching.turns import Turn, turned

LOOK_S = 1.0
AT_ONCE = 8
PURGE_MS = 3_600_000
REST_MS = 60_000
"""So long nothing is sent after a try that could not be noted."""
_BEGINNINGS_ONLY = frozenset({About.SPACE_FREE, About.CAMPING})
"""Nobody need be told that the last free desk is taken, or that who was camping is still there."""

_log = logging.getLogger("perch.api")
_encoder = msgspec.json.Encoder()


class Watches:
    """All watches of this API; everything but the file's and the network's work runs on the event loop's thread.

    `reader_of` says as whom a watch is told of things, None where its key opens nothing any more.
    """

    def __init__(
        self,
        file: WatchesFile,
        destinations: Destinations,
        live: Live,
        reader_of: Callable[[str | None], Reader | None],
    ) -> None:
        self.destinations = destinations
        self.file = file
        self._live = live
        self._reader_of = reader_of
        self._sights = Sights(live)
        self._chance = Random()  # noqa: S311 - it spreads tries, and guards nothing
        self._watches: dict[str, Watch] = {}
        self._due_ms: int | None = 0
        self._flying: dict[str, asyncio.Task[None]] = {}
        self._purge_ms = 0

    def __repr__(self) -> str:
        return f"<Watches: {len(self._watches)}>"

    async def begin(self) -> None:
        """Read what is watched; raises StorageError."""
        self._watches = {watch.id: watch for watch in await asyncio.to_thread(self.file.read)}

    def of(self, reader: Reader) -> list[Watch]:
        """Give a reader's own watches, the oldest first."""
        return [watch for watch in self._watches.values() if watch.key == reader.key]

    @property
    def number(self) -> int:
        """How many there are in all."""
        return len(self._watches)

    async def add(self, watch: Watch) -> None:
        """Watch something more; raises StorageError."""
        self._watches[watch.id] = watch  # at once, so that no two take the last place
        try:
            await asyncio.to_thread(self.file.add, watch)
        except BaseException:
            del self._watches[watch.id]
            raise

    async def remove(self, watch: Watch) -> None:
        """Watch something no longer; raises StorageError."""
        self._watches.pop(watch.id, None)
        await asyncio.to_thread(self.file.remove, [watch.id])

    async def posts(self, watch: Watch, after: int, most: int) -> list[Post]:
        """Give the messages of a watch after a cursor, in order; raises StorageError."""
        return await asyncio.to_thread(self.file.posts, watch.id, after, most)

    async def replay(self, watch: Watch, after: int) -> int:
        """Send messages anew, and go on with a watch that was disabled; raises StorageError."""
        replayed = await asyncio.to_thread(self.file.replay, watch.id, after, self._live.now().wall_ms)
        await self._reread()
        return replayed

    async def follow(self) -> None:
        """Look and send, again and again; a file that fails is told of once, and tried again."""
        failing = False
        try:
            while True:
                try:
                    await self.settle()
                except StorageError as error:
                    if not failing:
                        _log.error("watches wait: %s", error.what)
                    failing = True
                else:
                    failing = False
                await asyncio.sleep(LOOK_S)
        finally:
            for flight in self._flying.values():
                flight.cancel()

    async def settle(self) -> None:
        """Tell of what turned, and send what is due; raises StorageError."""
        now_ms = self._live.now().wall_ms
        if self._watches:
            self._sights.look()
        else:
            self._sights.forget()
        holds, made = self._turns(now_ms)
        if holds or made:
            await asyncio.to_thread(self.file.turn, holds, made)
            for id_, known in holds.items():
                if id_ in self._watches:
                    self._watches[id_] = replace(self._watches[id_], holds=known)
            self._due_ms = now_ms if made else self._due_ms
        if self._due_ms is not None and self._due_ms <= now_ms:
            await self._send(now_ms)
        if now_ms >= self._purge_ms:
            self._purge_ms = now_ms + PURGE_MS
            await self._purge(now_ms)

    def _turns(self, now_ms: int) -> tuple[dict[str, Mapping[str, bool]], list[Made]]:
        """Give what holds now of the watches of which something turned, and what there is to say."""
        holds: dict[str, Mapping[str, bool]] = {}
        made: list[Made] = []
        for watch in self._watches.values():
            reader = self._reader_of(watch.key) if watch.disabled is None and not watch.is_over else None
            if reader is None:
                continue
            known = dict(watch.holds)
            for name, sight in self._sights.of(watch.wish, reader, watch.holds).items():
                now_holds, turn = turned(None if watch.wish.about is About.CAMPING else known.get(name), sight.holds)
                if now_holds is not None:
                    known[name] = now_holds
                if turn is Turn.BEGAN or (turn is Turn.ENDED and watch.wish.about not in _BEGINNINGS_ONLY):
                    made.append(self._message(watch, name, turn, sight, now_ms))
                    known |= {TOLD: True} if is_log(reader, sight) else {}
            if watch.wish.about is not About.CAMPING and known != watch.holds:
                holds[watch.id] = known
        return holds, made

    def _message(self, watch: Watch, name: str, turn: Turn, sight: Sight, now_ms: int) -> Made:
        wish = watch.wish
        data: dict[str, Any] = {"watch": watch.id, "name": watch.name, "site": wish.site}
        if sight.counts is not None:
            counts = sight.counts
            data |= {"free": counts.free, "occupied": counts.occupied, "unknown": counts.unknown}
        if wish.about is About.OVER_CAPACITY and sight.counts is not None:
            data["people"] = sight.counts.people
        if sight.spaces:
            data["spaces"] = sight.spaces
        if wish.about is About.AGENT_OFFLINE:
            data["agent"] = name
        if sight.gap_ms is not None:
            data |= {"space": name, "away_seconds": sight.gap_ms // 1000}
        kind = f"{wish.about}.{turn}"
        body = {"type": kind, "timestamp": rfc3339(now_ms, UTC), "data": data}
        return Made(f"msg_{token_hex(12)}", watch.id, now_ms, kind, _encoder.encode(body).decode())

    async def _send(self, now_ms: int) -> None:
        """Begin to send what is due: one message at a time to each receiver, so that a slow one holds up no other."""
        for post in await asyncio.to_thread(self.file.due, now_ms):
            watch = self._watches.get(post.made.watch)
            if watch is None or len(self._flying) >= AT_ONCE:
                continue
            origin = origin_of(watch.url)
            if origin not in self._flying:
                self._flying[origin] = flight = asyncio.create_task(self._fly(post, watch))
                flight.add_done_callback(partial(self._landed, origin))
        self._due_ms = await asyncio.to_thread(self.file.next_due_ms)

    def _landed(self, origin: str, flight: asyncio.Task[None]) -> None:
        del self._flying[origin]
        self._due_ms = 0
        if not flight.cancelled() and (error := flight.exception()) is not None:
            self._due_ms = self._live.now().wall_ms + REST_MS
            _log.error("a message of a watch was not sent, and is tried again", exc_info=error)

    async def _fly(self, post: Post, watch: Watch) -> None:
        if self._reader_of(watch.key) is None:
            later = post.posting._replace(due_ms=self._live.now().wall_ms + PURGE_MS)
            await asyncio.to_thread(self.file.note, post.cursor, later, None, disabled=None, now_ms=later.due_ms)
            return
        message = Message(post.made.id, post.made.body)
        answered = await self.destinations.post(watch.url, message, watch.secret)
        now_ms = self._live.now().wall_ms
        posting = tried(post.posting, answered, now_ms, self._chance.random())
        why = None
        if is_hopeless(posting, answered, watch.well_ms, post.made.at_ms):
            since = datetime.fromtimestamp(post.made.at_ms / 1000, UTC)
            why = f"nothing got through since {since:%Y-%m-%d}: {answered.what}"
            _log.error("watch %s of key %s is disabled: %s", watch.id, watch.key or "nobody", why)
        await asyncio.to_thread(self.file.note, post.cursor, posting, answered.what, disabled=why, now_ms=now_ms)
        if why is not None or posting.standing is Standing.DELIVERED:
            await self._reread()

    async def _reread(self) -> None:
        """Take over what the file knows of watches that are still wanted."""
        for watch in await asyncio.to_thread(self.file.read):
            if watch.id in self._watches:
                self._watches[watch.id] = watch
        self._due_ms = 0

    async def _purge(self, now_ms: int) -> None:
        """Let go of old messages, and of the watches of keys that open nothing any more."""
        await asyncio.to_thread(self.file.purge, now_ms)
        gone = [watch.id for watch in self._watches.values() if self._reader_of(watch.key) is None]
        if gone:
            _log.warning("%d watches are let go: their keys open nothing any more, or they have none", len(gone))
            await asyncio.to_thread(self.file.remove, gone)
        for id_ in gone:
            self._watches.pop(id_, None)
