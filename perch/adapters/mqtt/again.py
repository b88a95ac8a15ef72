"""When to connect again, and what losing a connection again and again means.

Two clients with one name put each other out, for ever: each that comes makes the broker end the other's connection.
MQTT 5 has a word for that (session taken over), which not every broker says; otherwise it is seen by connections that
are lost soon after they were made, while the broker can be reached at once. Then each waits ever longer, so that
whoever has the connection can do some work meanwhile.
"""

from dataclasses import dataclass, replace

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 30.0
SOON_S = 1.5 * LONGEST_WAIT_S
"""A connection that lasts so long is one: longer than a rival can stay away."""

SUSPICIOUS = 3
"""So many connections in a row that are lost soon are no accident."""

TAKEN_OVER = 0x8E


@dataclass(frozen=True, slots=True)
class Again:
    """Attempts that failed in a row, connections that were lost soon in a row, and whether one was taken over."""

    failed: int = 0
    lost: int = 0
    taken: bool = False

    @property
    def is_contested(self) -> bool:
        """Whether another client seems to connect under the same name."""
        return self.taken or self.lost >= SUSPICIOUS

    @property
    def wait_s(self) -> float:
        """How long to wait at most, and half of that at least."""
        doubled = self.failed + (max(1, self.lost) if self.taken else max(0, self.lost + 1 - SUSPICIOUS))
        return float(min(FIRST_WAIT_S * 2 ** min(doubled, 10), LONGEST_WAIT_S))

    def told(self, name: str) -> str | None:
        """Say in a sentence that somebody else has this client's name, None where it does not look so."""
        if not self.is_contested:
            return None
        if self.taken:
            return f"another client connects as {name!r}, and each time the broker ends this one's connection"
        return (
            f"the broker ends the connection each time soon after it was made: another client may connect as {name!r}"
        )


def after(again: Again, lasted_s: float | None, *, taken: bool) -> Again:
    """Note how a connection ended: it had lasted so long, None where it never came about."""
    if lasted_s is None:
        # where the broker is away, losing it has a reason
        return replace(again, failed=again.failed + 1, lost=again.lost if again.taken else 0)
    if lasted_s >= SOON_S and not taken:
        return Again()
    return Again(0, again.lost + 1, again.taken or taken)
