"""All live states of a network, as they may be shown now; owns no clock and no timer."""

import heapq
from collections.abc import Iterator, Mapping

from perch.delivery.liveness import Heard, Instant, Report, left_ms, overlaid
from perch.model import Clock, Occupancy, Reason, State

Key = tuple[str, str]
"""(site, space), or (site, agent) where an agent is meant."""

_EPOCHS_REMEMBERED = 4
_PRIOR = 0.5
STALL_MS = 3_000
"""A reader lets time pass at least each second: one that did not for so long stood still."""

DOUBT_MS = 5_000
"""For so long after it stood still, what comes may have been waiting for it."""

CLOCK_STEP_MS = 1_000
"""A wall clock that moved so much more or less than the monotonic one was set, or its machine slept."""


class Board:
    """What each space of the layout may be shown as; every call returns the keys of the spaces whose showing changed.

    `homes` names the agent that serves each (site, space) today; what other agents say of a space is not heard.
    Not safe for several threads: one owner calls it.
    """

    def __init__(self, homes: Mapping[Key, str]) -> None:
        self._homes = dict(homes)
        self._heard: dict[Key, Heard] = {}
        self._shown: dict[Key, Occupancy] = {}
        self._online: dict[Key, dict[str, bool]] = {}
        self._spaces_of: dict[Key, list[Key]] = {}
        self._timers: list[tuple[int, Key]] = []
        self._timer_of: dict[Key, int] = {}
        self._wall_ahead_ms: int | None = None
        self._awake: Instant | None = None
        self._before_stall: Instant | None = None
        self._doubtful_until_ms = 0
        self.stalls = 0
        """How often the reader was found to have stood still."""
        self._index_homes()

    def __repr__(self) -> str:
        return f"<Board of {len(self._homes)} spaces, {len(self._heard)} heard>"

    def __iter__(self) -> Iterator[Key]:
        return iter(self._homes)

    @property
    def deadline(self) -> int | None:
        """The monotonic ms at which `tick` has something to do, None while nothing can go stale."""
        return self._timers[0][0] if self._timers else None

    def occupancy(self, site: str, space: str) -> Occupancy:
        """Give what a space may be shown as (`since_ms` 0: never heard); raises KeyError for an unknown space."""
        key = (site, space)
        if key not in self._homes:
            raise KeyError(key)
        return self._shown.get(key) or Occupancy(State.UNKNOWN, _PRIOR, None, Reason.NEVER_REPORTED, 0)

    def heard_ms(self, site: str, space: str) -> int | None:
        """Give when the last evidence of a space was sent (wall ms), None where there never was any."""
        heard = self._heard.get((site, space))
        return None if heard is None else heard.evidence_ms

    def hear_state(self, site: str, agent: str, space: str, report: Report, now: Instant, retained: bool) -> list[Key]:
        """Take in a state, unless another agent serves that space."""
        key = (site, space)
        if self._homes.get(key) != agent:
            return []
        self._heard[key] = Heard(report, self._receipt(report, now), retained)
        return self._show([key], now)

    def hear_status(self, site: str, agent: str, online: bool, epoch: str, now: Instant) -> list[Key]:
        """Take in a status or a will: it speaks of the states of its own epoch only."""
        epochs = self._online.setdefault((site, agent), {})
        epochs.pop(epoch, None)
        epochs[epoch] = online
        if len(epochs) > _EPOCHS_REMEMBERED:
            self._forget_epochs((site, agent), epochs)
        return self._show(self._spaces_of.get((site, agent), []), now)

    def tick(self, now: Instant) -> list[Key]:
        """Let time pass: what is past its time becomes `unknown`; a wall clock that was set has all looked at again.

        To be called at least each second.
        """
        self._attend(now)
        due = list(self._heard) if self._was_set(now) else []
        while self._timers and self._timers[0][0] <= now.mono_ms:
            at_ms, key = heapq.heappop(self._timers)
            if self._timer_of.get(key) == at_ms:
                del self._timer_of[key]
            due.append(key)
        return self._show(due, now)

    def set_homes(self, homes: Mapping[Key, str]) -> list[Key]:
        """Adopt another layout; what was heard of a space that moved to another agent is forgotten."""
        moved = {key for key in self._homes.keys() | homes.keys() if self._homes.get(key) != homes.get(key)}
        for key in moved:
            self._heard.pop(key, None)
            self._shown.pop(key, None)
        self._homes = dict(homes)
        self._index_homes()
        return sorted(moved)

    def _attend(self, now: Instant) -> None:
        """Notice that this reader stood still; a message may have waited in order, and so be of an earlier moment."""
        before = self._awake
        if before is not None and now.mono_ms < before.mono_ms:
            return
        self._awake = now
        if before is not None and now.mono_ms - before.mono_ms > STALL_MS:
            self._before_stall = before
            self._doubtful_until_ms = now.mono_ms + DOUBT_MS
            self.stalls += 1

    def _receipt(self, report: Report, now: Instant) -> Instant:
        """Give when a report was received at the earliest."""
        self._attend(now)
        dated = report.clock is Clock.OK and report.sent_ms <= now.wall_ms
        if dated or self._before_stall is None or now.mono_ms > self._doubtful_until_ms:
            return now
        return self._before_stall

    def _forget_epochs(self, agent: Key, epochs: dict[str, bool]) -> None:
        """Let go of the oldest epochs that nothing heard belongs to."""
        heard = (self._heard.get(key) for key in self._spaces_of.get(agent, ()))
        needed = {one.report.epoch for one in heard if one is not None}
        for epoch in [epoch for epoch in epochs if epoch not in needed][:-_EPOCHS_REMEMBERED]:
            del epochs[epoch]

    def _was_set(self, now: Instant) -> bool:
        ahead_ms = now.wall_ms - now.mono_ms
        known_ms = self._wall_ahead_ms
        if known_ms is not None and abs(ahead_ms - known_ms) <= CLOCK_STEP_MS:
            return False
        self._wall_ahead_ms = ahead_ms
        return True

    def _index_homes(self) -> None:
        self._spaces_of = {}
        for (site, space), agent in self._homes.items():
            self._spaces_of.setdefault((site, agent), []).append((site, space))

    def _show(self, keys: list[Key], now: Instant) -> list[Key]:
        changed = []
        for key in dict.fromkeys(keys):
            heard = self._heard.get(key)
            if heard is None:
                continue
            online = self._online.get((key[0], self._homes[key]), {}).get(heard.report.epoch, True)
            occupancy = overlaid(heard, now, online=online)
            if self._was_stale_already(key, occupancy):
                continue
            if self._shown.get(key) != occupancy:
                self._shown[key] = occupancy
                changed.append(key)
            self._set_timer(key, heard, now)
        return changed

    def _was_stale_already(self, key: Key, occupancy: Occupancy) -> bool:
        """Whether a space stays overlaid: then the moment from which it was unknown stays as well."""
        shown = self._shown.get(key)
        return shown is not None and occupancy.reason is shown.reason is Reason.AGENT_OFFLINE

    def _set_timer(self, key: Key, heard: Heard, now: Instant) -> None:
        """Wake up when the report goes stale; a timer that is set already and rings before that sets the next one."""
        left = left_ms(heard, now)
        at_ms = now.mono_ms + left + 1
        if left >= 0 and self._timer_of.get(key, at_ms + 1) > at_ms:
            self._timer_of[key] = at_ms
            heapq.heappush(self._timers, (at_ms, key))
