"""Says once in the log what somebody has to look after: agents that harm, and rows that were not taken."""

import logging

from perch.adapters.health.collector import CollectorHealth, says_others

log = logging.getLogger("collector.health")

CONFLICT = (
    "%s sent other content under the identity of a stored event: somebody speaks in its name, or its outbox was copied."
    " Nothing was overwritten. See to its credential; perch quarantine list --code conflict --agent %s shows it"
)
THROTTLED = (
    "%s sends more than one agent may: it is slowed down, and what is too much is let go. It may send that again."
    " See what is wrong with it, or take its credential away"
)
DEFERRED = (
    "%s restarts too often, or leaves too many gaps: some of its messages are neither stored nor acknowledged."
    " It keeps them. See what is wrong with it"
)
OTHERS = "%s: agents cannot tell what is stored; end one of them, or give it a broker of its own"
QUARANTINED = (
    "messages that could not be taken in are in quarantine (%s): perch quarantine list --code %s shows who sent what,"
    " docs/operators.md what each code means"
)
REFUSED = "%s: InfluxDB did not take %d rows, which are in the file influx.refused; see why there"
EXPIRED = "%s: %d rows are older than their bucket keeps, and were left out; lengthen its retention to have them"


class Alarms:
    """Remembers what was said; `settle` looks at the newest figures."""

    def __init__(self) -> None:
        self._said: set[tuple[str, str]] = set()

    def __repr__(self) -> str:
        return f"<Alarms, {len(self._said)} raised>"

    def settle(self, health: CollectorHealth) -> None:
        """Raise what is new."""
        for journal in health.others:
            if self._is_new(OTHERS, journal):
                log.error(OTHERS, says_others((journal,)))
        for agent in health.conflicts:
            if self._is_new(CONFLICT, agent):
                log.error(CONFLICT, agent, agent)
        for text, agents in ((THROTTLED, health.throttled), (DEFERRED, health.deferred)):
            for agent in agents:
                if self._is_new(text, agent):
                    log.warning(text, agent)
        for code in health.quarantined if health.quarantine_kept else ():
            if self._is_new(QUARANTINED, code):
                log.warning(QUARANTINED, code, code)
        for name, state in health.projections.items():
            for text, rows in ((REFUSED, state.refused), (EXPIRED, state.expired)):
                if rows and self._is_new(text, name):
                    log.warning(text, f"projection {name}", rows)

    def _is_new(self, text: str, name: str) -> bool:
        if (text, name) in self._said:
            return False
        self._said.add((text, name))
        return True
