"""Looks whether the API keeps the live rule, as a listener of its own has it; the API has five seconds to notice."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from perch.chaos.listener import Listener
from perch.settings.values import Broker

GRACE_S = 5.0
LAG_S = 1.0
"""An answer is judged this much later, when the listener has surely heard what the API had heard."""

POLL_S = 0.25
KEPT_S = 60.0


@dataclass(frozen=True, slots=True)
class _Look:
    """What the API called free, when it was asked."""

    asked_s: float
    free: frozenset[str]


class LiveReader:
    """Subscribes for itself and asks the API four times a second; `undisturbed_s` is since when the API hears all."""

    def __init__(
        self,
        broker: Broker,
        site: str,
        api_port: int,
        undisturbed_s: Callable[[], float],
        grace_s: float = GRACE_S,
        poll_s: float = POLL_S,
        lag_s: float = LAG_S,
    ) -> None:
        self._site, self._grace_s, self._poll_s, self._lag_s = site, grace_s, poll_s, lag_s
        self._url = f"http://127.0.0.1:{api_port}/api/v1/spaces?site={site}&limit=1000"
        self._undisturbed_s = undisturbed_s
        self._looks: deque[_Look] = deque()
        self._stop = threading.Event()
        self.looks = self.judged = 0
        self.overdue_s: dict[str, float] = {}
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self.listener = Listener(broker, site, "perch-chaos-reader", KEPT_S)
        self._thread = threading.Thread(target=self._run, name="live-reader", daemon=True)

    def __repr__(self) -> str:
        return f"<LiveReader of {self._site}, {self.judged} looks judged>"

    def start(self) -> None:
        """Begin to listen and to look."""
        self.listener.start()
        self._thread.start()

    def stop(self) -> None:
        """End both."""
        self._stop.set()
        self._thread.join(5)
        self.listener.stop()

    def _run(self) -> None:
        while not self._stop.wait(self._poll_s):
            look = self._look()
            if look is not None:
                self.looks += 1
                self._looks.append(look)
            while self._looks and time.monotonic() - self._looks[0].asked_s > self._lag_s:
                self._judge(self._looks.popleft())

    def _look(self) -> _Look | None:
        asked_s = time.monotonic()
        try:
            with self._opener.open(self._url, timeout=2) as response:
                told = json.load(response)
        except (OSError, ValueError):
            return None  # nothing was shown
        return _Look(asked_s, frozenset(item["id"] for item in told["items"] if item["state"] == "free"))

    def _judge(self, look: _Look) -> None:
        """Count as overdue what was shown free more than the grace after its end."""
        for space in look.free:
            ends = self._ends(space, look.asked_s)
            self.judged += bool(ends)
            overdue = [why for why, over_s in ends.items() if look.asked_s - over_s > self._grace_s]
            if overdue:
                name = f"{self._site}/{space}, {' and '.join(overdue)}"
                self.overdue_s[name] = self.overdue_s.get(name, 0.0) + self._poll_s

    def _ends(self, space: str, asked_s: float) -> dict[str, float]:
        """Give since when a space may no longer be called free, and why; nothing where nobody can know.

        The listener may have missed what the API heard while it was not connected itself: that is over once it has
        heard something fresh, or so much time has passed that nothing from before may be shown. Nor does it know which
        states have reached the API, and when, while the API's own link is bad: then any that was ever sent may have.
        """
        said, up_since_s = self.listener.newest(space), self.listener.up_since_s
        if said is None:
            return {}
        if said.fresh_s < up_since_s and asked_s - up_since_s < self._grace_s + self.listener.longest_s:
            return {}
        alike_s = self._undisturbed_s()
        if said.heard_s <= alike_s:
            return {"too long since it was sent": said.late_s}
        ends = {"past its time": said.ends_s}
        offline_s = self.listener.offline_since_s(said.agent, said.epoch)
        if offline_s is not None and offline_s > alike_s:
            ends["its agent offline"] = offline_s
        return ends
