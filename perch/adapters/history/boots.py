"""What is known of agents' boots, as it lies in `history.db` beside the words that are placed by it."""

import sqlite3
from collections.abc import Mapping

from perch.delivery.boots import Boot, Boots, Life


def load(db: sqlite3.Connection, site: str, agent: str) -> Boots:
    """Give what is known of an agent's boots, in the order of their first appearance."""
    boots = db.execute(
        "SELECT id, own_ms, estimate_ms, floating, before FROM boot WHERE site = ? AND agent = ? ORDER BY boot",
        (site, agent),
    )
    known = {boot: Boot(own, estimate, bool(floating), bool(before)) for boot, own, estimate, floating, before in boots}
    lives = db.execute(
        "SELECT boot, epoch, top_mono_ms, clock_seq, clock_ms FROM life WHERE site = ? AND agent = ?", (site, agent)
    )
    tellings = db.execute("SELECT teller, named FROM telling WHERE site = ? AND agent = ?", (site, agent)).fetchall()
    return Boots.of(known, {(boot, epoch): Life(*life) for boot, epoch, *life in lives}, tellings)


Learned = Mapping[tuple[str, str], tuple[Boots, Boots]]
"""What was known of an agent's boots, and what is known now, by (site, agent)."""


def save(db: sqlite3.Connection, learned: Learned) -> None:
    """Write what has become known of agents' boots."""
    changed = [(agent, before, after) for agent, (before, after) in learned.items() if before is not after]
    db.executemany(
        "INSERT INTO boot (site, agent, id, own_ms, estimate_ms, floating, before) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET own_ms = excluded.own_ms, estimate_ms = excluded.estimate_ms,"
        " floating = excluded.floating, before = excluded.before",
        [
            (*agent, name, boot.own_ms, boot.estimate_ms, boot.floating, boot.before)
            for agent, before, after in changed
            if before.boots is not after.boots
            for name, boot in after.boots.items()
            if before.boots.get(name) is not boot
        ],
    )
    db.executemany(
        "INSERT OR REPLACE INTO life VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (*agent, *key, life.top_mono_ms, life.clock_seq, life.clock_ms)
            for agent, before, after in changed
            for key, life in after.lives.items()
            if before.lives.get(key) is not life
        ],
    )
    db.executemany(
        "INSERT INTO telling VALUES (?, ?, ?, ?)",
        [(*agent, *pair) for agent, before, after in changed for pair in after.tellings - before.tellings],
    )
