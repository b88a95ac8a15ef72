"""Messages said twice, in another order, altered, invented or poured out; clocks that jump."""

import sqlite3
from contextlib import closing
from pathlib import Path

from perch.adapters.sqlite import open_reader
from perch.chaos.corpus import bad_inputs, visitors
from perch.chaos.faults import Broken, Fault
from perch.chaos.faults_of_processes import may_restore_collector
from perch.chaos.stage import Stage
from perch.chaos.venue_files import SITE
from perch.contract import parse_topic, parse_up
from perch.errors import PerchError

HOUR_MS = 3_600_000
JUMPS_MS = (2_000, -2_000, HOUR_MS, -HOUR_MS, 11 * HOUR_MS, -1_795_000_000_000, 2_335_000_000_000)
"""A little, hours, back to 1970, on to 2100."""


def _repeat(stage: Stage) -> Broken | None:
    return Broken() if stage.intruder.repeat(stage.chance, stage.chance.randint(1, 30)) else None


def _alter(stage: Stage) -> Broken | None:
    """Send what is stored already with other content under the same identity."""
    heard = list(stage.intruder.heard)
    for topic, payload in stage.chance.sample(heard, min(5, len(heard))):
        if is_stored_for_good(stage, topic, payload):
            return Broken() if stage.intruder.contradict(topic, payload) else None
    return None


def is_stored_for_good(stage: Stage, topic: str, payload: bytes) -> bool:
    """Whether the journal has a batch, and each of its copies too, while one of those may still be put in its place."""
    copies = stage.folder.glob("backup-*.db") if may_restore_collector(stage) else ()
    return all(_is_stored_in(path, topic, payload) for path in (stage.data / "journal.db", *copies))


def _is_stored_in(path: Path, topic: str, payload: bytes) -> bool:
    agent, batch = parse_topic(topic).agent, parse_up(payload)
    last = batch.events[-1].seq or 0
    try:
        with closing(open_reader(path)) as db:
            row = db.execute("SELECT upto FROM stream WHERE agent = ? AND epoch = ?", (agent, batch.epoch)).fetchone()
    except (sqlite3.Error, PerchError):
        return False
    return row is not None and int(row[0]) >= last


def _bad_inputs(stage: Stage) -> Broken | None:
    messages = bad_inputs(SITE)
    stage.chance.shuffle(messages)
    return Broken() if stage.intruder.say(messages[:15], retain=stage.chance.random() < 0.1) else None


def say_visitors(stage: Stage) -> Broken | None:
    """Let agents of other versions say their words."""
    return Broken() if stage.intruder.say([(topic, payload) for _, topic, payload in visitors(SITE)]) else None


def _flood(stage: Stage) -> Broken | None:
    return Broken() if stage.intruder.flood(stage.chance.uniform(0.3, 1.0)) else None


def _jump(stage: Stage) -> Broken:
    agent = stage.chance.choice(stage.agents)
    stage.parts[agent].tell(f"wrong {stage.chance.choice(JUMPS_MS)}")
    return Broken(stage.chance.uniform(0.5, 5.0), lambda: stage.parts[agent].tell("wrong 0"))


def _doubt(stage: Stage) -> Broken:
    agent = stage.chance.choice(stage.agents)
    stage.parts[agent].tell("unsynced")
    return Broken(stage.chance.uniform(0.5, 5.0), lambda: stage.parts[agent].tell("synced"))


FAULTS = (
    Fault("batches repeated in another order", 8, _repeat),
    Fault("stored events altered", 3, _alter),
    Fault("bad input", 3, _bad_inputs),
    Fault("other versions speak", 1, say_visitors),
    Fault("rogue agent, 3,000 messages/s", 0.2, _flood),
    Fault("clock jumped", 4, _jump),
    Fault("clock not synchronised", 2, _doubt),
)
