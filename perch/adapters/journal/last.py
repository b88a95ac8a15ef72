"""When something of an agent was stored last, as its journal tells."""

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from perch.adapters.sqlite import open_reader, reported

NAME = "journal.db"
_NEWEST = (
    "SELECT received_ms FROM run WHERE stream = (SELECT max(stream) FROM stream WHERE site = ? AND agent = ?)"
    " ORDER BY seq DESC LIMIT 1"
)


def last_received(data: Path, agents: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Give, for each agent that was ever heard, when its newest epoch's newest events came; raises StorageError."""
    path = data / NAME
    if not path.exists():
        return {}
    with closing(open_reader(path)) as db, reported(path):
        found = {agent: db.execute(_NEWEST, agent).fetchone() for agent in agents}
    return {agent: int(row[0]) for agent, row in found.items() if row is not None}
