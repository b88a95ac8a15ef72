"""A reader of live states that knows nothing but the contract's live rule, and looks whether the API keeps it.

Written anew from the words of the contract, on purpose: it shares no rule with `perch.delivery`. A state may be
believed until more than `valid_for_ms` passed since its receipt or, where its `clock` is `ok`, since `sent_ms`; one
that was delivered as retained not at all where its clock is not `ok` or `sent_ms` is ahead; and none of an epoch whose
newest status is offline. The API has five seconds to notice.
"""

import json
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from perch.adapters.mqtt import Connection, Received
from perch.settings.values import Broker

GRACE_S = 5.0
LAG_S = 1.0
"""An answer is judged this much later, when this reader has surely heard what the API had heard."""

POLL_S = 0.25
LATEST_S = 60.0
"""By so much a bad link may delay what passes through it."""


@dataclass(frozen=True, slots=True)
class _Said:
    """The newest state of a space, as this reader heard it; all times are monotonic seconds.

    `heard_s` is its receipt, `fresh_s` that of the newest one that was not retained, `ends_s` when it may no longer be
    believed, and `late_s` when the last of all states so far may no longer be, by one whom they reach late.
    """

    epoch: str
    heard_s: float
    fresh_s: float
    ends_s: float
    late_s: float


@dataclass(frozen=True, slots=True)
class _Look:
    """What the API called free, when it was asked."""

    asked_s: float
    free: frozenset[tuple[str, str]]


class LiveReader:
    """Subscribes for itself and asks the API four times a second; `undisturbed_s` is since when the API hears all."""

    def __init__(
        self,
        broker: Broker,
        site: str,
        api_port: int,
        undisturbed_s: Callable[[], float],
        grace_s: float = GRACE_S,
    ) -> None:
        self._site, self._grace_s = site, grace_s
        self._url = f"http://127.0.0.1:{api_port}/api/v1/spaces?site={site}&limit=1000"
        self._undisturbed_s = undisturbed_s
        self._said: dict[tuple[str, str], _Said] = {}
        self._homes: dict[tuple[str, str], str] = {}
        self._offline: dict[tuple[str, str], float] = {}
        self._up_since_s = float("inf")
        self._looks: deque[_Look] = deque()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._longest_s = 0.0
        self.backlog: dict[str, tuple[str, int, float]] = {}
        """By agent: the epoch of its newest words, how many events it has to deliver, and when it said so."""
        self.looks = self.judged = 0
        self.overdue_s: dict[str, float] = {}
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._connection = Connection(
            broker,
            "perch-chaos-reader",
            subscriptions=[f"perch/v1/{site}/+/state/+", f"perch/v1/{site}/+/status"],
            on_message=self._hear,
            on_connection=self._linked,
        )
        self._thread = threading.Thread(target=self._run, name="live-reader", daemon=True)

    def __repr__(self) -> str:
        return f"<LiveReader of {self._site}, {self.judged} looks judged>"

    def start(self) -> None:
        """Begin to listen and to look."""
        self._connection.start()
        self._thread.start()

    def stop(self) -> None:
        """End both."""
        self._stop.set()
        self._thread.join(5)
        self._connection.stop(1.0)

    def _linked(self, up: bool) -> None:
        self._up_since_s = time.monotonic() if up else float("inf")

    def _hear(self, received: Received) -> None:
        """Take in a message, on the connection's thread; what cannot be read was sent to annoy."""
        parts = received.topic.split("/")
        try:
            told = json.loads(received.payload)
            with self._lock:
                if parts[4] == "status":
                    self._hear_status(parts[3], told)
                else:
                    self._hear_state(parts[3], parts[5], told, received.retained)
        except (ValueError, KeyError, TypeError, IndexError, RecursionError):
            return

    def _hear_status(self, agent: str, told: dict[str, object]) -> None:
        epoch = str(told["epoch"])
        if told["online"] is True:
            self._offline.pop((agent, epoch), None)
            outbox = told["outbox"]
            self.backlog[agent] = (epoch, outbox if isinstance(outbox, int) else -1, time.monotonic())
        else:
            self._offline.setdefault((agent, epoch), time.monotonic())

    def _hear_state(self, agent: str, space: str, told: dict[str, object], retained: bool) -> None:
        now_s, wall_ms = time.monotonic(), time.time_ns() // 1_000_000
        valid_ms, sent_ms = told["valid_for_ms"], told["sent_ms"]
        if not isinstance(valid_ms, int) or not isinstance(sent_ms, int) or told["v"] != 1:
            return
        self._longest_s = max(self._longest_s, valid_ms / 1000)
        dated = told["clock"] == "ok"
        since_heard_s = now_s if retained and (not dated or sent_ms > wall_ms) else now_s + valid_ms / 1000
        since_sent_s = now_s + (sent_ms + valid_ms - wall_ms) / 1000 if dated else float("inf")
        before = self._said.get((agent, space))
        self._said[agent, space] = _Said(
            epoch=str(told["epoch"]),
            heard_s=now_s,
            fresh_s=now_s if not retained else before.fresh_s if before else 0.0,
            ends_s=max(now_s, min(since_heard_s, since_sent_s)),
            late_s=max(before.late_s if before else 0.0, min(since_sent_s, now_s + valid_ms / 1000 + LATEST_S)),
        )
        self._homes[self._site, space] = agent

    def _run(self) -> None:
        while not self._stop.wait(POLL_S):
            look = self._look()
            if look is not None:
                self.looks += 1
                self._looks.append(look)
            while self._looks and time.monotonic() - self._looks[0].asked_s > LAG_S:
                self._judge(self._looks.popleft())

    def _look(self) -> _Look | None:
        asked_s = time.monotonic()
        try:
            with self._opener.open(self._url, timeout=2) as response:
                told = json.load(response)
        except (OSError, ValueError):
            return None  # nothing was shown
        return _Look(
            asked_s, frozenset((item["site"], item["id"]) for item in told["items"] if item["state"] == "free")
        )

    def _judge(self, look: _Look) -> None:
        """Count as overdue what was shown free more than the grace after its end."""
        with self._lock:
            for key in look.free:
                ends = self._ends(key, look.asked_s)
                self.judged += bool(ends)
                overdue = [why for why, over_s in ends.items() if look.asked_s - over_s > self._grace_s]
                if overdue:
                    name = f"{'/'.join(key)}, {' and '.join(overdue)}"
                    self.overdue_s[name] = self.overdue_s.get(name, 0.0) + POLL_S

    def _ends(self, key: tuple[str, str], asked_s: float) -> dict[str, float]:
        """Give since when a space may no longer be called free, and why; nothing where this reader cannot know.

        It may have missed what the API heard while it was not connected itself: that is over once it has heard
        something fresh, or so much time has passed that nothing from before may be shown. Nor does it know which
        states have reached the API, and when, while the API's own link is bad: then any that was ever sent may have.
        """
        agent = self._homes.get(key)
        said = None if agent is None else self._said.get((agent, key[1]))
        up_since_s = self._up_since_s
        if agent is None or said is None:
            return {}
        if said.fresh_s < up_since_s and asked_s - up_since_s < self._grace_s + self._longest_s:
            return {}
        offline_s, alike_s = self._offline.get((agent, said.epoch)), self._undisturbed_s()
        if said.heard_s <= alike_s:
            return {"too long since it was sent": said.late_s}
        ends = {"past its time": said.ends_s}
        if offline_s is not None and offline_s > alike_s:
            ends["its agent offline"] = offline_s
        return ends
