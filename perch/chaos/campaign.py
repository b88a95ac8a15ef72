"""A campaign: everything is started, broken for so many minutes by a seeded plan, made whole, and waited for."""

import heapq
import itertools
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from perch.adapters.health.collector import read_health
from perch.adapters.sqlite import open_reader
from perch.chaos import small_disks
from perch.chaos.corpus import visitors
from perch.chaos.faults import Fault
from perch.chaos.faults_of_disks import FAULTS as DISKS
from perch.chaos.faults_of_links import FAULTS as LINKS
from perch.chaos.faults_of_messages import FAULTS as MESSAGES
from perch.chaos.faults_of_messages import say_visitors
from perch.chaos.faults_of_processes import FAULTS as PROCESSES
from perch.chaos.part import memory_kib
from perch.chaos.proxy import FAIR
from perch.chaos.stage import Stage
from perch.chaos.venue_files import SITE
from perch.errors import PerchError, UnavailableError

FAULTS: tuple[Fault, ...] = (*LINKS, *PROCESSES, *MESSAGES, *DISKS)
LOOK_S = 0.02
BEHIND_S = 5.0
"""What was planned for so long ago at most is made up for, where something took its time."""

QUIET_S = 0.7
"""So long after an agent was told to be quiet, its last event has been accepted."""

MEMORY_EVERY_S, TELL_EVERY_S = 10.0, 60.0
LOADED_S = 2.0
"""So long after its start a process has loaded what it is made of, and is worth weighing."""

ITSELF = "perch chaos"
CALM_FROM, CALM_UNTIL = 0.4, 0.6
"""In a campaign that is long enough nothing is ended between these parts of it: memory grows only in what lives."""

CALM_MINUTES = 10.0


class Weighed(NamedTuple):
    """What a process held in memory (KiB) so long after the beginning, and when it had been started (both s)."""

    at_s: float
    kib: int
    started_s: float


@dataclass(slots=True)
class Course:
    """What happened: faults by name, how often one was not possible, and what processes held in memory.

    `trouble` is what did not become whole again in time.
    """

    faults: Counter[str] = field(default_factory=Counter)
    impossible: Counter[str] = field(default_factory=Counter)
    memory: dict[str, list[Weighed]] = field(default_factory=dict)
    broken_s: float = 0.0
    settled_s: float = 0.0
    trouble: str | None = None


def deal(chance: Random, faults: tuple[Fault, ...] = FAULTS) -> Iterator[Fault]:
    """Give faults for ever: the first of them, then each kind once in some order, then by their weights."""
    yield faults[0]  # it needs more time than a short campaign may have in the end
    yield from sorted(chance.sample(faults, len(faults)), key=lambda fault: fault.disturbs)
    weights = list(itertools.accumulate(fault.weight for fault in faults))
    while True:
        yield chance.choices(faults, cum_weights=weights)[0]


class Campaign:
    """Runs once over a stage that is up; `pause` waits and tells whether to stop early, `tell` hears how it goes."""

    def __init__(self, stage: Stage, pause: Callable[[float], bool], tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._stage = stage
        self._pause = pause
        self._undo: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._memory_s = 0.0
        self._told_s = time.monotonic() + TELL_EVERY_S
        self._began_s = time.monotonic()
        self.course = Course()

    def __repr__(self) -> str:
        return f"<Campaign, {self.course.faults.total()} faults>"

    def rage(self) -> None:
        """Break things for as long as the plan says."""
        plan, chance = self._stage.plan, self._stage.chance
        faults = deal(chance)
        end_s = self._stage.whole_at_s = time.monotonic() + plan.minutes * 60
        next_s = time.monotonic()
        while time.monotonic() < end_s and not self._pause(LOOK_S):
            self._keep_going()
            if time.monotonic() >= next_s:
                next_s = max(next_s + chance.expovariate(plan.faults_per_s), time.monotonic() - BEHIND_S)
                self._break(next(fault for fault in faults if not (fault.deadly and self._is_calm())))
        self.course.broken_s = time.monotonic() - self._began_s

    def make_whole(self) -> None:
        """Undo everything, and wait until all that was accepted is delivered and projected; then end Perch."""
        began_s = time.monotonic()
        self._undo_all()
        self._quieten()
        try:
            self._deliver()
            self._drain_clones()
            self._wait(self._is_projected, "the projections are behind")
        except UnavailableError as error:
            self.course.trouble = error.what
        self._end_perch()
        self.course.settled_s = time.monotonic() - began_s

    def _is_calm(self) -> bool:
        minutes, past_s = self._stage.plan.minutes, time.monotonic() - self._began_s
        return minutes >= CALM_MINUTES and CALM_FROM <= past_s / (minutes * 60) < CALM_UNTIL

    def _break(self, fault: Fault) -> None:
        broken = fault.deed(self._stage)
        if broken is None:
            self.course.impossible[fault.name] += 1
            return
        self.course.faults[broken.became or fault.name] += 1
        if broken.undo is not None:
            heapq.heappush(self._undo, (time.monotonic() + broken.for_s, next(self._order), broken.undo))

    def _keep_going(self) -> None:
        now_s = time.monotonic()
        while self._undo and self._undo[0][0] <= now_s:
            heapq.heappop(self._undo)[2]()
        self._stage.see_to_all()
        if now_s >= self._memory_s:
            self._memory_s = now_s + MEMORY_EVERY_S
            self._weigh(now_s - self._began_s)
        if now_s >= self._told_s:
            self._told_s = now_s + TELL_EVERY_S
            accepted = sum(testimony.total for testimony in self._stage.testimonies.values())
            minutes = round((now_s - self._began_s) / 60)
            self._tell(f"{minutes} min: {self.course.faults.total():,} faults, {accepted:,} events accepted")

    def _weigh(self, at_s: float) -> None:
        held = {name: (part.memory_kib, part.started_s) for name, part in self._stage.parts.items()}
        held[ITSELF] = memory_kib(os.getpid()), self._began_s
        for name, (kib, started_s) in held.items():
            if kib is not None and time.monotonic() - started_s > LOADED_S:
                self.course.memory.setdefault(name, []).append(Weighed(at_s, kib, started_s - self._began_s))

    def _undo_all(self) -> None:
        while self._undo:
            heapq.heappop(self._undo)[2]()
        stage = self._stage
        for part in stage.parts.values():
            part.limit_files(False)
            part.thaw(part.pid)
        if stage.disks:
            for folder in (stage.data, *map(stage.agent_data, stage.agents)):
                small_disks.release(folder)
        for link in stage.links.values():
            link.turn(FAIR)
            link.reset()

    def _quieten(self) -> None:
        """Nobody moves any more; whatever is started from now on begins like that."""
        for agent in self._stage.agents:
            self._stage.use_config(agent, load=0.0)
            for order in ("load 0", "wrong 0", "synced"):
                self._stage.parts[agent].tell(order)

    def _deliver(self) -> None:
        def orders_are_heard() -> bool:
            self._quieten()
            return all(part.running for part in self._stage.parts.values())

        self._wait(orders_are_heard, "a process does not come up again")
        asked_s = time.monotonic()
        self._wait(lambda: self._visitors_are_stored() and self._nothing_waits(asked_s), "events are not delivered")

    def _visitors_are_stored(self) -> bool:
        stage = self._stage
        with closing(open_reader(stage.data / "journal.db")) as db:
            stored = {tuple(row) for row in db.execute("SELECT site, agent, epoch FROM stream WHERE upto >= 3")}
        missing = {tuple(stream) for stream, _, _ in visitors(SITE)} - stored
        if missing and int(time.monotonic() * 2) % 2:
            say_visitors(stage)
        return not missing

    def _nothing_waits(self, since_s: float) -> bool:
        """Whether each agent said, a while after it was told to be quiet, that nothing waits in its outbox."""
        for agent in self._stage.agents:
            _, outbox, said_s = self._stage.reader.listener.backlog.get(agent, ("", -1, 0.0))
            if outbox != 0 or said_s < since_s + QUIET_S:
                self._stage.parts[agent].tell("load 0")
                return False
        return True

    def _drain_clones(self) -> None:
        """Let each copy of an outbox deliver what only it has, while its original does not run."""
        stage = self._stage
        for agent, config in stage.clones:
            stage.parts[agent].kill(None)
            stage.use_config(agent, load=0.0, config=config)
            asked_s = time.monotonic()
            stage.parts[agent].start()
            self._wait(lambda since_s=asked_s: self._nothing_waits(since_s), f"{config.stem} does not deliver")  # type: ignore[misc]

    def _is_projected(self) -> bool:
        health = read_health(self._stage.data)
        if health is None or not health.running:
            return False
        with closing(open_reader(self._stage.data / "journal.db")) as db:
            end = db.execute("SELECT coalesce(max(position + count - 1), 0) FROM run").fetchone()[0]
        return health.end == end and all(one.position == end for one in health.projections.values())

    def _end_perch(self) -> None:
        for agent in self._stage.agents:
            self._stage.parts.pop(agent).kill(None)  # in order, it would say last words, and nobody would answer
        for name in ("api", "collector"):
            self._stage.parts.pop(name).end(10.0)

    def _wait(self, done: Callable[[], bool], otherwise: str) -> None:
        end_s = time.monotonic() + self._stage.plan.patience_s
        while not done():
            self._keep_going()
            if self._pause(0.1):
                raise PerchError("the campaign was interrupted", "what it found until then is not judged")
            if time.monotonic() > end_s:
                raise UnavailableError(f"{otherwise} within {self._stage.plan.patience_s:g} s", "see the logs")
